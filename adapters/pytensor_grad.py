"""PyTensor: graphs over shared variables, differentiated by pytensor.grad.

Forward mode is pytensor.gradient.pushforward, a gradient of a gradient; and, as "jvp", the same
written in pytensor.grad. Its use_op_pushforward is left out: it has no matrix product.
"""

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from getpass import getuser
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np

COMPILED = Path(gettempdir(), f"backproof-pytensor-{getuser()}")
os.environ.setdefault("PYTENSOR_FLAGS", f"base_compiledir={COMPILED}")  # not in the home

import pytensor  # noqa: E402
import pytensor.tensor as pt  # noqa: E402
from pytensor.compile.mode import get_default_mode  # noqa: E402
from pytensor.graph.replace import vectorize_graph  # noqa: E402

from backproof.adapters.protocol import Adapter, Loss  # noqa: E402
from backproof.adapters.pytensor_functions import OPS  # noqa: E402

UNUSED: Any = {"disconnected_inputs": "ignore"}  # such as labels


@dataclass(frozen=True, slots=True)
class Tensor:
    """A variable whose shape is known, before anything is computed."""

    variable: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that PyTensor infers."""
        return self.variable.type.shape

    def __add__(self, other: "Tensor") -> "Tensor":
        return Tensor(self.variable + other.variable)

    def __sub__(self, other: "Tensor") -> "Tensor":
        return Tensor(self.variable - other.variable)

    def __rmul__(self, factor: float) -> "Tensor":
        return Tensor(factor * self.variable)


def array(a: Any) -> Tensor:
    return Tensor(pytensor.shared(a, shape=a.shape))


def numpy(t: Any) -> Any:
    return next(computed([t.variable])) if isinstance(t, Tensor) else t


def computed(variables: list[Any]) -> Iterator[Any]:
    """Yield the numbers of variables, computed in one function.

    By Python nothing is fused: a fused loop of many operands raises, and has powers in float32.
    """
    mode = get_default_mode()
    mode = mode.excluding("fusion") if pytensor.config.linker == "py" else mode
    return map(np.asarray, pytensor.function([], variables, mode=mode)())


@contextmanager
def linked(linker: str, precision: str) -> Iterator[None]:
    """Compute by a linker; constants are of a precision."""
    flags = pytensor.config.change_flags(linker=linker, floatX=precision)
    with warnings.catch_warnings(action="ignore"), flags:  # Numba says what would be faster
        yield


def lifted(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """Return a function of tensors. A shape that PyTensor does not infer is computed."""

    def of_tensors(*tensors: Tensor, **options: Any) -> Tensor:
        variable = function(*(t.variable for t in tensors), **options)
        if None in variable.type.shape:
            (shape,) = computed([variable.shape])
            variable = pt.specify_shape(variable, shape.tolist())
        return Tensor(variable)

    return of_tensors


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Any, ...]:
    E, v = loss(tensors)
    x = {name: t.variable for name, t in tensors.items()}
    gradients = pytensor.grad(E.variable, [*x.values()], **UNUSED)
    found = computed([*(t.variable for t in v.values()), *gradients])
    return named(v, found), named(x, found)


def tangents(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Any:
    """Return the values and their tangents: what weights of them receive from their gradients."""
    _, v = loss(tensors)
    x, d = ([of[name].variable for name in tensors] for of in (tensors, directions))
    values, weights = weighted(v)
    gradients = pytensor.grad(inner(weights, values), x, **UNUSED)
    found = computed([*values, *pytensor.grad(inner(gradients, d), weights, **UNUSED)])
    return [(None, named(v, found)) for _ in ("itself", "tangent")]


def pushforward(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Any:
    """Return the same by PyTensor's own function, of copies: none is computed from another."""
    _, v = loss(tensors)
    x, d = ([of[name].variable for name in tensors] for of in (tensors, directions))
    values = [t.variable for t in v.values()]
    copies = [y.copy() for y in values]
    moved = pytensor.gradient.pushforward(copies, x, d, disconnected_outputs="ignore")
    found = computed([*values, *moved])
    return [(None, named(v, found)) for _ in ("itself", "tangent")]


def twice(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Any:
    """Return the values and the gradients, and their tangents: those of <gradients, directions>.

    Every value is added to E with a weight of zero; what the weight receives is its tangent.
    """
    E, v = loss(tensors)
    x, d = ([of[name].variable for name in tensors] for of in (tensors, directions))
    values, weights = weighted(v)
    gradients = pytensor.grad(E.variable + inner(weights, values), x, **UNUSED)
    moved = pytensor.grad(inner(gradients, d), [*weights, *x], **UNUSED)
    found = computed([*values, *gradients, *moved])
    return [(named(v, found), named(tensors, found)) for _ in ("itself", "tangent")]


def weighted(v: dict[str, Tensor]) -> tuple[list[Any], list[Any]]:
    """Return variables, and a weight of zero for each."""
    values = [t.variable for t in v.values()]
    return values, [pytensor.shared(np.zeros(y.type.shape, y.dtype)) for y in values]


def per_example(loss: Loss, tensors: dict[str, Tensor], batched: Collection[str]) -> Any:
    """Return the same of every example: the graph of the first one, vectorized."""
    first = {name: t.variable.get_value() for name, t in tensors.items()}
    own = {name: array(np.asarray(a[0]) if name in batched else a) for name, a in first.items()}
    E, v = loss(own)
    gradients = pytensor.grad(E.variable, [t.variable for t in own.values()], **UNUSED)
    each = {own[name].variable: tensors[name].variable for name in batched if name in own}
    outputs = [*(t.variable for t in v.values()), *gradients]
    found = computed(vectorize_graph(outputs, replace=each))
    return named(v, found), named(own, found)


def named(names: Iterable[str], found: Iterator[Any]) -> dict[str, Any]:
    """Return the next arrays by name."""
    return dict(zip(names, found, strict=False))


def inner(a: list[Any], b: list[Any]) -> Any:
    return pt.add(*(pt.sum(x * y) for x, y in zip(a, b, strict=True)))


adapter = Adapter(
    version=pytensor.__version__,
    ops={name: lifted(function) for name, function in OPS.items()},
    array=array,
    numpy=numpy,
    value_and_grad=value_and_grad,
    state=partial(linked, "py"),
    per_example=per_example,
    forward_mode={"jvp": tangents, "pushforward": pushforward},
    second_order={"reverse-over-reverse": twice},
    lacks="PyTensor has no function for it",
    unsupported={
        "bfloat16": "PyTensor has no such numbers",
        "float16": "NumPy has no native matrix product in it",
        "conv dilation": "pytensor.tensor.signal.convolve2d has no dilation",
        "conv groups": "pytensor.tensor.signal.convolve2d has no groups",
        "conv stride": (lambda stride: np.size(stride) > len("HW"), "there is no convolve3d"),
        "transpose axes": (lambda axes: min(axes) < 0, "pt.transpose takes no axes below zero"),
        **dict.fromkeys(
            (
                *("embedding padding_index", "softplus beta", "softplus threshold"),
                *("softmax_cross_entropy weight", "softmax_cross_entropy label_smoothing"),
                *("cross_entropy weight", "cross_entropy label_smoothing"),
                *("cross_entropy ignore_index", "nll_loss weight", "nll_loss ignore_index"),
                *("bce_with_logits weight", "bce_with_logits pos_weight"),
            ),
            "PyTensor has none",
        ),
    },
)

variants = {"numba": replace(adapter, state=partial(linked, "numba"))}
