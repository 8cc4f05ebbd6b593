"""What the verification asks of whom, and the fixtures that its tests share."""

import os
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import Any

import pytest

from backproof.adapters import TABLE
from backproof.adapters.column import Column
from backproof.campaign import saved_graphs
from backproof.campaign.campaign import columns
from backproof.plugin import ADAPTERS, ARTICLE, CELL, FINDINGS, GOLDEN
from backproof.reference import findings as findings_of
from backproof.reference.article import audit as audits
from backproof.reference.article.audit import Finding
from backproof.reference.article.figures import ITERATIONS, Article
from backproof.reference.article.golden import Golden
from backproof.reference.findings import KnownFinding
from backproof.reference.numbers.precision import PRECISIONS
from backproof.report import cells as report
from backproof.report.cells import FIVE_DECIMALS, Cell
from backproof.running import options
from backproof.running.certificates import Certificates
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge
from backproof.running.make_document import group as group_of
from backproof.running.options import REFERENCE
from backproof.scenarios import derivatives, networks, op_cases, trainings, variants

NO_DERIVATIVES = "no framework was asked for that has derivatives of its own"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize by argument name: readable ids, so that -k "float32 and not compile" works."""
    article = metafunc.config.stash[ARTICLE]
    names = [REFERENCE, *metafunc.config.stash[ADAPTERS]]
    asked = metafunc.fixturenames
    for argument, parametrize in BY_ARGUMENT.items():
        if argument in asked:
            parametrize(metafunc, names)
            return
    if "library" in asked:
        _libraries(metafunc, names)
    if "pair" in asked:
        pairs = [pytest.param(pair, id="-".join(pair)) for pair in combinations(names, 2)]
        metafunc.parametrize(
            "pair",
            pairs or [nothing(f"{REFERENCE} alone was asked for, and makes no pair", "none")],
        )
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


def nothing(reason: str, *values: str) -> Any:
    """Return the parameters of a test that is skipped, since nothing is there to run it on."""
    return pytest.param(*values, id="-".join(values), marks=pytest.mark.skip(reason=reason))


def _cases(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize the networks that every implementation is certified on."""
    seeds, large = (metafunc.config.getoption(flag) for flag in ("--seeds", "--large"))
    asked = networks.parameters(names, seeds, large=large)
    metafunc.parametrize(("implementation", "case", "seed", "precision"), [*asked])


def _op_cases(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize every op by itself."""
    asked = op_cases.parameters(names, metafunc.config.getoption("--seeds"))
    metafunc.parametrize(("implementation", "op_case", "seed", "precision"), [*asked])


def _varied(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize the variants of the frameworks asked for."""
    found = [*variants.parameters(names, large=metafunc.config.getoption("--large"))]
    none = nothing("no framework was asked for that has variants", "none", "none", "float64")
    metafunc.parametrize(("column", "varied", "precision"), found or [none])


def _differentiated(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize forward mode and second order of the frameworks asked for."""
    found = [*derivatives.parameters(names, large=metafunc.config.getoption("--large"))]
    none = nothing(NO_DERIVATIVES, "none", "none", "float64")
    metafunc.parametrize(("column", "differentiated", "precision"), found or [none])


def _without(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize the op cases that methods go without."""
    found = [
        pytest.param(Column(name, method), case, id=f"{name}.{method}-{case}")
        for name in TABLE
        for method, without in TABLE[name].methods.items()
        for case in without
        if name in names
    ]
    none = nothing(NO_DERIVATIVES, "none", "none")
    metafunc.parametrize(("column", "without"), found or [none])


def _libraries(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize libraries of optimizers, and what is trained; of what is long, the first."""
    every = "optimizer" in metafunc.fixturenames
    columns = [
        Column(name, library)
        for name in names
        if name in TABLE
        for library in TABLE[name].libraries[: None if every else 1]
    ]
    none = nothing("no framework was asked for that optimizers are known of", "none")
    metafunc.parametrize("library", columns or [none], ids=str)
    if every:
        large = metafunc.config.getoption("--large")
        metafunc.parametrize(("network", "optimizer"), [*trainings.parameters(large=large)])


def _frameworks(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize the frameworks asked for, without the reference."""
    metafunc.parametrize(
        "framework",
        names[1:] or [nothing(f"{REFERENCE} alone was asked for, and no framework", "none")],
    )


def _random(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize random networks: the columns, and in a campaign a shard for each worker."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    metafunc.parametrize("shard", range(workers if metafunc.config.getoption("--campaign") else 1))
    metafunc.parametrize("column", columns(names), ids=str)


def _kept(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Parametrize what campaigns have found."""
    asked = [str(column) for column in columns(names[1:])]
    kept = [name for name in saved_graphs.kept() if name.partition("-")[0] in asked]
    metafunc.parametrize("kept", kept or [nothing("no campaign has found anything", "none")])


BY_ARGUMENT = {
    "case": _cases,
    "op_case": _op_cases,
    "varied": _varied,
    "differentiated": _differentiated,
    "without": _without,
    "framework": _frameworks,
    "shard": _random,
    "kept": _kept,
}
"""Argument of a test -> what parametrizes the test, in all of its arguments."""


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
def implementations(article: Article, pytestconfig: pytest.Config) -> Implementations:
    """The numbers of every implementation."""
    limit = pytestconfig.getoption("--time-limit")
    return Implementations(article, pytestconfig.stash[ADAPTERS], limit)


@pytest.fixture(scope="session")
def certificates(implementations: Implementations) -> Certificates:
    """The certificates of every implementation."""
    return Certificates(implementations)


@pytest.fixture(scope="session")
def known(
    pytestconfig: pytest.Config, implementations: Implementations
) -> tuple[KnownFinding, ...]:
    """The recorded findings that are seen on this machine's processor."""
    recorded = pytestconfig.stash[FINDINGS]
    return findings_of.seen_here(recorded, implementations.processor)


@pytest.fixture
def judge(
    request: pytest.FixtureRequest,
    implementations: Implementations,
    known: tuple[KnownFinding, ...],
) -> Judge:
    """The judge of the running test."""
    node: Any = request.node
    command = options.reproduce(node.path, node.name, request.config.getoption)
    return Judge(implementations, known, command, partial(node.stash.__setitem__, CELL))


@pytest.fixture
def cell(
    request: pytest.FixtureRequest, article: Article, implementations: Implementations
) -> Cell:
    """The cell of a test of the article, made from the test's parameters."""
    asked = request.node.callspec.params
    figure, pair = asked.get("figure"), asked.get("pair")
    adapter, against = pair or (asked["implementation"], figure.id if figure else "proven")
    if figure:
        quantity, iteration, group = figure.quantity, figure.iteration, figure.part
    else:
        quantity, iteration = asked["quantity"], asked["iteration"]
        group = report.PAIRS if pair else group_of(article, quantity)
    found = Cell(
        network=article.network.name,
        adapter=adapter,
        against=against,
        version=implementations.version(adapter),
        precision=asked["precision"],
        iteration=iteration,
        quantity=quantity,
        group=group,
    )
    request.node.stash[CELL] = found
    return found
