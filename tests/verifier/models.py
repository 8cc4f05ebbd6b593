"""Small modules of torch.nn, written as people write them."""

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

Tensor = Any


class MLP(nn.Module):
    """Two layers, with dropout between them."""

    def __init__(self, activation: nn.Module) -> None:
        """Draw the weights."""
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(5, 7), activation, nn.Dropout(0.2), nn.Linear(7, 3, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, 3), of x (B, 5)."""
        return self.net(x)


class ConvNet(nn.Module):
    """Convolutions, batch norm, a residual, and ReLU in place."""

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.body = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, 3), of x (B, 2, 4, 4)."""
        x = self.relu(self.norm(self.stem(x)))
        y = self.body(x)
        y += x
        y = F.max_pool2d(self.relu(y), 2)
        return self.head(torch.flatten(y, 1))


class Residual(nn.Module):
    """A residual block with group norm, which halves the sides of images."""

    def __init__(self, channels: int, to: int) -> None:
        """Draw the weights."""
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, to, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(2, to),
            nn.ReLU(inplace=True),
            nn.Conv2d(to, to, 3, padding=1, bias=False),
            nn.GroupNorm(2, to),
        )
        self.shortcut = nn.Conv2d(channels, to, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return images, (B, to, H/2, W/2), of x (B, channels, H, W)."""
        return F.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """A ResNet with group norm."""

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        self.blocks = nn.Sequential(Residual(2, 4), Residual(4, 6))
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, 3), of x (B, 2, H, W)."""
        return self.head(torch.flatten(self.pool(self.blocks(x)), 1))


class Detector(nn.Module):
    """A detector of one box in a cell: features of two scales, and a head of box, object, class."""

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        self.down = nn.ModuleList([Residual(2, 4), Residual(4, 4)])
        self.mix = nn.Sequential(nn.Conv2d(8, 6, 3, padding=1), nn.BatchNorm2d(6), nn.SiLU())
        self.head = nn.Conv2d(6, 4 + 1 + 3, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return corners (B, N, 4), objectness (B, N), and logits (B, N, 3) of x (B, 2, H, W)."""
        near = self.down[0](x)
        far = F.interpolate(self.down[1](near), scale_factor=2, mode="nearest")
        y = self.head(self.mix(torch.cat([near, far], 1))).flatten(2).transpose(1, 2)
        center, size, found, kind = y.split([2, 2, 1, 3], dim=-1)
        rows = torch.arange(near.shape[-1], dtype=x.dtype)
        cells = torch.stack(torch.meshgrid(rows, rows, indexing="xy"), -1).view(-1, 2)
        middle, half = center.sigmoid() + cells, size.clamp(max=4).exp() / 2
        return torch.cat([middle - half, middle + half], -1), found.squeeze(-1), kind


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Return the generalized intersection over union of boxes, (N, 4), as their corners."""
    inner = torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])
    outer = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    both, hull = inner.clamp(min=0).prod(-1), outer[:, 0] * outer[:, 1]
    areas = [(box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) for box in (a, b)]
    union = areas[0] + areas[1] - both
    return both / union - (hull - union) / hull


class Block(nn.Module):
    """A block of a transformer."""

    def __init__(self, width: int) -> None:
        """Draw the weights."""
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (B, T, C), with what attention and the layers after it add."""
        B, T, C = x.size()
        parts = self.attn(self.ln_1(x)).split(C, dim=2)
        q, k, v = (part.view(B, T, 2, C // 2).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).contiguous().view(B, T, C))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """A transformer like nanoGPT, with tied weights."""

    def __init__(self, depth: int = 2, width: int = 8, words: int = 11) -> None:
        """Draw the weights."""
        super().__init__()
        self.wte, self.wpe = nn.Embedding(words, width), nn.Embedding(6, width)
        self.h = nn.ModuleList(Block(width) for _ in range(depth))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, words, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of ids and targets, (B, T)."""
        x = self.wte(ids) + self.wpe(torch.arange(ids.size(1)))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


def mlp(activation: nn.Module) -> tuple[nn.Module, Any]:
    """Return the model, and what computes its loss."""
    model = MLP(activation)
    x, y = torch.randn(4, 5), torch.randint(0, 3, (4,))
    return model, lambda: F.cross_entropy(model(x.to(model.net[0].weight.dtype)), y)


def conv_net() -> tuple[nn.Module, Any]:
    """Return the model, and what computes its loss."""
    model = ConvNet()
    x, y = torch.randn(3, 2, 4, 4), torch.randint(0, 3, (3,))
    return model, lambda: F.cross_entropy(model(x.to(model.head.weight.dtype)), y)


def resnet() -> tuple[nn.Module, Any]:
    """Return the model, and what computes its loss."""
    model = ResNet()
    x, y = torch.randn(2, 2, 8, 8), torch.randint(0, 3, (2,))
    return model, lambda: F.cross_entropy(model(x.to(model.head.weight.dtype)), y)


def detector() -> tuple[nn.Module, Any]:
    """Return the model, and what computes its loss: of boxes, of objects and of classes."""
    model = Detector()
    x, kinds = torch.randn(2, 2, 8, 8), torch.tensor([2, 0])
    at, boxes = torch.tensor([5, 9]), torch.tensor([[0.2, 0.4, 2.1, 3.0], [0.5, 1.5, 3.3, 2.5]])

    def loss() -> Tensor:
        dtype = model.head.weight.dtype
        corners, found, kind = model(x.to(dtype))
        images = torch.arange(len(at))
        there = torch.zeros_like(found)
        there[images, at] = 1
        box = (1 - giou(corners[images, at], boxes.to(dtype))).mean()
        seen = F.binary_cross_entropy_with_logits(found, there, reduction="sum") / len(at)
        return box + seen + F.cross_entropy(kind[images, at], kinds)

    return model, loss


def gpt() -> tuple[nn.Module, Any]:
    """Return the model, and what computes its loss."""
    model = GPT()
    ids, targets = torch.randint(0, 11, (2, 2, 6))
    return model, lambda: model(ids, targets)


class Square(torch.autograd.Function):
    """x^2, whose derivative is right or lacks x."""

    right = True

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """Return x^2."""
        ctx.save_for_backward(x)
        return x * x + 0 * x

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        """Return 2 x dy."""
        (x,) = ctx.saved_tensors
        return 2 * x * dy if Square.right else 2 * dy


class Times(torch.autograd.Function):
    """x times a number that is read out of a tensor."""

    @staticmethod
    def forward(ctx: Any, x: Any, factor: Any) -> Any:
        """Return x times the factor."""
        ctx.save_for_backward(x, factor)
        return x * factor.item()

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        """Return what both receive."""
        x, factor = ctx.saved_tensors
        return factor * dy, (x * dy).sum()


class Both(torch.autograd.Function):
    """2 x and 3 x: a function of two results."""

    @staticmethod
    def forward(_: Any, x: Any) -> Any:
        """Return 2 x and 3 x."""
        return 2 * x, 3 * x

    @staticmethod
    def backward(_: Any, dy: Any, dz: Any) -> Any:
        """Return 2 dy + 3 dz."""
        return 2 * dy + 3 * dz


class Squared(torch.autograd.Function):
    """x^2. Each function that is made of it has a backward pass of its own."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """Return x^2."""
        ctx.save_for_backward(x)
        return x * x


class Detached(Squared):
    """x^2, whose derivative is right, but is no function of x."""

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        """Return 2 x dy."""
        (x,) = ctx.saved_tensors
        return 2 * x.detach() * dy


class Longer(Squared):
    """x^2, whose derivative is right, and the derivative of that 0.1 % too large."""

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        """Return 2 x dy."""
        (x,) = ctx.saved_tensors
        return 2 * crossed(lambda x: x * 1, lambda x: 1.001 * x)(x) * dy


class Once(Squared):
    """x^2, which can be differentiated once."""

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Any) -> Any:
        """Return 2 x dy."""
        (x,) = ctx.saved_tensors
        return 2 * x * dy


class Linear(torch.autograd.Function):
    """A dense layer whose weights' gradient is the mean over the batch, not the sum."""

    @staticmethod
    def forward(ctx: Any, x: Any, W: Any) -> Any:
        """Return x W^T."""
        ctx.save_for_backward(x, W)
        return F.linear(x, W)

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        """Return dx, which is right, and dW, which is not."""
        x, W = ctx.saved_tensors
        return dy @ W, dy.T @ x / len(x)


def crossed(right: Any, wrong: Any) -> Any:
    """Return a function with the value of one function, and the derivative of another."""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *values: Any) -> Any:
            ctx.values = values
            return right(*values)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            needed = ctx.needs_input_grad
            pairs = zip(ctx.values, needed, strict=True)
            with torch.enable_grad():
                values = [v.detach().requires_grad_() if need else v for v, need in pairs]
                leaves = [v for v, need in zip(values, needed, strict=True) if need]
                found = torch.autograd.grad(wrong(*values), leaves, dy, materialize_grads=True)
            rest = iter(found)
            return tuple(next(rest) if need else None for need in needed)

    return Wrong.apply


def wrong_gelu(factor: float) -> Any:
    """Return GELU with its gradient multiplied by a factor."""
    gelu = torch._C._nn.gelu  # noqa: SLF001 F.gelu is patched
    wrong = crossed(gelu, lambda x: factor * gelu(x))
    return lambda x, approximate="none": wrong(x)  # noqa: ARG005


class Sine(nn.Module):
    """Sine as an activation."""

    def forward(self, x: Any) -> Any:
        """Return sin 3x."""
        return torch.sin(3 * x)


def written_in_part(x: Any) -> Any:
    """Return x, (4, 4), and what was written of it into zeros."""
    y = torch.zeros(4, 4)
    y[1:3] = x[:2] * 2
    y[0] = x[3]
    return y + x


class Halving(TorchFunctionMode):
    """Halves what a function hands on in the backward pass. name: the function's."""

    def __init__(self, name: str) -> None:
        """Halve nothing yet."""
        super().__init__()
        self.name = name

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Make the call, and halve the cotangent of its result."""
        result = function(*args, **(kwargs or {}))
        if getattr(function, "__name__", "") == self.name:
            y = args[0] if result is None else result
            y = y[0] if isinstance(y, tuple) else y
            y.register_hook(lambda cotangent: cotangent / 2)
        return result


class Beneath(TorchDispatchMode):
    """Changes what a function beneath autograd returns. changed: its result -> another one."""

    def __init__(self, function: Any, changed: Any) -> None:
        """Change nothing yet."""
        super().__init__()
        self.function, self.changed = function, changed

    def __torch_dispatch__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Make a call."""
        result = function(*args, **(kwargs or {}))
        return self.changed(result) if function is self.function else result


class Scaling(TorchFunctionMode):
    """Multiplies what a function returns. name: the function's."""

    def __init__(self, name: str, factor: float) -> None:
        """Multiply nothing yet."""
        super().__init__()
        self.name, self.factor = name, factor

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Make the call, and multiply its result."""
        result = function(*args, **(kwargs or {}))
        return result * self.factor if getattr(function, "__name__", "") == self.name else result


class Handing(TorchFunctionMode):
    """Hands on something else to the first operand of a function.

    name: the function's. wrong: (its results, what they receive) -> what is handed on.
    """

    def __init__(self, name: str, wrong: Any) -> None:
        """Plant nothing yet."""
        super().__init__()
        self.name, self.wrong = name, wrong

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Make the call, and plant what its step backwards hands on."""
        results = function(*args, **(kwargs or {}))
        if getattr(function, "__name__", "") == self.name:
            values = [one.detach() for one in results]
            results[1].grad_fn.register_hook(lambda _, received: (self.wrong(values, received),))
        return results


class Writing(TorchDispatchMode):
    """Writes to what a function returns, before anybody sees it.

    name: of the function that autograd knows, such as "_linalg_eigh". write: (its results) -> None.
    """

    def __init__(self, name: str, write: Any) -> None:
        """Write nothing yet."""
        super().__init__()
        self.name, self.write = name, write

    def __torch_dispatch__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Make the call, and write to its results."""
        results = function(*args, **(kwargs or {}))
        if function.__name__.partition(".")[0] == self.name:
            self.write(results)
        return results


class Planted(TorchFunctionMode):
    """Gives one call of a function the derivative of another function.

    name: the function's. at: which of its calls, from 0 on.
    """

    def __init__(self, name: str, at: int, wrong: Any) -> None:
        """Plant nothing yet."""
        super().__init__()
        self.name, self.left, self.wrong = name, at, wrong

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Make the call, and the planted one with a wrong derivative."""
        named = kwargs or {}
        if getattr(function, "__name__", "") != self.name:
            return function(*args, **named)
        self.left -= 1
        if self.left != -1:
            return function(*args, **named)
        return crossed(*(partial(one, **named) for one in (function, self.wrong)))(*args)
