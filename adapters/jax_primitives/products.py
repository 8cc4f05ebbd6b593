"""Products of arrays, and convolutions."""

from string import ascii_lowercase
from typing import Any

import numpy as np

from backproof.adapters.jax_primitives.calls import Call, NotKnown, Operand, Seen, made_of, reads


@reads("dot_general")
def dot_general(seen: Seen, a: Operand, b: Operand) -> Call:
    """Read it as an einsum: axes of the batch, those of a alone, those of b alone."""
    (contract_a, contract_b), (batch_a, batch_b) = seen.params["dimension_numbers"]
    if len(a.shape) + len(b.shape) > len(ascii_lowercase):
        raise NotKnown("more axes than letters")
    left = [*ascii_lowercase[: len(a.shape)]]
    right = [*ascii_lowercase[len(a.shape) :][: len(b.shape)]]
    for i, j in zip((*contract_a, *batch_a), (*contract_b, *batch_b), strict=True):
        right[j] = left[i]
    batch = [left[i] for i in batch_a]
    rows = [x for i, x in enumerate(left) if i not in (*contract_a, *batch_a)]
    columns = [x for j, x in enumerate(right) if j not in (*contract_b, *batch_b)]
    terms = ("".join(letters) for letters in (left, right, [*batch, *rows, *columns]))
    return Call("einsum", (a, b), {"equation": "{},{}->{}".format(*terms)})


@reads("conv_general_dilated")
def convolution(seen: Seen, x: Operand, W: Operand) -> Call:
    """Read it as a convolution whose axes are in the reference's order, and back.

    A dilated x has zeros between its entries; a negative padding takes entries away.
    """
    p = seen.params
    if p["batch_group_count"] != 1:
        raise NotKnown("batch_group_count")
    of_x, of_W, of_y = p["dimension_numbers"]
    steps: list[Any] = [("transpose", (0,), {"axes": of_x})]
    sides = [x.shape[axis] for axis in of_x]
    constants = []
    if any(d != 1 for d in p["lhs_dilation"]):
        wide = [d * (n - 1) + 1 for n, d in zip(sides[2:], p["lhs_dilation"], strict=True)]
        every = (np.arange(n) for n in sides[:2])
        index = np.ix_(*every, *map(np.arange, [0] * len(wide), wide, p["lhs_dilation"]))
        constants = [np.zeros((*sides[:2], *wide), x.dtype)]
        steps.append(("put", (2, -1), {"index": index}))
        sides[2:] = wide
    if any(n < 0 for pair in p["padding"] for n in pair):
        kept = (
            slice(max(-low, 0), n - max(-high, 0))
            for n, (low, high) in zip(sides[2:], p["padding"], strict=True)
        )
        steps.append(("slice", (-1,), {"index": (slice(None), slice(None), *kept)}))
    options = {
        "stride": p["window_strides"],
        "padding": tuple((max(low, 0), max(high, 0)) for low, high in p["padding"]),
        "dilation": p["rhs_dilation"],
        "groups": p["feature_group_count"],
    }
    steps.append(("transpose", (1,), {"axes": of_W}))
    steps.append(("conv", (-2, -1), options))
    steps.append(("transpose", (-1,), {"axes": tuple(np.argsort(of_y))}))
    return made_of(seen.name, (x, W, *constants), *steps)
