"""The terms of one sum: what tells a zero by cancellation of a composed op from any number.

A number that cancels is noise beside the terms that were added up for it (`numbers/terms.py`). Of a
composed op these are the terms of the last sum. With those of all sums before it, multiplied by
each other from step to step, every number would be noise beside them after a dozen steps.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backproof.reference.backprop import Rules
from backproof.reference.network import Node
from backproof.reference.numbers.terms import Terms


@dataclass(frozen=True, slots=True)
class OneSum(Rules):
    """The rules of a sweep over `Terms` that forgets the terms of sums which enter another sum."""

    def value(self, node: Node, known: Mapping[str, Any]) -> Any:
        """Return a node's value, with the terms of its own sum, or of the last one before it."""
        alone = {name: one_term(known[name]) for name in node.inputs}
        return of_last_sum(Rules.value(self, node, known), Rules.value(self, node, alone))

    def hands_on(self, node: Node, dy: Any, known: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what a node hands on, likewise."""
        alone = {name: one_term(known[name]) for name in (node.name, *node.inputs)}
        found = Rules.hands_on(self, node, dy, known)
        of_alone = Rules.hands_on(self, node, one_term(dy), alone)
        return tuple(map(of_last_sum, found, of_alone))


def in_one_sum(rules: Rules, numbers: Iterable[Any]) -> Rules:
    """Return the rules of a sweep over some numbers: its own, unless they are `Terms`."""
    if not any(isinstance(x, Terms) for x in numbers):
        return rules
    return OneSum(rules.ops, rules.forward_input, rules.backward_input, rules.receive, rules.nodes)


def one_term(x: Any) -> Any:
    """Return numbers as sums of one term each."""
    return Terms.of(x.mid) if isinstance(x, Terms) else x


def of_last_sum(found: Any, alone: Any) -> Any:
    """Return what an op gives, with the terms of its own sum where it adds up any.

    found: from operands with their terms. alone: from operands as single terms.
    """
    if not isinstance(found, Terms) or not isinstance(alone, Terms):
        return found
    adds_up = alone.magnitude > np.abs(alone.mid)
    return Terms(found.mid, np.where(adds_up, alone.magnitude, found.magnitude))
