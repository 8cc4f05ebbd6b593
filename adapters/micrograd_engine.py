"""micrograd: the backpropagation of single numbers, in a hundred lines of Python.

It is the smallest adapter of a framework. A tensor is a NumPy array of micrograd's `Value`s.
"""

from importlib.metadata import version
from typing import Any

import numpy as np
from micrograd.engine import Value

from backproof.adapters.protocol import Adapter, Loss, Tensor


def array(a: Any) -> Tensor:
    return np.array([Value(x) for x in a.flat], object).reshape(a.shape)


def numpy(t: Tensor) -> Any:
    return np.array([value.data for value in np.ravel(t)], float).reshape(np.shape(t))


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    E, values = loss(tensors)
    np.ravel(E)[0].backward()
    return values, {name: gradient(t) for name, t in tensors.items()}


def gradient(t: Tensor) -> Tensor:
    return np.array([Value(value.grad) for value in t.flat], object).reshape(t.shape)


def kept(function: Any) -> Any:
    """Return a function of arrays whose result is an array, also where NumPy returns a number."""
    return lambda *tensors, **options: np.asarray(function(*tensors, **options), object)


def dense(x: Tensor, W: Tensor, b: Any = 0) -> Tensor:
    return np.matmul(x, W) + b


def each(function: Any) -> Any:
    return lambda t: np.array([*map(function, np.ravel(t))], object).reshape(np.shape(t))


FUNCTIONS: dict[str, Any] = {
    "dense": dense,
    "relu": each(Value.relu),
    "matmul": np.matmul,
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "negative": np.negative,
    "scale": lambda x, factor: factor * x,
    "power": lambda x, exponent: x**exponent,
    "sqrt": each(lambda value: value**0.5),
    "rsqrt": each(lambda value: value**-0.5),
    "reciprocal": each(lambda value: value**-1),
    "sum": np.sum,
    "reshape": np.reshape,
    "transpose": np.transpose,
    "slice": lambda x, index: x[index],
    "concatenate": lambda *parts, axis: np.concatenate(parts, axis),
    "stack": lambda *parts, axis: np.stack(parts, axis),
    "expand": np.broadcast_to,
    "half_squared_error": lambda y, t: 0.5 * np.sum((t - y) ** 2),
}
"""The functions, of which NumPy's hand an array's numbers to micrograd's operators."""

adapter = Adapter(
    version=version("micrograd"),
    ops={name: kept(function) for name, function in FUNCTIONS.items()},
    array=array,
    numpy=numpy,
    value_and_grad=value_and_grad,
    state=lambda _: np.errstate(all="ignore"),
    lacks="micrograd has no function for it",
    unsupported=dict.fromkeys(
        ("float32", "bfloat16", "float16"), "micrograd computes with Python's floats"
    ),
)
