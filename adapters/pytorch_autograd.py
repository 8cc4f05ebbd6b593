"""PyTorch: eager tensors, torch.autograd."""

import numpy as np
import torch
from torch.nn import functional as F

from adapters.protocol import Adapter, Loss, Tensor


def array(a: np.ndarray) -> Tensor:  # torch.tensor does not know NumPy's bfloat16
    bfloat16 = a.dtype.name == "bfloat16"
    return torch.tensor(a.astype(np.float32)).bfloat16() if bfloat16 else torch.tensor(a)


def numpy(tensor: Tensor) -> np.ndarray:
    a = tensor.detach()
    return a.float().numpy().astype("bfloat16") if a.dtype == torch.bfloat16 else a.numpy()


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    leaves = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
    E, values = loss(leaves)
    gradients = torch.autograd.grad(E, list(leaves.values()))
    return values, dict(zip(leaves, gradients, strict=True))


adapter = Adapter(
    version=torch.__version__,
    ops={
        "dense": lambda x, W, b: F.linear(x, W.T, b.expand(W.shape[1])),
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": F.relu,
        "half_squared_error": lambda y, t: 0.5 * F.mse_loss(y, t, reduction="sum"),
        "mean_squared_error": F.mse_loss,
        "softmax_cross_entropy": F.cross_entropy,
    },
    array=array,
    numpy=numpy,
    value_and_grad=value_and_grad,
)
