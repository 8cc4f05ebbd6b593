"""PyTorch's functions that are composed of several ops of the table.

A function of few steps is a small network, whose derivative is that of its steps (`composed`). Its
constants, such as an epsilon, are operands of it.
"""

import numpy as np

from backproof.adapters.torch_functions.calls import Call, Seen, Tensor, reads, steps

# Angles.


@reads("cosine_similarity")
def cosine_similarity(_: Seen, a: Tensor, b: Tensor, dim: int = 1, eps: float = 1e-8) -> Call:
    """Read it as the inner product of a and b, which are expanded, and each of length 1."""
    whole = {"shape": np.broadcast_shapes(tuple(a.shape), tuple(b.shape))}
    return steps(
        "cosine_similarity",
        {"a": a, "b": b},
        ("every-a", "expand", "a", whole),
        ("every-b", "expand", "b", whole),
        ("of-a", "normalize", "every-a", {"axis": dim, "eps": eps}),
        ("of-b", "normalize", "every-b", {"axis": dim, "eps": eps}),
        ("product", "multiply", "of-a of-b"),
        ("cosine", "sum", "product", {"axis": dim}),
    )


# Windows.


@reads("local_response_norm")
def local_response_norm(
    _: Seen, x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Call:
    """Read it as x / (k + alpha mean x^2)^beta, the mean over channels nearby, and zeros beyond."""
    around = ((0, 0), (size // 2, (size - 1) // 2), *((0, 0) for _ in x.shape[2:]))
    near = np.arange(x.shape[1])[:, None] + np.arange(size)
    return steps(
        "local_response_norm",
        {"x": x, "k": k},
        ("square", "multiply", "x x"),
        ("around", "pad", "square", {"width": around}),
        ("near", "slice", "around", {"index": (slice(None), near)}),
        ("mean", "mean", "near", {"axis": 2}),
        ("share", "scale", "mean", {"factor": alpha}),
        ("more", "add", "share k"),
        ("power", "power", "more", {"exponent": beta}),
        ("y", "divide", "x power"),
    )
