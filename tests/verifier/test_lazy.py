"""A module that is imported late: without its framework a test is skipped, otherwise it fails."""

import sys

import pytest

from tests.verifier.lazy import Lazy


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("torch", pytest.skip.Exception), ("tests.verifier.gone", ModuleNotFoundError)],
)
def test_only_a_missing_framework_skips(
    name: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A framework may be missing; any other module that is missing is a mistake."""
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(outcome):
        _ = Lazy(name).attribute
