"""Products of arrays, and convolutions."""

from itertools import pairwise
from string import ascii_lowercase
from typing import Any

import numpy as np

from backproof.adapters.jax_primitives.calls import Call, NotKnown, Operand, Seen, made_of, reads


@reads("dot_general")
def dot_general(seen: Seen, a: Operand, b: Operand) -> Call:
    """Read it as an einsum."""
    numbers = seen.params["dimension_numbers"]
    return Call("einsum", (a, b), {"equation": equation(len(a.shape), len(b.shape), numbers)})


def equation(m: int, n: int, numbers: Any) -> str:
    """Return a product of m and n axes: those of the batch, those of a alone, those of b alone."""
    (contract_a, contract_b), (batch_a, batch_b) = numbers
    if m + n > len(ascii_lowercase):
        raise NotKnown("more axes than letters")
    left = [*ascii_lowercase[:m]]
    right = [*ascii_lowercase[m:][:n]]
    for i, j in zip((*contract_a, *batch_a), (*contract_b, *batch_b), strict=True):
        right[j] = left[i]
    batch = [left[i] for i in batch_a]
    rows = [x for i, x in enumerate(left) if i not in (*contract_a, *batch_a)]
    columns = [x for j, x in enumerate(right) if j not in (*contract_b, *batch_b)]
    terms = ("".join(letters) for letters in (left, right, [*batch, *rows, *columns]))
    return "{},{}->{}".format(*terms)


@reads("ragged_dot_general")
def ragged_dot(seen: Seen, a: Operand, b: Operand, sizes: Operand, *offset: Operand) -> Call:
    """Read it as a product for each group of a's rows; rows after the last group are zeros.

    Raises NotKnown for groups of what is added up, of which JAX has no derivatives either.
    """
    p, rows = seen.params["ragged_dot_dimension_numbers"], np.asarray(sizes.read())
    if offset or rows.ndim != 1 or len(p.rhs_group_dimensions) != 1:
        raise NotKnown("groups of another kind than rows")
    (axis,), (group,) = p.lhs_ragged_dimensions, p.rhs_group_dimensions
    (added, of_b), (batch, batch_b) = p.dot_dimension_numbers
    of_b, batch_b = ([j - (j > group) for j in axes] for axes in (of_b, batch_b))
    numbers = (added, of_b), (batch, batch_b)
    product = {"equation": equation(len(a.shape), len(b.shape) - 1, numbers)}
    ends = np.minimum(np.cumsum(rows), a.shape[axis]).tolist()
    steps = list[Any]()
    for k, (start, end) in enumerate(pairwise([0, *ends])):
        steps.append(("slice", (0,), {"index": (*[slice(None)] * axis, slice(start, end))}))
        steps.append(("slice", (1,), {"index": (*[slice(None)] * group, k)}))
        steps.append(("einsum", (-2, -1), product))
    along = len(batch) + sum(i not in (*added, *batch) for i in range(axis))
    shape = [*seen.shape]
    shape[along] = a.shape[axis] - ends[-1]
    rest = np.zeros(shape, seen.results[0].dtype)
    places = (*range(2 - len(steps), 0, 3), 2)
    return made_of(seen.name, (a, b, rest), *steps, ("concatenate", places, {"axis": along}))


@reads("conv_general_dilated")
def convolution(seen: Seen, x: Operand, W: Operand) -> Call:
    """Read it as a convolution whose axes are in the reference's order, and back.

    A dilated x has zeros between its entries; a negative padding takes entries away. Groups of the
    batch are groups of channels.
    """
    p = seen.params
    of_x, of_W, of_y = p["dimension_numbers"]
    steps: list[Any] = [("transpose", (0,), {"axes": of_x})]
    sides = [x.shape[axis] for axis in of_x]
    constants = []
    if (groups := p["batch_group_count"]) > 1:
        n, channels, *space = sides
        sides = [n // groups, groups * channels, *space]
        turned = (1, 0, *range(2, len(sides) + 1))
        steps.append(("reshape", (-1,), {"shape": (groups, n // groups, channels, *space)}))
        steps.append(("transpose", (-1,), {"axes": turned}))
        steps.append(("reshape", (-1,), {"shape": (*sides,)}))
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
        "groups": p["feature_group_count"] * groups,
    }
    steps.append(("transpose", (1,), {"axes": of_W}))
    steps.append(("conv", (-2, -1), options))
    steps.append(("transpose", (-1,), {"axes": tuple(np.argsort(of_y))}))
    return made_of(seen.name, (x, W, *constants), *steps)
