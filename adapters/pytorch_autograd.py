"""PyTorch: eager tensors, torch.autograd."""

import torch
from torch.nn import functional as F

from adapters.protocol import Adapter, Loss, Tensor


def dense(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return F.linear(x, W.T, b.expand(W.shape[1]))


def half_squared_error(y: Tensor, t: Tensor) -> Tensor:
    return 0.5 * F.mse_loss(y, t, reduction="sum")


def value_and_grad(
    loss: Loss, tensors: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    leaves = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
    E, values = loss(leaves)
    gradients = torch.autograd.grad(E, list(leaves.values()))
    return values, dict(zip(leaves, gradients, strict=True))


adapter = Adapter(
    version=torch.__version__,
    ops={"dense": dense, "sigmoid": torch.sigmoid, "half_squared_error": half_squared_error},
    array=torch.tensor,
    numpy=lambda tensor: tensor.detach().numpy(),
    value_and_grad=value_and_grad,
)
