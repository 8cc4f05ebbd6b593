"""Classical mistakes of batch norm and layer norm.

Shapes: x (N, C, ...) for batch norm, else (..., C); gamma, beta (C,); d = gamma dy is dE/dxhat.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops.normalization import mean, normalized, over_batch
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    averaged,
    both,
    fixed,
    seeing,
)
from backproof.reference.verdict.faults.statistics import (
    Axes,
    Statistics,
    along,
    constant,
    epsilon_outside,
    normalization,
    others,
    root_forgotten,
    unbiased,
)

dx, dgamma, dbeta = map(Cotangent, range(3))


def without_gain(x: Any, gamma: Any, beta: Any) -> tuple[Any, ...]:
    """Return the inputs, with gains of one."""
    return x, np.ones_like(gamma), beta


def norm(over: Axes, at: int) -> Table:
    """Return the faults that batch norm and layer norm share.

    over: x -> the axes that it is normalized over. at: the axis that C is at.
    """

    def of(statistics: Statistics) -> Wrong:
        return both(normalization(over, at, statistics))

    return {
        ("unbiased variance", "what the variance with n - 1 gives"): of(unbiased).known(
            "the paper's for inference alone; torch.var's default"
        ),
        ("epsilon outside the root", "what sqrt(var) + eps gives"): of(epsilon_outside).known(
            "where Adam has it"
        ),
        ("root forgotten", "what the variance gives in the place of the standard deviation"): of(
            root_forgotten
        ).known("a lost sqrt"),
        ("epsilon forgotten", "what eps = 0 gives"): fixed(eps=0.0).known("a formula without it"),
        ("gain forgotten", "xhat + beta"): seeing(without_gain),
        ("shift forgotten", "gamma xhat"): seeing(
            lambda x, gamma, beta: (x, gamma, np.zeros_like(beta))
        ),
        **input_cotangents(over, at),
        **gradients(over, at),
    }


def input_cotangents(over: Axes, at: int) -> Table:
    """Return the faults of dx = inv (d - mean(d) - xhat mean(d xhat))."""

    def of(wrong: Callable[..., Any]) -> Wrong:
        def backward(dy: Any, y: Any, x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5) -> Any:
            xhat, inv = normalized(x, over(x), eps)
            return wrong(along(gamma, x, at) * dy, xhat, inv, partial(mean, axes=over(x)))

        return dx(backward)

    constants = "statistics taken for constants"
    return {
        ("mean not differentiated", "inv (dxhat - xhat mean(dxhat xhat))"): of(
            lambda d, xhat, inv, mean: inv * (d - xhat * mean(d * xhat))
        ).known(constants),
        ("variance not differentiated", "inv (dxhat - mean(dxhat))"): of(
            lambda d, xhat, inv, mean: inv * (d - mean(d))
        ).known(constants),
        ("statistics detached", "inv dxhat"): of(lambda d, xhat, inv, mean: inv * d).known(
            "statistics computed under no_grad(), or inference's formula"
        ),
        ("1 / sigma forgotten on the way back", "dxhat - mean(dxhat) - xhat mean(dxhat xhat)"): of(
            lambda d, xhat, inv, mean: d - mean(d) - xhat * mean(d * xhat)
        ).known("a lost factor"),
        ("sums for means on the way back", "inv (dxhat - sum(dxhat) - xhat sum(dxhat xhat))"): of(
            lambda d, xhat, inv, mean: (
                inv * (d - (mean(d) + xhat * mean(d * xhat)) * (d.size // mean(d).size))
            )
        ).known("a lost 1/n"),
        ("gain forgotten on the way back", "what dy gives for dxhat = gamma dy"): dx.seeing(
            without_gain
        ),
    }


def gradients(over: Axes, at: int) -> Table:
    """Return the faults of dgamma = sum dy xhat and dbeta = sum dy."""

    def total(a: Any) -> Any:
        return np.sum(a, axis=others(a, at))

    def gain_of_first(dy: Any, y: Any, x: Any, *_: Any, eps: float = 1e-5) -> Any:
        return total((dy * normalized(x, over(x), eps)[0])[:1])

    first = "the sum over the first example"
    return {
        ("gain's gradient of the input", "sum dy x instead of sum dy xhat"): dgamma(
            lambda dy, y, x, *_, **__: total(dy * x)
        ),
        ("gain's gradient of the output", "sum dy y instead of sum dy xhat"): dgamma(
            lambda dy, y, *_, **__: total(dy * y)
        ),
        ("gain's gradient averaged", "the sum over the batch / B"): dgamma.then(averaged),
        ("gain's gradient of the first example alone", first): dgamma(gain_of_first),
        ("shift's gradient averaged", "the sum over the batch / B"): dbeta.then(averaged),
        ("shift's gradient of the first example alone", first): dbeta(
            lambda dy, *_, **__: total(dy[:1])
        ),
    }


def all_but_channels(x: Any) -> tuple[int, ...]:
    """Return the axes that batch norm normalizes over."""
    return over_batch(x)[0]


def features(x: Any) -> tuple[int, ...]:
    """Return the axis that layer norm normalizes over."""
    return (x.ndim - 1,)


BATCH_NORM: Table = {
    **norm(all_but_channels, 1),
    ("running statistics", "what a mean of 0 and a variance of 1 give"): both(
        normalization(all_but_channels, 1, constant, centered=False)
    ).known("eval() for train(), before any statistics were gathered"),
    ("over each example", "what statistics over each example give"): both(
        normalization(lambda x: tuple(range(1, x.ndim)), 1)
    ).known("layer norm for batch norm"),
    ("over the batch alone", "what statistics over the batch alone give, place by place"): both(
        normalization(lambda x: (0,), 1)
    ).known("batch norm of vectors, used for images"),
}

LAYER_NORM: Table = {
    **norm(features, -1),
    ("over the batch", "what statistics over all but the last axis give"): both(
        normalization(lambda x: tuple(range(x.ndim - 1)), -1)
    ).known("batch norm for layer norm"),
    ("mean not subtracted", "what x gives in the place of x - mean"): both(
        normalization(features, -1, centered=False)
    ).known("RMS norm for layer norm"),
}
