"""Kernels as their authors write them in PyTorch: a forward pass, and a backward pass by hand.

Each is made with a mistake that authors make, or with none: "".
"""

from math import inf, sqrt
from typing import Any

from tests.verifier.lazy import Lazy

torch, functional, autograd = map(Lazy, ("torch", "torch.nn.functional", "torch.autograd"))

TILE = 4


def below(rows: int, start: int, n: int, diagonal: int = 0) -> Any:
    """Return which keys from a start on each query sees."""
    return torch.arange(rows)[:, None] + diagonal >= torch.arange(start, start + n)[None]


def flash(mistake: str = "") -> Any:
    """Return causal attention in tiles of keys: an online softmax, computed again on the way back.

    Source: Dao et al., FlashAttention, 2022, algorithms 1 and 4.
    """

    class Flash(autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, q: Any, k: Any, v: Any) -> Any:
            (rows, d), wide = q.shape[-2:], torch.float32
            m = torch.full((*q.shape[:-1], 1), -inf)
            total, o = torch.zeros_like(m), torch.zeros(q.shape)
            for j in range(0, rows, TILE):
                k_, v_ = (t[..., j : j + TILE, :].to(wide) for t in (k, v))
                s = q.to(wide) @ k_.mT / sqrt(d)
                s = s.masked_fill(~below(rows, j, k_.shape[-2]), -inf)
                larger = torch.maximum(m, s.amax(-1, keepdim=True))
                p, scale = torch.exp(s - larger), torch.exp(m - larger)
                total, o, m = total * scale + p.sum(-1, keepdim=True), o * scale + p @ v_, larger
            o, lse = (o / total).to(q.dtype), m + torch.log(total)
            ctx.save_for_backward(q, k, v, o, lse.bfloat16() if mistake == "statistics" else lse)
            return o

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            q, k, v, o, lse = (t.float() for t in ctx.saved_tensors)
            (rows, d), dtype, dy = q.shape[-2:], dy.dtype, dy.float()
            delta = 0 if mistake == "delta" else (dy * o).sum(-1, keepdim=True)
            dq, dk, dv = map(torch.zeros_like, (q, k, v))
            for j in range(0, rows - rows % TILE if mistake == "last tile" else rows, TILE):
                k_, v_ = (t[..., j : j + TILE, :] for t in (k, v))
                mask = below(rows, j, k_.shape[-2], diagonal=int(mistake == "mask"))
                p = torch.exp(q @ k_.mT / sqrt(d) - lse) * mask
                ds = p * (dy @ v_.mT - delta) / (1 if mistake == "scale" else sqrt(d))
                dv[..., j : j + TILE, :] = p.mT @ dy
                dk[..., j : j + TILE, :] = ds.mT @ q
                dq += ds @ k_
            return dq.to(dtype), dk.to(dtype), dv.to(dtype)

    return Flash


def linear_cross_entropy(mistake: str = "") -> Any:
    """Return the cross-entropy of a linear layer, chunk by chunk; the forward pass differentiates.

    Its arguments are x (N, D), W (V, D), targets (N,), the share of smoothing, what is ignored.
    """

    class LinearCrossEntropy(autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any, W: Any, t: Any, smoothing: float, ignored: int) -> Any:
            loss, dx, dW = torch.zeros(()), torch.zeros_like(x), torch.zeros(W.shape)
            n = (t != ignored).sum()
            for i in range(0, len(x), TILE):
                x_, counts = x[i : i + TILE], (t[i : i + TILE] != ignored)[:, None]
                z = (x_ @ W.T).float()  # rounded to the precision of x on the way
                of = t[i : i + TILE, None].clamp(min=0)
                target = torch.full_like(z, smoothing / len(W))
                target = target.scatter_add(1, of, torch.full_like(z, 1 - smoothing))
                every = torch.logsumexp(z, -1, keepdim=True) - (target * z).sum(-1, keepdim=True)
                loss = loss + torch.where(counts, every, 0).sum() / n
                dz = (torch.softmax(z, -1) - target) / (len(t) if mistake == "mean" else n)
                dz = (dz if mistake == "ignored" else dz * counts).to(x.dtype)
                dx[i : i + TILE], dW = dz @ W, dW + (dz.T @ x_).float()
            ctx.save_for_backward(dx, dW.to(W.dtype))
            return loss

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            dx, dW = ctx.saved_tensors
            dy = 1 if mistake == "cotangent" else dy
            return (dx * dy).to(dx.dtype), (dW * dy).to(dW.dtype), None, None, None

    return LinearCrossEntropy


def layer_norm(mistake: str = "") -> Any:
    """Return a layer norm of rows, whose backward pass may take the variance for a constant."""

    class LayerNorm(autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            centred = x - x.mean(-1, keepdim=True)
            inv = ((centred**2).mean(-1, keepdim=True) + 1e-5).rsqrt()
            ctx.save_for_backward(centred * inv, inv)
            return centred * inv

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            y, inv = ctx.saved_tensors
            along = 0 if mistake == "variance" else (dy * y).mean(-1, keepdim=True)
            return (dy - dy.mean(-1, keepdim=True) - y * along) * inv

    return LayerNorm


def attention(q: Any, k: Any, v: Any) -> Any:
    """Return causal attention as PyTorch has it."""
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def cross_entropy(x: Any, W: Any, t: Any, smoothing: float, ignored: int) -> Any:
    """Return the cross-entropy of a linear layer as PyTorch has it."""
    z = (x @ W.T).float()
    return functional.cross_entropy(z, t, label_smoothing=smoothing, ignore_index=ignored)
