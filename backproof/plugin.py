"""The pytest plugin: options, header, outcomes, summary, reports."""

import os
import shlex
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from backproof import adapters
from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.reference import findings as findings_of
from backproof.reference.article import audit as audits
from backproof.reference.article import figures as articles
from backproof.reference.article import golden as goldens
from backproof.reference.article.figures import Article
from backproof.reference.article.golden import Golden
from backproof.reference.findings import KnownFinding
from backproof.reference.fixtures import FixtureError
from backproof.reference.numbers.precision import PRECISIONS
from backproof.report import cells as report
from backproof.report import progress, tables
from backproof.report.cells import Cell, RefutedError
from backproof.report.document import document, to_json
from backproof.report.markdown import markdown
from backproof.running.implementations import installed
from backproof.running.options import OPTIONS, REFERENCE, REPORTS
from backproof.scenarios.networks import CASES
from backproof.scenarios.op_cases import OP_CASES

ARTICLE = pytest.StashKey[Article]()
GOLDEN = pytest.StashKey[Golden]()
ADAPTERS = pytest.StashKey[Mapping[str, Path | None]]()
CELL = pytest.StashKey[Cell]()
FINDINGS = pytest.StashKey[tuple[KnownFinding, ...]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the suite's own options."""
    group = parser.getgroup("backproof")
    for flag, settings in OPTIONS.items():
        group.addoption(flag, **settings)


def pytest_configure(config: pytest.Config) -> None:
    """Read the fixtures and the options; what is wrong with them ends the run here."""
    if config.getoption("numprocesses", None):
        # Workers inherit it before they load NumPy: one a core, whose second thread only waits.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        config.stash[ARTICLE] = articles.load()
        config.stash[GOLDEN] = goldens.read(config.stash[ARTICLE])
        audits.recorded()
        config.stash[FINDINGS] = findings_of.load()
    except FixtureError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[ADAPTERS] = _asked_for(config)
    for option in REPORTS:
        path = config.getoption(option)
        if path and not Path(path).resolve().parent.is_dir():
            raise pytest.UsageError(f"{option}: no folder {Path(path).resolve().parent}")
    if progress.wanted(config):
        config.pluginmanager.register(progress.Progress())


def _asked_for(config: pytest.Config) -> dict[str, Path | None]:
    """Return the adapters asked for: name -> file, or None for those of the table."""
    names = [name.strip() for name in config.getoption("--frameworks").split(",")]
    known = [*adapters.TABLE, REFERENCE]
    if unknown := [name for name in names if name not in known]:
        raise pytest.UsageError(
            f"--frameworks: unknown {', '.join(map(repr, unknown))}; known: {', '.join(known)}"
        )
    paths: dict[str, Path | None] = {name: None for name in names if name != REFERENCE}
    for text in config.getoption("--adapter"):
        path = config.invocation_params.dir / text
        if path.suffix != ".py" or not path.is_file():
            raise pytest.UsageError(f"--adapter: {text} is not a Python file")
        if path.stem in (*known, *paths):
            raise pytest.UsageError(f"--adapter: {text}: the name {path.stem!r} is taken")
        paths[path.stem] = path
    return paths


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is verified, without importing any framework."""
    versions = [
        f"{REFERENCE} (numpy {installed('numpy')}, python-flint {installed('python-flint')})"
    ]
    for name, path in config.stash[ADAPTERS].items():
        versions.append(f"{name} ({path})" if path else f"{name} {installed(name)}")
    return f"backproof: {', '.join(versions)}; {', '.join(PRECISIONS)}"


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, Any, Any]:
    """Turn what is wrong into one clear failure, and what is declared into a shown skip."""
    try:
        return (yield)
    except (AdapterError, RefutedError) as error:
        outcome: BaseException = pytest.fail.Exception(str(error), pytrace=False)
    except Unsupported as declared:
        outcome = pytest.skip.Exception(f"declared unsupported: {declared}")
    raise outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Complete the test's cell, and send it along with the test's report."""
    result = yield
    cell = item.stash.get(CELL, None)
    if cell is not None and (result.when == "call" or (result.when == "setup" and result.failed)):
        cell.verdict = "known" if cell.known else report.VERDICTS[result.outcome]
        cell.message = str(call.excinfo.value) if call.excinfo and not cell.known else None
        result.user_properties.append(("cell", report.as_dict(cell)))
    return result


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Print the matrix, the pairs and the errata; write the reports."""
    cells = _cells(terminalreporter, config)
    if any(map(config.getoption, REPORTS)):
        _write_reports(cells, terminalreporter, exitstatus, config)
    if not cells:
        return
    findings, recorded = audits.audit(config.stash[ARTICLE]), config.stash[FINDINGS]
    for title, text in (
        (
            "backproof: agreeing / total, fewest significant digits of agreement",
            tables.matrix(cells),
        ),
        ("backproof: pairs, to five decimals", tables.pairs(cells)),
        ("backproof: certificates, every op alone", tables.ops_alone(cells)),
        ("backproof: certificates, every link of the chain rule", tables.networks(cells)),
        ("backproof: variants, links inside", tables.grid(cells, report.VARIANTS)),
        (
            "backproof: forward mode and second order, links inside",
            tables.grid(cells, report.DERIVATIVES),
        ),
        (
            "backproof: optimizers, every step: numbers held to their balls",
            tables.grid(cells, report.OPTIMIZERS),
        ),
        ("backproof: properties seen", tables.properties(cells)),
        (
            "backproof: known findings (fixtures/findings.toml)",
            tables.known(cells, recorded),
        ),
        ("backproof: new findings, one per adapter and network", tables.findings(cells)),
        ("backproof: adapters that could not be judged", tables.unjudged(cells)),
        ("backproof: what implementations do not support", tables.unsupported(cells)),
        (
            f"backproof: errata of the article ({audits.counts(findings)})",
            audits.errata_table(findings),
        ),
    ):
        if text:
            terminalreporter.section(title)
            terminalreporter.write_line(text)


def _write_reports(
    cells: list[Cell], terminalreporter: Any, exitstatus: int, config: pytest.Config
) -> None:
    """Write what was found to each of the files asked for."""
    packages = ("numpy", "python-flint", "ml_dtypes", "scipy", "pytest")
    asked = config.stash[ADAPTERS]
    found = document(
        cells,
        command=command(),
        seeds=config.getoption("--seeds"),
        versions={
            **{name: installed(name) for name in packages},
            **{c.adapter: c.version for c in cells if c.version and c.adapter in asked},
        },
        failed=[
            one.nodeid
            for kind in ("failed", "error")
            for one in terminalreporter.stats.get(kind, ())
            if "cell" not in dict(one.user_properties)
        ],
        recorded=config.stash[FINDINGS],
        complete=exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
    )
    if path := config.getoption("--report-json"):
        Path(path).write_text(to_json(found), encoding="utf-8")
    if path := config.getoption("--report-md"):
        text = markdown(found, audits.audit(config.stash[ARTICLE]))
        Path(path).write_text(text, encoding="utf-8")
    if path := config.getoption("--report"):
        from backproof.report.page import page  # noqa: PLC0415 jinja2 and matplotlib, for it alone

        Path(path).write_text(page(found), encoding="utf-8")


def command() -> str:
    """Return the command that was run, as a user types it."""
    path = Path(sys.argv[0])
    name = path.parent.name if path.name == "__main__.py" else path.name
    return shlex.join([name, *sys.argv[1:]])


def _cells(terminalreporter: Any, config: pytest.Config) -> list[Cell]:
    """Return the cells of all reports, in the suite's own order, whichever worker made them."""
    article = config.stash[ARTICLE]
    order: dict[str, list[Any]] = {
        "adapter": [REFERENCE, *config.stash[ADAPTERS]],  # and variants after them, by name
        "precision": [*PRECISIONS, "any"],
        "group": report.groups(article),
        "network": [article.network.name, *OP_CASES, *CASES, report.RANDOM],
    }
    cells = [
        Cell(**content)
        for reports in terminalreporter.stats.values()
        for one in reports
        for name, content in getattr(one, "user_properties", ())
        if name == "cell"
    ]
    return sorted(
        cells,
        key=lambda cell: (
            *(_place(getattr(cell, name), values) for name, values in order.items()),
            cell.adapter,
            cell.network,
            cell.iteration,
            cell.against,
            cell.quantity,
        ),
    )


def _place(value: Any, values: Sequence[Any]) -> int:
    """Return where a value stands among those there are, after all of them if it is not there."""
    return values.index(value) if value in values else len(values)
