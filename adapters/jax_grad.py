"""JAX: jax.grad, not jitted."""

import jax
import jax.numpy as jnp
import numpy as np

from adapters.protocol import Adapter, Loss, Tensor


def dense(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return jnp.dot(x, W) + b


def half_squared_error(y: Tensor, t: Tensor) -> Tensor:
    return 0.5 * jnp.sum(jnp.square(t - y))


def value_and_grad(
    loss: Loss, tensors: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    (_, values), gradients = jax.value_and_grad(loss, has_aux=True)(tensors)
    return values, gradients


adapter = Adapter(
    version=jax.__version__,
    ops={"dense": dense, "sigmoid": jax.nn.sigmoid, "half_squared_error": half_squared_error},
    array=jnp.array,
    numpy=np.asarray,
    value_and_grad=value_and_grad,
    state=lambda precision: jax.enable_x64(precision == "float64"),
)
