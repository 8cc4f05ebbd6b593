"""The pytest plugin: options, header, outcomes, summary, reports."""

import os
import shlex
import sys
from collections.abc import Collection, Generator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from backproof import adapters
from backproof.adapters.frameworks import is_installed, package
from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.campaign import saved_graphs
from backproof.reference import findings as findings_of
from backproof.reference.article import audit as audits
from backproof.reference.article import figures as articles
from backproof.reference.article import golden as goldens
from backproof.reference.article.figures import Article
from backproof.reference.article.golden import Golden
from backproof.reference.findings import KnownFinding
from backproof.reference.fixtures import FixtureError
from backproof.reference.numbers.precision import PRECISIONS
from backproof.report import progress
from backproof.report.causes import of as causes_of
from backproof.report.cells import VERDICTS, Cell, RefutedError, as_dict
from backproof.report.summary import harmless, sections
from backproof.report.tables import DECLARED
from backproof.running import ending
from backproof.running.implementations import Own, installed
from backproof.running.make_document import certify_nothing, make_document
from backproof.running.options import OPTIONS, REFERENCE, is_short, reproduce

ARTICLE = pytest.StashKey[Article]()
GOLDEN = pytest.StashKey[Golden]()
ADAPTERS = pytest.StashKey[Mapping[str, Own | None]]()
CELL = pytest.StashKey[Cell]()
FINDINGS = pytest.StashKey[tuple[KnownFinding, ...]]()
STARTED = pytest.StashKey[datetime]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the suite's own options."""
    group = parser.getgroup("backproof")
    for flag, settings in OPTIONS.items():
        group.addoption(flag, **settings)


def pytest_configure(config: pytest.Config) -> None:
    """Read the fixtures and the options; a mistake in them ends the run here."""
    if config.getoption("numprocesses", None):
        # One worker per core: a second thread would only wait. NumPy reads this when it is loaded.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    config.stash[STARTED] = datetime.now(UTC)
    try:
        config.stash[ARTICLE] = articles.load()
        config.stash[GOLDEN] = goldens.read(config.stash[ARTICLE])
        audits.recorded()
        config.stash[FINDINGS] = findings_of.load()
        findings_of.load_underflows()
        for path in saved_graphs.kept().values():
            saved_graphs.load(path)
    except FixtureError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[ADAPTERS] = asked_for(config)
    ending.check(config)
    config.pluginmanager.register(ending)
    if progress.wanted(config):
        config.pluginmanager.register(progress.Progress())


def asked_for(config: pytest.Config) -> dict[str, Own | None]:
    """Return the adapters to verify: name -> file or command, None for one of `adapters.TABLE`."""
    names = [name.strip() for name in config.getoption("--frameworks").split(",")]
    known = [*adapters.TABLE, REFERENCE]
    if unknown := [name for name in names if name not in known]:
        raise pytest.UsageError(
            f"--frameworks: unknown {', '.join(map(repr, unknown))}; known: {', '.join(known)}"
        )
    if missing := [name for name in names if name != REFERENCE and not is_installed(name)]:
        extras = ",".join(missing).replace("_", "-")  # as every pip reads them
        raise pytest.UsageError(
            f"--frameworks: {', '.join(missing)} not installed; "
            f"`pip install 'backproof[{extras}]'`, or leave it out"
        )
    paths: dict[str, Own | None] = {name: None for name in names if name != REFERENCE}
    for text in config.getoption("--adapter"):
        path = config.invocation_params.dir / text
        if not path.exists():
            raise pytest.UsageError(f"--adapter: there is no file {text}")
        if path.suffix != ".py" or not path.is_file():
            raise pytest.UsageError(f"--adapter: {text} is not a Python file")
        if "." in path.stem:
            raise pytest.UsageError(
                f"--adapter: {text}: the name {path.stem!r} has a dot, as variants have; "
                "rename the file"
            )
        if path.stem in (*known, *paths):
            raise pytest.UsageError(
                f"--adapter: {text}: the name {path.stem!r} is taken; rename the file"
            )
        paths[path.stem] = path
    return paths | commands(config, {*known, *paths})


def commands(config: pytest.Config, taken: Collection[str]) -> dict[str, Own | None]:
    """Return the adapters that are commands: name -> words. taken: the names of all others."""
    found: dict[str, Own | None] = {}
    for text in config.getoption("--adapter-command"):
        words = shlex.split(text)
        if not words or not which(words[0]):
            raise pytest.UsageError(f"--adapter-command: there is no program {text!r}")
        name = Path(words[-1]).stem
        if "." in name or name in (*taken, *found):
            raise pytest.UsageError(
                f"--adapter-command: {text}: the name {name!r} is taken, or has a dot; "
                "rename the file"
            )
        found[name] = (*words,)
    return found


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is verified, without importing any framework."""
    versions = [
        f"{REFERENCE} (numpy {installed('numpy')}, python-flint {installed('python-flint')})"
    ]
    for name, path in config.stash[ADAPTERS].items():
        shown = path if isinstance(path, Path) else shlex.join(path or ())
        versions.append(f"{name} ({shown})" if path else f"{name} {installed(package(name))}")
    if missing := [name for name in adapters.TABLE if not is_installed(name)]:
        versions.append(f"not installed: {', '.join(missing)}")
    scope = "\nbackproof: a short run; --all certifies everything" * is_short(config)
    return f"backproof: {', '.join(versions)}; {', '.join(PRECISIONS)}{scope}"


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, Any, Any]:
    """Turn a wrong number into a failure without traceback, and a declared gap into a skip."""
    try:
        return (yield)
    except (AdapterError, RefutedError) as error:
        outcome: BaseException = pytest.fail.Exception(harmless(str(error)), pytrace=False)
    except Unsupported as declared:
        outcome = pytest.skip.Exception(f"{DECLARED}{declared}")
    raise outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Complete the test's cell, and send it with the test's report, as a dict for xdist."""
    result = yield
    cell = item.stash.get(CELL, None)
    if cell is not None and (result.when == "call" or (result.when == "setup" and result.failed)):
        cell.verdict = "known" if cell.known else VERDICTS.get(result.outcome, cell.verdict)
        if result.failed and cell.version is None:
            cell.verdict = "not run"  # nothing could be loaded that could be refuted
        cell.message = str(call.excinfo.value) if call.excinfo and not cell.known else None
        again = reproduce(item.path, item.name, item.config.getoption)
        cell.causes = [replace(one, command=one.command or again) for one in causes_of(cell)]
        if red := [link[-1] for link in cell.chain if link[1] != "inside" and cell.is_red]:
            result.sections.append(("all links that are not inside", harmless("\n".join(red))))
        result.user_properties.append(("cell", as_dict(cell)))
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which an adapter that was asked for certifies nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")  # none in a worker
    if reporter and session.exitstatus == pytest.ExitCode.OK and _idle(reporter, session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: Any, exitstatus: int, config: pytest.Config
) -> Generator[None, None, None]:
    """Print the tables, and the causes last. The reports are written of the same document.

    The failures of cells are printed by -v alone, since their causes say it all in a few lines.
    """
    stats, quiet = terminalreporter.stats, config.get_verbosity() < 1
    kept = {kind: stats.get(kind, []) for kind in ("failed", "error")}
    if quiet:
        stats.update({kind: [x for x in own if not _cell(x)] for kind, own in kept.items()})
    yield
    stats.update({kind: own for kind, own in kept.items() if own})
    found = _document(terminalreporter, exitstatus, config)
    config.stash[ending.DOCUMENT] = found
    for title, text in sections(found):
        terminalreporter.section(title)
        terminalreporter.write_line(harmless(text))
    if is_short(config):
        terminalreporter.write_line("This was a short run; --all certifies everything.")
    if idle := _idle(terminalreporter, config):
        terminalreporter.section("backproof: adapters that certify nothing")
        terminalreporter.write_line("\n".join(idle), red=True)


def _idle(terminalreporter: Any, config: pytest.Config) -> list[str]:
    """Return a sentence about each adapter that was asked for and certifies nothing."""
    return certify_nothing(_cells(terminalreporter), [*config.stash[ADAPTERS]])


def _cells(terminalreporter: Any) -> list[dict[str, Any]]:
    """Return the cells of all workers."""
    reports = terminalreporter.stats.values()
    return [cell for several in reports for cell in map(_cell, several) if cell]


def _document(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> dict[str, Any]:
    """Return the document of the run, with the cells of all workers."""
    stats = terminalreporter.stats
    return make_document(
        _cells(terminalreporter),
        article=config.stash[ARTICLE],
        golden=config.stash[GOLDEN],
        recorded=config.stash[FINDINGS],
        adapters=[*config.stash[ADAPTERS]],
        command=_command(config),
        started=config.stash[STARTED],
        seconds=(datetime.now(UTC) - config.stash[STARTED]).total_seconds(),
        seeds=config.getoption("--seeds"),
        failed=[
            one.nodeid
            for kind in ("failed", "error")
            for one in stats.get(kind, ())
            if not _cell(one)
        ],
        complete=exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
    )


def _cell(report: Any) -> dict[str, Any] | None:
    """Return the cell that was sent with a test's report, if there is one."""
    return dict(getattr(report, "user_properties", ())).get("cell")


def _command(config: pytest.Config) -> str:
    """Return the command that was run, as a user types it, and whether it made a short run."""
    path = Path(sys.argv[0])
    name = path.parent.name if path.name == "__main__.py" else path.name
    return shlex.join([name, *sys.argv[1:]]) + "  # a short run" * is_short(config)
