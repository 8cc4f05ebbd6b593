"""Tangents whose terms are added up in one sum are told from wrong tangents."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backproof.reference.network import Network, Node
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.directions import certify_tangents
from backproof.reference.verdict.recomputed import AGAIN
from backproof.reference.verdict.tangents import along
from tests.verifier.test_tangents import FAULTS, passed

NODES = (
    Node("product", "multiply", ("a", "b")),
    Node("y", "add", ("product", "c")),
    Node("E", "sum", ("y",)),
)


def certified(factor: float, *, compiled: bool) -> Certificate:
    """Certify float32 numbers in which a product's two terms are not rounded before they cancel.

    factor: the tangent of their sum with the third term is multiplied by it.
    """
    rng = np.random.default_rng(0)
    a, b, da, db = (rng.standard_normal(8).astype("float32") for _ in range(4))
    terms = [np.float64(x) * y for x, y in ((da, b), (a, db))]
    dc = np.float32(-0.999 * sum(terms))
    network = Network("sums", {"a": a, "b": b, "c": a}, {}, NODES, frozenset())
    directions = {"a": da, "b": db, "c": dc}
    found: Any = along(network, network.inputs, directions)
    dy = np.float32(factor * (sum(terms) + dc))
    tangents = {**found.tangents.values, "y": dy, "E": np.sum(dy)}
    found = replace(found, tangents=replace(found.tangents, values=tangents))
    given = (network, network.inputs, directions, found, "float32")
    return certify_tangents(*given, compiled=compiled)


def test_one_sum() -> None:
    """Only in a compiled pass may the terms of two sums be added up in one, and it is said."""
    assert [ln.name for ln in certified(1, compiled=False).wrong] == ["tangent of y"]
    found = certified(1, compiled=True)
    assert [ln.name for ln in found.links if AGAIN in ln.properties] == ["tangent of y"]
    assert found.holds


def test_what_is_wrong_by_more() -> None:
    """A sum that is off by more than the rounding of its terms is refuted, compiled or not."""
    assert [ln.name for ln in certified(1.001, compiled=True).wrong] == ["tangent of y"]


@pytest.mark.parametrize("fault", FAULTS)
def test_planted(fault: str) -> None:
    """No fault of the catalogue passes because a pass is compiled."""
    for name in ("shared", "gpt"):
        once, again = (
            certify_tangents(*passed(name, fault), "float64", compiled=compiled)
            for compiled in (False, True)
        )
        assert {ln.quantity for ln in once.wrong} == {ln.quantity for ln in again.wrong}
