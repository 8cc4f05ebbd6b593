"""What an op is: a forward function and the backward function derived from it by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""float64, float32, Arb balls in an object array, or a `Ball`: the ops never ask which."""


@dataclass(frozen=True, slots=True)
class Op:
    """One link of the chain rule, both ways.

    forward:  y = forward(*inputs, **options).
    backward: the cotangents of all inputs, in their order, = backward(dy, y, *inputs, **options),
              where dy = dE/dy has the shape of y, and dE/dinput the shape of that input.
              Options (a stride, an epsilon, indices) are not differentiated.
    forms:    what implementations are known to do differently -> the op computed in that way:
              equal on paper, but rounded differently.
    """

    forward: Callable[..., Any]
    backward: Callable[..., tuple[Any, ...]]
    forms: Mapping[str, "Op"] = field(default_factory=dict)


def taken(function: Callable[..., Any]) -> str:
    """Return what a function takes, as a call is written: "x, gamma, beta, eps=1e-05"."""
    stars: Mapping[Any, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
    return ", ".join(
        f"{stars.get(one.kind, '')}{one.name}"
        + ("" if one.default is Parameter.empty else f"={one.default!r}")
        for one in signature(function).parameters.values()
    )


def sum_to_shape(dy: Array, shape: tuple[int, ...]) -> Array:
    """Return dy summed over the axes along which an array of `shape` was broadcast.

    Broadcasting uses one number in many places; by the chain rule its gradient is the sum of
    the gradients at those places.
    """
    extra = np.ndim(dy) - len(shape)
    axes = [*range(extra)]
    axes += [extra + i for i, n in enumerate(shape) if n == 1 and dy.shape[extra + i] != 1]
    total = np.sum(dy, axis=tuple(axes)) if axes else dy
    return total if np.shape(total) == shape else np.reshape(total, shape)
