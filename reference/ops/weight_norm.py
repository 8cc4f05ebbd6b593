"""Weight normalization: the length and the direction of a weight as parameters of their own.

Shapes: v any; g as v, but with one entry along every axis but `dim`: one gain for each v[i] there.

Source: Salimans and Kingma, Weight Normalization (2016), sec. 2.
"""

import numpy as np

from backproof.reference.ops.op import Array, Op


def weight_norm_forward(v: Array, g: Array, *, dim: int = 0) -> Array:
    """Return w = g v / ||v||, in the shape of v (eq. 2).

    dim: the axis of the neurons or channels; each has a length ||v|| over all other axes.
    """
    u, _ = direction(v, dim)
    return g * u


def weight_norm_backward(
    dw: Array, w: Array, v: Array, g: Array, *, dim: int = 0
) -> tuple[Array, Array]:
    """Return dv and dg, in the shapes of v and g (eq. 3).

    With n = ||v|| and u = v / n:
    1. n^2 = sum v^2, so dn/dv = v / n = u.
    2. w = g u, so dg = sum dw u over all axes but `dim`, and du = g dw.
    3. du[i]/dv[k] = ([i = k] - u[i] u[k]) / n: what is along u changes the length alone. So
       dv = g (dw - u dg) / n.
    """
    u, n = direction(v, dim)
    dg = np.sum(dw * u, axis=others(v, dim), keepdims=True)
    return g * (dw - u * dg) / n, dg


def direction(v: Array, dim: int) -> tuple[Array, Array]:
    """Return u = v / ||v||, in the shape of v, and the lengths ||v||, in that of g."""
    n = np.sqrt(np.sum(v * v, axis=others(v, dim), keepdims=True))
    return v / n, n


def others(v: Array, dim: int) -> tuple[int, ...]:
    """Return all axes of v but one."""
    return tuple(axis for axis in range(v.ndim) if axis != dim % v.ndim)


def weight_norm_forward_scaled(v: Array, g: Array, *, dim: int = 0) -> Array:
    """Return w = (g / n) v: the quotient may underflow where g u does not."""
    _, n = direction(v, dim)
    return g / n * v


def weight_norm_backward_scaled(
    dw: Array, w: Array, v: Array, g: Array, *, dim: int = 0
) -> tuple[Array, Array]:
    """Return dv and dg, in the shapes of v and g, with the derivatives of the quotient r = g / n.

    w = r v, so dr = sum dw v. Then dg = dr / n, dn = -dr r / n, and dv = r dw + u dn.
    """
    u, n = direction(v, dim)
    r, dr = g / n, np.sum(dw * v, axis=others(v, dim), keepdims=True)
    return r * dw - u * (dr * (r / n)), dr / n


weight_norm = Op(
    weight_norm_forward,
    weight_norm_backward,
    forms={"scaled by g / ||v||": Op(weight_norm_forward_scaled, weight_norm_backward_scaled)},
)
