"""The terms of a composed op: those of its last sum, not the product of all sums before it."""

from itertools import pairwise

import numpy as np

from backproof.reference.composed import composed
from backproof.reference.network import Network, Node
from backproof.reference.numbers.terms import Terms

X = np.array([[1.0, -0.75], [0.5, 0.25]])
TURNS = np.array([[0.75, 0.625], [-0.625, 0.75]])
"""A matrix that turns and hardly stretches: its sums of products cancel, step after step."""


def chain(n: int, *last: Node) -> Network:
    """Return n products with the matrix, one after another, and other steps."""
    names = ["x", *(f"y{i}" for i in range(n))]
    nodes = [Node(new, "matmul", (old, "A")) for old, new in pairwise(names)]
    leaves = {"x": X, "A": TURNS}
    return Network("chain", leaves, {}, (*nodes, *last), frozenset(), frozenset({"A"}))


def terms_of(network: Network) -> tuple[Terms, Terms]:
    """Return the value and the first gradient of a composed op, with their terms."""
    op = composed(network)
    leaves = [Terms.of(X), Terms.of(TURNS)]
    y = op.forward(*leaves)
    dx, *_ = op.backward(Terms.of(X), y, *leaves)
    return y, dx


def test_terms_do_not_grow_from_sum_to_sum() -> None:
    """A number is no noise because all sums before it cancel."""
    for n in (1, 16):
        for found in terms_of(chain(n)):
            assert (found.magnitude <= 4 * np.max(np.abs(found.mid)) + 4).all()


def test_what_adds_nothing_up_keeps_the_terms_of_the_sum_before_it() -> None:
    """A zero by cancellation stays one where it is moved, or multiplied by a number."""
    moved = Node("t", "transpose", ("y0",), {"axes": (1, 0)})
    scaled = Node("s", "scale", ("t",), {"factor": 3.0})
    sums, _ = terms_of(chain(1))
    found, _ = terms_of(chain(1, moved, scaled))

    assert np.array_equal(found.magnitude, 3 * sums.magnitude.T)
