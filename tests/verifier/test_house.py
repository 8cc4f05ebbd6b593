"""The house: who may import whom, no circles, and how short an adapter is."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from backproof import adapters
from backproof.reference.ops import OPS
from tests.verifier.sandbox import PLACES, ROOT

FRAMEWORKS = {*adapters.TABLE}
FILES = {name: (f"{name}_",) for name in FRAMEWORKS}
FILES |= {"torch": ("pytorch_", "torch_"), "jax": ("jax_", "optax_")}
"""Framework -> the prefixes of its files in adapters/."""

NAMED_IN = ("backproof.adapters", "backproof.reference.verdict.faults")
"""Where text may name a framework: adapters, and faults, whose sources quote documentation."""

FLOORS = (
    {"reference"},
    {"adapters", "traces"},
    {"scenarios", "programs"},
    {"report"},
    {"running"},
    {"campaign"},
    {"plugin"},
    {"verification"},
)
"""Parts of the package: each may import those before it."""


def module_of(path: Path) -> str:
    """Return the name by which a file of the package is imported."""
    part = max((p for p in PLACES if path.is_relative_to(ROOT / p)), key=len)
    inner = path.relative_to(ROOT / part).with_suffix("").parts
    parts = (*Path(PLACES[part]).parts, *inner)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for part in PLACES for path in (ROOT / part).rglob("*.py")}


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports anywhere, except those for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checked = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    apart = {id(inner) for node in checked for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in apart:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


GRAPH = {module: {*imports(path)} for module, path in MODULES.items()}
"""Module of the package -> what it imports."""


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of a circle of imports; an empty list if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [*error.args[1]]
    return []


def test_no_import_runs_in_a_circle() -> None:
    """No module imports itself by way of others, not even by an import in a function."""
    assert circle(GRAPH) == []


def test_a_circle_is_found() -> None:
    """A planted import that closes a circle is found."""
    planted = {**GRAPH, "backproof.reference.network": {"backproof.reference.backprop"}}

    assert "backproof.reference.network" in circle(planted)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    """No module imports a higher floor or a test; only adapters import frameworks, exact flint."""
    names = {name.partition(".")[0] for name in GRAPH[module]}
    part = module.split(".")[1] if "." in module else ""
    floor = next((n for n, parts in enumerate(FLOORS) if part in parts), None)
    above = {one for parts in FLOORS[(floor or 0) + 1 :] for one in parts}
    below = {name.split(".")[1] for name in GRAPH[module] if name.startswith("backproof.")}

    assert "tests" not in names
    assert floor is None or not below & above, below & above
    assert "flint" not in names or module == "backproof.reference.numbers.exact"
    if part == "adapters":
        file = module.removeprefix("backproof.adapters.")  # or a folder of files
        own = {of for of, prefixes in FILES.items() if file.startswith(prefixes)}
        assert names & FRAMEWORKS <= own
    else:
        assert not names & FRAMEWORKS


def needed(module: str, graph: dict[str, set[str]]) -> set[str]:
    """Return the modules that a module imports, directly or by way of others."""
    found: set[str] = set()
    new = {module}
    while new:
        found |= new
        new = {one for name in new for one in graph.get(name, ())} - found
    return found


TODAY = tuple(
    f"backproof.{part}"
    for part in (
        *("adapters", "fixtures", "scenarios"),
        *("reference.article", "reference.findings", "reference.fixtures"),
    )
)
"""What a report shows of these modules travels in its document."""


def reads_today(module: str, graph: dict[str, set[str]]) -> list[str]:
    """Return what a module needs and no reader of a document may."""
    return sorted(name for name in needed(module, graph) if name.startswith(TODAY))


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("backproof.report")])
def test_reports_read_their_document_alone(module: str) -> None:
    """No report needs the article, the fixtures or the networks as they are today."""
    assert reads_today(module, GRAPH) == []


def test_a_report_that_reads_the_article_is_found() -> None:
    """Planted: a helper of the page that loads the article, by way of another module."""
    figures, helper = "backproof.reference.article.figures", "backproof.report.drawing"
    planted = {
        **GRAPH,
        helper: {"backproof.reference.table"},
        "backproof.reference.table": {figures},
    }

    assert figures in reads_today("backproof.report.page", planted)


def names_of_frameworks(source: str) -> list[str]:
    """Return the strings of a program that name a framework, all but docstrings."""
    nodes = [*ast.walk(ast.parse(source))]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    strings = [n.value for n in nodes if isinstance(n, ast.Constant) and id(n) not in docstrings]
    named = re.compile(rf"\b({'|'.join(FRAMEWORKS)})\b")
    return [text for text in strings if isinstance(text, str) and named.search(text)]


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith(NAMED_IN)])
def test_adapters_alone_name_frameworks(module: str) -> None:
    """What is true of a framework stands in adapters/: no other module names one."""
    assert names_of_frameworks(MODULES[module].read_text(encoding="utf-8")) == []


def test_a_name_is_found() -> None:
    """The name of a framework, planted, is found: alone, in a longer string, and in an f-string."""
    planted = 'def f():\n    """As "torch"."""\n    return "jax", "in torch.func", f"torch.{x}"\n'

    assert names_of_frameworks(planted) == ["jax", "in torch.func", "torch."]


@pytest.mark.parametrize("module", [one.module for one in adapters.TABLE.values()])
def test_adapters_are_short(module: str) -> None:
    """An adapter, variants included, stays under 60 lines plus five lines per op."""
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) < 60 + 5 * len(OPS)
