"""Convolution (as all frameworks have it: the kernel is not flipped), as one matrix product.

Shapes: N images, C channels in, O out, S the sides of an image, of any number of axes; K those of
the kernel; P those of the output; G groups, each of C/G and O/G channels. Indices of places, k and
p, have one number for each of these axes.

Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning (2016).
"""

from math import prod

import numpy as np

from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.windows import Each, Padding, Windows, each, inner, sliding


def conv_forward(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: Each = 1,
    padding: Padding = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> Array:
    """Return z (N, O, P): z[n,o,p] = sum_ck W[o,c,k] x[n,c,sp+dk] + b[o].

    x: (N, C, S); `padding` zeros are added on each side of it. W: (O, C/G, K). b: (O,), or left
    out. s is the stride, d the dilation.
    """
    seen = sliding(W.shape[2:], stride, padding, dilation)
    z = correlate(seen.pad(x), W, seen, groups)
    return z if b is None else z + by_channel(b, z)


def conv_forward_fused(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: Each = 1,
    padding: Padding = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> Array:
    """Return z with the bias as one more term of the inner product, in any order."""
    seen = sliding(W.shape[2:], stride, padding, dilation)
    return correlate(seen.pad(x), W, seen, groups, b)


def conv_backward(
    dz: Array,
    z: Array,
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: Each = 1,
    padding: Padding = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> tuple[Array, ...]:
    """Return dx (N, C, S), dW (O, C/G, K) and, if there is a b, db (O,), from dz."""
    seen = sliding(W.shape[2:], stride, padding, dilation)
    dx = input_cotangent(dz, W, x.shape, seen, groups)
    dW = weight_gradient(dz, seen.pad(x), W.shape, seen, groups)
    return (dx, dW) if b is None else (dx, dW, bias_gradient(dz))


def conv_backward_in_parts(
    dz: Array,
    z: Array,
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: Each = 1,
    padding: Padding = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> tuple[Array, ...]:
    """Return the same, but add up products one by one: dx over columns (col2im), dW over images.

    1. From the place k of the kernel x[n,c,sp+dk] receives sum_o W[o,c,k] dz[n,o,p]; dx is the sum
       over all places.
    2. dW is the sum of every image's own dW.
    """
    seen = sliding(W.shape[2:], stride, padding, dilation)
    (N, O, *P), C = dz.shape, W.shape[1]  # noqa: E741 as below
    kernels = W.reshape(groups, O // groups, C, *seen.size)
    deltas = np.swapaxes(dz, 0, 1).reshape(groups, O // groups, N * prod(P))
    images = seen.pad(x)
    dx = np.zeros_like(images)
    for k in np.ndindex(*seen.size):
        received = np.swapaxes(kernels[inner(k)], 1, 2) @ deltas  # (G, C/G, NP)
        starts = zip(seen.dilation, k, seen.stride, P, strict=True)
        place = inner(slice(d * i, d * i + s * n, s) for d, i, s, n in starts)
        dx[place] = dx[place] + np.swapaxes(received.reshape(groups * C, N, *P), 0, 1)
    dx = seen.crop(dx, x.shape[2:])
    dW = weight_gradient(dz[:1], images[:1], W.shape, seen, groups)
    for n in range(1, N):
        dW = dW + weight_gradient(dz[n : n + 1], images[n : n + 1], W.shape, seen, groups)
    return (dx, dW) if b is None else (dx, dW, bias_gradient(dz))


def correlate(x: Array, W: Array, seen: Windows, groups: int, b: Array | None = None) -> Array:
    """Return the convolution of x, which is padded already: kernels times patches.

    b: (O,), or left out. It becomes the last entry of every kernel, and every patch ends in a one.
    """
    patches = unfolded(x, seen, groups)  # (G, CK/G, NP)
    kernels = W.reshape(groups, W.shape[0] // groups, -1)  # (G, O/G, CK/G)
    if b is not None:
        patches = np.concatenate([patches, np.ones_like(patches[:, :1])], axis=1)
        kernels = np.concatenate([kernels, b.reshape(groups, -1, 1)], axis=-1)
    z = kernels @ patches  # (G, O/G, NP)
    return np.swapaxes(z.reshape(W.shape[0], x.shape[0], *seen.count(x.shape[2:])), 0, 1)


def unfolded(x: Array, seen: Windows, groups: int = 1) -> Array:
    """Return every patch of x (N, C, S), padded already, as a column, (G, CK/G, NP)."""
    patches = seen.of(x)  # (N, C, P, K)
    N, C = x.shape[:2]
    n = len(seen.size)
    grouped = patches.reshape(N, groups, C // groups, *patches.shape[2:])
    columns = np.transpose(grouped, (1, 2, *range(3 + n, 3 + 2 * n), 0, *range(3, 3 + n)))
    return columns.reshape(groups, C // groups * prod(seen.size), -1)


def input_cotangent(
    dz: Array, W: Array, shape: tuple[int, ...], seen: Windows, groups: int
) -> Array:
    """Return dx, in the `shape` of x: the transposed convolution.

    1. dz[n,o,p]/dx[n,c,i] = W[o,c,k] where i = sp+dk, else 0.
    2. So dx[n,c,i] = sum_ok W[o,c,k] dz[n,o,(i-dk)/s] over whole indices.
    3. From i = r+sq on, for one r at a time: of the kernel only the places k count for which
       dk = r+sm. Then dx[n,c,r+sq] = sum_om W[o,c,k] dz[n,o,q-m], the correlation with the kernel
       flipped, in and out exchanged.
    """
    (N, O), C = dz.shape[:2], shape[1]  # noqa: E741 O is what O(utputs) are called everywhere
    whole = [n + a + b for n, (a, b) in zip(shape[2:], seen.padding, strict=True)]
    kernels = W.reshape(groups, O // groups, C // groups, *seen.size)
    exchanged = np.swapaxes(kernels, 1, 2).reshape(C, O // groups, *seen.size)
    dx = np.zeros_like(dz, shape=(N, C, *whole))
    for r in np.ndindex(*seen.stride):
        axes = zip(r, whole, seen.size, seen.stride, seen.dilation, strict=True)
        places, first, count, apart = zip(*(phase(*one) for one in axes), strict=True)
        if all(map(len, places)):
            spread = np.zeros_like(dz, shape=(N, O, *count))
            spread[inner(slice(m, m + n) for m, n in zip(first, dz.shape[2:], strict=True))] = dz
            part, one = exchanged[inner(np.ix_(*places))], sliding([*map(len, places)], 1, 0, apart)
            found = correlate(spread, part, one, groups)
            dx[inner(slice(i, None, s) for i, s in zip(r, seen.stride, strict=True))] = found
    return seen.crop(dx, shape[2:])


def phase(r: int, whole: int, size: int, s: int, d: int) -> tuple[list[int], int, int, int]:
    """Return what makes the entries r, r+s, r+2s, ... of so many along one axis.

    It is the places k of the kernel for which dk = r+sm, from the last to the first; the largest
    of the m, which is how many zeros are needed before dz; how many entries there are with all
    zeros around it; and how far apart the m are.
    """
    places = [k for k in reversed(range(size)) if d * k >= r and (d * k - r) % s == 0]
    m = [(d * k - r) // s for k in places] or [0]
    count = -(-(whole - r) // s)
    return places, m[0], count + m[0] - m[-1], m[0] - m[1] if m[1:] else 1


def weight_gradient(
    dz: Array, x: Array, kernel: tuple[int, ...], seen: Windows, groups: int
) -> Array:
    """Return dW, in the shape of the kernel; x is padded already.

    1. dz[n,o,p]/dW[o,c,k] = x[n,c,sp+dk]: the patches again.
    2. So dW = sum over all places of dz times patch, one matrix product.
    """
    patches = unfolded(x, seen, groups)  # (G, CK/G, NP)
    deltas = np.swapaxes(dz, 0, 1).reshape(groups, dz.shape[1] // groups, -1)  # (G, O/G, NP)
    return np.swapaxes(patches @ np.swapaxes(deltas, 1, 2), 1, 2).reshape(*kernel)


def bias_gradient(dz: Array) -> Array:
    """Return db, (O,): a bias is added at every place of every image."""
    return np.sum(dz, axis=(0, *range(2, dz.ndim)))


def by_channel(b: Array, z: Array) -> Array:
    """Return b (O,) in a shape that broadcasts to z (N, O, P)."""
    return b.reshape(-1, *(1 for _ in range(2, z.ndim)))


def conv_transpose_forward(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: Each = 1,
    padding: Padding = 0,
    output_padding: Each = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> Array:
    """Return y (N, O, S), what a convolution with kernels W from y to x hands back for x.

    x: (N, C, P). W: (C, O/G, K). b: (O,), or left out. `padding` entries are cut off on each side
    of y: S = s (P-1) + d (K-1) + 1 - padding + output_padding.
    """
    seen = sliding(W.shape[2:], stride, padding, dilation)
    sides = [
        s * (n - 1) + reach - a - c + extra
        for n, s, reach, (a, c), extra in zip(
            x.shape[2:],
            seen.stride,
            seen.span,
            seen.padding,
            each(output_padding, len(seen.size)),
            strict=True,
        )
    ]
    y = input_cotangent(x, W, (x.shape[0], groups * W.shape[1], *sides), seen, groups)
    return y if b is None else y + by_channel(b, y)


def conv_transpose_backward(
    dy: Array,
    y: Array,
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: Each = 1,
    padding: Padding = 0,
    output_padding: Each = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> tuple[Array, ...]:
    """Return dx (N, C, P), dW (C, O/G, K) and, if there is a b, db (O,), from dy.

    1. y is linear in x, by the transpose of a convolution. So dx is that convolution of dy.
    2. sum y dy = sum x conv(dy, W): dW is that convolution's, of dy, with x for the cotangent.
    3. What `output_padding` adds beyond the last window receives nothing from x.
    """
    seen = sliding(W.shape[2:], stride, padding, dilation)
    ends = (s * (n - 1) + k for s, n, k in zip(seen.stride, x.shape[2:], seen.span, strict=True))
    images = seen.pad(dy)[inner(slice(end) for end in ends)]
    dx = correlate(images, W, seen, groups)
    dW = weight_gradient(x, images, W.shape, seen, groups)
    return (dx, dW) if b is None else (dx, dW, bias_gradient(dy))


conv = Op(
    conv_forward,
    conv_backward,
    forms={
        "sums the bias among the products": Op(conv_forward_fused, conv_backward),
        "adds up columns and images one by one": Op(conv_forward, conv_backward_in_parts),
    },
)
conv_transpose = Op(conv_transpose_forward, conv_transpose_backward)
