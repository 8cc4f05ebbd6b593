"""What the verification asks of whom, and the fixtures that its tests share."""

import os
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import pytest

from backproof.campaign import saved_graphs as stored
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
from backproof.running.groups import group as group_of
from backproof.running.implementations import Runs
from backproof.running.options import REFERENCE
from backproof.scenarios import networks as cases
from backproof.scenarios.op_cases import asked_alone
from backproof.scenarios.variants import asked_of


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
def reproduce(request: pytest.FixtureRequest) -> str:
    """The command that runs the test again, alone."""
    node: Any = request.node
    return options.reproduce(node.path, node.name, request.config.getoption)


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
        group = report.PAIRS if pair else group_of(article, quantity)
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
