"""Forms and freedoms are tried no more often than they can tell something."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.backprop import backprop
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import PRECISIONS, Precision
from backproof.reference.ops import OPS, Op
from backproof.reference.verdict.judging import MANY, judged, no_terms
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.passes import certify

BFLOAT16 = PRECISIONS["bfloat16"]
ULP = 2.0**-7
"""Of bfloat16, at 1."""


def in_two_steps(swept: Counter[str]) -> Op:
    """Return the product (a, b) -> a b, whose backward function takes two steps and is counted."""

    def backward(dy: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
        if isinstance(dy, Ball):
            swept[dy.precision.name] += 1
        return dy * b * 3 / 3, dy * a * 3 / 3

    return Op(
        lambda a, b: a * b, backward, forms={"likewise": Op(OPS["multiply"].forward, backward)}
    )


def test_a_node_hands_on_once_in_each_form() -> None:
    """Both operands ask for another freedom, and what is handed on in it is computed once."""
    swept = Counter[str]()
    nodes = (Node("y", "product", ("a", "b"), own=in_two_steps(swept)), Node("E", "sum", ("y",)))
    leaves = {"a": np.full(3, 1.5), "b": np.full(3, 1.25)}
    network = Network("two steps", leaves, {}, nodes, frozenset())
    trace = backprop(network, leaves)
    rounded = {k: (a + ULP).astype(BFLOAT16.dtype) for k, a in trace.gradients.items()}
    values, cotangents = (
        {k: np.asarray(a).astype(BFLOAT16.dtype) for k, a in of.items()}
        for of in (trace.values, trace.cotangents)
    )
    own = {k: a.astype(BFLOAT16.dtype) for k, a in leaves.items()}
    swept.clear()
    seen = replace(trace, values=values, cotangents=cotangents, gradients=rounded)
    found = certify(network, own, seen, "bfloat16")

    of_gradients = [link.properties for link in found.links if link.name in ("dE/da", "dE/db")]
    assert of_gradients == [("rounds every step to bfloat16",)] * 2
    assert swept["bfloat16"] == 1


def wide(p: Precision) -> Ball:
    """Return balls that hold zeros, the wider the precision's sums are rounded."""
    return Ball(np.array([1.0, -2.0]), np.full(2, 4.0 if p == BFLOAT16.narrow() else 3.0), p)


def test_what_is_undecided_in_a_ball_is_not_tried_in_wider_ones() -> None:
    """The formula's ball holds numbers without a digit: wider ones are asked for none."""
    asked: list[Precision] = []

    def make(p: Precision) -> Ball:
        asked.append(p)
        return wide(p)

    seen = np.array([0.5, -1.0]).astype(BFLOAT16.dtype)
    first = wide(BFLOAT16.steps)
    link = judged(Quantity("value", "y"), seen, BFLOAT16, first, lambda: {(): make}, no_terms)

    assert link.verdict == "undecided"
    assert {p for p in asked if not p.flushes} <= {BFLOAT16.steps, BFLOAT16.steps.unbounded()}


def test_what_underflows_is_not_tried_in_many_forms() -> None:
    """A step of an LSTM whose numbers underflow is as undecided in each of its forms."""
    p, mid = PRECISIONS["float16"], np.array([1e-7, -2e-7])
    asked: list[Precision] = []

    def itself(own: Precision) -> Ball:
        return Ball(mid, np.full(2, 3 * own.underflow), own)

    def form(own: Precision) -> Ball:
        asked.append(own)
        return itself(own)

    ways = {(): itself, **{(f"form {i}",): form for i in range(MANY)}}
    seen, first = mid.astype(p.dtype), itself(p)
    link = judged(Quantity("value", "y"), seen, p, first, lambda: ways, no_terms)

    assert (link.verdict, link.underflows, asked) == ("undecided", True, [])
