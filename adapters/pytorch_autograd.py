"""PyTorch: eager tensors, torch.autograd."""

import torch
from torch.nn import functional as F

from adapters.protocol import Adapter, Loss, Tensor


def array(a: Tensor) -> Tensor:  # torch.tensor does not know NumPy's bfloat16
    bfloat16 = a.dtype.name == "bfloat16"
    return torch.tensor(a.astype("float32")).bfloat16() if bfloat16 else torch.tensor(a)


def numpy(t: Tensor) -> Tensor:
    bfloat16 = t.dtype == torch.bfloat16
    return t.detach().float().numpy().astype("bfloat16") if bfloat16 else t.detach().numpy()


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    leaves = [tensor.requires_grad_() for tensor in tensors.values()]
    E, values = loss(tensors)
    return values, dict(zip(tensors, torch.autograd.grad(E, leaves), strict=True))


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
