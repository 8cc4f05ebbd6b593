"""Composed ops that compute the same are told from those that do not."""

from dataclasses import replace

import numpy as np

from backproof.reference.composed import Composed, alike, composed
from backproof.reference.network import Network, Node


def scaled(leaf: str, factor: float = 2.0) -> Composed:
    """Return e^(factor x), of a leaf."""
    nodes = Node("s", "scale", (leaf,), {"factor": factor}), Node("y", "exp", ("s",))
    return composed(Network("scaled", {leaf: np.ones(2)}, {}, nodes, frozenset()))


def test_one_structure() -> None:
    """Ops of one structure are alike, whatever their leaves are called."""
    assert alike(scaled("a"), scaled("b"))


def test_another_structure() -> None:
    """With another option, or other forms, which a rule would look up in vain, they are not."""
    assert not alike(scaled("a"), scaled("a", 3.0))
    assert not alike(scaled("a"), replace(scaled("a"), forms={}))


def test_options_that_are_arrays() -> None:
    """Options are compared entry by entry; NaN is not the same."""
    index = (slice(None), np.array([0, 1]))

    assert alike(index, (slice(None), np.array([0, 1])))
    assert not alike(index, (slice(None), np.array([0, 2])))
    assert not alike(np.array([np.nan]), np.array([np.nan]))
