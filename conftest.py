"""pytest as the interface: options, header, parametrization, summary, report."""

import os
import shlex
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import adapters
from adapters.protocol import AdapterError, Unsupported
from reference import article as articles
from reference import findings as findings_of
from reference import golden as goldens
from reference.article import ITERATIONS, Article
from reference.findings import KnownFinding
from reference.fixtures import FixtureError
from reference.golden import Golden
from reference.numbers.precision import PRECISIONS
from reference.verdict import article as audits
from reference.verdict.article import Finding
from tests.report import cells as report
from tests.report import progress, tables
from tests.report.cells import FIVE_DECIMALS, Cell, RefutedError
from tests.report.document import document, to_json
from tests.report.markdown import markdown
from tests.verification import cases, stored
from tests.verification.alone import OPS_ALONE, asked_alone
from tests.verification.campaign import columns
from tests.verification.cases import CASES, LARGE
from tests.verification.certificates import Certificates
from tests.verification.runs import REFERENCE, TIME_LIMIT, Runs, installed
from tests.verification.variants import asked_of

ARTICLE = pytest.StashKey[Article]()
GOLDEN = pytest.StashKey[Golden]()
ADAPTERS = pytest.StashKey[Mapping[str, Path | None]]()
CELL = pytest.StashKey[Cell]()
FINDINGS = pytest.StashKey[tuple[KnownFinding, ...]]()

REPORTS = {
    "--report": "write what was found to a page, one HTML file that needs nothing else",
    "--report-md": "write it in short to a Markdown file: for a GitHub step summary",
    "--report-json": "write every cell to a JSON file; `python -m tests.report compare` reads two",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the suite's own options."""
    group = parser.getgroup("backproof")
    group.addoption(
        "--frameworks",
        default=",".join(adapters.TABLE),
        metavar="NAMES",
        help="frameworks to verify, separated by commas (default: %(default)s); "
        f"known: {', '.join(adapters.TABLE)}; {REFERENCE} is always in",
    )
    group.addoption(
        "--adapter",
        action="append",
        default=[],
        metavar="FILE",
        help="an adapter of your own, a Python file that defines `adapter`; can be repeated",
    )
    group.addoption(
        "--time-limit",
        type=float,
        default=TIME_LIMIT,
        metavar="SECONDS",
        help="how long any one call of an adapter of your own may take (default: %(default)g)",
    )
    group.addoption(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="how many seeds of each network to certify (default: %(default)s)",
    )
    group.addoption(
        "--examples",
        type=int,
        default=100,
        metavar="N",
        help="how many random networks to certify of each framework, compiled ones a share of them "
        "(default: %(default)s)",
    )
    group.addoption(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="what random networks are drawn from (default: %(default)s)",
    )
    group.addoption(
        "--campaign",
        type=float,
        metavar="SECONDS",
        help="certify random networks for so long, in each framework on each xdist worker, and "
        "keep what is found in fixtures/campaign/",
    )
    group.addoption(
        "--large",
        action="store_true",
        help="certify larger networks too, the others on more: minutes, and a few GiB of memory",
    )
    for option, what in REPORTS.items():
        group.addoption(option, metavar="FILE", help=what)


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize by argument name: readable ids, so that -k "torch and float32" works."""
    article = metafunc.config.stash[ARTICLE]
    names = [REFERENCE, *metafunc.config.stash[ADAPTERS]]
    asked = metafunc.fixturenames
    if {"case", "alone"} & set(asked):
        _certified(metafunc, names)
        return
    apart = {"framework": _frameworks, "variant": _variants, "column": _columns, "kept": _kept}
    for argument, parametrize in apart.items():
        if argument in asked:
            parametrize(metafunc, names[1:])
            return
    if "pair" in asked:
        alone = pytest.mark.skip(reason=f"{REFERENCE} alone was asked for, and makes no pair")
        pairs = [pytest.param(pair, id="-".join(pair)) for pair in combinations(names, 2)]
        metafunc.parametrize("pair", pairs or [pytest.param((), id="none", marks=alone)])
    if "implementation" in asked:
        metafunc.parametrize("implementation", names)
    if "precision" in asked:
        # Five decimals are asked of the article, and bfloat16 and float16 have not as many.
        fine = [name for name, p in PRECISIONS.items() if p.u < FIVE_DECIMALS]
        metafunc.parametrize("precision", fine)
    if "iteration" in asked:
        metafunc.parametrize("iteration", ITERATIONS, ids=[f"iteration{n}" for n in ITERATIONS])
    if "quantity" in asked:
        # What an implementation is given it does not compute.
        given = ("leaves",) if {"implementation", "pair"} & set(asked) else ()
        quantities = [q for q, at in article.addresses.items() if at.kind not in given]
        metafunc.parametrize("quantity", quantities)
    if "figure" in asked:
        metafunc.parametrize("figure", article.figures, ids=[f.id for f in article.figures])


def _certified(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize what is certified: networks, or ops alone, with seeds."""
    seeds = metafunc.config.getoption("--seeds")
    if "case" in metafunc.fixturenames:
        asked = cases.asked_of(names, seeds, large=metafunc.config.getoption("--large"))
        metafunc.parametrize(("implementation", "case", "seed", "precision"), [*asked])
        return
    metafunc.parametrize(("alone", "precision"), asked_alone())
    metafunc.parametrize("seed", range(seeds))
    metafunc.parametrize("implementation", names)  # innermost: one case's are run together


def _frameworks(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize what asks for frameworks, without the reference: all, or those of a mark."""
    alone = pytest.mark.skip(reason=f"{REFERENCE} alone was asked for, and no framework")
    metafunc.parametrize("framework", names or [pytest.param("none", marks=alone)])


def _columns(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize random networks: the columns, and in a campaign a shard for each worker."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    metafunc.parametrize("shard", range(workers if metafunc.config.getoption("--campaign") else 1))
    metafunc.parametrize("column", columns([REFERENCE, *names]))


def _kept(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize what campaigns have found."""
    empty = pytest.mark.skip(reason="no campaign has found anything")
    kept = [name for name in stored.kept() if name.partition("-")[0] in columns(names)]
    metafunc.parametrize("kept", kept or [pytest.param("none", marks=empty)])


def _variants(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize what asks for the variants of frameworks."""
    alone = pytest.mark.skip(reason="no framework was asked for that has variants")
    none = [pytest.param("none", "none", "float64", marks=alone)]
    large = metafunc.config.getoption("--large")
    found = [*asked_of(names, large=large)]
    metafunc.parametrize(("variant", "varied", "precision"), found or none)


@pytest.fixture(scope="session")
def article(pytestconfig: pytest.Config) -> Article:
    """The article: network, symbols, figures."""
    return pytestconfig.stash[ARTICLE]


@pytest.fixture(scope="session")
def golden(pytestconfig: pytest.Config) -> Golden:
    """The golden values."""
    return pytestconfig.stash[GOLDEN]


@pytest.fixture(scope="session")
def record() -> dict[str, Any]:
    """The audit as recorded: figure's id -> finding."""
    return audits.recorded()


@pytest.fixture(scope="session")
def findings(article: Article) -> dict[str, Finding]:
    """The audit: figure's id -> finding."""
    return {finding.id: finding for finding in audits.audit(article)}


@pytest.fixture(scope="session")
def runs(article: Article, pytestconfig: pytest.Config) -> Runs:
    """The numbers of every implementation."""
    limit = pytestconfig.getoption("--time-limit")
    return Runs(article, pytestconfig.stash[ADAPTERS], limit)


@pytest.fixture(scope="session")
def certificates(runs: Runs) -> Certificates:
    """The certificates of every implementation."""
    return Certificates(runs)


@pytest.fixture(scope="session")
def known(pytestconfig: pytest.Config, runs: Runs) -> tuple[KnownFinding, ...]:
    """The recorded findings that are seen on this machine's processor."""
    recorded = pytestconfig.stash[FINDINGS]
    return findings_of.seen_here(recorded, runs.processor)


@pytest.fixture
def new_cell(request: pytest.FixtureRequest, runs: Runs) -> Callable[..., Cell]:
    """Return the function that makes the report's cell of the running test.

    It takes network, adapter ("torch", or a column of its own, "torch.compile"), precision, group
    and, optionally, iteration (the seed) and quantity.
    """

    def make(
        network: str,
        adapter: str,
        precision: str,
        group: str,
        iteration: int = 0,
        quantity: str = "every link",
    ) -> Cell:
        version = runs.version(adapter.partition(".")[0])
        against = "its own numbers"
        found = Cell(network, adapter, against, version, precision, iteration, quantity, group)
        request.node.stash[CELL] = found
        return found

    return make


@pytest.fixture
def cell(request: pytest.FixtureRequest, article: Article, runs: Runs) -> Cell:
    """The report's cell of the running test, made from the test's parameters."""
    asked = request.node.callspec.params
    figure, pair, case = asked.get("figure"), asked.get("pair"), asked.get("case")
    alone = asked.get("alone")
    adapter, against = pair or (asked["implementation"], figure.id if figure else "proven")
    if case or alone:
        group = report.NETWORKS if case else report.OPS_ALONE
        quantity, iteration = "every link", asked["seed"]
        against = "its own numbers"
    elif figure:
        quantity, iteration, group = figure.quantity, figure.iteration, figure.part
    else:
        quantity, iteration = asked["quantity"], asked["iteration"]
        group = report.PAIRS if pair else report.group(article, quantity)
    found = Cell(
        network=case or alone or article.network.name,
        adapter=adapter,
        against=against,
        version=runs.version(adapter),
        precision=asked["precision"],
        iteration=iteration,
        quantity=quantity,
        group=group,
    )
    request.node.stash[CELL] = found
    return found


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
        command=shlex.join(["pytest", *map(str, config.invocation_params.args)]),
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
        from tests.report.page import page  # noqa: PLC0415 jinja2 and matplotlib, for it alone

        Path(path).write_text(page(found), encoding="utf-8")


def _cells(terminalreporter: Any, config: pytest.Config) -> list[Cell]:
    """Return the cells of all reports, in the suite's own order, whichever worker made them."""
    article = config.stash[ARTICLE]
    order: dict[str, list[Any]] = {
        "adapter": [REFERENCE, *config.stash[ADAPTERS]],  # and variants after them, by name
        "precision": [*PRECISIONS, "any"],
        "group": report.groups(article),
        "network": [article.network.name, *OPS_ALONE, *CASES, *LARGE, report.RANDOM],
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
