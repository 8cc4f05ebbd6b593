"""JAX: jax.grad, not jitted."""

import jax
import jax.numpy as jnp
import numpy as np

from adapters.protocol import Adapter, Loss, Tensor


def softmax_cross_entropy(y: Tensor, t: Tensor) -> Tensor:
    return -jnp.mean(jnp.sum(t * jax.nn.log_softmax(y), axis=-1))


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    (_, values), gradients = jax.value_and_grad(loss, has_aux=True)(tensors)
    return values, gradients


adapter = Adapter(
    version=jax.__version__,
    ops={
        "dense": lambda x, W, b: jnp.dot(x, W) + b,
        "sigmoid": jax.nn.sigmoid,
        "tanh": jnp.tanh,
        "relu": jax.nn.relu,
        "half_squared_error": lambda y, t: 0.5 * jnp.sum(jnp.square(t - y)),
        "mean_squared_error": lambda y, t: jnp.mean(jnp.square(t - y)),
        "softmax_cross_entropy": softmax_cross_entropy,
    },
    array=jnp.array,
    numpy=np.asarray,
    value_and_grad=value_and_grad,
    state=lambda precision: jax.enable_x64(precision == "float64"),
)
