"""Clipping of gradients, by value and by norm (Pascanu, Mikolov and Bengio 2013), then descent."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.optimizers.descent import sgd
from backproof.reference.optimizers.optimizer import Optimizer


def clip_by_value(lr: float = 1e-3, limit: float = 1.0) -> Optimizer:
    """Return descent by gradients whose every entry is cut to [-limit, limit].

    Source: Mikolov 2012, sec. 3.2.2; Graves 2013, sec. 2.1.
    """
    return clipped(lr, lambda g: np.minimum(np.maximum(g, -limit), limit))


def clip_by_norm(lr: float = 1e-3, limit: float = 1.0, norm_type: float = 2.0) -> Optimizer:
    """Return descent by g limit / |g| where |g|, the norm of all gradients together, reaches limit.

    Source: Pascanu et al. 2013, alg. 1. norm_type: 2, 1 or inf.
    """

    def clip(g: Any) -> Any:
        size = norm(g, norm_type)
        return np.where(size < limit, g, g / size * limit)

    return clipped(lr, clip)


def clip_by_norm_softened(
    lr: float = 1e-3, limit: float = 1.0, norm_type: float = 2.0, eps: float = 1e-6
) -> Optimizer:
    """Return descent by g min(limit / (|g| + eps), 1).

    Source: Pascanu et al. 2013, alg. 1, with eps so that nothing is divided by a norm of zero.
    """
    return clipped(lr, lambda g: g * np.minimum(limit / (norm(g, norm_type) + eps), 1))


def norm(g: Any, norm_type: float = 2.0) -> Any:
    """Return the norm over the last axis, (..., 1): of degree 1, 2 or inf."""
    if norm_type == 1:
        return np.sum(np.abs(g), axis=-1, keepdims=True)
    if norm_type == np.inf:
        return np.max(np.abs(g), axis=-1, keepdims=True)
    return np.sqrt(np.sum(g * g, axis=-1, keepdims=True))


def clipped(lr: float, clip: Callable[[Any], Any]) -> Optimizer:
    """Return descent by clipped gradients, which are shown."""
    return Optimizer({"clipped": clip, "w": lambda w, clipped: sgd(w, clipped, lr)})
