"""2-D convolution (as all frameworks have it: the kernel is not flipped), as one matrix product.

Shapes: N images, C channels in, O out, H, W height and width; K, L those of the kernel; P, Q those
of the output; G groups, each of C/G and O/G channels.

Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning (2016).
"""

import numpy as np

from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.windows import pad, windows


def conv2d_forward(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Array:
    """Return z (N, O, P, Q): z[n,o,p,q] = sum_ckl W[o,c,k,l] x[n,c,sp+dk,sq+dl] + b[o].

    x: (N, C, H, W); `padding` rows and columns of zeros are added on each side of it. W: (O, C/G,
    K, L). b: (O,), or left out. s is the stride, d the dilation.
    """
    z = correlate(pad(x, padding), W, stride, dilation, groups)
    return z if b is None else z + b.reshape(-1, 1, 1)


def conv2d_forward_fused(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Array:
    """Return z with the bias as one more term of the inner product, in any order."""
    return correlate(pad(x, padding), W, stride, dilation, groups, b)


def conv2d_backward(
    dz: Array,
    z: Array,
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> tuple[Array, ...]:
    """Return dx (N, C, H, W), dW (O, C/G, K, L) and, if there is a b, db (O,), from dz."""
    dx = input_cotangent(dz, W, x.shape, stride, padding, dilation, groups)
    dW = weight_gradient(dz, pad(x, padding), W.shape, stride, dilation, groups)
    if b is None:
        return dx, dW
    return dx, dW, np.sum(dz, axis=(0, 2, 3))


def conv2d_backward_in_parts(
    dz: Array,
    z: Array,
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> tuple[Array, ...]:
    """Return the same, but add up products one by one: dx over columns (col2im), dW over images.

    1. From the place k, l of the kernel x[n,c,sp+dk,sq+dl] receives sum_o W[o,c,k,l] dz[n,o,p,q];
       dx is the sum over all places.
    2. dW is the sum of every image's own dW.
    """
    (N, O, P, Q), (C, K, L) = dz.shape, W.shape[1:]  # noqa: E741 as below
    kernels = W.reshape(groups, O // groups, C, K, L)
    deltas = np.swapaxes(dz, 0, 1).reshape(groups, O // groups, N * P * Q)
    dx = np.zeros_like(pad(x, padding))
    for k, l in np.ndindex(K, L):  # noqa: E741 K and L are what the kernel's sides are called
        received = np.swapaxes(kernels[:, :, :, k, l], 1, 2) @ deltas  # (G, C/G, NPQ)
        place = np.s_[
            ...,
            dilation * k : dilation * k + stride * P : stride,
            dilation * l : dilation * l + stride * Q : stride,
        ]
        dx[place] = dx[place] + np.swapaxes(received.reshape(groups * C, N, P, Q), 0, 1)
    dx = dx[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]
    images, shared = pad(x, padding), (W.shape, stride, dilation, groups)
    dW = weight_gradient(dz[:1], images[:1], *shared)
    for n in range(1, N):
        dW = dW + weight_gradient(dz[n : n + 1], images[n : n + 1], *shared)
    if b is None:
        return dx, dW
    return dx, dW, np.sum(dz, axis=(0, 2, 3))


def correlate(
    x: Array, W: Array, stride: int, dilation: int, groups: int, b: Array | None = None
) -> Array:
    """Return the convolution of x, which is padded already: kernels times patches.

    b: (O,), or left out. It becomes the last entry of every kernel, and every patch ends in a one.
    """
    patches = unfolded(x, W.shape, stride, dilation, groups)  # (G, CKL/G, NPQ)
    kernels = W.reshape(groups, W.shape[0] // groups, -1)  # (G, O/G, CKL/G)
    if b is not None:
        patches = np.concatenate([patches, np.ones_like(patches[:, :1])], axis=1)
        kernels = np.concatenate([kernels, b.reshape(groups, -1, 1)], axis=-1)
    z = kernels @ patches  # (G, O/G, NPQ)
    P, Q = outputs(x.shape, W.shape, stride, dilation)
    return np.swapaxes(z.reshape(W.shape[0], x.shape[0], P, Q), 0, 1)


def unfolded(x: Array, kernel: tuple[int, ...], stride: int, dilation: int, groups: int) -> Array:
    """Return every patch of x (N, C, H, W) as a column, (G, CKL/G, NPQ)."""
    seen = windows(x, (kernel[2], kernel[3]), stride, dilation)  # (N, C, P, Q, K, L)
    N, C, P, Q, K, L = seen.shape
    grouped = seen.reshape(N, groups, C // groups, P, Q, K, L) if groups > 1 else seen[:, None]
    columns = np.transpose(grouped, (1, 2, 5, 6, 0, 3, 4))
    return columns.reshape(groups, C // groups * K * L, N * P * Q)


def input_cotangent(
    dz: Array,
    W: Array,
    shape: tuple[int, ...],
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
) -> Array:
    """Return dx, in the `shape` of x: the transposed convolution.

    1. dz[n,o,p,q]/dx[n,c,i,j] = W[o,c,k,l] where i = sp+dk and j = sq+dl, else 0.
    2. So dx[n,c,i,j] = sum_okl W[o,c,k,l] dz[n,o,(i-dk)/s,(j-dl)/s] over whole indices.
    3. With s-1 zeros between the entries of dz, and d(K-1) around them, it is the correlation with
       the kernel flipped, in and out exchanged.
    """
    N, O = dz.shape[:2]  # noqa: E741 O is what O(utputs) are called everywhere
    _, C, H, width = shape
    K, L = W.shape[2:]
    above, beside = dilation * (K - 1), dilation * (L - 1)
    rows, columns = H + 2 * padding + above, width + 2 * padding + beside
    spread = np.zeros_like(dz, shape=(N, O, rows, columns))
    P, Q = dz.shape[2:]
    spread[:, :, above : above + stride * P : stride, beside : beside + stride * Q : stride] = dz
    flipped = W.reshape(groups, O // groups, C // groups, K, L)[..., ::-1, ::-1]
    exchanged = np.transpose(flipped, (0, 2, 1, 3, 4)).reshape(C, O // groups, K, L)
    dx = correlate(spread, exchanged, 1, dilation, groups)
    return dx[:, :, padding : padding + H, padding : padding + width]


def weight_gradient(
    dz: Array, x: Array, kernel: tuple[int, ...], stride: int, dilation: int, groups: int
) -> Array:
    """Return dW, in the shape of the kernel; x is padded already.

    1. dz[n,o,p,q]/dW[o,c,k,l] = x[n,c,sp+dk,sq+dl]: the patches again.
    2. So dW = sum over all places of dz times patch, one matrix product.
    """
    N, O, P, Q = dz.shape  # noqa: E741 as above
    patches = unfolded(x, kernel, stride, dilation, groups)  # (G, CKL/G, NPQ)
    deltas = np.swapaxes(dz, 0, 1).reshape(groups, O // groups, N * P * Q)
    return np.swapaxes(patches @ np.swapaxes(deltas, 1, 2), 1, 2).reshape(*kernel)


def outputs(
    x: tuple[int, ...], kernel: tuple[int, ...], stride: int, dilation: int
) -> tuple[int, int]:
    """Return how many windows fit below and beside each other in x, which is padded already."""
    P, Q = (
        (n - dilation * (k - 1) - 1) // stride + 1 for n, k in zip(x[2:], kernel[2:], strict=True)
    )
    return P, Q


conv2d = Op(
    conv2d_forward,
    conv2d_backward,
    forms={
        "sums the bias among the products": Op(conv2d_forward_fused, conv2d_backward),
        "adds up columns and images one by one": Op(conv2d_forward, conv2d_backward_in_parts),
    },
)
