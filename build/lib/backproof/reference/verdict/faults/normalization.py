"""Classical mistakes of batch norm and layer norm.

Shapes: N examples, C channels or features, ... further axes. What is normalized has n entries.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.normalization import mean, normalized
from backproof.reference.verdict.faults.fault import (
    Fault,
    in_backward,
    in_both,
    in_forward,
    with_options,
)
from backproof.reference.verdict.faults.statistics import (
    Axes,
    along,
    epsilon_outside,
    normalization,
    others,
    root_forgotten,
    unbiased,
)


def norm(op: str, over: Axes, at: int) -> Iterator[Fault]:
    """Yield the faults that batch norm and layer norm share.

    over: x -> the axes that it is normalized over. at: the axis that C is at.
    """
    yield from other_functions(op, over, at)
    yield from input_cotangents(op, over, at)
    yield from gradients(op, over, at)


def other_functions(op: str, over: Axes, at: int) -> Iterator[Fault]:
    """Yield the faults of another y."""

    def both(name: str, gives: str, wrong: Op, source: str) -> Fault:
        return in_both(op, name, gives, wrong, source)

    right = OPS[op].forward
    yield both(
        "unbiased variance",
        "what the variance with n - 1 gives",
        normalization(over, at, unbiased),
        "the paper's for inference alone; torch.var's default",
    )
    yield both(
        "epsilon outside the root",
        "what sqrt(var) + eps gives",
        normalization(over, at, epsilon_outside),
        "where Adam has it",
    )
    yield both(
        "root forgotten",
        "what the variance gives in the place of the standard deviation",
        normalization(over, at, root_forgotten),
        "a lost sqrt",
    )
    yield both(
        "epsilon forgotten",
        "what eps = 0 gives",
        with_options(op, lambda _: {"eps": 0.0}),
        "a formula without it",
    )
    yield in_forward(
        op,
        "gain forgotten",
        "xhat + beta",
        lambda x, gamma, beta, **o: right(x, np.ones_like(gamma), beta, **o),
    )
    yield in_forward(
        op,
        "shift forgotten",
        "gamma xhat",
        lambda x, gamma, beta, **o: right(x, gamma, np.zeros_like(beta), **o),
    )


def input_cotangents(op: str, over: Axes, at: int) -> Iterator[Fault]:
    """Yield the faults of dx = inv (d - mean(d) - xhat mean(d xhat)), d = gamma dy."""

    def backward(name: str, gives: str, wrong: Callable[..., Any], source: str) -> Fault:
        def dx(dy: Any, y: Any, x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5) -> Any:
            xhat, inv = normalized(x, over(x), eps)
            return wrong(along(gamma, x, at) * dy, xhat, inv, partial(mean, axes=over(x)))

        return in_backward(op, 0, name, gives, dx, source)

    constants = "statistics taken for constants"
    yield backward(
        "mean not differentiated",
        "inv (dxhat - xhat mean(dxhat xhat))",
        lambda d, xhat, inv, mean: inv * (d - xhat * mean(d * xhat)),
        constants,
    )
    yield backward(
        "variance not differentiated",
        "inv (dxhat - mean(dxhat))",
        lambda d, xhat, inv, mean: inv * (d - mean(d)),
        constants,
    )
    yield backward(
        "statistics detached",
        "inv dxhat",
        lambda d, xhat, inv, mean: inv * d,
        "statistics computed under no_grad(), or inference's formula",
    )
    yield backward(
        "1 / sigma forgotten on the way back",
        "dxhat - mean(dxhat) - xhat mean(dxhat xhat)",
        lambda d, xhat, inv, mean: d - mean(d) - xhat * mean(d * xhat),
        "a lost factor",
    )
    yield backward(
        "sums for means on the way back",
        "inv (dxhat - sum(dxhat) - xhat sum(dxhat xhat))",
        lambda d, xhat, inv, mean: (
            inv * (d - (mean(d) + xhat * mean(d * xhat)) * (d.size // mean(d).size))
        ),
        "a lost 1/n",
    )
    yield in_backward(
        op,
        0,
        "gain forgotten on the way back",
        "what dy gives for dxhat = gamma dy",
        lambda dy, y, x, gamma, beta, **o: OPS[op].backward(
            dy, y, x, np.ones_like(gamma), beta, **o
        )[0],
    )


def gradients(op: str, over: Axes, at: int) -> Iterator[Fault]:
    """Yield the faults of dgamma = sum dy xhat and dbeta = sum dy."""

    def total(a: Any, examples: int | None = None) -> Any:
        return np.sum(a[:examples], axis=others(a, at))

    yield in_backward(
        op,
        1,
        "gain's gradient of the input",
        "sum dy x instead of sum dy xhat",
        lambda dy, y, x, gamma, beta, **_: total(dy * x),
    )
    yield in_backward(
        op,
        1,
        "gain's gradient of the output",
        "sum dy y instead of sum dy xhat",
        lambda dy, y, x, gamma, beta, **_: total(dy * y),
    )
    for position, name in ((1, "gain"), (2, "shift")):
        yield in_backward(
            op,
            position,
            f"{name}'s gradient averaged",
            "the sum over the batch / B",
            lambda *a, at_=position, **o: OPS[op].backward(*a, **o)[at_] / a[0].shape[0],
        )
        yield in_backward(
            op,
            position,
            f"{name}'s gradient of the first example alone",
            "the sum over the first example",
            lambda dy, y, x, gamma, beta, *, at_=position, eps=1e-5: total(
                dy * normalized(x, over(x), eps)[0] if at_ == 1 else dy, 1
            ),
        )
