"""Forms of the derivatives that JAX gives its own functions: equal on paper, rounded otherwise."""

from collections.abc import Callable

import numpy as np

from backproof.reference.ops import Array, Op


def logaddexp_from_output(dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return da = dy e^(a - y) and db = dy e^(b - y), where y = log(e^a + e^b)."""
    return dy * np.exp(a - y), dy * np.exp(b - y)


DERIVED: dict[str, dict[str, Callable[..., tuple[Array, ...]]]] = {
    "logaddexp": {"logaddexp' from the output": logaddexp_from_output},
}
"""A function of JAX's own with a custom derivative -> the forms of it, by name."""


def forms_of(name: str, op: Op) -> dict[str, Op]:
    """Return the forms of the op that the forward pass of a function is."""
    return {form: Op(op.forward, backward) for form, backward in DERIVED[name].items()}
