"""An adapter without a framework: NumPy, and derivatives by the complex step.

For an analytic f, Im f(x + ih) / h is f'(x) up to h^2, without the subtraction that spoils a
difference quotient (Squire and Trapp, SIAM Review 40(1), 1998). It takes one pass per entry, so it
is for small networks only.
"""

import numpy as np

from backproof.adapters.protocol import Adapter, Loss, Tensor

STEP = 2.0**-60  # its square is lost when added to one, even in float64


def value_and_grad(
    loss: Loss, tensors: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    _, values = loss(tensors)
    gradients = {name: np.zeros_like(tensor) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        for index in np.ndindex(tensor.shape):
            moved = tensor.copy()
            moved[index] += 1j * STEP
            E, _ = loss({**tensors, name: moved})
            gradients[name][index] = E.imag / STEP
    return values, gradients


adapter = Adapter(
    version=np.__version__,
    ops={
        "dense": lambda x, W, b: x @ W + b,
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "half_squared_error": lambda y, t: np.sum((t - y) ** 2) / 2,
    },
    array=lambda a: a.astype(np.result_type(a, np.complex64)),  # float64 -> complex128
    numpy=np.real,
    value_and_grad=value_and_grad,
)
