"""The article's two iterations as every implementation computes them, each computed once."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.commanded import Commanded
from backproof.adapters.isolation import Isolated, isolated
from backproof.adapters.protocol import Adapter, AdapterError, Unsupported, check, raised
from backproof.reference.article.figures import Address, Article
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.training import Iteration, iterations
from backproof.running.options import REFERENCE, TIME_LIMIT

Result = TypeVar("Result")

Own = Path | tuple[str, ...]
"""Your own adapter: its file, or the words of its command."""


class Implementations:
    """Runs each implementation in each precision once, and hands out single, checked numbers.

    article: its network is run.
    paths:   adapter's name -> its file or its command, or None for one of `adapters.TABLE`. Your
             own adapter runs in its own process.
    limit:   seconds that a call of your own adapter may take.

    An adapter starts every iteration at the reference's float64 weights, and updates them by the
    reference's gradients: a wrong gradient does not make the second iteration wrong.
    """

    def __init__(
        self, article: Article, paths: Mapping[str, Own | None], limit: float = TIME_LIMIT
    ) -> None:
        """Run nothing yet."""
        self.article = article
        self.paths = paths
        self.limit = limit
        self.adapter = _remembered(self._load)
        self._run = _remembered(self._iterations)
        self._ball = cache(self._balls)

    def value(self, implementation: str, precision: str, iteration: int, quantity: str) -> float:
        """Return a quantity (an expression) as an implementation computes it.

        Raises AdapterError, which names adapter, precision, iteration and place; Unsupported.
        """
        model = self._run(REFERENCE, precision)[iteration - 1]
        found = self._run(implementation, precision)[iteration - 1]

        def at(address: Address) -> float:
            place = f"{implementation}, {precision}, iteration {iteration}, {address.array}"
            try:
                number = check(address.whole(found), address.whole(model))[address.index]
            except KeyError:
                raise AdapterError(f"{place}: {address.kind} lacks it") from None
            except AdapterError as error:
                raise AdapterError(f"{place}, {address.kind}: {error}") from error
            if not np.isfinite(number):
                raise AdapterError(
                    f"{place}{list(address.index)}, {address.kind}: "
                    f"expected a finite number, found {number}"
                )
            return float(number)

        return float(self.article.value(quantity, float, at))

    def ball(self, precision: str, iteration: int, quantity: str) -> Ball:
        """Return the ball in which any correct evaluation in a precision lies."""
        at = self.article.addresses[quantity]
        ball: Ball = at.of(self._ball(precision)[iteration - 1])
        return ball

    def version(self, implementation: str) -> str | None:
        """Return the version of an implementation; None if it cannot be loaded."""
        if implementation == REFERENCE:
            return f"numpy {np.__version__}"
        with suppress(AdapterError):
            adapter: Adapter | Isolated | Commanded = self.adapter(Column(implementation))
            return str(adapter.version)  # PyTorch's is a subclass of str
        return None

    def processor(self, framework: str) -> Collection[str]:
        """Return the processor features that a framework may use, if it is verified and says so."""
        with suppress(AdapterError):
            if framework in self.paths:
                return adapters.load(framework).processor
        return ()

    def _load(self, column: Column) -> Adapter | Isolated | Commanded:
        name, path = column.framework, self.paths.get(column.framework)
        if path is None:
            return adapters.load(str(column))
        try:
            if isinstance(path, Path):
                return isolated(name, path, self.limit)
            return Commanded(path, self.limit)
        except AdapterError as error:
            prefix = f"adapter {name}: "
            raise AdapterError(prefix + str(error).removeprefix(prefix)) from None

    def _balls(self, precision: str) -> list[Iteration]:
        def rounded(values: Any) -> Any:
            return Ball.rounded(values, PRECISIONS[precision].flushing())

        leaves = self.article.network.leaves(rounded)
        return _two(iterations(self.article.network, leaves, rounded(self.article.eta)))

    def _iterations(self, implementation: str, precision: str) -> list[Iteration]:
        if implementation != REFERENCE:
            return self._adapted(implementation, precision)
        leaves = self.article.network.leaves(lambda a: a.astype(precision))
        return _two(iterations(self.article.network, leaves, float(self.article.eta)))

    def _adapted(self, name: str, precision: str) -> list[Iteration]:
        adapter, network = self.adapter(Column(name)), self.article.network
        eta = float(self.article.eta)

        def run() -> list[Iteration]:
            found = []
            for model in self._run(REFERENCE, "float64"):
                leaves = {k: a.astype(precision) for k, a in model.leaves.items()}
                shapes = {k: a.shape for k, a in model.trace.values.items()}
                updated = {
                    k: adapter.update(leaves[k], model.trace.gradients[k].astype(precision), eta)
                    for k in model.updated
                }
                found.append(Iteration(leaves, adapter.trace(network, leaves, shapes), updated))
            return found

        return guarded(f"{name}, {precision}, {network.name}", run)


def guarded(place: str, run: Callable[[], Result]) -> Result:
    """Return what `run` returns. Any error but Unsupported becomes an AdapterError with `place`."""
    try:
        return run()
    except Unsupported:
        raise
    except AdapterError as error:
        raise AdapterError(f"{place}: {error}") from error
    except Exception as error:
        raise AdapterError(f"{place}: {raised(error)}") from error


def installed(package: str) -> str:
    """Return the installed version of a package, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _two(endless: Any) -> list[Iteration]:
    return list(islice(endless, 2))


def _remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its results and errors remembered."""

    @cache
    def once(*arguments: Any) -> tuple[Any, Exception | None]:
        try:
            return function(*arguments), None
        except (AdapterError, Unsupported) as error:
            return None, error

    def remembered(*arguments: Any) -> Any:
        result, error = once(*arguments)
        if error is not None:
            raise error.with_traceback(None)
        return result

    return remembered
