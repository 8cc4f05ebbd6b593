"""The forms in which an array may be computed: those of its ops, and their combinations.

An op has forms where implementations are known to compute it otherwise. What several nodes hand on
to an array may also be added up in another order.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

from backproof.reference.backprop import RIGHT, Rules
from backproof.reference.composed import alike, choices
from backproof.reference.network import Node
from backproof.reference.numbers.sum_rules import in_any_order
from backproof.reference.ops import OPS, Op
from backproof.reference.verdict.ways import Form

MOST = 256
"""In so many ways at most an array is tried that several ops hand on to; a wrong one in all."""

MIXED = "adds up the terms of several uses in one sum"

ORDERS: Mapping[str, Rules] = {
    "": RIGHT,
    MIXED: Rules(receive=lambda _, handed_on: in_any_order(handed_on)),
}
"""An order in which an array adds up what it receives -> the rules of a sweep that does so."""


def of_each_op(makers: Sequence[Node], orders: Collection[str]) -> dict[Form, Rules]:
    """Return the rules of each form of an array: all nodes of an op have the same.

    makers: the nodes that compute it. orders: in which it may be added up, of `ORDERS`.
    The steps of a loop are often composed ops that are alike: all of them have the same form.
    """
    rules, named = {n.op: n.rule for n in makers}, dict[str, list[str]]()
    for name, rule in rules.items():
        first = next((one for one in named if alike(rules[one], rule)), name)
        named.setdefault(first, []).append(name)

    def ruled(chosen: Mapping[str, str], order: Rules) -> Rules:
        forms = ((each, form) for name, form in chosen.items() for each in named[name])
        others = {each: rules[each].forms[form] for each, form in forms}
        return replace(order, ops={**OPS, **others})

    return combined({name: rules[name] for name in named}, orders, ruled)


def of_each_node(makers: Sequence[Node], orders: Collection[str]) -> dict[Form, Rules]:
    """Return the rules of each form of an array, where each node has its own.

    One array with ties may enter two nodes of one op that handle ties in two ways.
    """
    rules = {node.name: node.rule for node in makers}

    def ruled(chosen: Mapping[str, str], order: Rules) -> Rules:
        return replace(order, nodes={name: rules[name].forms[k] for name, k in chosen.items()})

    return combined(rules, orders, ruled)


def may_differ(makers: Sequence[Node]) -> bool:
    """Return whether several of the nodes have ops that are one, and that has forms.

    Nodes with more forms than `MOST` are taken for steps of a loop, which all have the same.
    """
    nodes = [node for node in makers if node.rule.forms]
    if sum(1 + len(node.rule.forms) for node in nodes) > MOST:
        return False
    return any(alike(one.rule, two.rule) for one, two in combinations(nodes, 2))


def combined(
    having: Mapping[str, Op],
    orders: Collection[str],
    ruled: Callable[[Mapping[str, str], Rules], Rules],
) -> dict[Form, Rules]:
    """Return the rules of each combination of forms, or if they are too many, of each form.

    having: the name of an op or a node -> its op. ruled: from the form that is chosen for some of
    these names, and the rules of an order, to the rules of all. Where several have a form of one
    name, the form is named with theirs.
    """
    named = Counter(form for op in having.values() for form in op.forms)
    several, found = {name: ("", *op.forms) for name, op in having.items()}, {}
    for forms, order in product(choices(several, MOST), orders):
        chosen = {name: form for name, form in forms.items() if form}
        called = (form if named[form] == 1 else of_op(form, name) for name, form in chosen.items())
        found[*called, *filter(None, [order])] = ruled(chosen, ORDERS[order])
    return found


def of_op(form: str, op: str) -> str:
    """Return the name of a form that several ops, or nodes, have."""
    return f"{form} in {op}"
