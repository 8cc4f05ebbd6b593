"""JAX's primitives, read as ops. Each has a row in a file of this folder.

A row is a function from what was seen of a primitive, and its operands, to the op, its operands and
its options.
"""

from backproof.adapters.jax_primitives import (
    arithmetic,
    choices,
    complex_numbers,
    decompositions,
    indexing,
    linear_algebra,
    moving,
    products,
    reductions,
)
from backproof.adapters.jax_primitives.calls import (
    COMPLEX,
    FUNCTIONS,
    READERS,
    Call,
    NotKnown,
    Operand,
    Seen,
)

__all__ = ["COMPLEX", "FUNCTIONS", "READERS", "Call", "NotKnown", "Operand", "Seen"]

THEMES = (
    *(arithmetic, choices, complex_numbers, decompositions, indexing, linear_algebra),
    *(moving, products, reductions),
)
"""The files of rows, which register themselves."""
