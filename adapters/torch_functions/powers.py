"""Products of many matrices, powers of one, and powers of numbers as rows."""

from functools import cache
from typing import Any

import numpy as np

from backproof.adapters.torch_functions.arithmetic import constant_of
from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    made_of,
    reads,
    steps,
)
from backproof.reference.ops.cast import cast
from backproof.reference.own import OWN


@reads("matrix_power", "linalg_matrix_power")
def matrix_power(_: Seen, A: Tensor, n: int) -> Call:
    """Read it as products by squaring; a negative power is that of the inverse."""
    if n == 0:
        return constant_of(np.broadcast_to(np.eye(A.shape[-1], dtype=np.float32), A.shape), A)
    if n == 1:
        return Call("cast", (A,), own=cast)
    one = np.broadcast_to(np.eye(A.shape[-1], dtype=np.float32), A.shape)
    found: list[Step] = [("inverse", "solve", "A one")] if n < 0 else []
    z, made = "inverse" if n < 0 else "A", ""
    if abs(n) == len("AAA"):  # PyTorch multiplies them in this order
        found += [("square", "matmul", f"{z} {z}"), ("cube", "matmul", f"square {z}")]
        return steps("matrix_power", {"A": A, "one": one}, *found)
    for bit, is_factor in enumerate(reversed(f"{abs(n):b}")):
        if bit:
            found.append((f"z{bit}", "matmul", f"{z} {z}"))
            z = f"z{bit}"
        if is_factor == "1":
            found += [(f"y{bit}", "matmul", f"{made} {z}")] if made else []
            made = f"y{bit}" if made else z
    return steps("matrix_power", {"A": A, "one": one}, *found)


@reads("linalg_multi_dot")
def multi_dot(_: Seen, tensors: Any) -> Call:
    """Read it as products in the order of the fewest multiplications.

    Source: Cormen et al., Introduction to Algorithms, sec. 15.2. Of equal counts PyTorch takes the
    first product of three first, and of more the last.
    """
    n = len(tensors)
    sides = [*(1, *tensors[0].shape)[-2:], *((*t.shape, 1)[1] for t in tensors[1:])]
    order = -1 if n == len("ABC") else 1

    @cache
    def best(i: int, j: int) -> tuple[int, int]:
        """Return how many multiplications the product from i to j takes, and where it is split."""
        if i == j:
            return 0, i
        ways = (
            (best(i, k)[0] + best(k + 1, j)[0] + sides[i] * sides[k + 1] * sides[j + 1], order * k)
            for k in range(i, j)
        )
        count, k = min(ways)
        return count, order * k

    found: list[Step] = []

    def product(i: int, j: int) -> str:
        """Add the steps of the product from i to j, and return the name of the last."""
        if i == j:
            return f"x{i}"
        k = best(i, j)[1]
        name = f"product{i}-{j}"
        found.append((name, "matmul", f"{product(i, k)} {product(k + 1, j)}"))
        return name

    product(0, n - 1)
    return steps("multi_dot", {f"x{i}": t for i, t in enumerate(tensors)}, *found)


@reads("linalg_vander")
def vander(seen: Seen, x: Tensor, *, N: int | None = None) -> Call:
    """Read it as ones, and the products of each number with itself, one after another."""
    *rows, n = seen.result.shape
    if n == 1:
        raise NotKnown("N=1")
    return made_of(
        "vander",
        (x, np.ones((*rows, 1), dtype=np.float32)),
        ("reshape", (0,), {"shape": (*rows, 1)}),
        ("expand", (-1,), {"shape": (*rows, n - 1)}),
        ("cumprod", (-1,), {"axis": len(rows)}, OWN["cumprod"]),
        ("concatenate", (1, -1), {"axis": -1}),
    )
