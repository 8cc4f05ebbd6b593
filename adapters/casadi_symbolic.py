"""CasADi: expressions of MX, differentiated by casadi.gradient in reverse mode."""

from functools import partial
from itertools import accumulate
from math import prod
from typing import Any

import casadi as ca
import numpy as np

from backproof.adapters.casadi_tensor import (
    Tensor,
    along,
    array,
    chosen,
    cumsum,
    each,
    expand,
    joining,
    matmul,
    matrices,
)
from backproof.adapters.protocol import Adapter, Loss


def joined(tensors: dict[str, Tensor]) -> Any:
    return ca.vertcat(*(t.column for t in tensors.values()))


def split(column: Any, like: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, of the shapes of others, that are joined in a column."""
    parts = ca.vertsplit(column, [0, *accumulate(prod(t.shape) for t in like.values())])
    return {k: Tensor(x, t.shape) for (k, t), x in zip(like.items(), parts, strict=True)}


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Any, ...]:
    x = ca.MX.sym("x", joined(tensors).numel())
    E, v = loss(split(x, tensors))
    found = ca.Function("f", [x], [joined(v), ca.gradient(E.column, x)])(joined(tensors))
    return tuple(map(split, found, (v, tensors)))


def along_directions(
    order: int, loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]
) -> Any:
    """Return the loss and the values (order 1) or these and the gradients (2), and all tangents."""
    x, dx = (ca.MX.sym(name, joined(tensors).numel()) for name in ("x", "dx"))
    E, v = loss(split(x, tensors))
    wanted = (joined(v), E.column if order == 1 else ca.gradient(E.column, x))
    f = ca.Function("f", [x, dx], [*wanted, *(ca.jtimes(y, x, dx) for y in wanted)])
    values, of, *tangents = f(joined(tensors), joined(directions))
    pairs = ((values, of), tangents)
    if order == 1:
        return tuple((E, split(y, v)) for y, E in pairs)
    return tuple((split(y, v), split(g, tensors)) for y, g in pairs)


def mean(x: Any) -> Any:
    return ca.sum(x) / x.numel()


def sigmoid(z: Any) -> Any:
    """Return e^z / (1 + e^z), both terms divided by the larger, so that neither overflows."""
    largest = ca.fmax(z, 0)
    e = ca.exp(z - largest)
    return e / (ca.exp(-largest) + e)


def below(x: Tensor, axis: int) -> Tensor:
    return x - along(ca.mmax)(x, axis, keepdims=True)


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    e = each(ca.exp)(below(x, axis))
    return each(ca.rdivide)(e, along(ca.sum)(e, axis, keepdims=True))


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    return below(x, axis) - along(ca.logsumexp)(below(x, axis), axis, keepdims=True)


def reduced(losses: Tensor, reduction: str = "mean") -> Tensor:
    function = {"none": None, "mean": mean, "sum": ca.sum}[reduction]
    return along(function)(losses) if function else losses


def softmax_cross_entropy(y: Tensor, t: Tensor, axis: int = -1, **reduction: str) -> Tensor:
    rows = along(ca.sum)(each(ca.times)(t, log_softmax(y, axis)), axis)
    return reduced(-1 * rows, **reduction)


SAME = ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "erf", "atan2")

adapter = Adapter(
    version=ca.__version__,
    ops={
        **{name: each(getattr(ca, name)) for name in SAME},
        "erf_inv": each(ca.erfinv),
        "abs": each(ca.fabs),
        "maximum": each(ca.fmax),
        "minimum": each(ca.fmin),
        "add": each(ca.plus),
        "subtract": each(ca.minus),
        "multiply": each(ca.times),
        "divide": each(ca.rdivide),
        "negative": each(lambda x: -x),
        "reciprocal": each(lambda x: 1 / x),
        "rsqrt": each(lambda x: 1 / ca.sqrt(x)),
        "scale": each(lambda x, factor: factor * x),
        "power": each(lambda x, exponent: x**exponent),
        "clamp": each(lambda x, low=-np.inf, high=np.inf: ca.fmin(ca.fmax(x, low), high)),
        "sigmoid": each(sigmoid),
        "relu": each(lambda z: ca.fmax(z, 0)),
        "leaky_relu": each(lambda z, negative_slope=0.01: ca.if_else(z > 0, z, negative_slope * z)),
        "sum": along(ca.sum),
        "max": along(ca.mmax),
        "min": along(ca.mmin),
        "norm": along(ca.norm_2),
        "logsumexp": along(ca.logsumexp),
        "mean": along(mean),
        "cumsum": cumsum,
        "reshape": lambda x, shape: x.moved(np.reshape, shape),
        "transpose": lambda x, axes: x.moved(np.transpose, axes),
        "expand": expand,
        "slice": lambda x, index: x.moved(lambda a: a[index]),
        "embedding": lambda W, index: W.moved(lambda a: a[index]),
        "concatenate": partial(joining, np.concatenate),
        "stack": partial(joining, np.stack),
        "matmul": matmul,
        "addmm": lambda c, a, b, alpha=1, beta=1: beta * c + alpha * matmul(a, b),
        "dense": lambda x, W, *b: sum(b, matmul(x, W) if W.shape else each(ca.times)(x, W)),
        "solve": partial(matrices, lambda A, B: ca.solve(A.T, B.T).T),
        "where": lambda a, b, condition: chosen(condition, a, b),
        "masked_fill": lambda x, mask, value: chosen(mask, value, x),
        "causal_mask": lambda scores, fill=-1e4: chosen(np.tri(scores.shape[-1]), scores, fill),
        "softmax": softmax,
        "log_softmax": log_softmax,
        "half_squared_error": lambda y, t: Tensor(0.5 * ca.sumsqr((t - y).column), ()),
        "mean_squared_error": lambda y, t, **o: reduced(each(lambda e: e**2)(t - y), **o),
        "l1_loss": lambda y, t, **o: reduced(each(ca.fabs)(t - y), **o),
        "softmax_cross_entropy": softmax_cross_entropy,
    },
    array=array,
    numpy=lambda t: t.column.full().reshape(t.shape),
    value_and_grad=value_and_grad,
    lacks="CasADi has no function for it",
    unsupported={
        **dict.fromkeys(("float32", "bfloat16", "float16"), "CasADi computes in float64"),
        "embedding padding_index": "CasADi has none",
        **{f"softmax_cross_entropy {o}": "not written" for o in ("weight", "label_smoothing")},
        "cholesky": "casadi.chol takes no MX",
        "einsum": "casadi.einstein has other indices; not written",
    },
    forward_mode={"jvp": partial(along_directions, 1)},
    second_order={"forward-over-reverse": partial(along_directions, 2)},
)
