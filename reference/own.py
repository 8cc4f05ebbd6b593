"""Ops that the table does not have: they occur in recorded programs alone."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.composed import Composed
from backproof.reference.ops import OPS, Op
from backproof.reference.ops.cast import cast
from backproof.reference.ops.dense import dense


def turned(op: Op) -> Op:
    """Return an op with its second input, a matrix, transposed: weights of shape (O, I)."""

    def forward(x: Any, W: Any, *rest: Any) -> Any:
        return op.forward(x, np.swapaxes(W, 0, 1), *rest)

    def backward(dy: Any, y: Any, x: Any, W: Any, *rest: Any) -> tuple[Any, ...]:
        dx, dW, *others = op.backward(dy, y, x, np.swapaxes(W, 0, 1), *rest)
        return (dx, np.swapaxes(dW, 0, 1), *others)

    return Op(forward, backward, {name: turned(form) for name, form in op.forms.items()})


LINEAR = turned(dense)

OWN: Mapping[str, Op] = {"cast": cast, "linear": LINEAR}
"""Name -> op."""

DERIVED: Mapping[str, tuple[str, Callable[[Op], Op]]] = {"linear": ("dense", turned)}
"""Op of its own -> the op of the table that it is made of, and how: what is known of that one, such
as its classical mistakes, is known of it as well."""

QUOTIENTS = "cumprod' by quotients"
"""The form of the products up to each entry in which dx = (sum of dy y from each entry on) / x."""


def with_quotients(op: Any) -> Composed:
    """Return the op of products up to each entry, along the axis of its last step, with a form."""
    axis = op.network.nodes[-1].options["axis"]

    def backward(dy: Any, y: Any, x: Any) -> tuple[Any]:
        return (OPS["cumsum"].backward(dy * y, y, x, axis=axis)[0] / x,)

    own: Composed = replace(op, forms={QUOTIENTS: Op(op.forward, backward)})
    return own


FORMS: Mapping[str, Callable[[Any], Composed]] = {QUOTIENTS: with_quotients}
"""The name of a form -> from a composed op to the one that has this form."""
