"""What an optimizer is: the assignments of its paper, in their order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from inspect import signature
from itertools import pairwise
from typing import Any

import numpy as np

Formula = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Optimizer:
    """One step as pseudocode prints it: m <- ..., v <- ..., w <- ...

    lines:   name -> formula. A formula names its arguments: the gradient g, the parameter w, states
             and scalars. Each has its current value: in the line `m`, m is the former one; in
             later lines it is the new one. A line that is neither w nor a state is an intermediate.
    start:   state -> the number that all its entries start with.
    scalars: name -> f(t), one number per step (a bias correction, a rate); t counts from 1.
    forms:   what implementations are known to do differently -> the lines computed in that way:
             equal on paper, but rounded differently.

    All arrays are of one shape, (entries,) or (steps, entries): the parameters lie side by side,
    and end at `ends`, which a formula may name. Every formula is elementwise, except for norms,
    which are over the last axis: of all parameters together, or of `each` alone.
    """

    lines: Mapping[str, Formula]
    start: Mapping[str, float] = field(default_factory=dict)
    scalars: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    forms: Mapping[str, Mapping[str, Formula]] = field(default_factory=dict)

    def at(self, t: Any) -> dict[str, Any]:
        """Return the scalars of step t, or of an array of steps."""
        return {name: scalar(t) for name, scalar in self.scalars.items()}

    def assign(
        self,
        known: Mapping[str, Any],
        shown: Callable[[str, Any], Any] = lambda _, result: result,
    ) -> dict[str, Any]:
        """Return line -> its result.

        known: w, g, every state and every scalar, t and ends, by name. shown: (line, its result) ->
        what the lines after it see: a certificate hands them the framework's own number.
        """
        known, results = dict(known), {}
        for name, line in self.lines.items():
            results[name] = line(**{symbol: known[symbol] for symbol in signature(line).parameters})
            known[name] = shown(name, results[name])
        return results

    def by(self, form: str) -> "Optimizer":
        """Return this optimizer as it is computed in one of its forms; "" is its own."""
        return replace(self, lines={**self.lines, **self.forms[form]}) if form else self


def prepared(weight_decay: float, *, maximize: bool = False) -> dict[str, Formula]:
    """Return the line g <- g + weight_decay w, which adds an L2 penalty's gradient; or no line.

    Coupled decay (Loshchilov and Hutter 2019, alg. 1, line 4). maximize: descent on -E.
    """

    def g(g: Any, w: Any) -> Any:
        g = -g if maximize else g
        return g + weight_decay * w if weight_decay else g

    return {"g": g} if weight_decay or maximize else {}


def interpolated(beta: float) -> dict[str, dict[str, Formula]]:
    """Return the form of m <- beta m + (1 - beta) g that interpolates: m + (1 - beta)(g - m)."""
    return {"mean by interpolation": {"m": lambda g, m: m + (1 - beta) * (g - m)}}


def each(f: Callable[[Any], Any], a: Any, ends: tuple[int, ...]) -> Any:
    """Return f of each parameter's entries, side by side; what f gives one of holds for all."""
    parts = (a[..., start:end] for start, end in pairwise((0, *ends)))
    return np.concatenate([np.broadcast_to(f(part), part.shape) for part in parts], axis=-1)
