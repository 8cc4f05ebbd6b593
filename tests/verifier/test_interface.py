"""pytest as the interface: options, header, summary, report."""

import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backproof import adapters, plugin
from backproof.adapters.frameworks import is_installed, package
from backproof.reference.article.figures import Article
from backproof.report.cells import Cell, digits
from backproof.report.tables import agreement
from backproof.running.implementations import Implementations
from backproof.running.make_document import certify_nothing
from tests.verifier import sample
from tests.verifier.sandbox import COMPLEX_STEP, ROOT, Sandbox

FEW = ["-k", "in_ball and iteration1 and net_h1"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A copy of the package, with the complex-step adapter in a folder next to it."""
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    sandbox.write("mine/complex_step.py", COMPLEX_STEP.read_text(encoding="utf-8"))
    return sandbox


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--frameworks", "torhc"],
            "--frameworks: unknown 'torhc'; known: torch, jax, autograd, mlx",
        ),
        (["--frameworks", ""], "--frameworks: unknown ''; known: torch, jax, autograd, mlx"),
        (["--adapter", "gone.py"], "--adapter: there is no file gone.py"),
        (["--adapter", "mine"], "--adapter: mine is not a Python file"),
        (["--adapter", "mine/torch.py"], "--adapter: mine/torch.py: the name 'torch' is taken"),
        (["--adapter", "mine/a.b.py"], "--adapter: mine/a.b.py: the name 'a.b' has a dot"),
        (["--seeds", "0"], "--seeds: 0 is not above zero"),
        (["--examples", "0"], "--examples: 0 is not above zero"),
        (["--campaign", "0"], "--campaign: 0 is not above zero"),
        (["--time-limit", "nan"], "--time-limit: nan is not above zero"),
        (["--report", "no/such/folder.html"], "--report: no folder "),
        (["--report-json", "no/such/folder.json"], "--report-json: no folder "),
        (["--report-md", "no/such/folder.md"], "--report-md: no folder "),
    ],
)
def test_usage_error(sandbox: Sandbox, options: list[str], message: str) -> None:
    """A wrong option ends the run with one line that says what is known."""
    sandbox.write("mine/torch.py", "")
    sandbox.write("mine/a.b.py", "")
    outcome = sandbox.run(*options)

    assert outcome.status == pytest.ExitCode.USAGE_ERROR
    assert outcome.text.startswith(f"ERROR: {message}")
    assert "\n" not in outcome.text.strip()


def test_an_unknown_test_is_named(sandbox: Sandbox) -> None:
    """A file of tests that does not exist is refused with the names of those that do."""
    outcome = sandbox.run("test_ops.py")

    assert outcome.status == 2
    assert outcome.text.startswith("backproof: no test file test_ops.py; there are test_article.py")


def test_the_value_of_an_option_is_no_test(sandbox: Sandbox) -> None:
    """A report named as a test is written to where the command runs, not over the test."""
    name = "test_article.py"
    test = sandbox.path(f"tests/verification/{name}").read_text(encoding="utf-8")
    outcome = sandbox.run(*FEW, "--frameworks", "reference", "--report-md", name)

    assert outcome.status == pytest.ExitCode.OK
    assert test == sandbox.path(f"tests/verification/{name}").read_text(encoding="utf-8")
    assert (sandbox.folder / name).read_text(encoding="utf-8").startswith("# ")


def test_a_framework_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Asked for by name it ends the run with the command that installs it; the header names it."""
    monkeypatch.setattr(plugin, "is_installed", lambda name: "jax" not in name)
    given = {"--frameworks": "torch,jax,keras_jax", "--adapter": []}
    config: Any = SimpleNamespace(
        getoption=given.get, args=[], invocation_params=SimpleNamespace(dir=tmp_path)
    )

    with pytest.raises(pytest.UsageError, match=r"`pip install 'backproof\[jax,keras-jax\]'`"):
        plugin.asked_for(config)
    config.stash = {plugin.ADAPTERS: {"torch": None}}
    assert "not installed: jax" in plugin.pytest_report_header(config)


def test_a_missing_framework_fails(sandbox: Sandbox) -> None:
    """A framework that is asked for and cannot be imported fails; the others are judged."""
    shadow = sandbox.write("shadow/jax/__init__.py", "raise ImportError('no jax here')")
    outcome = sandbox.run(*FEW, "--frameworks", "jax", path=shadow.parent.parent)

    assert outcome.status == pytest.ExitCode.TESTS_FAILED
    assert {cell["adapter"]: cell["verdict"] for cell in outcome.cells} == {
        "reference": "agrees",
        "jax": "not run",
    }
    assert "adapter jax: cannot be imported: no jax here; install it" in outcome.text
    assert "skipped" not in outcome.text


def test_an_adapter_from_outside(sandbox: Sandbox) -> None:
    """An adapter in any file becomes a column, named after the file."""
    outcome = sandbox.run(*FEW, "--frameworks", "reference", "--adapter", "mine/complex_step.py")

    assert outcome.status == pytest.ExitCode.OK
    assert {"reference", "complex_step"} == {cell["adapter"] for cell in outcome.cells}
    assert "complex_step f64" in outcome.text


def test_an_adapter_without_examples(tmp_path: Path) -> None:
    """An adapter from outside without per_example is reported as unsupported, not as failed."""
    sandbox = Sandbox(tmp_path)
    test = "tests/verification/test_examples.py"
    shutil.copy(ROOT / test, sandbox.path(test))
    mine = sandbox.write("complex_step.py", COMPLEX_STEP.read_text(encoding="utf-8"))
    outcome = sandbox.run(Path(test).name, "--frameworks", "reference", "--adapter", mine)

    assert {cell["verdict"] for cell in outcome.cells} == {"unsupported"}
    assert "declared unsupported: per_example: the adapter has none" in outcome.text
    assert outcome.status == pytest.ExitCode.TESTS_FAILED  # in this run it certifies nothing


DECLARES = """
from dataclasses import replace
from backproof import OPS
from tests.verifier.complex_step import adapter as right
adapter = replace(right, unsupported={{{declared}}})
"""
ALL = "**dict.fromkeys(OPS, 'not written yet')"


@pytest.mark.parametrize(
    ("declared", "asked", "certifies"),
    [
        (ALL, ["-k", "in_ball"], False),
        (ALL, ["-k", "in_ball", "-n", "2"], False),
        (ALL, ["-k", "in_ball and reference"], True),
        ("'float32': 'no'", ["-k", "in_ball"], True),
        ("'sigmoid float32': 'no'", ["-k", "in_ball"], True),
        ("'sigmoid float32': 'no'", ["-k", "in_ball and float32"], False),
    ],
)
def test_an_adapter_that_certifies_nothing(
    sandbox: Sandbox, declared: str, asked: list[str], *, certifies: bool
) -> None:
    """A run fails in which all results of an adapter are unsupported, with a line that says so.

    An adapter without a single result in the run was not asked for.
    """
    sandbox.write("tests/verifier/__init__.py", "")
    sandbox.write("tests/verifier/complex_step.py", COMPLEX_STEP.read_text(encoding="utf-8"))
    mine = sandbox.write("declares.py", DECLARES.format(declared=declared))
    outcome = sandbox.run(*asked, "--frameworks", "reference", "--adapter", mine)
    own = [cell for cell in outcome.cells if cell["adapter"] == "declares"]
    line = f"adapter declares: certifies nothing: all {len(own)} of its results are declared"

    assert outcome.status == (not certifies)
    assert (line in outcome.text) == (not certifies)
    assert {cell["verdict"] for cell in outcome.cells} - {"unsupported"} == {"agrees"}


@pytest.mark.parametrize(
    ("verdicts", "idle"),
    [
        ({"mine": ["unsupported", "unsupported"]}, ["mine"]),
        ({"mine": ["unsupported", "agrees"]}, []),
        ({"mine": ["unsupported", "refuted"]}, []),
        ({"mine": ["unsupported", "known"]}, []),
        ({"mine": ["unsupported"], "mine.vmap": ["agrees"]}, []),
        ({"mine": ["unsupported"], "mine.vmap": ["unsupported"]}, ["mine"]),
        ({"mine": ["unsupported"], "mines": ["agrees"]}, ["mine"]),
        ({"other": ["unsupported"]}, []),
        ({}, []),
    ],
)
def test_what_certifies_nothing(verdicts: dict[str, list[str]], idle: list[str]) -> None:
    """Of an adapter's results, variants included, one that is not "unsupported" is enough."""
    cells = [{"adapter": k, "verdict": v} for k, several in verdicts.items() for v in several]
    said = certify_nothing(cells, ["mine", "mines"])

    assert idle == [line.split(":")[0].removeprefix("adapter ") for line in said]


def test_a_report_of_nothing_is_red() -> None:
    """An adapter that certifies nothing makes the report red, and stands among what failed."""
    found = sample.report(["reference", "torch"])
    cells = [
        Cell(**{**one, "verdict": "unsupported"} if one["adapter"] == "torch" else one)
        for one in found["cells"]
    ]
    said = sample.of(cells)

    assert said["verdict"] == "red"
    assert said["failed"] == [certify_nothing(said["cells"], ["torch"])[0]]


def test_many_workers_tell_the_same(sandbox: Sandbox) -> None:
    """With pytest-xdist the summary and the report are the same as without."""
    options = ["-k", "iteration1 or 3.3 or value", "--frameworks", "reference"]
    options += ["--adapter", "mine/complex_step.py"]
    alone, together = sandbox.run(*options), sandbox.run(*options, "-n", "2")
    title = "backproof: agreeing / total"

    assert alone.cells == together.cells
    assert _from(title, alone.text) == _from(title, together.text)


def _from(title: str, text: str) -> list[str]:
    lines = text[text.index(title) :].splitlines()[1:]
    return [line for line in lines if " passed" not in line]


def test_a_file_that_cannot_be_collected(tmp_path: Path) -> None:
    """The report names it, and is red."""
    sandbox, page = Sandbox(tmp_path / "suite"), tmp_path / "report.html"
    sandbox.write("tests/verification/test_broken.py", "import nothing_of_this_name\n")
    outcome = sandbox.run("--frameworks", "reference", "--report", page)

    assert outcome.status == pytest.ExitCode.INTERRUPTED
    assert outcome.cells == []
    assert "INTERNALERROR" not in outcome.text
    assert "✗ Red: 1 other test failed" in page.read_text(encoding="utf-8")


def test_report_json(sandbox: Sandbox) -> None:
    """The report has all cells, each with all fields."""
    outcome = sandbox.run(*FEW, "--frameworks", "reference")
    cells = outcome.cells

    assert sorted(
        ((c["quantity"], c["precision"], c["group"], c["verdict"], c["message"]) for c in cells),
        reverse=True,
    ) == [
        ("net_h1", "float64", "node values", "agrees", None),
        ("net_h1", "float32", "node values", "agrees", None),
        ("dE_dnet_h1", "float64", "cotangents", "agrees", None),
        ("dE_dnet_h1", "float32", "cotangents", "agrees", None),
    ]
    assert all(c["network"] == "article" and c["version"].startswith("numpy ") for c in cells)
    assert all(c["digits"] > 6 for c in cells)


@pytest.mark.parametrize("name", adapters.TABLE)
def test_a_row_says_what_its_adapter_has(name: str) -> None:
    """Variants, methods and libraries are those of the adapter; what is tried has a dialect."""
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    if "keras" in sys.modules and package(name) == "keras":
        pytest.skip("Keras has one backend in a process")
    row = adapters.TABLE[name]
    adapter, variants = adapters.load(name), getattr(import_module(row.module), "variants", {})

    assert {*row.variants} == {*variants}
    assert {*row.methods} == {*adapter.forward_mode, *adapter.second_order}
    assert {*row.libraries} == {*adapter.libraries}
    tried = {name for name, traits in row.variants.items() if traits.share}
    assert tried == {name for name, variant in variants.items() if variant.dialect}


def test_collecting_imports_no_framework() -> None:
    """Neither collecting all tests nor the header imports a framework."""
    code = (
        "import sys, pytest\n"
        "status = pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider'])\n"
        f"print(int(status), sorted({set(adapters.TABLE)} & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "0 []"


def test_frameworks_are_left_as_found(article: Article) -> None:
    """A run leaves JAX's x64 state and PyTorch's defaults as they were."""
    import jax  # noqa: PLC0415 only this test needs it
    import torch  # noqa: PLC0415 likewise

    def state() -> tuple[object, ...]:
        return (
            jax.config.jax_enable_x64,
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
        )

    before = state()
    implementations = Implementations(article, {"torch": None, "jax": None})
    for name in ("torch", "jax"):
        for precision in ("float64", "float32"):
            implementations.value(name, precision, 2, "E")

    assert before == state()


def cell(verdict: str, digits: float | None) -> Cell:
    """Return a cell of which only verdict and digits matter."""
    return Cell("article", "torch", "proven", "2", "float64", 1, "E", "loss", verdict, digits)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([], ""),
        ([cell("agrees", 15.58)], "1/1 15.5"),
        ([cell("agrees", 15.5), cell("refuted", 2.08)], "1/2 2.0 RED"),
        ([cell("agrees", 15.5), cell("refuted", None)], "1/2 15.5 RED"),
        ([cell("refuted", None)], "0/1 - RED"),
        ([cell("unsupported", None)], "unsupported"),
    ],
)
def test_agreement_of_cells(cells: list[Cell], expected: str) -> None:
    """Agreement has agreeing and all cells, the fewest digits, rounded down, and RED if refuted."""
    assert expected == agreement(cells)


@pytest.mark.parametrize(
    ("value", "expected", "dtype", "agreed"),
    [
        (1.0, "1", "float64", 15.95),
        (1.0, "1", "float32", 7.22),
        (1.001, "1", "float64", 3.0),
        (0.001, "0", "float64", 3.0),
        (-1.0, "1", "float64", 0.0),
    ],
)
def test_digits(value: float, expected: str, dtype: str, agreed: float) -> None:
    """Digits are minus the logarithm of the relative error, from none to those of the precision."""
    assert agreed == pytest.approx(digits(value, expected, dtype), abs=0.01)
