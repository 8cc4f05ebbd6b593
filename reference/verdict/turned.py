"""Tangents of values by backward functions: the Jacobian J is its own transpose, or turned round.

Reverse over reverse computes the tangent J t of a value from the node's backward function, which
is linear in dy: it is what the derivative of <J^T dy, t> hands on to dy. Where J is its own
transpose, that is J^T t, the backward function of t itself.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from backproof.reference.composed import Composed
from backproof.reference.network import Network, Node
from backproof.reference.ops.log_sums import logcumsumexp_turned_round

ENTRYWISE = (
    *("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus"),
    *("power", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "sin", "cos", "erf"),
    *("erf_inv", "lgamma", "digamma", "sinc"),
    *("abs", "clamp", "log_sigmoid", "mish", "softsign", "hardsigmoid", "hardswish"),
)
"""Ops of one operand, entry by entry: their Jacobians are diagonal."""

SYMMETRIC = (*ENTRYWISE, "softmax", "normalize")
"""Ops whose Jacobian is its own transpose: their backward functions also give tangents."""

OF_SEVERAL = ("add", "subtract", "multiply", "divide", "atan2")
"""Ops of several operands, entry by entry: steps of functions of one operand and of constants."""

STEPS = (*ENTRYWISE, *OF_SEVERAL, "negative", "scale", "masked_fill", "asinh")
"""Ops of which functions are composed that are taken entry by entry."""

TURNED: Mapping[str, Callable[..., tuple[Any]]] = {"logcumsumexp": logcumsumexp_turned_round}
"""Op -> the tangent of its value, from (t, dy, y, *operands, **options), where J has another
transpose."""


def moving(node: Node, network: Network) -> list[int]:
    """Return the places of the operands that are no constants."""
    return [i for i, name in enumerate(node.inputs) if name not in network.constants]


def is_entrywise(node: Node, shapes: Mapping[str, Collection[int]]) -> bool:
    """Return whether a composed op is taken entry by entry of operands that have its shape.

    shapes: of the node, and of its operands that are no constants.
    """
    if not isinstance(node.rule, Composed) or len({*map(tuple, shapes.values())}) != 1:
        return False
    return all(step.op in STEPS for step in node.rule.network.nodes)
