"""Calls of PyTorch's functions as people write them, by family: each is a program of its own.

w: a matrix (4, 4) of numbers around zero; p: of positive ones.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.verifier.lazy import Lazy

torch, nn, F = map(Lazy, ("torch", "torch.nn", "torch.nn.functional"))

Program = Callable[[Any], Any]


def positive(w: Any) -> Any:
    """Return positive numbers."""
    return w.abs() + 0.5


def image(w: Any, *shape: int) -> Any:
    """Return the entries of w, (4, 4), as images."""
    return w.reshape(shape or (1, 1, 4, 4))


def written(w: Any, write: Callable[[Any, Any], Any]) -> Any:
    """Return a copy of w that something was written to."""
    x = w * 1.5
    write(x, torch.tanh(w))
    return x * w


def even() -> Any:
    """Return the places of two rows."""
    return torch.tensor([0, 2])


def places() -> Any:
    """Return places (2, 4) along an axis."""
    return torch.tensor([[0, 1, 2, 0], [3, 1, 0, 2]])


def mask() -> Any:
    """Return a mask (4, 4)."""
    return torch.eye(4) > 0


def without_rows(w: Any) -> Any:
    """Return w, and what functions make of none of its rows, as of an expert without tokens."""
    none = w[w[:, 0] > w.abs().max()]
    made = (
        F.layer_norm(none, (4,), w[0], w[1]),
        F.rms_norm(none, (4,), w[2]),
        F.group_norm(none, 2, w[0], w[1]),
        torch.einsum("ni,oi->no", none, w),
        none.prod(-1),
        F.linear(none, w).softmax(-1),
    )
    return w * w + sum(x.sum() for x in made)


def augmented(w: Any) -> Any:
    """Return what assignments with operators make of w."""
    x = w * 1
    x += w
    x -= 0.3
    x *= w
    x /= positive(w)
    return x


def heads(w: Any) -> Any:
    """Return multi-head attention of w, (4, 4), with its own numbers as weights."""
    inner, outer = w.repeat(3, 1), (w.T, w[0])
    return F.multi_head_attention_forward(
        *(w[:, None],) * 3,
        4,
        2,
        inner,
        None,
        None,
        None,
        False,  # noqa: FBT003 PyTorch has it so
        0.0,
        *outer,
    )


def attend(w: Any, groups: int = 1, **options: Any) -> Any:
    """Return attention of heads (1, 2, 4, 2) made of w, (4, 4)."""
    q, k, v = (part.view(1, 4, 2, 2).transpose(1, 2) for part in (w, w.exp(), w * w))
    return F.scaled_dot_product_attention(q, k[:, : 2 // groups], v[:, : 2 // groups], **options)


def by_views(w: Any) -> Any:
    """Return what writes by way of views make of w, read by way of others."""
    y, zeros = w * 2, torch.zeros(4, 4)
    rows, flat = y[1:3], y.view(-1)
    rows.mul_(torch.tanh(w[1:3]))
    flat[5:9].add_(w[0])
    y.T[3] = w[1].exp()
    zeros[:2, 1:].copy_(w[:2, 1:])
    return (y + rows.sum() + zeros) * y.T.sigmoid() * flat[:4]


def of_parts(w: Any) -> Any:
    """Return what is left of w when parts of it were written over."""
    y = w.clone()
    y[0].fill_(2.0)
    y[1:].neg_()
    y[2][1] *= w[1, 1]
    y[:, 0].masked_fill_(mask()[0], 1.5)
    return y * y


def recurrent(name: str, w: Any, gates: int, *, layers: int = 1, ways: int = 1) -> Any:
    """Return all results of recurrent layers of 2 hidden units, with entries of w as weights."""
    h = torch.cat([w] * layers * ways)[: 2 * layers * ways].view(-1, 2, 4)[..., :2]
    weights = []
    for layer in range(layers):
        for way in range(ways):
            rows = torch.cat([w, w.T])[: 2 * gates] / (1 + way)
            weights += [rows[:, : 2 * ways if layer else 4], rows[:, :2], rows[:, 0], rows[:, 1]]
    options = {"has_biases": True, "num_layers": layers, "dropout": 0.0, "train": True}
    options |= {"bidirectional": ways > 1, "batch_first": False}
    states = [h, h.sigmoid()] if name == "lstm" else h
    found = getattr(torch, name)(w.reshape(2, 2, 4), states, weights, **options)
    return torch.cat([y.flatten() for y in found])


def sequence(w: Any) -> Any:
    """Return what modules make of w."""
    return nn.Sequential(nn.Dropout(0.3), nn.Softplus(), nn.Identity(), nn.Flatten())(w)


def weight_norm(w: Any) -> Any:
    """Return rows of w of other lengths."""
    return import_module("torch")._weight_norm(w, w[:, :1].abs(), 0)  # noqa: SLF001 no other name


ARITHMETIC: dict[str, Program] = {
    "add": lambda w: torch.add(w, w.T, alpha=0.3) + w.add(1) + (2 + w),
    "sub": lambda w: (1 - w) * (w - w.T) * w.sub(0.1, alpha=2) + torch.rsub(w, w.T, alpha=3),
    "mul": lambda w: w.mul(w.T) * torch.mul(w, 0.7) * (0.3 * w),
    "div": lambda w: w / positive(w) + (1.5 / positive(w)) + w.div(3) + torch.true_divide(w, 7),
    "pow": lambda w: w**2 + w.pow(3) + torch.pow(positive(w), 0.3) + w.square() + positive(w) ** -1,
    "pow of tensors": lambda w: positive(w) ** w + 2**w + torch.pow(3, w),
    "neg": lambda w: -w + w.neg() * torch.negative(w) * (+w),
    "roots": lambda w: positive(w).sqrt() + torch.rsqrt(positive(w)) + positive(w).reciprocal(),
    "exp and log": lambda w: (
        w.exp() + torch.log(positive(w)) + torch.expm1(w) + positive(w).log1p()
    ),
    "other bases": lambda w: torch.log2(positive(w)) + positive(w).log10() + torch.exp2(w),
    "sin and cos": lambda w: torch.tan(w / 4) + torch.sin(w) * w.cos() + torch.erf(w),
    "angles": lambda w: torch.atan2(w, w.T) * w.arctan() + torch.asin(w / 4) * torch.acos(w / 5),
    "gamma": lambda w: torch.special.gammaln(positive(w)) + positive(w).digamma(),
    "quantiles": lambda w: torch.erfinv(w.tanh()) * torch.special.erfinv(w.tanh() / 2),
    "abs": lambda w: w.abs() * torch.absolute(w),
    "addcmul": lambda w: torch.addcmul(w, w, w.T, value=0.5).addcdiv(w, positive(w)),
    "lerp": lambda w: torch.lerp(w, w.T, 0.3) * torch.lerp(w, w.T, w) * w.lerp(w[0], -2.0),
    "steps": lambda w: (
        w * w.sign() + torch.floor(w) * w + (w.round() + w.trunc() - torch.ceil(w) - w).sigmoid()
    ),
    "in place": lambda w: written(w, lambda x, y: x.mul_(y).add_(1).sub_(y).div_(2).neg_().exp_()),
    "operators in place": augmented,
    "out": lambda w: torch.mul(w.detach(), 2, out=torch.empty(4, 4)) * w,
    "remainders": lambda w: torch.remainder(w, 0.3) + torch.fmod(w, positive(w)) + w % 2,
    "rounded quotients": lambda w: (
        torch.div(w, 0.3, rounding_mode="floor") + w.div(positive(w), rounding_mode="trunc") + w
    ),
    "rounded": lambda w: torch.round(w, decimals=1) + w.round(decimals=-1) + w.frac(),
    "signs": lambda w: torch.copysign(w, w.T) * torch.copysign(w, -1.0) + torch.angle(w),
    "whole exponents": lambda w: (
        w[..., None] ** torch.arange(4) * torch.pow(w[0], torch.tensor(-1))
    ),
    "no result given": lambda w: torch.mul(w, w.T, out=None) + torch.mean(w, 0, out=None),
    "powers of two": lambda w: torch.ldexp(w, torch.tensor(3)) + torch.ldexp(w, w.T),
    "mantissa": lambda w: torch.frexp(w).mantissa * w,
    "degrees": lambda w: torch.deg2rad(w) + torch.rad2deg(w),
    "float_power": lambda w: torch.float_power(positive(w), 1.5),
}


CHOICES: dict[str, Program] = {
    "clamp": lambda w: w.clamp(-0.5, 0.5) + w.clamp_min(0) * torch.clip(w, max=0.1),
    "clamp by bounds that cross": lambda w: w.clamp(0.25, -0.5) * w,
    "clamp by tensors": lambda w: torch.clamp(w, w.T - 1, w.T + 1),
    "hardtanh": lambda w: F.hardtanh(w) + F.relu6(w * 3),
    "where": lambda w: (
        torch.where(w > 0, w, 0.1 * w) + w.where(mask(), w.T) + torch.where(mask(), 1.0, w)
    ),
    "masked_fill": lambda w: w.masked_fill(mask(), -1e4).softmax(-1) + w.masked_fill(mask(), 0.3),
    "a mask of more rows": lambda w: w[0].masked_fill(mask(), 0.3) * w,
    "fill": lambda w: written(w, lambda x, y: x.masked_fill_(mask(), 2.0).mul_(y)),
    "fill_diagonal": lambda w: written(w, lambda x, _: x[:3].T.fill_diagonal_(2.0, wrap=True)),
    "shrinks": lambda w: F.hardshrink(w) + F.softshrink(w, 0.3) + F.threshold(w, 0.1, 2.0),
    "triangles": lambda w: w.tril() + torch.triu(w, 1) * w,
}

ORDER: dict[str, Program] = {
    "maximum": lambda w: torch.maximum(w, w.T) * torch.minimum(w, w.T + 1) + torch.max(w, w.T),
    "max": lambda w: w.max() + w.max(1).values + torch.max(w, dim=0)[0] + w.amax((0, 1)),
    "min": lambda w: w.min() + torch.min(w, 1)[0] + w.amin(-1, keepdim=True),
    "topk": lambda w: w.topk(2).values.sum() + torch.topk(w, 1, 0, largest=False)[0] * w,
    "sort": lambda w: w.sort(-1, descending=True).values * torch.sort(w, dim=0)[0],
    "msort": lambda w: w.msort() * torch.msort(w[0]),
    "ranks": lambda w: (
        w.kthvalue(2).values + w.kthvalue(1, 0, keepdim=True)[0] * w.median(1).values + w.median()
    ),
    "equal entries": lambda w: (
        w.repeat(2, 1).median() * w.repeat(1, 2).mode(1).values + w.repeat(2, 1).nanmedian()
    ),
    "so far": lambda w: w.cummax(0).values * torch.cummin(w, 1)[0],
    "aminmax": lambda w: w.aminmax(dim=0).max * w.aminmax().min + torch.fmax(w, w.T) * w.fmin(w[0]),
    "quantile": lambda w: (
        w.quantile(0.3) + w.quantile(torch.tensor([0.2, 0.9]), dim=1, keepdim=True)[0] * w
    ),
    "quantiles by rank": lambda w: sum(
        w.nanquantile(0.4, 0, interpolation=kind)
        for kind in ("lower", "higher", "nearest", "midpoint")
    ),
    "numbers": lambda w: w[0, 0].max(0).values * w[0, 1].kthvalue(1)[0] * w[0, 2].amin(0),
}

INDEXING: dict[str, Program] = {
    "integers": lambda w: (
        w[even()] * w[0, 2] + w[[1, 3]] + w[even(), even()].sum() + w[torch.tensor(1)]
    ),
    "an integer, a slice, integers": lambda w: (
        image(w, 2, 2, 4)[0, :, torch.tensor([0, 2, 1])] * w[:2, 1:]
        + written(
            image(w, 2, 2, 4), lambda x, y: x.__setitem__((1, ..., even()), y[0, :, :2])
        ).sum()
    ),
    "a tuple of places": lambda w: w[:, (0, 2)] * w[(1, 3), (2, 2)].sum(),
    "booleans": lambda w: (
        w[mask()] * w[w > 0].sum()
        + torch.masked_select(w, mask())
        + w[0].masked_select(mask()).sum()
    ),
    "gather": lambda w: (
        w.gather(0, places())
        + torch.take_along_dim(w, places(), 0) * torch.take_along_dim(w, places()[:1], 0)
    ),
    "index_select": lambda w: w.index_select(1, even()) + torch.index_select(w, 0, even()).T,
    "embedding": lambda w: F.embedding(places(), w) * F.embedding(places(), w, padding_idx=0),
    "embedding_bag": lambda w: (
        F.embedding_bag(places(), w) * F.embedding_bag(places()[0], w, even(), mode="sum")
        + F.embedding_bag(places(), w, mode="max")
        + F.embedding_bag(places(), w, mode="sum", per_sample_weights=w[:2].exp())
        + F.embedding_bag(places(), w, mode="sum", per_sample_weights=w[:2], padding_idx=0)
    ),
    "torch.embedding": lambda w: (
        torch.embedding(w, places()) * torch.embedding(w, places(), 0) * w[0].exp()
    ),
    "numbers": lambda w: (
        w[0, 0].gather(0, even()[0]) * w[0, 1].index_select(0, even()[:1]) * w[0, 2].topk(1).values
    ),
    "take_along_dim of all": lambda w: w.take_along_dim(places()),
}

WRITING: dict[str, Program] = {
    "index_add": lambda w: w.index_add(0, torch.tensor([1, 1]), w[:2]) * w,
    "scatter_add": lambda w: w.scatter_add(1, places(), w[:2]) * w,
    "scatter": lambda w: w.scatter(0, places()[:1], w[:1]) * w.scatter(1, places()[:, :1], 0.5),
    "index_put": lambda w: w.index_put((even(),), w[:2].exp(), accumulate=True) * w,
    "write an entry": lambda w: written(w, lambda x, y: x.__setitem__((0, 1), y[1, 1])),
    "write rows": lambda w: written(w, lambda x, y: x.__setitem__(even(), y[:2])),
    "write a slice": lambda w: written(w, lambda x, y: x.__setitem__((..., slice(1, 3)), y[:, :2])),
    "write by a mask": lambda w: written(w, lambda x, y: x.__setitem__(mask(), y[0])),
    "write a number": lambda w: written(w, lambda x, y: x.__setitem__(0, 1.5)),  # noqa: ARG005
    "write into zeros": lambda w: (
        written(torch.zeros(4, 4), lambda x, _: x.__setitem__(0, w[0])) + w
    ),
    "write by views": by_views,
    "write parts": of_parts,
    "copy": lambda w: written(w, lambda x, y: x.copy_(y[0])) + w.clone().copy_(w.T),
    "masked_scatter": lambda w: w.masked_scatter(mask(), w.exp()),
    "scatter in place": lambda w: written(w, lambda x, y: x.scatter_add_(0, places(), y[:2])),
    "index_copy": lambda w: w.index_copy(0, even(), w[:2] * 2) + w.index_fill(1, even(), 0.5),
    "scatter_reduce": lambda w: w.scatter_reduce(0, places(), w[:2].exp(), "sum"),
    "index_add with a factor": lambda w: w.index_add(0, even(), w[:2], alpha=-0.5) * w,
    "reductions by an index": lambda w: (
        w.index_reduce(0, even(), w[:2], "amax")
        * w.index_reduce(0, torch.tensor([1, 1]), w[:2], "mean")
        + w.index_reduce(1, torch.tensor([1, 1]), w[:, :2], "prod", include_self=False)
    ),
    "scatter_reduce in place": lambda w: sum(
        w.new_zeros(4, 4).scatter_reduce_(0, places(), w[:2].exp(), kind, include_self=False)
        for kind in ("amax", "amin", "mean")
    ),
    "scatter_reduce of several": lambda w: sum(
        w.scatter_reduce(0, places(), w[:2].exp(), kind, include_self=one)
        for kind in ("sum", "mean", "prod", "amax", "amin")
        for one in (True, False)
    ),
    "scatter_reduce of equal entries": lambda w: (
        w.scatter_reduce(1, places(), w.gather(1, places()), "amax")
        * w.scatter_reduce(1, places(), w.gather(1, places()) - 1, "amin", include_self=False)
    ),
    "parts of a source": lambda w: (
        w * w.scatter_add(0, places(), w.detach()).scatter(0, places()[:1], w.detach())
    ),
    "parts by name": lambda w: (
        w.select_scatter(w[0], 1, 2) * w.slice_scatter(w[:2], 0, 1, 4, 2)
        + torch.diagonal_scatter(w, w[0, 1:], 1)
    ),
    "put": lambda w: w.put(even() * 5, w[0, :2]) * w.put(places(), w[:2], accumulate=True),
    "index_fill twice": lambda w: w.index_fill(0, torch.tensor([1, 1]), w[0, 0].exp()) * w,
    "masked_scatter of a row": lambda w: w[0].masked_scatter(mask(), w.exp()),
    "numbers along an axis": lambda w: (
        w[0, 0].index_add(0, even()[0], w[1, 1]) * w[0, 1].index_copy(0, even()[:1], w[1, 1])
        + w[2, 2].scatter_add(0, even()[0], w[1, 2])
    ),
}

MOVING: dict[str, Program] = {
    "views": lambda w: w.view(2, 8).reshape(4, 4).flatten().unflatten(0, (4, 4)).ravel().view_as(w),
    "axes": lambda w: w.T @ w.transpose(0, 1) @ w.permute(1, 0) @ torch.permute(w, (1, 0)) @ w.mT,
    "squeeze": lambda w: w[None].squeeze(0).unsqueeze(-1)[..., 0].contiguous().reshape_as(w),
    "expand": lambda w: w[:1].expand(4, -1) * w[:1].expand_as(w) * torch.broadcast_to(w[0], (4, 4)),
    "repeat": lambda w: (
        w.repeat(2, 1)[:4] * w.repeat_interleave(2, 1)[:, :4] * torch.tile(w, (1, 1))
    ),
    "roll": lambda w: w.roll(1) * torch.roll(w, (1, 2), (0, 1)) * w.flip(0) * torch.flip(w, (0, 1)),
    "parts": lambda w: sum(w.unbind()) + w.chunk(2, 1)[0].sum() + torch.split(w, [1, 3])[1][0],
    "selections": lambda w: w.select(0, 1) + w.narrow(1, 0, 2).sum() + torch.diagonal(w),
    "pad": lambda w: F.pad(w, (1, 2, 0, 1), value=0.5) * F.pad(w, (2, 1, 1, 0)),
    "pad modes": lambda w: sum(
        F.pad(image(w), (1, 1, 2, 0), mode=mode) for mode in ("reflect", "replicate", "circular")
    ),
    "quarter turns": lambda w: torch.rot90(w, 3) * w,
    "places in memory": lambda w: w.take(places()) * w.sigmoid().as_strided((2, 4), (3, 2)),
    "diagonals": lambda w: (
        w.diag() * torch.diag(w[0]) * torch.diag_embed(w, 0)[1] + w.diag(1).sum()
    ),
    "off the diagonal": lambda w: w[0, 1:].diag(1) + torch.diag_embed(w[:, 1:], -1)[0],
    "kron": lambda w: torch.kron(w, w[:2].exp()),
    "crop": lambda w: (
        F.pad(w, (-1, 1)) * torch.constant_pad_nd(w, (1, -1), 2.0)
        + F.pad(image(w), (-2, 2, 1, -1), mode="replicate")
        + F.pad(image(w), (-1, 1, 2, -2), mode="circular")
    ),
    "unfold": lambda w: w.unfold(1, 2, 1).sum() + F.unfold(image(w), 2, padding=1, stride=2) ** 2,
    "casts": lambda w: w.double().to(torch.float32).type_as(w).bfloat16().float() * w.clone(),
    "flips": lambda w: w.fliplr() * torch.flipud(w) * w.flip(dims=(0,)) * torch.flip(w, dims=[1]),
    "shifts of frequencies": lambda w: torch.fft.fftshift(w) * torch.fft.ifftshift(w[:3], 0)[0],
    "copies": lambda w: (
        torch.unsqueeze_copy(w, 0)
        * torch.permute_copy(w, (1, 0))
        * torch.view_copy(w, (2, 8))[0, 0]
    ),
    "splits": lambda w: (
        sum(w.hsplit(2)).sum() * torch.vsplit(w, [3, 1])[2] * image(w, 2, 2, 4).dsplit(4)[1].sum()
        + w.tensor_split(3, 1)[0].sum()
    ),
    "sum_to_size": lambda w: w.sum_to_size(1, 4) * w[None].sum_to_size(4, 1),
    "at least": lambda w: (
        torch.atleast_3d(w)[..., 0] * torch.atleast_2d(w[0]) + sum(torch.atleast_1d(w[0, 0], w[0]))
    ),
    "numbers": lambda w: w[0, 0].repeat(2, 2) * w[1, 1].tile(2) * w[2, 2].repeat_interleave(2),
    "a window of a number": lambda w: w[0, 0].unfold(0, 1, 1) * torch.narrow(w, 0, -2, 2),
    "other diagonals": lambda w: (
        torch.diag_embed(w, 1, 0, 2).sum(1) * w[0].diagflat().sum() * torch.diagflat(w, -1)[1, 0]
    ),
    "combinations": lambda w: torch.combinations(w[0], 3) * torch.combinations(w[1, 1:], 2)[0, 0],
    "a part in memory": lambda w: (w * 1)[1:].as_strided((2, 2), (4, 1), 5) * w[0, 0],
}

JOINING: dict[str, Program] = {
    "broadcast_tensors": lambda w: torch.mul(*torch.broadcast_tensors(w[:1], w[:, :1])),
    "stack": lambda w: torch.stack([w, w.T], -1) * torch.stack((w, w)).movedim(0, -1),
    "rows and columns": lambda w: torch.hstack([w, w]) * torch.vstack([w, w]).reshape(4, 8),
    "cat": lambda w: torch.cat([w, w.T], dim=-1) * torch.concat((w, w), 1),
    "columns of vectors": lambda w: (
        torch.hstack([w[0], w[1, 0]]).sum() * torch.vstack([w[0], w[:1]])
        + torch.dstack([w, w.T]).sum() * torch.column_stack([w[0], w])[:2, :4]
    ),
    "block_diag": lambda w: torch.block_diag(w, w[0].exp(), w[0, 0]) * w[0, 0],
    "products of sets": lambda w: torch.cartesian_prod(w[0], w[1, :2], w[2]).prod(1),
    "grids": lambda w: (
        torch.mul(*torch.meshgrid(w[0], w[1], indexing="xy"))
        * torch.mul(*torch.meshgrid([w[0], w[1, 1]], indexing="ij"))
    ),
    "an empty vector": lambda w: torch.cat([w, w[0, :0], w.T], 1),
}

BLOCKS: dict[str, Program] = {
    "unshuffle": lambda w: (
        F.pixel_unshuffle(image(w), 2) * F.channel_shuffle(image(w, 1, 4, 2, 2), 2)
    ),
    "pixel_shuffle": lambda w: F.pixel_shuffle(image(w, 1, 4, 2, 2), 2) * image(w),
    "fold": lambda w: (
        F.fold(image(w, 1, 4, 4), 4, 2, stride=2) * F.fold(w, (3, 3), 2).sum()
        + F.fold(image(w, 1, 4, 4), 3, 2, padding=1, stride=2, dilation=1).sum()
    ),
    "one image": lambda w: F.unfold(w[None], 3, padding=1),
}

DIFFERENCES: dict[str, Program] = {
    "parabolas at the ends": lambda w: sum(torch.gradient(w, spacing=0.5, edge_order=2)),
    "diff": lambda w: w.diff() * torch.diff(w, 2, 0, append=w[:1])[:1, :3] + w.diff(n=0)[:, 1:],
    "equal steps": lambda w: (
        torch.trapezoid(w) * torch.trapz(w, dx=0.3, dim=0)
        + torch.cumulative_trapezoid(w, dx=2)[:, 0]
    ),
    "steps": lambda w: (
        torch.trapezoid(w, w[0].exp()) * torch.trapezoid(w, w.T, dim=0)
        + torch.cumulative_trapezoid(w, w[1])[:, 0]
    ),
    "gradient": lambda w: (
        torch.mul(*torch.gradient(w)) * torch.gradient(w, spacing=0.3, dim=1)[0]
        + torch.gradient(w[0], spacing=[2.0])[0]
    ),
}

REDUCTIONS: dict[str, Program] = {
    "segments": lambda w: (
        torch.segment_reduce(w, "mean", lengths=torch.tensor([1, 3]))
        * torch.segment_reduce(w, "sum", offsets=torch.tensor([0, 3, 4]))
    ),
    "sum": lambda w: w.sum(0) * torch.sum(w, dim=(0, 1)) + w.sum(-1, keepdim=True) + w.sum(axis=1),
    "mean": lambda w: w.mean() * w.mean(0) * torch.mean(w, dim=1, keepdim=True) * w.mean((0, 1)),
    "wider": lambda w: w.bfloat16().sum(0, dtype=torch.float32) * w.mean(0, dtype=torch.float32),
    "var": lambda w: w.var() * torch.var(w, 0) * w.var(1, unbiased=False) + w.var(0, correction=0),
    "std": lambda w: w.std() * torch.std(w, dim=0, keepdim=True) + torch.var_mean(w, 1)[1],
    "normalize": lambda w: F.normalize(w) * F.normalize(w, dim=0, eps=1e-6) * F.normalize(w, p=1.0),
    "logsumexp": lambda w: w.logsumexp(0) + torch.logsumexp(w, (0, 1)),
    "prod": lambda w: w.prod(0) + torch.prod(w, 1, keepdim=True) + w[:2].prod() + w[:1].prod(0),
    "logcumsumexp": lambda w: w.logcumsumexp(0) * torch.logcumsumexp(w * (w > 0), -1).cumsum(0),
    "without NaN": lambda w: w.nansum(0) * torch.nanmean(w, 1, keepdim=True),
    "numbers": lambda w: w[0, 0].logsumexp(0) * w[0, 1].softmax(0) + w[0, 2].cumsum(0),
    "prod of many": lambda w: w[:3].repeat(1, 10).prod() + w.T.repeat(20, 1).exp().prod(0).log(),
    "cumprod": lambda w: w.cumprod(0) + torch.cumprod(w, -1) * w[0, 0].cumprod(0),
    "prod with a zero": lambda w: (w * (w > w.min())).prod(-1) + w.clamp(min=0).prod(0),
    "trace": lambda w: torch.trace(w) * w.trace(),
    "cumsum": lambda w: w.cumsum(0) * torch.cumsum(w, dim=-1),
}


def regular(w: Any) -> Any:
    """Return a matrix far from singular."""
    return w / 4 + 2 * torch.eye(4)


LINEAR_ALGEBRA: dict[str, Program] = {
    "equations": lambda w: (
        torch.linalg.solve(regular(w), w)
        + torch.linalg.solve(regular(w), w[0])
        + torch.linalg.solve(regular(w), w, left=False) * torch.inverse(regular(w))
        + torch.linalg.solve_ex(regular(w), w)[0] * torch.linalg.inv_ex(regular(w)).inverse
    ),
    "equations that broadcast": lambda w: (
        torch.linalg.solve(regular(w), w.view(2, 4, 2)).sum()
        + torch.linalg.solve(regular(torch.stack([w, w.T])), w[:, :2]).sum()
        + torch.linalg.solve(regular(torch.stack([w, w.T])), w[:3], left=False)
    ),
    "triangles of equations": lambda w: (
        torch.linalg.solve_triangular(regular(w), w, upper=False)
        + torch.linalg.solve_triangular(regular(w), w, upper=True, left=False, unitriangular=True)
    ),
    "equations of tensors": lambda w: (
        torch.linalg.tensorsolve(regular(w).view(2, 2, 4), w[:2, :2]).sum()
        + torch.linalg.tensorsolve(regular(w).view(4, 2, 2), w[:2, :2], dims=(0,)).sum()
        + torch.linalg.tensorinv(regular(w).view(4, 2, 2), ind=1).sum()
    ),
    "cholesky": lambda w: (
        torch.linalg.cholesky(regular(w + w.T))
        * torch.linalg.cholesky(regular(w + w.T), upper=True).T
        + torch.linalg.cholesky_ex(regular(w + w.T)).L
    ),
    "cholesky of a triangle": lambda w: (
        torch.linalg.cholesky(4 * regular(w)) * torch.linalg.cholesky(4 * regular(w), upper=True)
    ),
    "cholesky's equations": lambda w: (
        torch.cholesky_solve(w, regular(w).tril())
        + torch.cholesky_solve(w, regular(w).triu(), upper=True)
        + torch.cholesky_inverse(regular(w).tril())
        + torch.cholesky_inverse(regular(w).triu(), upper=True)
    ),
    "determinants": lambda w: torch.stack(
        [
            torch.linalg.det(w) / 8,
            w[1:, 1:].det() / 8,
            torch.logdet(regular(w)) / 4,
            torch.linalg.slogdet(w).logabsdet,
            torch.linalg.det(w.view(4, 2, 2)).mean(),
            torch.mul(*torch.slogdet(w[:2, 2:])),
        ]
    ),
    "eigenvalues": lambda w: (
        torch.linalg.eigh(w + w.T)[0]
        * torch.linalg.eigh(w, UPLO="U").eigenvectors
        * torch.linalg.eigvalsh(w)
    ),
    "singular values": lambda w: (
        torch.linalg.svd(w)[0] * torch.svd(w)[2]
        + torch.linalg.svd(w[1:], full_matrices=False).Vh[:1] * torch.linalg.svdvals(w)
        + torch.svd(w[:, 1:], compute_uv=False).S.sum()
        + torch.linalg.svd(w[:, 1:]).Vh.sum()
    ),
    "orthogonal factors": lambda w: (
        torch.linalg.qr(w).Q * torch.qr(w).R + torch.linalg.qr(w[:3])[1][:1] * w.qr()[0]
    ),
    "pseudoinverses": lambda w: (
        torch.linalg.pinv(w) * torch.pinverse(w[1:]).mean()
        + torch.linalg.pinv(w[:, 1:]).sum()
        + torch.linalg.lstsq(w[:3, :1], w[:3], driver="gels").solution
    ),
    "triangular factors": lambda w: (
        torch.linalg.lu(w).L * torch.linalg.lu(w[1:]).U[:1]
        + torch.linalg.lu_factor(w).LU * torch.lu_unpack(*torch.linalg.lu_factor(w))[1]
        + torch.linalg.lu_solve(*torch.linalg.lu_factor(regular(w)), w)
        + torch.lu_solve(w, *torch.linalg.lu_factor(regular(w)))
    ),
    "conditions": lambda w: torch.linalg.cond(w) / 8 + w * torch.linalg.cond(w, p=-2),
    "diagonal": lambda w: torch.linalg.diagonal(w.view(2, 2, 4), offset=1),
    "powers": lambda w: (
        torch.matrix_power(w, 2)
        + torch.linalg.matrix_power(w / 2, 3) * w.matrix_power(1) * w.matrix_power(0)
        + torch.linalg.matrix_power(w / 2, 7)
        + torch.linalg.matrix_power(regular(w), -2)
    ),
    "vander": lambda w: torch.linalg.vander(w[0]) * torch.linalg.vander(w, N=3).sum(),
    "multi_dot": lambda w: (
        torch.linalg.multi_dot([w, w[:, :1], w[:1]])
        + torch.linalg.multi_dot([w[0], w[:, :2], w[:2], w, w[1]])
        + torch.linalg.multi_dot([w, w])
    ),
}


PRODUCTS: dict[str, Program] = {
    "matmul": lambda w: w @ w + w.matmul(w[0]) + torch.mm(w, w) + w.mv(w[0]) + w[0].dot(w[1]),
    "bmm": lambda w: torch.bmm(w.view(2, 2, 4), w.view(2, 4, 2)),
    "addmm": lambda w: torch.addmm(w, w, w.T, beta=0.5, alpha=2) + torch.addmm(w[0], w, w),
    "baddbmm": lambda w: torch.baddbmm(w[:2, :2], w.view(2, 2, 4), w.view(2, 4, 2), beta=2),
    "einsum": lambda w: (
        torch.einsum("ij,kj->ik", w, w) + torch.einsum("ij->ji", [w]) + w[0].outer(w[1])
    ),
    "addmv": lambda w: torch.addmv(w[0], w, w[1], beta=0.5, alpha=2) + torch.addr(w, w[0], w[1]),
    "addbmm": lambda w: torch.addbmm(
        w[:2, :2], w.view(2, 2, 4), w.view(2, 4, 2), beta=0.3, alpha=1.7
    ),
    "vecdot": lambda w: torch.linalg.vecdot(w, w.T) * torch.linalg.vecdot(w, w[:1], dim=0),
    "cross": lambda w: (
        torch.linalg.cross(w[:, 1:], w[:1, :3]).sum() + torch.cross(w[:3], w[1:], dim=0)
    ),
    "einsum of a number": lambda w: torch.einsum("ij,->ij", w, w[0, 0]),
    "einsum that broadcasts": lambda w: (
        torch.einsum("ij,jk->ik", w[:, :1], w) * torch.einsum("...i,...i->...", w[:1], w)
        + torch.einsum("i,i->i", w[0], w[1, :1])
    ),
    "einsum of diagonals": lambda w: (
        torch.einsum("iij->ij", w.view(2, 2, 4)) * torch.einsum("iij,jk->ik", w.view(2, 2, 4), w)
    ),
    "inner of numbers": lambda w: torch.inner(w, w[0, 0]) * torch.tensordot(w[0, 0], w[1, 1], 0),
    "linear of a vector": lambda w: F.linear(w, w[0]) + F.linear(w[0], w[1]) + F.linear(w[0], w),
    "einsum of several": lambda w: torch.einsum("ij,jk,kl,l->il", w, w.exp(), w, w[0]),
    "einsum of several, without letters": lambda w: (
        torch.einsum("...d,...nd,n", w, torch.stack([w, w.exp(), w, w]), w[0])
        + torch.einsum("...d,d,...->...d", w, w[0], w[1])
    ),
    "tensordot": lambda w: torch.tensordot(w, w, 1) * torch.tensordot(w, w, ([0], [1])),
    "inner": lambda w: torch.inner(w, w) * torch.inner(w, w[0]),
    "bilinear": lambda w: F.bilinear(w[:, :2], w[:, 2:], w.reshape(4, 2, 2), w[0]),
    "linear": lambda w: F.linear(w, w.T, w[0]) + F.linear(w[None], weight=w),
    "grouped_mm": lambda w: F.grouped_mm(
        w, w.view(2, 2, 4).repeat(1, 2, 1), offs=torch.tensor([1, 4], dtype=torch.int32)
    ),
    "multi_head_attention": lambda w: heads(w)[0],
}


LENGTHS: dict[str, Program] = {
    "norm": lambda w: w.norm() * torch.norm(w, dim=0) * w.norm(p=1) + torch.linalg.norm(w, dim=1),
    "norm of a matrix": lambda w: (
        torch.linalg.norm(w) * torch.linalg.norm(w, "fro", (0, 1)) * torch.linalg.norm(w[0], 1)
    ),
    "vector_norm": lambda w: torch.linalg.vector_norm(w, 3) + torch.linalg.vector_norm(w, 2, -1),
    "other orders": lambda w: (
        w.norm(p=-torch.inf)
        + torch.norm(positive(w), 0.5, 1) / 32
        + torch.linalg.vector_norm(w, -1.5, 0)
    ),
    "norms of matrices": lambda w: torch.stack(
        [torch.linalg.matrix_norm(w, p) for p in ("fro", 1, -1, torch.inf, -torch.inf)]
        + [*torch.linalg.norm(w.view(2, 2, 4), 1, (0, 2))]
        + [torch.linalg.matrix_norm(w, p) for p in (2, -2, "nuc")]
        + [torch.linalg.norm(w, 2), w.norm("nuc")]
        + [*torch.norm(w.view(2, 2, 4), "nuc", (0, 2), keepdim=True).flatten() / 2]
    ),
    "renorm": lambda w: w.renorm(2, 0, 1.5) * torch.renorm(w, 1, 1, 3.0),
    "distances": lambda w: (
        torch.cdist(w, w[:2], 1.0).sum() / 8
        + torch.cdist(w, w.exp(), 3.0)
        + F.pdist(w, 1.5).mean()
        + torch.dist(w, w.T * 2, 1) / 8
        + F.pairwise_distance(w, w.exp(), 3)
    ),
    "distances by a product": lambda w: (
        -(
            torch.cdist(w, w[:2].exp(), compute_mode="use_mm_for_euclid_dist")
            * torch.cdist(torch.stack([w, w.T]), w, compute_mode="donot_use_mm_for_euclid_dist")[
                0, 0, 1
            ]
            + torch.cdist(w.repeat(7, 1), w.repeat(7, 1)).mean()
        )
    ),
    "angles": lambda w: F.cosine_similarity(w, w.T) * F.cosine_similarity(w, w[:, :1], dim=1),
    "covariances of weights": lambda w: (
        torch.cov(w, aweights=w[0].abs(), fweights=torch.tensor([1, 2, 1, 3]))
        + torch.cov(w, fweights=torch.tensor([2, 1, 1, 3]), correction=0)
    ),
    "covariances": lambda w: w.cov() + torch.cov(w[0], correction=0) + torch.corrcoef(w.T),
}

HYPERBOLIC: dict[str, Program] = {
    "sinh": lambda w: torch.sinh(w) * w.cosh(),
    "atanh": lambda w: torch.atanh(w.tanh() * 0.875) * positive(w).add(1).acosh(),
    "logit": lambda w: torch.logit(w.sigmoid()) * torch.special.logit(w.sigmoid(), 0.01),
    "logaddexp": lambda w: torch.logaddexp(w, w.T) * torch.logaddexp(w[0], w[:, :1]),
    "hypot": lambda w: torch.hypot(w, w.T + 3) * torch.erfc(w),
}

ACTIVATIONS: dict[str, Program] = {
    "drawn": lambda w: (
        F.rrelu(w, 0.1, 0.9, training=True) * F.rrelu(w)
        + F.alpha_dropout(w, 0.3, training=True)
        * F.feature_alpha_dropout(w.reshape(2, 2, 4), 0.5, training=True).reshape(4, 4)
    ),
    "rectifiers": lambda w: (
        F.relu(w) + F.leaky_relu(w, 0.2) + F.elu(w, 2.0) + F.selu(w) + F.celu(w, 2)
    ),
    "relu": lambda w: w.relu() * torch.relu(w + 1) * F.relu_(w * 2) * F.relu(w * 3, inplace=True),
    "gelu": lambda w: F.gelu(w) * F.gelu(w, approximate="tanh") * nn.GELU()(w),
    "sigmoid": lambda w: (
        w.sigmoid() * torch.sigmoid(w) * F.logsigmoid(w) * torch.tanh(w) * w.tanh()
    ),
    "silu": lambda w: F.silu(w) * F.mish(w) * F.softsign(w) * F.softplus(w, 2.0),
    "hard": lambda w: F.hardswish(w) + F.hardsigmoid(w) * w,
    "prelu": lambda w: F.prelu(w, w[0].abs()) + F.prelu(w, w[0, :1].abs()),
    "prelu of numbers": lambda w: (
        F.prelu(w[0], w[1, :1]) * F.prelu(w, w[2, 2]) * F.prelu(w[3, 3], w[1, 1])
    ),
    "glu": lambda w: F.glu(w) + F.glu(w, dim=0).sum(),
    "softmax": lambda w: (
        F.softmax(w, 0) * w.softmax(-1) * torch.softmax(w, dim=1) * F.softmin(w, 1)
    ),
    "log_softmax": lambda w: F.log_softmax(w, dim=0) * w.log_softmax(-1, dtype=torch.float32),
}

SPECIAL: dict[str, Program] = {
    "normal": lambda w: torch.special.log_ndtr(3 * w) * torch.special.erfcx(w),
    "bessel": lambda w: (
        torch.i0(2 * w) * torch.special.i0e(4 * w) + torch.special.i1(4 * w) * torch.special.i1e(w)
    ),
    "gamma below zero": lambda w: torch.lgamma(2 * w) + 0.1 * torch.digamma(w),
    "asinh": lambda w: torch.asinh(w * 30),
    "near one": lambda w: sum(f(1 - w.tanh() ** 2 / 64) for f in (torch.asin, torch.acos)),
    "beside one": lambda w: torch.atanh(1 - positive(w) / 64) + torch.acosh(1 + positive(w) / 64),
    "logaddexp2": lambda w: torch.logaddexp2(w, w.T),
    "clamped logit": lambda w: torch.logit(w.sigmoid(), 0.25) * w.sigmoid().logit(eps=0.01),
    "xlogy": lambda w: torch.xlogy(w, positive(w)) * torch.special.xlog1py(2.0, positive(w)),
    "entr": lambda w: torch.special.entr(positive(w)),
    "sinc": lambda w: torch.sinc(w.relu() * w),
    "ndtr": lambda w: torch.special.ndtr(w) * torch.special.ndtri(w.sigmoid()),
    "polygamma": lambda w: torch.polygamma(2, positive(w)) * positive(w).polygamma(1),
    "polygamma 0": lambda w: torch.special.polygamma(0, positive(w)),
    "mvlgamma": lambda w: torch.mvlgamma(positive(w) + 1, 3),
}
ATTENTION: dict[str, Program] = {
    "causal": lambda w: attend(w, is_causal=True),
    "all": attend,
    "booleans": lambda w: attend(w, attn_mask=torch.ones(4, 4).tril().bool()),
    "bias": lambda w: attend(w, attn_mask=w),
    "blind rows": lambda w: attend(w, attn_mask=(torch.ones(4, 4).tril(-1) > 0)),
    "infinite": lambda w: attend(
        w, attn_mask=torch.zeros(4, 4).masked_fill(~mask().tril(), -torch.inf)
    ),
    "lowest": lambda w: attend(w, attn_mask=torch.full((4, 4), torch.finfo(w.dtype).min).triu(1)),
    "scale": lambda w: attend(w, scale=0.3),
    "broadcast": lambda w: F.scaled_dot_product_attention(
        w.view(2, 2, 4), w.view(2, 1, 2, 4), w.view(2, 1, 2, 4)
    ),
    "groups": lambda w: attend(w, enable_gqa=True, groups=2),
    "dropout": lambda w: attend(w, dropout_p=0.4),
    "causal dropout": lambda w: attend(w, dropout_p=0.4, is_causal=True),
    "blind dropout": lambda w: attend(w, dropout_p=0.4, attn_mask=(torch.ones(4, 4).tril(-1) > 0)),
    "masked dropout": lambda w: attend(w, dropout_p=0.4, attn_mask=w, enable_gqa=True, groups=2),
}


def grid(w: Any) -> Any:
    """Return places of an image, some of them beyond it."""
    return torch.stack([w, w.T], -1)[None]


IMAGES: dict[str, Program] = {
    "fractional_max_pool2d": lambda w: F.fractional_max_pool2d(
        torch.stack([w, w.T])[None], 2, output_size=(2, 3)
    ),
    "conv1d": lambda w: F.conv1d(w[None], w.reshape(4, 2, 2), w[0], padding=1, groups=2),
    "conv2d": lambda w: F.conv2d(image(w), image(w, 4, 1, 2, 2), stride=(1, 2), padding=(1, 0)),
    "conv2d same": lambda w: (
        F.conv2d(image(w), image(w, 4, 1, 2, 2), padding="same", dilation=2)
        + F.conv2d(image(w), w[None, None, :3, 1:], padding="same")
        + F.conv1d(w, w.reshape(4, 4, 1), padding="same")
    ),
    "conv3d": lambda w: F.conv3d(
        image(w, 1, 2, 2, 2, 2), image(w, 1, 2, 2, 2, 2), padding=(1, 0, 1)
    ),
    "conv_transpose": lambda w: (
        F.conv_transpose1d(w[None], w.reshape(4, 2, 2), w[0, :2]).sum()
        + F.conv_transpose2d(image(w), image(w, 1, 4, 2, 2), stride=2, output_padding=1)
        + F.conv_transpose1d(w, w.reshape(4, 1, 4), stride=2, output_padding=2, dilation=3).mean()
    ),
    "max_pool": lambda w: (
        F.max_pool2d(image(w), 2) * F.max_pool2d(image(w), (2, 3), stride=(2, 1), ceil_mode=True)
        + F.max_pool1d(w[None], 2, padding=1).sum()
    ),
    "avg_pool": lambda w: (
        F.avg_pool2d(image(w), 3, 1, 1, count_include_pad=False) * F.avg_pool2d(image(w), 3, 1, 1)
        + F.avg_pool1d(w[None], 2).sum()
    ),
    "adaptive pools": lambda w: (
        F.adaptive_avg_pool2d(image(w), 1) * F.adaptive_avg_pool2d(image(w), (3, None))
        + F.adaptive_max_pool2d(image(w), 2).sum()
        + F.adaptive_avg_pool1d(w[None], 3).sum()
    ),
    "one image": lambda w: (
        F.conv2d(w[None], image(w, 2, 1, 2, 4), w[0, :2]).sum()
        + F.avg_pool1d(w, 2).sum()
        + F.max_pool2d(w[None], 2) * F.adaptive_avg_pool2d(w[None], 2)
        + F.conv_transpose1d(w, w.reshape(4, 2, 2)).mean()
        + F.adaptive_max_pool1d(w, 2).mean()
    ),
    "ceil_mode": lambda w: (
        F.max_pool2d(image(w), 3, 2, ceil_mode=True) ** 2
        + F.avg_pool2d(image(w), 3, 2, 1, ceil_mode=True)[..., 1:, 1:]
        + F.avg_pool2d(image(w), 3, 2, ceil_mode=True, count_include_pad=False)
        + F.avg_pool1d(w, 3, 2, ceil_mode=True).sum()
    ),
    "divisor_override": lambda w: F.avg_pool2d(image(w), 3, 1, 1, divisor_override=7) ** 2,
    "max_unpool": lambda w: (
        F.max_unpool2d(*F.max_pool2d(image(w), 2, return_indices=True), 2)
        + F.max_unpool1d(*F.max_pool1d(w, 2, return_indices=True), 2)
    ),
    "other sizes": lambda w: F.interpolate(image(w), size=(7, 3)) ** 2,
    "interpolate": lambda w: (
        F.interpolate(image(w), scale_factor=2) * F.interpolate(image(w), size=8)
    ),
    "linear": lambda w: (
        F.interpolate(image(w), scale_factor=2, mode="bilinear")
        * F.interpolate(image(w), 8, mode="bilinear")
        * F.interpolate(image(w), (8, 8), mode="bilinear").mean()
        * F.interpolate(image(w), (7, 4), mode="bilinear", align_corners=True).sum()
        * F.interpolate(image(w, 2, 2, 4), scale_factor=0.5, mode="linear").sum()
        * F.interpolate(image(w, 1, 1, 2, 2, 4), (3, 2, 7), mode="trilinear").sum()
    ),
    "linear in thirds": lambda w: F.interpolate(image(w), (7, 3), mode="bilinear") ** 2,
    "cubic": lambda w: (
        F.interpolate(image(w), (7, 4), mode="bicubic")
        + F.interpolate(image(w), (7, 4), mode="bicubic", align_corners=True)
        + F.interpolate(image(w), scale_factor=(1.9, 1.3), mode="bicubic").mean()
    ),
    "nearest": lambda w: (
        F.interpolate(image(w), (7, 3), mode="nearest-exact") ** 2
        + F.interpolate(image(w), scale_factor=(1.9, 0.8))
        + F.interpolate(image(w), (7, 3), mode="area")
    ),
    "grid_sample": lambda w: sum(
        F.grid_sample(image(w), grid(w), mode=mode, padding_mode=padding, align_corners=aligned)
        for mode in ("bilinear", "nearest", "bicubic")
        for padding in ("zeros", "border", "reflection")
        for aligned in (True, False)
    ),
    "grid_sampler": lambda w: torch.grid_sampler(
        image(w, 1, 2, 2, 2, 2),
        image(w[:3], 1, 1, 2, 2, 3),
        0,
        0,
        False,  # noqa: FBT003 PyTorch has it so
    ),
    "interpolate by factors": lambda w: (
        F.interpolate(image(w), scale_factor=3.2, recompute_scale_factor=True).mean()
        + F.interpolate(image(w), scale_factor=(2.0, 3.0)) ** 2
    ),
}

NORMS: dict[str, Program] = {
    "layer_norm": lambda w: F.layer_norm(w, (4,), w[0]) * F.layer_norm(w, (4, 4), w.T, w),
    "rms_norm": lambda w: F.rms_norm(w, (4,)) * F.rms_norm(w, (4,), w[0], 1e-3),
    "batch_norm": lambda w: F.batch_norm(w, None, None, w[0], training=True) * w,
    "batch_norm in inference": lambda w: (
        F.batch_norm(w, torch.zeros(4), torch.ones(4))
        * F.batch_norm(w, mask()[0] + 0.5, mask()[1] + 1.0, w[0])
    ),
    "torch.batch_norm": lambda w: (
        torch.batch_norm(w, w[0], w[1], None, None, *(True, 0.1, 1e-5, False))
        * torch.batch_norm(
            w, w[0], w[1], mask()[0] + 0.5, mask()[1] + 1.0, *(False, 0.1, 0.1, False)
        )
    ),
    "torch.instance_norm": lambda w: (
        torch.instance_norm(
            image(w, 2, 2, 4), w[0, :2], w[1, :2], None, None, *(True, 0.1, 0.1, False)
        )
        * image(w, 2, 2, 4)
    ),
    "no rows": without_rows,
    "group_norm": lambda w: (
        F.group_norm(w.view(2, 4, 2), 2, w[0], w[1]) * F.group_norm(w.view(2, 4, 2), 1)
    ),
    "instance_norm": lambda w: (
        F.instance_norm(w.view(1, 2, 8))
        * F.instance_norm(w.view(2, 2, 4), weight=w[0, :2])[0].sum()
    ),
    "local_response_norm": lambda w: F.local_response_norm(image(w, 1, 4, 2, 2), 2),
    "weight_norm": weight_norm,
    "dropout": lambda w: (
        F.dropout(w, 0.5) + F.dropout(w, training=False) + F.dropout1d(w[None], 0.5)
    ),
    "sequence": sequence,
}

RECURRENT: dict[str, Program] = {
    "LSTM": lambda w: recurrent("lstm", w, 4),
    "GRU": lambda w: recurrent("gru", w, 3, layers=2, ways=2),
    "RNN": lambda w: recurrent("rnn_tanh", w, 1),
    "LSTM cell": lambda w: sum(
        torch.lstm_cell(w, (w[:, :2], w[:, 2:]), w.repeat(2, 1), w.repeat(2, 1)[:, :2])
    ),
    "GRU cell": lambda w: torch.gru_cell(w, w[:, :2], w.repeat(2, 1)[:6], w.repeat(2, 1)[:6, :2]),
}

LOSSES: dict[str, Program] = {
    "cross_entropy": lambda w: F.cross_entropy(
        w, torch.tensor([0, 1, -100, 3]), label_smoothing=0.1
    ),
    "probabilities": lambda w: F.cross_entropy(w, torch.full((4, 4), 0.25)),
    "squares": lambda w: F.mse_loss(w, w.T) + F.huber_loss(w, torch.ones(4, 4), delta=0.5),
    "logits": lambda w: F.binary_cross_entropy_with_logits(w, mask().float()),
    "one example": lambda w: (
        F.cross_entropy(w[0], even()[1]) * F.nll_loss(w[1], even()[1], reduction="none")
        + F.cross_entropy(w[2], w[3].detach().softmax(0))
    ),
    "one class": lambda w: (
        F.multi_margin_loss(w[0, 0], torch.tensor(0))
        + F.multilabel_margin_loss(w[0, 0], torch.tensor(0))
        + F.multilabel_margin_loss(w[1], torch.tensor([3, 1, -1, 0]))
    ),
    "margins": lambda w: (
        F.multi_margin_loss(w, places()[0], p=2) * F.multi_margin_loss(w[0], even()[1], margin=0.5)
        + F.multilabel_margin_loss(w, torch.tensor([[2, 0, -1, 1]] * 4))
        * F.multilabel_margin_loss(w[1], torch.tensor([3, 1, -1, 0]))
    ),
    "labels": lambda w: (
        F.hinge_embedding_loss(w, mask() * 2.0 - 1)
        * F.cosine_embedding_loss(w, w.T, mask()[0] * 2.0 - 1, margin=-0.5)
    ),
    "ctc_loss": lambda w: F.ctc_loss(
        w.log_softmax(1).view(4, 1, 4), places()[1:, ::3], (4,), (2,), blank=1
    ),
    "full": lambda w: (
        F.poisson_nll_loss(w, w.detach().exp(), full=True)
        + F.poisson_nll_loss(positive(w), positive(w.T) + 1, log_input=False, full=True)
        + F.gaussian_nll_loss(w, w.T, positive(w), full=True)
    ),
    "variances": lambda w: (
        F.gaussian_nll_loss(w, w.T, positive(w[0])) + F.gaussian_nll_loss(w, w.T, 0.5)
    ),
}

SPELLINGS: dict[str, Program] = {
    "by name": lambda w: F.gelu(input=F.linear(input=w, weight=w), approximate="tanh"),
    "rows": lambda w: sum(torch.tanh(row) for row in w),
    "numbers": lambda w: 1.5 + (w + 1e-6) * 0.3,
    "a wider number": lambda w: w * torch.tensor(0.1, dtype=torch.float64),
    "integers": lambda w: w * torch.arange(4) * (w > 0),
    "an empty part": lambda w: torch.tanh(torch.cat([w, w[:1], torch.empty(0)])),
}

FAMILIES = {
    "spellings": SPELLINGS,
    "arithmetic": ARITHMETIC,
    "choices": CHOICES,
    "order": ORDER,
    "indexing": INDEXING,
    "writing": WRITING,
    "moving": MOVING,
    "differences": DIFFERENCES,
    "joining": JOINING,
    "blocks": BLOCKS,
    "reductions": REDUCTIONS,
    "linear algebra": LINEAR_ALGEBRA,
    "lengths": LENGTHS,
    "products": PRODUCTS,
    "hyperbolic": HYPERBOLIC,
    "activations": ACTIVATIONS,
    "special": SPECIAL,
    "attention": ATTENTION,
    "images": IMAGES,
    "norms": NORMS,
    "recurrent": RECURRENT,
    "losses": LOSSES,
}
