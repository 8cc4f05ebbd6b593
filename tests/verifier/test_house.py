"""The house: who may import whom, and how short an adapter is."""

import ast
from pathlib import Path

import pytest

import adapters
from reference.ops import OPS
from tests.verifier.sandbox import ROOT

FRAMEWORKS = {*adapters.TABLE}
FILES = {"torch": ("pytorch_", "torch_"), "jax": ("jax_", "optax_")}
"""Framework -> how its files in adapters/ begin."""

SOURCES = [*sorted((ROOT / "reference").rglob("*.py")), *sorted((ROOT / "adapters").rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Return the top-level names of the packages that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    """Tests -> adapters -> reference; a framework in its adapter alone, flint in exact alone."""
    names = imported(path)

    assert not names & {"tests", "pytest"}
    if "reference" in path.parts:
        assert not names & {"adapters", *FRAMEWORKS}
        assert "flint" not in names or path.name == "exact.py"
    else:
        own = {of for of, prefixes in FILES.items() if path.stem.startswith(prefixes)}
        assert names & FRAMEWORKS == own


@pytest.mark.parametrize("module", adapters.TABLE.values())
def test_adapters_are_short(module: str) -> None:
    """An adapter stays under 60 lines, its variants among them, and a handful an op."""
    path = ROOT / f"{module.replace('.', '/')}.py"

    assert len(path.read_text(encoding="utf-8").splitlines()) < 60 + 5 * len(OPS)
