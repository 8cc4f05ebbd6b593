"""MyGrad: a tensor's backward(), which leaves every tensor's gradient in its `grad`."""

from importlib.metadata import version
from typing import Any

import mygrad as mg
import numpy as np
from mygrad import nnet

from backproof.adapters.protocol import Adapter, Loss, Tensor


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    E, values = loss(tensors)
    E.backward()
    return values, {name: tensor.grad for name, tensor in tensors.items()}


def dense(x: Tensor, W: Tensor, b: Tensor | None = None) -> Tensor:
    return mg.matmul(x, W) if b is None else mg.matmul(x, W) + b


def conv(
    x: Tensor, W: Tensor, b: Tensor | None = None, stride: Any = 1, padding: Any = 0, **o: Any
) -> Tensor:
    z = nnet.conv_nd(x, W, stride=stride, padding=padding, **o)
    return z if b is None else z + b.reshape(-1, *(1 for _ in x.shape[2:]))


def number(x: float, like: Tensor) -> Any:
    """Return a number of a tensor's dtype: beside a Python number, float32 becomes float64."""
    return like.dtype.type(x)


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    return nnet.batchnorm(x, gamma=gamma, beta=beta, eps=eps)


def reduced(losses: Tensor, reduction: str = "mean") -> Tensor:
    return {"none": lambda a: a, "mean": mg.mean, "sum": mg.sum}[reduction](losses)


def nll_loss(logp: Tensor, target: Any, weight: Any = None) -> Tensor:
    weights = None if weight is None else np.asarray(weight, logp.dtype)
    return nnet.negative_log_likelihood(logp, target, weights=weights)


class OfMyGrad(Adapter):
    """Updates in the dtype of the weights: beside a Python number, float32 becomes float64."""

    def update(self, w: Any, gradient: Any, eta: float) -> Any:
        """Return w - eta dE/dw, as MyGrad computes it."""
        return super().update(w, gradient, w.dtype.type(eta))


OF_MYGRAD = (
    *("matmul", "add", "subtract", "multiply", "tanh", "negative", "reciprocal", "exp", "expm1"),
    *("log", "log1p", "sqrt", "sin", "cos", "maximum", "minimum", "sum", "mean", "max", "min"),
    *("cumsum",),
)

OF_LAYERS = ("sigmoid", "relu", "glu", "softmax")

adapter = OfMyGrad(
    version=version("mygrad"),
    ops={
        **{name: getattr(nnet, name) for name in OF_LAYERS},
        **{name: getattr(mg, name) for name in OF_MYGRAD},
        "dense": dense,
        "conv": conv,
        "embedding": lambda W, index: W[index],
        "batch_norm": batch_norm,
        "leaky_relu": lambda z, negative_slope=0.01: nnet.leaky_relu(z, negative_slope),
        "elu": lambda z, alpha=1.0: nnet.elu(z, alpha),
        "softsign": nnet.soft_sign,
        "log_softmax": nnet.logsoftmax,
        "scale": lambda x, factor: mg.multiply(x, number(factor, x)),
        "power": lambda x, exponent: mg.power(x, number(exponent, x)),
        "einsum": lambda *operands, equation: mg.einsum(equation, *operands),
        "addmm": lambda c, a, b, alpha=1, beta=1: (
            c * number(beta, c) + mg.matmul(a, b) * number(alpha, a)
        ),
        "variance": lambda x, correction=1, **o: mg.var(x, ddof=correction, **o),
        "norm": mg.linalg.norm,
        "concatenate": lambda *parts, axis: mg.concatenate(parts, axis),
        "stack": lambda *parts, axis: mg.stack(parts, axis),
        "transpose": lambda x, axes: mg.transpose(x, axes),
        "expand": mg.broadcast_to,
        "slice": lambda x, index: x[index],
        "upsample": lambda x, scale_factor: mg.repeat(
            mg.repeat(x, scale_factor, axis=2), scale_factor, axis=3
        ),
        "masked_fill": lambda x, mask, value: mg.where(mask, np.array(value, x.dtype), x),
        "where": lambda a, b, condition: mg.where(condition, a, b),
        "abs": mg.absolute,
        "atan2": mg.arctan2,
        "divide": mg.true_divide,
        "clamp": lambda x, low=None, high=None: mg.clip(
            x, *(None if a is None else number(a, x) for a in (low, high))
        ),
        "rsqrt": lambda x: mg.reciprocal(mg.sqrt(x)),
        "reshape": lambda x, shape: mg.reshape(x, shape),
        "softplus": lambda z: mg.logaddexp(z, z.dtype.type(0)),
        "half_squared_error": lambda y, t: mg.sum(mg.square(t - y)) * number(0.5, y),
        "mean_squared_error": lambda y, t, **o: reduced(mg.square(t - y), **o),
        "l1_loss": lambda y, t, **o: reduced(mg.absolute(t - y), **o),
        "nll_loss": nll_loss,
        "cross_entropy": lambda y, target: nnet.softmax_crossentropy(
            mg.reshape(y, (-1, y.shape[-1])), target.ravel()
        ),
    },
    array=lambda a: mg.tensor(a.copy()),
    numpy=lambda t: np.array(t),
    value_and_grad=value_and_grad,
    state=lambda _: np.errstate(all="ignore"),
    lacks="MyGrad has no function for it",
    unsupported={
        "bfloat16": "NumPy has no matrix product in it",
        "float16": "NumPy has no native matrix product in it",
        "conv groups": "mygrad.nnet.conv_nd has none",
        "conv stride": "mygrad.nnet.conv_nd raises where strides do not reach the end",
        "conv padding": (lambda p: not isinstance(p, int), "mygrad.nnet.conv_nd has one a side"),
        "max_pool": "mygrad.nnet.max_pool raises where strides do not reach the end",
        "norm axis": (lambda axis: not isinstance(axis, int), "MyGrad has no norms of matrices"),
        **dict.fromkeys(
            (f"{op} float32" for op in ("leaky_relu", "softsign")),
            "MyGrad makes float64 of float32 numbers beside Python's",
        ),
        "nll_loss axis": "mygrad.nnet.negative_log_likelihood has none",
        "embedding padding_index": "MyGrad has none",
        "softplus beta": "np.logaddexp has none",
        "softplus threshold": "np.logaddexp has none",
        **dict.fromkeys(
            (f"cross_entropy {o}" for o in ("weight", "label_smoothing", "ignore_index", "axis")),
            "mygrad.nnet.softmax_crossentropy has none",
        ),
        "cross_entropy reduction": "mygrad.nnet.softmax_crossentropy returns the mean",
        "nll_loss reduction": "mygrad.nnet.negative_log_likelihood returns the mean",
    },
)
