"""What an optimizer is: the assignments of its paper, in their order."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from inspect import Parameter, Signature, signature
from math import prod
from typing import Any

import numpy as np

Formula = Callable[..., Any]

Shapes = tuple[tuple[int, ...], ...]
"""The shape of each parameter."""


def computed(name: str, line: Formula, operands: Mapping[str, Any]) -> Any:
    """Return the result of a line, of any name."""
    return line(**operands)


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
    stored:  line -> the name of the precision in which it is computed and stored, if it is another
             one than the parameters' own.
    again:   makes the same optimizer with other options: from (name, value) to the other value.

    All arrays are of one shape, (entries,) or (steps, entries): the parameters lie side by side,
    and have the shapes `shapes`, which a formula may name. A state of fewer numbers, such as the
    means of rows, is repeated for all entries that it holds for. Every formula is elementwise,
    except for norms, which are over the last axis, of all parameters together or of `each` alone,
    and for what is computed `in_shape`.
    """

    lines: Mapping[str, Formula]
    start: Mapping[str, float] = field(default_factory=dict)
    scalars: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    forms: Mapping[str, Mapping[str, Formula]] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)
    again: "Again | None" = field(default=None, compare=False)

    def at(self, t: Any) -> dict[str, Any]:
        """Return the scalars of step t, or of an array of steps."""
        return {name: scalar(t) for name, scalar in self.scalars.items()}

    def assign(
        self,
        known: Mapping[str, Any],
        shown: Callable[[str, Any], Any] = lambda _, result: result,
        compute: Callable[[str, Formula, Mapping[str, Any]], Any] = computed,
    ) -> dict[str, Any]:
        """Return line -> its result.

        known: w, g, every state and every scalar, t and shapes, by name.
        shown: (line, its result) -> what the lines after it see: a certificate hands them the
        framework's own number.
        compute: (line, its formula, operands by name) -> its result.
        """
        known, results = dict(known), {}
        for name, line in self.lines.items():
            operands = {symbol: known[symbol] for symbol in signature(line).parameters}
            results[name] = compute(name, line, operands)
            known[name] = shown(name, results[name])
        return results

    def by(self, form: str) -> "Optimizer":
        """Return this optimizer as it is computed in one of its forms; "" is its own."""
        return replace(self, lines={**self.lines, **self.forms[form]}) if form else self


Again = Callable[[Callable[[str, Any], Any]], Optimizer]
"""From what changes each option, by its name, to the optimizer with the options changed."""


def remembering(definition: Callable[..., Optimizer]) -> Callable[..., Optimizer]:
    """Return a definition whose optimizers can be made `again`."""

    @wraps(definition)
    def made(**options: Any) -> Optimizer:
        parameters = signature(definition).parameters.values()
        known = {one.name: one.default for one in parameters if one.default is not Parameter.empty}

        def again(changed: Callable[[str, Any], Any]) -> Optimizer:
            return made(**{k: changed(k, value) for k, value in {**known, **options}.items()})

        return replace(definition(**options), again=again)

    return made


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


def reading(f: Formula, *names: str) -> Formula:
    """Return a line that computes f of the operands of these names, in this order."""

    def line(*first: Any, **others: Any) -> Any:
        return f(*first, *(others[name] for name in names[len(first) :]))

    parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    vars(line)["__signature__"] = Signature(parameters)
    return line


def each(f: Callable[[Any], Any], a: Any, shapes: Shapes) -> Any:
    """Return f of each parameter's entries, side by side; what f gives one of holds for all."""
    found = [np.broadcast_to(f(part), part.shape) for part in parts(a, shapes)]
    return np.concatenate(found, axis=-1)


def in_shape(f: Formula, shapes: Shapes, *arrays: Any) -> Any:
    """Return f of the arrays of each parameter in its shape, (..., *shape), side by side again.

    f: (shape, its arrays) -> an array that can be broadcast to them; axes count from the last.
    """
    found = []
    for shape, *of in zip(shapes, *(parts(a, shapes) for a in arrays), strict=True):
        whole = (*of[0].shape[:-1], *shape)
        result = np.broadcast_to(f(shape, *(part.reshape(*whole) for part in of)), whole)
        found.append(result.reshape(*of[0].shape))
    return np.concatenate(found, axis=-1)


def parts(a: Any, shapes: Shapes) -> Iterator[Any]:
    """Yield the entries of each parameter: (..., entries)."""
    start = 0
    for shape in shapes:
        yield a[..., start : start + prod(shape)]
        start += prod(shape)
