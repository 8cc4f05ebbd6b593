"""Decompositions of matrices: eigenvalues, singular values, and their vectors.

Values and vectors are an op each: what the matrix receives of all of them is a sum.
"""

import numpy as np

from backproof.adapters.jax_primitives.calls import Call, NotKnown, Operand, Seen, reads
from backproof.reference.ops.eigen import has_equal
from backproof.reference.ops.singular import is_degenerate
from backproof.reference.own import OWN


@reads("eigh")
def eigh(seen: Seen, A: Operand) -> list[Call]:
    """Read it as that of a symmetric matrix, whose gradient is right along symmetric ones."""
    a, n, p = np.asarray(A.read()), A.shape[-1], seen.params
    if not np.array_equal(a, np.swapaxes(a, -1, -2)):
        raise NotKnown("a matrix that is not symmetric")
    if not p["sort_eigenvalues"] or p["subset_by_index"] not in (None, (0, n)):
        raise NotKnown("eigenvalues that are not all, in order")
    vectors, values = (np.asarray(result.read()) for result in seen.results)
    if has_equal(values):
        raise NotKnown("equal eigenvalues")
    options = {"lower": p["lower"], "values": values, "vectors": vectors}
    names = "eigenvectors_of_whole", "eigenvalues"
    return [Call(name, (A,), options, OWN[name]) for name in names]


@reads("svd")
def svd(seen: Seen, A: Operand) -> list[Call]:
    """Read all factors. Those that are not determined by A have no derivative in JAX."""
    p = seen.params
    if p["subset_by_index"] not in (None, (0, min(A.shape[-2:]))):
        raise NotKnown("singular values that are not all")
    if not p["compute_uv"]:
        return [Call("singular_values", (A,), own=OWN["singular_values"])]
    s, U, Vt = (np.asarray(result.read()) for result in seen.results)
    if is_degenerate(s, A.shape):
        raise NotKnown("singular values that are equal or zero")
    options = {"seen": (U, s, Vt)}
    names = "singular_values", "left_vectors", "right_vectors"
    return [Call(name, (A,), options, OWN[name]) for name in names]


@reads("qr")
def qr(seen: Seen, A: Operand) -> list[Call]:
    """Read the thin factors."""
    p, k = seen.params, min(A.shape[-2:])
    Q, R = (np.asarray(result.read()) for result in seen.results[:2])
    if p["pivoting"] or Q.shape[-1] != k:
        raise NotKnown("columns in another order, or more of them than A has")
    if not np.diagonal(R, axis1=-2, axis2=-1).all():
        raise NotKnown("columns that depend on others")
    names = "orthogonal", "triangle"
    return [Call(name, (A,), {"seen": (Q, R)}, OWN[name]) for name in names]


@reads("lu")
def lu(seen: Seen, A: Operand) -> list[Call | None]:
    """Read both factors in one array; the order of rows is an option."""
    factors, _, order = (np.asarray(result.read()) for result in seen.results)
    if not np.diagonal(factors, axis1=-2, axis2=-1).all():
        raise NotKnown("a singular matrix")
    return [Call("lu", (A,), {"order": order}, OWN["lu"]), None, None]
