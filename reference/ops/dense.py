"""Dense layer, the article's net input: z = x W + b.

Shapes: B batch (any number of leading axes), I inputs, O outputs.
"""

from math import prod

import numpy as np

from backproof.reference.ops.functions import stored
from backproof.reference.ops.op import Array, Op, sum_to_shape


def dense_forward(x: Array, W: Array, b: Array | None = None) -> Array:
    """Return the net input z = x W + b, (..., O), for x (..., I) (article, steps 1.1 to 1.3).

    This is formula row 1. W: (I, O), one column per neuron. b: (O,), or () where all neurons share
    one bias, or left out. Returns z in the dtype of its operands.
    """
    return x @ W if b is None else x @ W + b


def dense_forward_fused(x: Array, W: Array, b: Array | None = None) -> Array:
    """Return z = [x 1] [W; b]: the bias is one more term of the inner product, in any order."""
    if b is None:
        return x @ W
    ones, row = np.ones_like(x[..., :1]), 0 * W[:1] + b
    return np.concatenate([x, ones], axis=-1) @ np.concatenate([W, row], axis=0)


def dense_backward(
    dz: Array, z: Array, x: Array, W: Array, b: Array | None = None
) -> tuple[Array, ...]:
    """Return dx (..., I), dW (I, O) and, if there is a b, db (its shape) from dE/dz (..., O)."""
    dx, dW = input_cotangent(dz, W), weight_gradient(dz, x)
    return (dx, dW) if b is None else (dx, dW, sum_to_shape(dz, np.shape(b)))


def dense_backward_of_each(
    dz: Array, z: Array, x: Array, W: Array, b: Array | None = None
) -> tuple[Array, ...]:
    """Return the same, a shared bias's db as the sum of what each neuron's receives, stored first.

    So it is where b was expanded to (O,) before the layer.
    """
    if b is None or prod(np.shape(b)) > 1:
        return dense_backward(dz, z, x, W, b)
    db = sum_to_shape(stored(sum_to_shape(dz, np.shape(W)[1:])), np.shape(b))
    return input_cotangent(dz, W), weight_gradient(dz, x), db


def input_cotangent(dz: Array, W: Array) -> Array:
    """Return dx = dz W^T, (..., I) (article, steps 4.1 and 4.2).

    z[n,o] = sum_i x[n,i] W[i,o] + b[o], so dz[n,o]/dx[n,i] = W[i,o]: every neuron o that
    x[n,i] feeds sends its delta back through the weight between them.
    """
    return dz @ W.T


def weight_gradient(dz: Array, x: Array) -> Array:
    """Return dW = x^T dz, (I, O) (article, steps 3.1, 3.2, 4.1, 4.2; formula rows 5 and 7).

    dz[n,o]/dW[i,o] = x[n,i]: delta times input, added over the batch.
    """
    *batch, inputs = x.shape
    return x.reshape(prod(batch), inputs).T @ dz.reshape(prod(batch), dz.shape[-1])


dense = Op(
    dense_forward,
    dense_backward,
    forms={
        "sums the bias among the products": Op(dense_forward_fused, dense_backward),
        "stores the gradient of each neuron's bias": Op(dense_forward, dense_backward_of_each),
    },
)
