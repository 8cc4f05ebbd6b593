"""Products of arrays along any axes: einsum, and a product that is added to an array."""

from collections.abc import Sequence
from math import prod
from string import ascii_uppercase

import numpy as np

from backproof.reference.ops.arithmetic import matmul_backward
from backproof.reference.ops.functions import rounding, times
from backproof.reference.ops.op import Array, Op, sum_to_shape


def einsum_forward(*operands: Array, equation: str) -> Array:
    """Return the sum that an equation names, of one operand or of products of two.

    equation: a letter for each axis of each operand, as in "bij,bjk->bik"; "..." stands for all
    axes that have none. Summed is over the letters that are not in the result. Without "->" the
    result has those that occur once, in the order of the alphabet. An axis of one entry broadcasts
    to the other operand's axis of the same letter.

    Raises ValueError where there are more operands, or where one has the same letter twice.
    """
    *terms, result = letters(equation, operands)
    first, *other = unbroadcast(operands, terms)
    if not other:
        return ordered(*without(*first, result), result)
    return contracted(*first, *other[0], result)


def einsum_backward(dy: Array, y: Array, *operands: Array, equation: str) -> tuple[Array, ...]:
    """Return the cotangents of the operands, in their shapes.

    1. y is linear in each operand: y[r] = sum a[l] b[m], so da[l] = sum dy[r] b[m], over the
       letters that are not in l.
    2. Where a was summed over a letter that nothing else has, each entry receives the same.
    3. What broadcast is summed over its letter.
    """
    *terms, result = letters(equation, operands)
    narrow = unbroadcast(operands, terms)
    found = []
    for i, (a, own) in enumerate(zip(operands, terms, strict=True)):
        others = narrow[1 - i][1] if len(operands) > 1 else ""
        left = "".join(x for x in narrow[i][1] if x in result + others)
        if len(operands) > 1:
            d = contracted(dy, result, *narrow[1 - i], left)
        else:
            d = ordered(dy, result, left)
        alone = [n if x in left else 1 for x, n in zip(own, a.shape, strict=True)]
        found.append(np.broadcast_to(np.reshape(d, alone), a.shape))
    return tuple(found)


def letters(equation: str, operands: Sequence[Array]) -> list[str]:
    """Return the letters of each operand, and of the result, with letters of their own for "...".

    Raises ValueError.
    """
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands) or len(terms) > len("ab"):
        raise ValueError(f"einsum: {equation!r} for {len(operands)} operands; known: one or two")
    spare = [x for x in ascii_uppercase if x not in equation]
    counts = [a.ndim - len(t.replace("...", "")) for a, t in zip(operands, terms, strict=True)]
    rest = ["".join(spare[max(counts) - n : max(counts)]) for n in counts]
    found = [term.replace("...", own) for term, own in zip(terms, rest, strict=True)]
    if any(len({*term}) != len(term) for term in found):
        raise ValueError(f"einsum: {equation!r} has the same letter twice in an operand")
    every = max(rest, key=len)
    once = sorted(x for x in left if x.isalpha() and left.count(x) == 1)
    named = result.replace("...", every) if arrow else every + "".join(once)
    return [*found, named]


def unbroadcast(operands: Sequence[Array], terms: Sequence[str]) -> list[tuple[Array, str]]:
    """Return each operand, with its letters, without the axes of one entry that broadcast."""
    pairs = [*zip(operands, terms, strict=True)]
    longer = {x for a, own in pairs for x, n in zip(own, a.shape, strict=True) if n != 1}
    found = []
    for a, own in pairs:
        kept = [(x, n) for x, n in zip(own, a.shape, strict=True) if n != 1 or x not in longer]
        found.append((np.reshape(a, [n for _, n in kept]), "".join(x for x, _ in kept)))
    return found


def contracted(a: Array, left: str, b: Array, right: str, result: str) -> Array:
    """Return the sum of products of a and b over the letters that are not in the result.

    1. Sum over what one of them has alone.
    2. Order axes: what both and the result have; rows, of a alone, and columns, of b alone; what is
       summed over. Then it is one product of matrices.
    """
    a, left = without(a, left, right + result)
    b, right = without(b, right, left + result)
    size = dict(zip(left + right, a.shape + b.shape, strict=True))
    batch = "".join(x for x in left if x in right and x in result)
    inner = "".join(x for x in left if x in right and x not in result)
    rows = "".join(x for x in left if x not in right)
    columns = "".join(x for x in right if x not in left)

    def count(names: str) -> int:
        return prod(size[x] for x in names)

    before = [size[x] for x in batch]
    A = np.reshape(ordered(a, left, batch + rows + inner), (*before, count(rows), count(inner)))
    B = np.reshape(
        ordered(b, right, batch + inner + columns), (*before, count(inner), count(columns))
    )
    y = np.reshape(A @ B, tuple(size[x] for x in batch + rows + columns))
    return ordered(y, batch + rows + columns, result)


def without(a: Array, own: str, kept: str) -> tuple[Array, str]:
    """Return a summed over the letters that are not kept, and those that are left."""
    axes = tuple(i for i, x in enumerate(own) if x not in kept)
    return (np.sum(a, axis=axes) if axes else a), "".join(x for x in own if x in kept)


def ordered(a: Array, own: str, result: str) -> Array:
    """Return a with its axes in the order of the letters of a result."""
    return a if own == result else np.transpose(a, [own.index(x) for x in result])


def addmm_forward(c: Array, a: Array, b: Array, *, alpha: float = 1, beta: float = 1) -> Array:
    """Return beta c + alpha a b, (..., I, O), of a (..., I, K), b (..., K, O); c broadcasts."""
    return times(beta, c) + times(alpha, a @ b)


def addmm_forward_in_one_sum(
    c: Array, a: Array, b: Array, *, alpha: float = 1, beta: float = 1
) -> Array:
    """Return the same as one sum of n + 1 terms, each a product with alpha or beta.

    Then beta c is rounded as often as the sum of the others, n times besides, and so is a b.
    """
    first, product = times(beta, c), times(alpha, a @ b)
    besides = np.shape(a)[-1] * rounding(first) + rounding(product)
    return first + product + besides


def addmm_backward(
    dy: Array, y: Array, c: Array, a: Array, b: Array, *, alpha: float = 1, beta: float = 1
) -> tuple[Array, Array, Array]:
    """Return dc = beta dy, da = alpha dy b^T and db = alpha a^T dy, in their shapes."""
    da, db = matmul_backward(times(alpha, dy), y, a, b)
    return sum_to_shape(times(beta, dy), c.shape), da, db


def addmm_backward_scaled_last(
    dy: Array, y: Array, c: Array, a: Array, b: Array, *, alpha: float = 1, beta: float = 1
) -> tuple[Array, Array, Array]:
    """Return the same, with the products scaled, not dy."""
    da, db = (times(alpha, d) for d in matmul_backward(dy, y, a, b))
    return times(beta, sum_to_shape(dy, c.shape)), da, db


einsum = Op(einsum_forward, einsum_backward)
addmm = Op(
    addmm_forward,
    addmm_backward,
    forms={
        "scales the products": Op(addmm_forward, addmm_backward_scaled_last),
        "adds up in one sum": Op(addmm_forward_in_one_sum, addmm_backward),
    },
)
