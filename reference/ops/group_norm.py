"""Group norm, and batch norm in inference: normalization channel by channel, with or without gain.

Shapes: x, y and dy (N, C, ...); gamma and beta (C,), both or neither.
"""

from math import prod
from typing import Any

import numpy as np

from backproof.reference.ops.functions import constant
from backproof.reference.ops.normalization import (
    mean,
    normalized,
    of_folding,
    over_batch,
    through_normalization,
)
from backproof.reference.ops.op import Array, Op


def group_norm_forward(x: Array, *parameters: Array, groups: int, eps: float = 1e-5) -> Array:
    """Return y = gamma xhat + beta (Wu and He 2018, eq. 1 to 7).

    Each example is normalized over C / groups channels and all further axes. With as many groups
    as channels it is instance norm.
    """
    xhat, _ = normalized(in_groups(x, groups), (2,), eps)
    return affine(np.reshape(xhat, np.shape(x)), *parameters)


def group_norm_forward_folded(
    x: Array, *parameters: Array, groups: int, eps: float = 1e-5
) -> Array:
    """Return y as x scale + shift; see `of_folding`."""
    grouped = in_groups(x, groups)
    xhat, inv = normalized(grouped, (2,), eps)
    m, inv = (
        np.reshape(np.broadcast_to(a, np.shape(grouped)), np.shape(x))
        for a in (mean(grouped, (2,)), inv)
    )
    return affine(np.reshape(xhat, np.shape(x)), *parameters) + besides(x, m, inv, *parameters)


def besides(x: Array, m: Array, inv: Array, *parameters: Array) -> Any:
    """Return what is rounded besides where the gain is folded into scale and shift."""
    beta = np.reshape(parameters[1], over_batch(x)[1]) if parameters else 0
    return of_folding(x, m, through_gain(inv, *parameters), beta)


def group_norm_backward(
    dy: Array, y: Array, x: Array, *parameters: Array, groups: int, eps: float = 1e-5
) -> tuple[Array, ...]:
    """Return dx (N, C, ...), and dgamma and dbeta (C,) where there are such; see layer norm's."""
    xhat, inv = normalized(in_groups(x, groups), (2,), eps)
    dxhat = in_groups(through_gain(dy, *parameters), groups)
    dx = np.reshape(through_normalization(dxhat, xhat, inv, (2,)), np.shape(x))
    return dx, *of_parameters(dy, np.reshape(xhat, np.shape(x)), len(parameters))


def in_groups(x: Array, groups: int) -> Array:
    """Return x as (N, groups, n)."""
    N, *each = np.shape(x)
    return np.reshape(x, (N, groups, prod(each) // groups))


def affine(xhat: Array, *parameters: Array) -> Array:
    """Return gamma xhat + beta; without them, xhat."""
    if not parameters:
        return xhat
    gamma, beta = (np.reshape(a, over_batch(xhat)[1]) for a in parameters)
    return gamma * xhat + beta


def through_gain(dy: Array, *parameters: Array) -> Array:
    """Return dxhat = gamma dy; without a gain, dy."""
    return dy * np.reshape(parameters[0], over_batch(dy)[1]) if parameters else dy


def of_parameters(dy: Array, xhat: Array, count: int) -> tuple[Array, ...]:
    """Return dgamma = sum dy xhat and dbeta = sum dy, for as many parameters as there are."""
    axes, _ = over_batch(dy)
    return (np.sum(dy * xhat, axis=axes), np.sum(dy, axis=axes)) if count else ()


def inference_forward(
    x: Array, *parameters: Array, mean: Any, variance: Any, eps: float = 1e-5
) -> Array:
    """Return y = gamma (x - mean) / sqrt(variance + eps) + beta (Ioffe and Szegedy 2015, alg. 2).

    mean, variance: numbers (C,) that were gathered in training, constants.
    """
    return affine(standardized(x, mean, variance, eps)[0], *parameters)


def inference_forward_folded(
    x: Array, *parameters: Array, mean: Any, variance: Any, eps: float = 1e-5
) -> Array:
    """Return y as x scale + shift; see `of_folding`."""
    xhat, inv = standardized(x, mean, variance, eps)
    m, inv = (np.broadcast_to(a, np.shape(x)) for a in (of_channels(mean, x), inv))
    return affine(xhat, *parameters) + besides(x, m, inv, *parameters)


def inference_backward(
    dy: Array, y: Array, x: Array, *parameters: Array, mean: Any, variance: Any, eps: float = 1e-5
) -> tuple[Array, ...]:
    """Return dx = gamma dy / sqrt(variance + eps), and dgamma and dbeta as in training."""
    xhat, inv = standardized(x, mean, variance, eps)
    return through_gain(dy, *parameters) * inv, *of_parameters(dy, xhat, len(parameters))


def standardized(x: Array, mean: Any, variance: Any, eps: float) -> tuple[Array, Array]:
    """Return xhat = (x - mean) inv and inv = 1 / sqrt(variance + eps)."""
    inv = 1 / np.sqrt(of_channels(variance, x) + eps)
    return (x - of_channels(mean, x)) * inv, inv


def of_channels(values: Any, x: Array) -> Array:
    """Return constants (C,) in the shape in which they broadcast to x."""
    return np.reshape(constant(values, x), over_batch(x)[1])


FOLDED = "folded into scale and shift"

group_norm = Op(
    group_norm_forward,
    group_norm_backward,
    forms={FOLDED: Op(group_norm_forward_folded, group_norm_backward)},
)
batch_norm_inference = Op(
    inference_forward,
    inference_backward,
    forms={FOLDED: Op(inference_forward_folded, inference_backward)},
)
