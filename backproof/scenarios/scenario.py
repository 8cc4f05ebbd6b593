"""A scenario: a network, and the precisions in which each column is certified on it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.adapters.gaps import Why
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS

Recipe = Callable[[int, Mapping[str, Why]], Network]
"""From a seed, and what an adapter does not support, to a network."""

EVERYTHING: Mapping[str, Why] = {}
"""Of an adapter that supports everything."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Precisions: those of every run, and the further ones of a run with --large."""

    always: tuple[str, ...] = ()
    large: tuple[str, ...] = ()


EVERY = Extent(tuple(PRECISIONS))
BOTH = Extent(("float64", "float32"))
ONCE = Extent(("float32",))
NONE = Extent()
EVERY_IF_LARGE, BOTH_IF_LARGE, ONCE_IF_LARGE = (Extent(large=e.always) for e in (EVERY, BOTH, ONCE))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One network that implementations are certified on.

    name:       in reports and in the ids of tests.
    recipe:     makes the network.
    extent:     the precisions of every column that has no exception.
    exceptions: kind of column -> its own extent: "eager", "rewritten" (a pass as a whole),
                "compiled" (compiling takes long), or one variant of these ("compiled vmap").
    """

    name: str
    recipe: Recipe
    extent: Extent = EVERY
    exceptions: Mapping[str, Extent] = field(default_factory=dict)

    def network(self, seed: int = 0, unsupported: Mapping[str, Why] = EVERYTHING) -> Network:
        """Return the network of a seed, for an adapter with some ops and options unsupported."""
        return self.recipe(seed, unsupported)

    def precisions(self, column: Column, *, large: bool) -> tuple[str, ...]:
        """Return the precisions in which a column is certified; large: whether with --large."""
        of = traits(column)
        kind = "compiled" if of.compiled else "rewritten" if of.rewritten else "eager"
        exception = self.exceptions.get(kind, self.extent)
        extent = self.exceptions.get(f"{kind} {column.variant}", exception)
        return tuple(dict.fromkeys((*extent.always, *(extent.large if large else ()))))

    @property
    def is_large(self) -> bool:
        """Whether it is certified only with --large."""
        return bool(self.extent.large) and not self.extent.always


def seeded(network: Callable[..., Network], *sizes: Any, **options: Any) -> Recipe:
    """Return the recipe of a network that has a seed, and the same ops for every adapter."""
    return lambda seed, _: network(*sizes, **options, seed=seed)


def table(*scenarios: Scenario) -> dict[str, Scenario]:
    """Return name -> scenario."""
    return {scenario.name: scenario for scenario in scenarios}


def parameters(
    columns: Iterable[Column], scenarios: Mapping[str, Scenario], *, large: bool
) -> Iterator[Any]:
    """Yield column, scenario's name and precision, with readable ids."""
    for column in columns:
        for name, scenario in scenarios.items():
            for precision in scenario.precisions(column, large=large):
                yield pytest.param(column, name, precision, id=f"{name}-{precision}-{column}")
