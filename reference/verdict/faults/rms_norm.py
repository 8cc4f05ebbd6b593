"""Classical mistakes of RMS norm.

Shapes: x (..., C), gamma (C,); r = (mean x^2 + eps)^(-1/2), xhat = r x, and d = gamma dy is
dE/dxhat.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.ops import Op
from backproof.reference.ops.normalization import mean, root_mean_square
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    averaged,
    both,
    fixed,
    forward,
    reading,
)
from backproof.reference.verdict.faults.softmax import total
from backproof.reference.verdict.faults.statistics import normalization

dx, dgamma = map(Cotangent, range(2))


def of_layer_norm() -> Op:
    """Return layer norm without a shift."""
    other = normalization(lambda x: (x.ndim - 1,), -1)
    return Op(
        lambda x, gamma, **o: other.forward(x, gamma, np.zeros_like(gamma), **o),
        lambda dy, y, x, gamma, **o: other.backward(dy, y, x, gamma, np.zeros_like(gamma), **o)[:2],
    )


def of(wrong: Callable[..., Any]) -> Wrong:
    """Give dx = wrong(d, xhat, r, C); r (d - xhat mean(d xhat)) is right."""

    def backward(dy: Any, y: Any, x: Any, gamma: Any, *, eps: float = 1e-5) -> Any:
        r = root_mean_square(x, eps)
        return wrong(dy * gamma, x * r, r, x.shape[-1])

    return dx(backward)


RMS_NORM: Table = {
    ("mean subtracted", "what x - mean gives in the place of x"): both(of_layer_norm()).known(
        "layer norm for RMS norm"
    ),
    ("one added to the gain", "what 1 + gamma gives in the place of gamma"): reading(
        lambda x, gamma: (x, 1 + gamma)
    ).known("Gemma keeps its gains less one"),
    ("epsilon forgotten", "what eps = 0 gives"): fixed(eps=0.0),
    ("sum for mean", "gamma x / sqrt(sum x^2 + eps)"): forward(
        lambda x, gamma, eps=1e-5: gamma * (x / np.sqrt(total(x * x) + eps))
    ).known("a norm of length one"),
    ("epsilon outside the root", "gamma x / (sqrt(mean x^2) + eps)"): forward(
        lambda x, gamma, eps=1e-5: gamma * (x / (np.sqrt(mean(x * x, (x.ndim - 1,))) + eps))
    ).known("where Adam has it"),
    ("gain forgotten", "xhat"): forward(lambda x, gamma, eps=1e-5: x * root_mean_square(x, eps)),
    ("root mean square detached", "r dxhat, without - r xhat mean(dxhat xhat)"): of(
        lambda d, xhat, r, n: r * d
    ).known("statistics taken for constants"),
    ("sum for mean on the way back", "r (dxhat - xhat sum(dxhat xhat))"): of(
        lambda d, xhat, r, n: r * (d - xhat * total(d * xhat))
    ).known("a lost 1/n"),
    ("mean subtracted on the way back", "r (dxhat - mean(dxhat) - xhat mean(dxhat xhat))"): of(
        lambda d, xhat, r, n: r * (d - total(d) / n - xhat * (total(d * xhat) / n))
    ).known("layer norm's backward function"),
    ("gain forgotten on the way back", "what dy gives for dxhat = gamma dy"): dx.seeing(
        lambda x, gamma: (x, np.ones_like(gamma))
    ),
    ("gain's gradient of the input", "sum dy x instead of sum dy xhat"): dgamma(
        lambda dy, y, x, gamma, **_: np.sum(dy * x, axis=tuple(range(x.ndim - 1)))
    ),
    ("gain's gradient averaged", "the sum over the batch / B"): dgamma.then(averaged),
}
