"""What batch, layer, group and RMS norm are known to compute instead.

Shapes as in `reference.ops.normalization`: n entries of x are normalized together, over some axes;
y = gamma xhat + beta, inv = 1 / sqrt(variance + eps), and d = dE/dxhat = gamma dy.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.numbers.precision import BFLOAT16, FLOAT32, FLOAT64
from backproof.reference.numbers.stepwise import cast, like, nearest, wide
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import rounding, stop
from backproof.reference.ops.group_norm import affine, in_groups, of_parameters, through_gain
from backproof.reference.ops.normalization import (
    mean,
    normalized,
    over_batch,
    root_mean_square,
    through_normalization,
)

Axes = tuple[int, ...]


def over_features(x: Array) -> tuple[Axes, Axes]:
    """Return the axis that layer norm normalizes over, and the shape in which (C,) broadcasts."""
    return (x.ndim - 1,), (-1,)


OVER = {"batch_norm": over_batch, "layer_norm": over_features}
"""Op -> the axes that it normalizes over, and the shape in which (C,) broadcasts."""


def others(name: str, x: Array) -> Axes:
    """Return all axes but that of the channels or features."""
    return over_batch(x)[0] if name == "batch_norm" else tuple(range(x.ndim - 1))


def norms(
    normalize: Callable[[Array, Axes, float], Array],
    through: Callable[[Array, Array, Axes, float], Array],
) -> dict[str, Op]:
    """Return batch norm, layer norm and group norm.

    normalize: (x, axes, eps) -> xhat. through: (d, x, axes, eps) -> dx.
    """

    def norm(name: str) -> Op:
        def forward(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
            axes, column = OVER[name](x)
            return normalize(x, axes, eps) * gamma.reshape(column) + beta.reshape(column)

        def backward(
            dy: Array, y: Array, x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5
        ) -> tuple[Array, Array, Array]:
            axes, column = OVER[name](x)
            dx = through(dy * gamma.reshape(column), x, axes, eps)
            every = others(name, x)
            return dx, np.sum(dy * normalize(x, axes, eps), axis=every), np.sum(dy, axis=every)

        return Op(forward, backward)

    return {name: norm(name) for name in OVER} | {"group_norm": norm_of_groups(normalize, through)}


def norm_of_groups(
    normalize: Callable[[Array, Axes, float], Array],
    through: Callable[[Array, Array, Axes, float], Array],
) -> Op:
    """Return group norm; arguments as of `norms`."""

    def normalized_groups(x: Array, groups: int, eps: float) -> Array:
        return np.reshape(normalize(in_groups(x, groups), (2,), eps), np.shape(x))

    def forward(x: Array, *parameters: Array, groups: int, eps: float = 1e-5) -> Array:
        return affine(normalized_groups(x, groups, eps), *parameters)

    def backward(
        dy: Array, y: Array, x: Array, *parameters: Array, groups: int, eps: float = 1e-5
    ) -> tuple[Array, ...]:
        dxhat = in_groups(through_gain(dy, *parameters), groups)
        dx = np.reshape(through(dxhat, in_groups(x, groups), (2,), eps), np.shape(x))
        return dx, *of_parameters(dy, normalized_groups(x, groups, eps), len(parameters))

    return Op(forward, backward)


def with_right_values(ops: Mapping[str, Op]) -> dict[str, Op]:
    """Return ops of which only the backward function is another one."""
    return {name: replace(op, forward=OPS[name].forward) for name, op in ops.items()}


def difference_of_means() -> dict[str, Op]:
    """Return norms whose variance is max(mean x^2 - (mean x)^2, 0), differentiated as it stands.

    It is the variance on paper, and cancels where the mean is large beside it.
    """

    def statistics(x: Array, axes: Axes, eps: float) -> tuple[Array, Array, Array]:
        m = mean(x, axes)
        v = mean(x * x, axes) - m * m
        return x - m, v, 1 / np.sqrt(np.maximum(v, 0) + eps)

    def normalize(x: Array, axes: Axes, eps: float) -> Array:
        c, _, inv = statistics(x, axes, eps)
        return c * inv

    def through(d: Array, x: Array, axes: Axes, eps: float) -> Array:
        c, v, inv = statistics(x, axes, eps)
        return through_difference(d, x, c, inv, axes, np.where(v > 0, 1, 0))

    return norms(normalize, through)


def through_difference(d: Array, x: Array, c: Array, inv: Array, axes: Axes, slope: Any) -> Array:
    """Return dx where the variance is v = mean x^2 - m^2.

    x - m is c. slope: d max(v, 0) / dv.
    1. dv/dx[k] = 2 x[k] / n - 2 m / n, two terms that are rounded before they cancel to 2 c[k] / n.
    2. dinv/dv = -inv^3 / 2, so dE/dv = -n pull / 2, pull = inv^2 mean(d xhat).
    3. dx = inv (d - mean(d)) - (x pull - m pull).
    """
    pull = slope * (inv * inv * mean(d * (c * inv), axes))
    besides = rounding(x * pull) + rounding((x - c) * pull)
    return inv * (d - mean(d, axes)) - c * pull + (besides + besides)


def difference_in_steps() -> dict[str, Op]:
    """Return the same in steps, each rounded: only means of x and x^2 are accumulated in float32.

    The maximum of v and 0 has the slope 1/2 where both are equal.
    """

    def statistics(x: Array, axes: Axes, eps: float) -> tuple[Array, ...]:
        # 1. The statistics.
        m = like(mean(wide(x), axes), x)
        v = like(mean(wide(x) * wide(x), axes), x) - m * m
        # 2. inv.
        s = np.maximum(v, 0) + eps
        inv = like(1 / np.sqrt(wide(s)), x)
        return m, v, s, inv

    def normalize(x: Array, axes: Axes, eps: float) -> Array:
        m, _, _, inv = statistics(x, axes, eps)
        return (x - m) * inv

    def through(d: Array, x: Array, axes: Axes, eps: float) -> Array:
        m, v, s, inv = statistics(x, axes, eps)
        n = x.size // m.size
        # 1. xhat = c inv.
        dc, dinv = d * inv, np.sum(d * (x - m), axis=axes, keepdims=True)
        # 2. inv = s^(-1/2), so dinv/ds = -inv / (2 s). It overflows first.
        dv = dinv * (-0.5 * (inv / s)) * np.where(v > 0, 1 + 0 * v, np.where(v < 0, 0, 0.5 + 0 * v))
        # 3. v = mean x^2 - m^2, and c = x - m.
        dm = wide(np.sum(-dc, axis=axes, keepdims=True)) + wide(-dv * (2 * m))
        return (dc + dv / n * (2 * x)) + like(dm / n, x)

    return norms(normalize, through)


def difference_as_shown(slope: float) -> dict[str, Op]:
    """Return the same where nothing is left of the variance: it is what the output shows.

    All entries that are normalized together show the same variance. slope: of the maximum of v and
    0, where the output shows v = 0: 0 or, if v is 0 before the maximum too, 1/2.
    """

    def shown(name: str, y: Array, x: Array, gamma: Array, beta: Array) -> tuple[Array, Array]:
        """Return c = x - mean(x) and inv, from y - beta = gamma c inv."""
        axes, column = OVER[name](x)
        c = x - mean(x, axes)
        left, right = y - beta.reshape(column), c * gamma.reshape(column)
        return c, np.sqrt(mean(left * left, axes) / mean(right * right, axes))

    def norm(name: str) -> Op:
        def forward(y: Array, x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
            _, column = OVER[name](x)
            c, inv = shown(name, y, x, gamma, beta)
            return (c * inv) * gamma.reshape(column) + beta.reshape(column)

        def backward(
            dy: Array, y: Array, x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5
        ) -> tuple[Array, Array, Array]:
            axes, column = OVER[name](x)
            c, inv = shown(name, y, x, gamma, beta)
            v = 1 / (inv * inv) - eps
            d = dy * gamma.reshape(column)
            dx = through_difference(d, x, c, inv, axes, np.where(v > eps, 1, slope))
            every = others(name, x)
            return dx, np.sum(dy * (c * inv), axis=every), np.sum(dy, axis=every)

        return Op(forward, backward)

    return {name: norm(name) for name in OVER}


def saved_in_bfloat16() -> dict[str, Op]:
    """Return norms that keep the mean and inv for the backward pass rounded to bfloat16."""

    def saved(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
        _, inv = normalized(x, axes, eps)
        m, inv = (like(cast(a, BFLOAT16), x) for a in (mean(x, axes), inv))
        return (x - m) * inv, inv

    def through(d: Array, x: Array, axes: Axes, eps: float) -> Array:
        return through_normalization(d, *saved(x, axes, eps), axes)

    return with_right_values(norms(lambda *of: saved(*of)[0], through))


def in_bfloat16(*, about: bool) -> dict[str, Op]:
    """Return batch norm that computes with statistics of which each is rounded to bfloat16.

    about: whether the squared distances are those from the rounded mean.
    """

    def rounded(a: Array, x: Array) -> Array:
        return like(nearest(a, BFLOAT16), x)

    def statistics(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
        # 1. The mean. Where it is large beside the spread, xhat is far off by its rounding alone.
        exactly = mean(x, axes)
        m = rounded(exactly, x)
        # 2. The sum of the squared distances, and the variance.
        c = x - (m if about else exactly)
        total = rounded(np.sum(c * c, axis=axes, keepdims=True), x)
        v = rounded(total / (x.size // total.size), x)
        # 3. inv.
        inv = rounded(1 / np.sqrt(v + eps), x)
        return (x - m) * inv, inv

    def through(d: Array, x: Array, axes: Axes, eps: float) -> Array:
        return through_normalization(d, *statistics(x, axes, eps), axes)

    ops = norms(lambda *of: statistics(*of)[0], through)
    return {"batch_norm": ops["batch_norm"]}


def norms_cubed_in_float32() -> dict[str, Op]:
    """Return norms whose derivative has inv^3 in float32, of which underflow leaves few digits.

    dinv/dx[k] = -inv^3 (x[k] - m) / n.
    """

    def through(d: Array, x: Array, axes: Axes, eps: float) -> Array:
        _, inv = normalized(x, axes, eps)
        c, exactly = x - mean(x, axes), cast(inv, FLOAT64)
        cubed = like(nearest(exactly * exactly * exactly, FLOAT32), x)
        return inv * (d - mean(d, axes)) - cubed * c * mean(d * c, axes)

    return with_right_values(norms(lambda *of: normalized(*of)[0], through))


def constants_in_forward_mode() -> dict[str, Op]:
    """Return norms whose forward mode takes the mean m and inv for constants, once differentiated.

    v is the tangent of x; the tangent of xhat is (v - mean(v)) inv + (x - m) t,
    t = -inv^3 mean((v - mean(v)) (x - m)): right as it stands. With m and inv for constants
    1. <d, (x - m) t> has the gradient d t - inv^3 (v - mean(v)) mean(d (x - m)), and
    2. <dy, dgamma (x - m) inv>, of the tangent of gamma, has dy dgamma inv.
    Values, and the tangents that follow from those of dy, are right.
    """

    def norm(name: str) -> Op:
        def backward(
            dy: Array, y: Array, x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5
        ) -> tuple[Array, Array, Array]:
            axes, column = OVER[name](x)
            gain, fixed = gamma.reshape(column), stop(x)
            xhat, inv = normalized(fixed, axes, eps)
            c, cubed = fixed - mean(fixed, axes), inv * inv * inv
            v, d = x - fixed, dy * stop(gain)
            from_v = v - mean(v, axes)
            t = -cubed * mean(from_v * c, axes)
            dx = (
                through_normalization(d, xhat, inv, axes)
                + (stop(d) * t - cubed * from_v * mean(stop(d) * c, axes))
                + stop(dy) * (gain - stop(gain)) * inv
            )
            return (dx, *OPS[name].backward(dy, y, x, gamma, beta, eps=eps)[1:])

        return Op(OPS[name].forward, backward)

    return {name: norm(name) for name in OVER}


def mean_constant_in_second_order() -> dict[str, Op]:
    """Return norms whose variance mean (x - m)^2 takes m for a constant.

    Its gradient is right, as the mean of x - m is zero. The tangent of dvariance 2 (x - m) / n
    lacks that of m, dvariance = -inv^2 sum(d xhat) / 2.
    """

    def through(d: Array, x: Array, axes: Axes, eps: float) -> Array:
        xhat, inv = normalized(x, axes, eps)
        m = mean(x, axes)
        missing = inv * inv * mean(d * xhat, axes) * (m - stop(m))
        return through_normalization(d, xhat, inv, axes) - missing

    return with_right_values(norms(lambda *of: normalized(*of)[0], through))


def cubed_flushed() -> dict[str, Op]:
    """Return norms without what inv^3 contributes, where float32 flushes it to zero.

    dinv/dx[k] = -inv^3 (x[k] - m) / n, so the variance is a constant there; and so is RMS norm's
    mean square, dr/dx[k] = -r^3 x[k] / n.
    """

    def through(d: Array, x: Array, axes: Axes, eps: float) -> Array:
        xhat, inv = normalized(x, axes, eps)
        right = through_normalization(d, xhat, inv, axes)
        without = inv * (d - mean(d, axes))
        return np.where(inv * inv * inv < FLOAT32.minimum, without, right)

    def of_rms(
        dy: Array, y: Array, x: Array, gamma: Array, *, eps: float = 1e-5
    ) -> tuple[Array, Array]:
        dx, dgamma = OPS["rms_norm"].backward(dy, y, x, gamma, eps=eps)
        r = root_mean_square(x, eps)
        return np.where(r * r * r < FLOAT32.minimum, r * (dy * gamma), dx), dgamma

    rms_norm = replace(OPS["rms_norm"], backward=of_rms)
    return {
        **with_right_values(norms(lambda *of: normalized(*of)[0], through)),
        "rms_norm": rms_norm,
    }


def channels_mixed_up(ops: Mapping[str, Op] = OPS) -> dict[str, Op]:
    """Return batch norm that reads dy, channels last in memory, as channels first.

    ops: batch norm as it is otherwise.
    """
    norm = ops["batch_norm"]

    def backward(dy: Array, *operands: Array, **options: float) -> tuple[Array, ...]:
        mixed = np.transpose(dy, (0, *range(2, dy.ndim), 1)).reshape(*dy.shape)
        return norm.backward(mixed, *operands, **options)

    return {"batch_norm": replace(norm, backward=backward)}


def shift_in_parts(parts: int) -> dict[str, Op]:
    """Return layer norm whose dbeta is summed in the precision of dy, by some threads at a time.

    parts: of the rows, one for each thread; the sums of all parts are added up in float32.
    """

    def backward(
        dy: Array, y: Array, x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5
    ) -> tuple[Array, Array, Array]:
        rows = dy.reshape(-1, dy.shape[-1])
        size = -(-len(rows) // parts)
        sums = [wide(np.sum(rows[i : i + size], axis=0)) for i in range(0, len(rows), size)]
        dx, dgamma, _ = OPS["layer_norm"].backward(dy, y, x, gamma, beta, eps=eps)
        return dx, dgamma, like(sum(sums[1:], start=sums[0]), dy)

    return {"layer_norm": Op(OPS["layer_norm"].forward, backward)}


def mean_constant_without_gain() -> dict[str, Op]:
    """Return group norm whose dx, without a gain, takes the mean of its group for a constant."""
    right = OPS["group_norm"]

    def backward(
        dy: Array, y: Array, x: Array, *parameters: Array, groups: int, eps: float = 1e-5
    ) -> tuple[Array, ...]:
        if parameters:
            return right.backward(dy, y, x, *parameters, groups=groups, eps=eps)
        xhat, inv = normalized(in_groups(x, groups), (2,), eps)
        d = in_groups(dy, groups)
        dx = inv * (d - xhat * np.mean(d * xhat, axis=2, keepdims=True))
        return (np.reshape(dx, np.shape(x)),)

    return {"group_norm": replace(right, backward=backward)}
