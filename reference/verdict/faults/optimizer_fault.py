"""What a fault of an optimizer is, and the ways of making one of the right optimizer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from typing import Any

from backproof.reference.optimizers import OPTIMIZERS, Optimizer
from backproof.reference.verdict.faults.fault import COMMON

Options = Mapping[str, Any]

Of = Callable[[str, Options], Optimizer | None]
"""(Definition, options) -> the wrong optimizer, or None where the mistake cannot be made."""


@dataclass(frozen=True, slots=True)
class OptimizerFault:
    """One classical mistake: name, gives and source as of `Fault`; of: what makes it."""

    name: str
    gives: str
    of: Of
    source: str = COMMON


def right(definition: str, options: Options) -> Optimizer:
    """Return the right optimizer."""
    return OPTIMIZERS[definition](**options)


def with_line(optimizer: Optimizer, name: str, wrong: Callable[..., Any]) -> Optimizer:
    """Return an optimizer with one of its lines replaced, in its place."""
    return replace(optimizer, lines={**optimizer.lines, name: wrong})


def scalars(names: tuple[str, ...], wrong: Callable[..., Any]) -> Of:
    """Compute otherwise what a step has one of: wrong(the right f, t)."""

    def of(definition: str, options: Options) -> Optimizer | None:
        optimizer = right(definition, options)
        changed = {
            name: partial(wrong, f) for name, f in optimizer.scalars.items() if name in names
        }
        if not changed:
            return None
        return replace(optimizer, scalars={**optimizer.scalars, **changed})

    return of


def option(name: str, wrong: Callable[[Any], Any]) -> Of:
    """Give an option another value, where a number was asked for."""

    def of(definition: str, options: Options) -> Optimizer | None:
        if not options.get(name) or not isinstance(options[name], int | float):
            return None
        return right(definition, {**options, name: wrong(options[name])})

    return of


def instead(claimed: str, other: str) -> Of:
    """Put another definition in the place of the one claimed."""

    def of(definition: str, options: Options) -> Optimizer | None:
        if definition != claimed or ("adam" in definition and not options.get("weight_decay")):
            return None
        try:
            signature(OPTIMIZERS[other]).bind(**options)
        except TypeError:  # the other definition lacks an option
            return None
        return right(other, options)

    return of


def line(name: str, wrong: Callable[..., Any], needs: tuple[str, ...] = ()) -> Of:
    """Compute a line otherwise: wrong(options, its operands), where options needed are given."""

    def of(definition: str, options: Options) -> Optimizer | None:
        optimizer = right(definition, options)
        if name not in optimizer.lines or not all(options.get(need) for need in needs):
            return None
        return with_line(optimizer, name, partial(wrong, options))

    return of
