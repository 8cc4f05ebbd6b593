"""No fault that the catalogue does not have is given one of its names."""

import pytest

from tests.verifier.inventions import KINDS, inventions


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16", "float16"])
def test_no_invention_is_named(precision: str) -> None:
    """One fault of each invented kind, planted somewhere, is named after no fault, where seen."""
    found = list(inventions(precision, len(KINDS)))

    assert {one.kind for one in found} == {*KINDS}
    assert [(one.kind, one.scene, one.at, one.names) for one in found if one.names] == []
    assert sum(one.is_seen for one in found) > len(KINDS) / 4
