"""The ops by name: the one table that a network's nodes refer to."""

from reference.ops.activations import relu, tanh
from reference.ops.dense import dense
from reference.ops.losses import half_squared_error, mean_squared_error, softmax_cross_entropy
from reference.ops.op import Array, Op
from reference.ops.sigmoid import sigmoid

__all__ = ["OPS", "Array", "Op"]

OPS: dict[str, Op] = {
    "dense": dense,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "half_squared_error": half_squared_error,
    "mean_squared_error": mean_squared_error,
    "softmax_cross_entropy": softmax_cross_entropy,
}
