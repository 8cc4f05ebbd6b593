"""What nodes hand on to one array, each in each of its forms, while the forms are tried.

Where several nodes hand on, their forms are combined. What a node hands on in one form is computed
once for all combinations. Most forms are conventions at a kink or a tie, and few arrays have one:
forms of a node that are the same numbers here are one object, and so are the sums of such.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.reference.backprop import Rules
from backproof.reference.network import Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import Precision


@dataclass(slots=True)
class Parts:
    """Keeps the parts of one precision, and their sums.

    p:     that precision. by: node, op and kind of rules -> the parts. of_node: node -> all that
           differ. totals: parts and rules of the sum -> the sum.
    """

    p: Precision | None = None
    by: dict[Any, list[Any]] = field(default_factory=dict)
    of_node: dict[str, list[list[Any]]] = field(default_factory=dict)
    totals: dict[Any, Any] = field(default_factory=dict)

    def of(
        self, node: Node, p: Precision, rules: Rules, make: Callable[[], list[Any]]
    ) -> list[Any]:
        """Return what a node hands on by some rules, made once. p: the precision of the sum."""
        if p != self.p:
            self.p, self.by, self.of_node, self.totals = p, {}, {}, {}
        key = node.name, id(rules.op(node)), type(rules)
        if key not in self.by:
            made, others = make(), self.of_node.setdefault(node.name, [])
            same = next((one for one in others if all(map(is_same, one, made))), None)
            if same is None:
                others.append(made)
            self.by[key] = same or made
        return self.by[key]

    def total(self, parts: Sequence[Any], rules: Rules, add: Callable[[], Any]) -> Any:
        """Return the sum of parts, made once."""
        key = (*map(id, parts), rules.receive)
        if key not in self.totals:
            self.totals[key] = add()
        return self.totals[key]


def is_same(one: Any, other: Any) -> bool:
    """Return whether two balls are the same numbers, NaN included."""
    if not (isinstance(one, Ball) and isinstance(other, Ball)):
        return one is other
    if one.is_exact != other.is_exact or one.terms != other.terms:
        return False
    pairs = [(one.mid, other.mid)] if one.is_exact else [(one.mid, other.mid), (one.rad, other.rad)]
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
