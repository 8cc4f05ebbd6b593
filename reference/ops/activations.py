"""Activations, element by element; the sigmoid and GELU have their own files."""

from functools import partial

import numpy as np

from backproof.reference.ops.functions import either_side, rounding, stop, times, with_tangent
from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.sigmoid import sigmoid_forward


def tanh_forward(z: Array) -> Array:
    """Return tanh z, in the shape and dtype of z."""
    return np.tanh(z)


def tanh_forward_short(z: Array) -> Array:
    """Return tanh z, which implementations may return short of 1 far out, by three roundings.

    1 - 3u was seen in float32, u = 2^-24. Over `Ball` the sum itself is the third rounding.
    """
    out = np.tanh(z)
    return out + (rounding(out) + rounding(out))


def tanh_backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = dout tanh'(z), in the shape of z.

    1. tanh = sinh / cosh, so tanh' = (cosh^2 - sinh^2) / cosh^2 = 1 - tanh^2.
    """
    return (dout * (1 - out * out),)


def tanh_backward_factored(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = (dout + dout tanh)(1 - tanh): JAX's form, sharper at +1, less sharp at -1."""
    return ((dout + dout * out) * (1 - out),)


def tanh_backward_through_input(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return the same, with the tangent of `out` taken from that of z: (dz + dz tanh)(1 - tanh).

    Only the tangent differs, as in second derivatives that multiply before they take tanh'. It is
    less sharp where dz + dz tanh cancels.
    """
    y = stop(out)
    return tanh_backward_factored(dout, with_tangent(out, (z + z * y) * (1 - y)), z)


def tanh_backward_from_input(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = dout 4 e^-2|z| / (1 + e^-2|z|)^2, in the shape of z.

    1. cosh z = (e^|z| + e^-|z|) / 2 = e^|z| (1 + e^-2|z|) / 2, and tanh' = 1 / cosh^2.
    2. Nothing cancels in it, whereas 1 - tanh^2 has no digit left where tanh is rounded to 1.
    """
    e = np.exp(-2 * np.abs(z))
    return (dout * (4 * e / ((1 + e) * (1 + e))),)


def relu_forward(z: Array) -> Array:
    """Return max(z, 0), in the shape and dtype of z (Glorot, Bordes and Bengio 2011, sec. 3)."""
    return np.maximum(z, 0)


def relu_backward(dout: Array, out: Array, z: Array, *, share: float = 0.0) -> tuple[Array]:
    """Return dz, in the shape of z: dout where z > 0, else 0; at z = 0 see `either_side`.

    0 at z = 0 is the convention of PyTorch and JAX alike.
    """
    return (either_side(z, dout, np.zeros_like(dout), share),)


def leaky_relu_forward(z: Array, *, negative_slope: float = 0.01) -> Array:
    """Return z where z > 0, else negative_slope z (Maas, Hannun and Ng 2013, eq. 2)."""
    return np.where(z > 0, z, negative_slope * z)


def leaky_relu_backward(
    dout: Array, out: Array, z: Array, *, negative_slope: float = 0.01, share: float = 0.0
) -> tuple[Array]:
    """Return dz, in the shape of z: dout where z > 0, else negative_slope dout; see `relu`'s."""
    return (either_side(z, dout, negative_slope * dout, share),)


def elu_forward(z: Array, *, alpha: float = 1.0) -> Array:
    """Return z where z > 0, else alpha (e^z - 1) (Clevert et al. 2016, eq. 15).

    The exponential never sees a positive z, which could overflow.
    """
    return np.where(z > 0, z, alpha * np.expm1(-np.abs(z)))


def elu_backward(
    dout: Array, out: Array, z: Array, *, alpha: float = 1.0, share: float = 0.0
) -> tuple[Array]:
    """Return dz, in the shape of z: dout where z > 0, else dout alpha e^z; see `relu`'s."""
    return (either_side(z, dout, dout * (alpha * np.exp(-np.abs(z))), share),)


def elu_backward_from_output(
    dout: Array, out: Array, z: Array, *, alpha: float = 1.0, share: float = 0.0
) -> tuple[Array]:
    """Return dz with alpha e^z as out + alpha, which cancels where z is far below zero."""
    return (either_side(z, dout, dout * (out + alpha), share),)


def elu_backward_flat_at_zero(
    dout: Array, out: Array, z: Array, *, alpha: float = 1.0
) -> tuple[Array]:
    """Return dz with a slope that is constant at z = 0, where ELU has no second derivative."""
    below = alpha * np.exp(-np.abs(z))
    return (np.where(z > 0, dout, dout * np.where(z < 0, below, stop(below))),)


def silu_forward(z: Array) -> Array:
    """Return z s(z), s the sigmoid (Elfwing, Uchibe and Doya 2018, eq. 6; "swish")."""
    return z * sigmoid_forward(z)


def silu_backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz, in the shape of z (Elfwing, Uchibe and Doya 2018, eq. 9).

    1. (z s)' = s + z s', and s' = s (1 - s).
    2. So it is s (1 + z (1 - s)).
    """
    s = sigmoid_forward(z)
    return (dout * (s * (1 + z * (1 - s))),)


def softplus_forward(z: Array, *, beta: float = 1.0, threshold: float | None = None) -> Array:
    """Return log(1 + e^(beta z)) / beta (Glorot, Bordes and Bengio 2011, sec. 3).

    threshold: where beta z is above it, z itself is returned; None: nowhere.
    Computed as max(beta z, 0) / beta + log(1 + e^-|beta z|) / beta, which cannot overflow.
    """
    bz = times(beta, z)
    linear = np.maximum(z, 0) if beta > 0 else np.minimum(z, 0)
    out = linear + over(beta, np.log1p(np.exp(-np.abs(bz))))
    return out if threshold is None else np.where(bz > threshold, z, out)


def over(beta: float, z: Array) -> Array:
    """Return z / beta; z itself, unrounded, where beta is 1."""
    return z if beta == 1 else z / beta


def softplus_forward_direct(
    z: Array, *, beta: float = 1.0, threshold: float | None = None
) -> Array:
    """Return log(1 + e^(beta z)) / beta as it stands: less sharp above zero, and overflowing."""
    bz = times(beta, z)
    out = over(beta, np.log1p(np.exp(bz)))
    return out if threshold is None else np.where(bz > threshold, z, out)


def softplus_backward(
    dout: Array,
    out: Array,
    z: Array,
    *,
    beta: float = 1.0,
    threshold: float | None = None,
    share: float = 0.0,
) -> tuple[Array]:
    """Return dz, in the shape of z.

    1. d log(1 + e^(beta z)) / beta / dz = e^(beta z) / (1 + e^(beta z)) = s(beta z).
    2. Above the threshold the function is z, and its derivative 1; at it, see `either_side`.
    """
    bz = times(beta, z)
    dz = dout * sigmoid_forward(bz)
    return (dz if threshold is None else either_side(bz, dout, dz, share, threshold),)


def softplus_backward_flat_at_threshold(
    dout: Array, out: Array, z: Array, *, beta: float = 1.0, threshold: float | None = None
) -> tuple[Array]:
    """Return dz with a slope that is constant at the threshold, where it jumps to 1."""
    (dz,) = softplus_backward(dout, out, z, beta=beta, threshold=threshold)
    if threshold is None:
        return (dz,)
    (fixed,) = softplus_backward(dout, out, stop(z), beta=beta, threshold=threshold)
    bz = times(beta, z)
    return (np.where(bz > threshold, dz, np.where(bz < threshold, dz, fixed)),)


def softplus_backward_from_output(
    dout: Array, out: Array, z: Array, *, beta: float = 1.0, threshold: float | None = None
) -> tuple[Array]:
    """Return dz with s(beta z) as e^(beta (z - out)): less sharp where z is large."""
    dz = dout * np.exp(times(beta, z - out))
    return (dz if threshold is None else np.where(times(beta, z) > threshold, dout, dz),)


def log_sigmoid_forward(z: Array) -> Array:
    """Return log s(z) = -log(1 + e^-z), s the sigmoid."""
    return np.where(z > 0, 0, z) - np.log1p(np.exp(-np.abs(z)))


def log_sigmoid_backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = dout s(-z), in the shape of z: (log s)' = s' / s = 1 - s."""
    return (dout * sigmoid_forward(-z),)


def log_sigmoid_backward_of_rest(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = dout (1 - e / (1 + e)) below zero, e = e^-|z|, which does not cancel there."""
    e = np.exp(-np.abs(z))
    rest = e / (1 + e)
    return (dout * np.where(z < 0, 1 - rest, rest),)


def log_sigmoid_backward_of_constant(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return the same dz, with the tangent dout (s - 1) s of the rounded s.

    Only the tangent differs: it cancels where s is near 1.
    """
    s = stop(sigmoid_forward(z))
    return (dout * with_tangent(sigmoid_forward(-z), (s - 1) * s * z),)


def log_sigmoid_backward_from_output(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz with s(-z) = e^-z s(z) as e^(out - z): less sharp where |z| is large."""
    return (dout * np.exp(out - z),)


def mish_forward(z: Array) -> Array:
    """Return z tanh(log(1 + e^z)) (Misra 2020, eq. 1)."""
    return z * np.tanh(softplus_forward(z))


def mish_backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz, in the shape of z, with t = tanh(log(1 + e^z)).

    1. (z t)' = t + z t', and t' = (1 - t^2) s(z), for the derivative of log(1 + e^z) is s(z).
    """
    t = np.tanh(softplus_forward(z))
    return (dout * (t + z * ((1 - t * t) * sigmoid_forward(z))),)


def mish_backward_from_input(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz with 1 - t^2 = 4 q / (1 + q)^2, q = s(-z)^2, in which nothing cancels.

    1. e^(-2 log(1 + e^z)) = s(-z)^2: see `tanh_backward_from_input`.
    """
    s = sigmoid_forward(-z)
    q = s * s
    t = np.tanh(softplus_forward(z))
    return (dout * (t + z * (4 * q / ((1 + q) * (1 + q)) * sigmoid_forward(z))),)


def softsign_forward(z: Array) -> Array:
    """Return z / (1 + |z|) (Bergstra et al. 2009)."""
    return z / (1 + magnitude(z))


def softsign_backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = dout / (1 + |z|)^2, in the shape of z.

    1. Above zero, (z / (1 + z))' = (1 + z - z) / (1 + z)^2. The function is odd.
    """
    size = 1 + magnitude(z)
    return (dout / (size * size),)


def softsign_backward_of_quotient(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = dout (1 / (1 + |z|) - |z| / (1 + |z|)^2), which cancels where z is large."""
    size = 1 + magnitude(z)
    return (dout / size - dout * (magnitude(z) / (size * size)),)


def magnitude(z: Array) -> Array:
    """Return |z|, whose slope at zero is the mean of both sides': zero."""
    return either_side(z, z, -z, 0.5)


tanh = Op(
    tanh_forward,
    tanh_backward,
    forms={
        "tanh' as (1 + y)(1 - y)": Op(tanh_forward, tanh_backward_factored),
        "tanh' from the input": Op(tanh_forward, tanh_backward_from_input),
        "tanh short of 1 far out": Op(tanh_forward_short, tanh_backward),
        "tanh'' from the input's tangent": Op(tanh_forward, tanh_backward_through_input),
    },
)
relu = Op(
    relu_forward,
    relu_backward,
    forms={
        "slope 1/2 at zero": Op(relu_forward, partial(relu_backward, share=0.5)),
        "slope 1 at zero": Op(relu_forward, partial(relu_backward, share=1)),
    },
)
leaky_relu = Op(
    leaky_relu_forward,
    leaky_relu_backward,
    forms={
        "mean of both slopes at zero": Op(
            leaky_relu_forward, partial(leaky_relu_backward, share=0.5)
        ),
        "slope 1 at zero": Op(leaky_relu_forward, partial(leaky_relu_backward, share=1)),
    },
)
elu = Op(
    elu_forward,
    elu_backward,
    forms={
        "ELU' as y + alpha": Op(elu_forward, elu_backward_from_output),
        "ELU'' 0 at zero": Op(elu_forward, elu_backward_flat_at_zero),
        "mean of both slopes at zero": Op(elu_forward, partial(elu_backward, share=0.5)),
        "slope 1 at zero": Op(elu_forward, partial(elu_backward, share=1)),
        "ELU' as y + alpha, slope 1 at zero": Op(
            elu_forward, partial(elu_backward_from_output, share=1)
        ),
    },
)
silu = Op(silu_forward, silu_backward)
softplus = Op(
    softplus_forward,
    softplus_backward,
    forms={
        "softplus as log(1 + e^z)": Op(softplus_forward_direct, softplus_backward),
        "softplus' as e^(z - y)": Op(softplus_forward, softplus_backward_from_output),
        "slope 1 at its threshold": Op(softplus_forward, partial(softplus_backward, share=1)),
        "softplus'' 0 at its threshold": Op(softplus_forward, softplus_backward_flat_at_threshold),
    },
)
log_sigmoid = Op(
    log_sigmoid_forward,
    log_sigmoid_backward,
    forms={
        "log s' as 1 - s": Op(log_sigmoid_forward, log_sigmoid_backward_of_rest),
        "log s'' as (s - 1) s": Op(log_sigmoid_forward, log_sigmoid_backward_of_constant),
        "log s' as e^(y - z)": Op(log_sigmoid_forward, log_sigmoid_backward_from_output),
    },
)
mish = Op(
    mish_forward,
    mish_backward,
    forms={"mish' from the input": Op(mish_forward, mish_backward_from_input)},
)
softsign = Op(
    softsign_forward,
    softsign_backward,
    forms={"softsign' of a quotient": Op(softsign_forward, softsign_backward_of_quotient)},
)
