"""Classical mistakes of RMS norm: x (..., C), gamma (C,), r = (mean x^2 + eps)^(-1/2)."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.normalization import mean, root_mean_square
from backproof.reference.verdict.faults.fault import (
    Fault,
    in_backward,
    in_both,
    in_forward,
    with_options,
)
from backproof.reference.verdict.faults.statistics import normalization


def rms_norm() -> Iterator[Fault]:
    """Yield the faults."""
    both = partial(in_both, "rms_norm")
    yield both(
        "mean subtracted",
        "what x - mean gives in the place of x",
        _of_layer_norm(),
        "layer norm for RMS norm",
    )
    yield both(
        "one added to the gain",
        "what 1 + gamma gives in the place of gamma",
        Op(
            lambda x, gamma, **o: OPS["rms_norm"].forward(x, 1 + gamma, **o),
            lambda dy, y, x, gamma, **o: OPS["rms_norm"].backward(dy, y, x, 1 + gamma, **o),
        ),
        "Gemma keeps its gains less one",
    )
    yield both(
        "epsilon forgotten", "what eps = 0 gives", with_options("rms_norm", lambda _: {"eps": 0.0})
    )
    yield in_forward(
        "rms_norm",
        "sum for mean",
        "gamma x / sqrt(sum x^2 + eps)",
        lambda x, gamma, eps=1e-5: (
            gamma * (x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True) + eps))
        ),
        "a norm of length one",
    )
    yield in_forward(
        "rms_norm",
        "epsilon outside the root",
        "gamma x / (sqrt(mean x^2) + eps)",
        lambda x, gamma, eps=1e-5: gamma * (x / (np.sqrt(mean(x * x, (x.ndim - 1,))) + eps)),
        "where Adam has it",
    )
    yield in_forward(
        "rms_norm",
        "gain forgotten",
        "xhat",
        lambda x, gamma, eps=1e-5: x * root_mean_square(x, eps),
    )
    yield from _rms_gradients()


def _rms_gradients() -> Iterator[Fault]:
    def dx(name: str, gives: str, wrong: Any, source: str) -> Fault:
        def backward(dy: Any, y: Any, x: Any, gamma: Any, *, eps: float = 1e-5) -> Any:
            r = root_mean_square(x, eps)
            return wrong(dy * gamma, x * r, r, x.shape[-1])

        return in_backward("rms_norm", 0, name, gives, backward, source)

    yield dx(
        "root mean square detached",
        "r dxhat, without - r xhat mean(dxhat xhat)",
        lambda d, xhat, r, n: r * d,
        "statistics taken for constants",
    )
    yield dx(
        "sum for mean on the way back",
        "r (dxhat - xhat sum(dxhat xhat))",
        lambda d, xhat, r, n: r * (d - xhat * np.sum(d * xhat, axis=-1, keepdims=True)),
        "a lost 1/n",
    )
    yield dx(
        "mean subtracted on the way back",
        "r (dxhat - mean(dxhat) - xhat mean(dxhat xhat))",
        lambda d, xhat, r, n: (
            r
            * (
                d
                - np.sum(d, axis=-1, keepdims=True) / n
                - xhat * (np.sum(d * xhat, axis=-1, keepdims=True) / n)
            )
        ),
        "layer norm's backward function",
    )
    yield in_backward(
        "rms_norm",
        0,
        "gain forgotten on the way back",
        "what dy gives for dxhat = gamma dy",
        lambda dy, y, x, gamma, **o: OPS["rms_norm"].backward(dy, y, x, np.ones_like(gamma), **o)[
            0
        ],
    )
    yield in_backward(
        "rms_norm",
        1,
        "gain's gradient of the input",
        "sum dy x instead of sum dy xhat",
        lambda dy, y, x, gamma, **_: np.sum(dy * x, axis=tuple(range(x.ndim - 1))),
    )
    yield in_backward(
        "rms_norm",
        1,
        "gain's gradient averaged",
        "the sum over the batch / B",
        lambda *a, **o: OPS["rms_norm"].backward(*a, **o)[1] / a[0].shape[0],
    )


def _of_layer_norm() -> Op:
    other = normalization(lambda x: (x.ndim - 1,), -1)
    return Op(
        lambda x, gamma, **o: other.forward(x, gamma, np.zeros_like(gamma), **o),
        lambda dy, y, x, gamma, **o: other.backward(dy, y, x, gamma, np.zeros_like(gamma), **o)[:2],
    )
