"""Classical mistakes of pooling.

Shapes: x (N, C, H, W), y and dy (N, C, P, Q); windows of K rows and columns.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backproof.reference.ops.windows import pad, windows
from backproof.reference.verdict.faults.fault import (
    Fault,
    in_backward,
    in_both,
    in_forward,
    with_options,
)


def max_pool() -> Iterator[Fault]:
    """Yield the faults of max pooling: d (N, C, P, Q, 1), seen and large (N, C, P, Q, K K)."""

    def backward(name: str, gives: str, share: Callable[..., Any], source: str) -> Fault:
        def dx(dy: Any, y: Any, x: Any, *, kernel_size: int, stride: int, padding: int = 0) -> Any:
            seen = windows(pad(x, padding, -np.inf), (kernel_size, kernel_size), stride)
            seen = seen.reshape(*y.shape, -1)
            is_largest = np.where(y[..., None] > seen, 0, np.ones_like(dy[..., None]))
            shares = share(dy[..., None], is_largest)
            return scattered(shares.reshape(*y.shape, kernel_size, -1), x, stride, padding)

        return in_backward("max_pool", 0, name, gives, dx, source)

    yield backward(
        "all equal entries",
        "dy for each of a window's equal largest entries",
        lambda d, largest: d * largest,
        "a mask x == max(x)",
    )
    yield backward(
        "shared among equal entries",
        "dy shared evenly among a window's equal largest entries",
        lambda d, largest: d * largest / np.sum(largest, axis=-1, keepdims=True),
        "the gradient of torch.amax",
    )
    yield backward(
        "last of equal entries",
        "dy for the last of a window's equal largest entries",
        lambda d, largest: d * _last(largest),
        "a comparison >= for >",
    )
    yield backward(
        "every entry of the window",
        "dy for all of a window's entries",
        lambda d, largest: d * np.ones_like(largest),
        "no mask",
    )
    yield backward(
        "average pooling's gradient",
        "dy / K^2 for all of a window's entries",
        lambda d, largest: d * np.ones_like(largest) / largest.shape[-1],
        "the other pooling",
    )
    yield in_forward(
        "max_pool",
        "padded with zeros",
        "the largest of each window, zeros of the padding among them",
        lambda x, *, kernel_size, stride, padding=0: np.max(
            windows(pad(x, padding), (kernel_size, kernel_size), stride), axis=(4, 5)
        ),
        "what is padded must be smaller than all numbers",
    )
    yield in_forward(
        "max_pool",
        "minimum for maximum",
        "the smallest of each window",
        lambda x, *, kernel_size, stride, padding=0: (
            -np.max(
                windows(pad(-x, padding, -np.inf), (kernel_size, kernel_size), stride), axis=(4, 5)
            )
        ),
        "a comparison the wrong way round",
    )


def _last(largest: Any) -> Any:
    """Return a one at the last of the largest entries, zeros elsewhere."""
    n = largest.shape[-1]
    at = n - 1 - np.argmax(largest[..., ::-1], axis=-1)
    return np.where(np.arange(n) == at[..., None], 1.0, 0.0)


def scattered(shares: Any, x: Any, stride: int, padding: int) -> Any:
    """Return dx: each window's entries (N, C, P, Q, K, K) added up where they were taken from."""
    dx = np.zeros_like(pad(x, padding))
    n, c, p, q, row, column = np.indices(shares.shape, sparse=True)
    np.add.at(dx, (n, c, stride * p + row, stride * q + column), shares)
    return dx[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]


def average_pool() -> Iterator[Fault]:
    """Yield the faults of average pooling."""
    right = with_options("average_pool", lambda _: {})
    yield in_both(
        "average_pool",
        "padding counted otherwise",
        "what the padding gives counted, or not, as it should not",
        with_options(
            "average_pool", lambda o: {"count_include_pad": not o.get("count_include_pad", True)}
        ),
        "count_include_pad",
    )
    yield in_forward(
        "average_pool",
        "sum for mean",
        "the sum of every window",
        lambda x, *, kernel_size, **o: (
            kernel_size**2 * right.forward(x, kernel_size=kernel_size, **o)
        ),
    )
    yield in_backward(
        "average_pool",
        0,
        "1/n forgotten on the way back",
        "dy for every entry of the window, not dy / n",
        lambda dy, y, x, *, kernel_size, **o: right.backward(
            kernel_size**2 * dy, y, x, kernel_size=kernel_size, **o
        )[0],
    )
    yield in_backward(
        "average_pool",
        0,
        "first entry alone",
        "dy for the first entry of the window",
        lambda dy, y, x, *, kernel_size, stride, padding=0, **_: scattered(
            dy[..., None, None], x, stride, padding
        ),
        "strided sampling for pooling",
    )
