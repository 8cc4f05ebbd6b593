"""The parameters of the verification tests, and the fixtures that they share."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from backproof.adapters import frameworks
from backproof.adapters.isolation import isolated
from backproof.adapters.protocol import AdapterError
from backproof.campaign import saved_graphs
from backproof.campaign.campaign import columns
from backproof.plugin import ADAPTERS, ARTICLE, CELL, FINDINGS, GOLDEN
from backproof.reference import findings as findings_of
from backproof.reference.article import audit as audits
from backproof.reference.article.audit import Finding
from backproof.reference.article.figures import FIRST, Article, load, shipped
from backproof.reference.article.golden import Golden
from backproof.reference.findings import KnownFinding, Underflow
from backproof.reference.numbers.precision import PRECISIONS
from backproof.report import cells as report
from backproof.report.cells import FIVE_DECIMALS, Cell
from backproof.running import options
from backproof.running.article_causes import ArticleCauses
from backproof.running.certificates import Certificates
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge
from backproof.running.make_document import group as group_of
from backproof.running.options import REFERENCE
from backproof.scenarios import (
    derivatives,
    every_op,
    networks,
    op_cases,
    short,
    trainings,
    variants,
)

Option = Callable[[str], Any]
"""Flag -> its value."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize by argument name, with readable ids for -k "float32 and not compile"."""
    if ADAPTERS not in metafunc.config.stash:
        pytest.fail("run these tests with `backproof verify`, or `pytest -p backproof.plugin`")
    names = [REFERENCE, *metafunc.config.stash[ADAPTERS]]
    if OF_ADAPTERS & {*metafunc.fixturenames}:
        ask_own_adapters(metafunc.config)
    left = {*metafunc.fixturenames}
    for arguments, parameters in ASKED.items():
        if left.issuperset(arguments):
            found = [*parameters(names, metafunc.config.getoption)]
            if options.is_short(metafunc.config):
                found = short.shortened(arguments, found)
            # The reference is always an implementation: without parameters, collecting fails.
            may_be_empty = "implementation" not in arguments
            metafunc.parametrize(arguments, found or [nothing(arguments)] * may_be_empty)
            left -= {*arguments}
    article = metafunc.config.stash[ARTICLE]
    # Leaves are given to an implementation, which does not compute them.
    given = ("leaves",) if {"implementation", "pair"} & {*metafunc.fixturenames} else ()
    # The article is held to five decimals, and bfloat16 and float16 do not have as many.
    fine = [name for name, p in PRECISIONS.items() if p.u < FIVE_DECIMALS]
    asked: dict[str, Callable[[], Any]] = {
        "implementation": lambda: names,
        "precision": lambda: fine,
        "iteration": lambda: article.iterations,
        "quantity": lambda: [q for q, at in article.addresses.items() if at.kind not in given],
        "figure": lambda: article.figures,
        "worked": lambda: [load(path) for name, path in shipped().items() if name != FIRST],
    }
    for argument, values in asked.items():
        if argument in left:
            metafunc.parametrize(argument, values(), ids=IDS.get(argument, str))


OF_ADAPTERS = {"differentiated", "without", "varied", "library"}
"""Arguments of tests that depend on what an adapter has."""


def ask_own_adapters(config: pytest.Config) -> None:
    """Ask your own adapters for their methods, variants and libraries of optimizers."""
    for name, path in config.stash[ADAPTERS].items():
        if isinstance(path, Path) and name not in frameworks.OWN:
            frameworks.OWN[name] = frameworks.Framework(module="")
            with suppress(AdapterError):  # its other tests say what is wrong with it
                own = isolated(name, path, config.getoption("--time-limit"))
                methods = (*own.forward_mode, *own.second_order)
                without = {m: derivatives.undifferentiated(own.unsupported, m) for m in methods}
                rows = {m: (*every_op.lacking(gaps),) for m, gaps in without.items()}
                frameworks.OWN[name] = frameworks.Framework(
                    module="",
                    variants=dict.fromkeys(own.variants, frameworks.Traits()),
                    methods=rows,
                    libraries=(*own.libraries,),
                )


IDS: dict[str, Callable[[Any], str]] = {
    "iteration": lambda n: f"iteration{n}",
    "figure": lambda figure: str(figure.id),
    "worked": lambda worked: str(worked.name),
}


def nothing(arguments: Sequence[str]) -> Any:
    """Return parameters with which a test is skipped, since this run has none for it."""
    values = ["float64" if argument == "precision" else "none" for argument in arguments]
    skip = pytest.mark.skip(reason=f"this run has no {', '.join(arguments)}")
    return pytest.param(*values, id="-".join(values), marks=skip)


def _pairs(names: Sequence[str], _: Option) -> Iterator[Any]:
    return (pytest.param(pair, id="-".join(pair)) for pair in combinations(names, 2))


def _random(names: Sequence[str], option: Option) -> Iterator[Any]:
    """Yield the columns of random networks; a campaign has one shard for each worker."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for shard, column in product(range(workers if option("--campaign") else 1), columns(names)):
        yield pytest.param(shard, column, id=f"{shard}-{column}")


def _kept(names: Sequence[str], _: Option) -> Iterator[Any]:
    """Yield the kept graphs of the columns."""
    asked = [str(column) for column in columns(names[1:])]
    kept = (name for name in saved_graphs.kept() if name.partition("-")[0] in asked)
    return map(pytest.param, kept)


ASKED: dict[tuple[str, ...], Callable[[Sequence[str], Option], Iterable[Any]]] = {
    ("implementation", "case", "seed", "precision"): lambda names, option: networks.parameters(
        names, option("--seeds"), large=option("--large")
    ),
    ("implementation", "op_case", "seed", "precision"): lambda names, option: op_cases.parameters(
        names, option("--seeds"), large=option("--large")
    ),
    ("column", "varied", "precision"): lambda names, option: variants.parameters(
        names, large=option("--large")
    ),
    ("column", "differentiated", "precision"): lambda names, option: derivatives.parameters(
        names, large=option("--large")
    ),
    ("column", "without"): lambda names, _: derivatives.without(names),
    ("library", "network", "optimizer", "precision"): lambda names, option: trainings.parameters(
        names, large=option("--large")
    ),
    ("library",): lambda names, _: trainings.libraries(  # for long tests
        [name for name in names if not frameworks.row(name).traits.slow], most=1
    ),
    ("framework",): lambda names, _: map(pytest.param, names[1:]),
    ("shard", "column"): _random,
    ("kept",): _kept,
    ("pair",): _pairs,
}
"""Arguments of tests -> their parameters, for the adapters and options of this run."""


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


@pytest.fixture(scope="session")
def underflows() -> tuple[Underflow, ...]:
    """The declared underflows."""
    return findings_of.load_underflows()


@pytest.fixture
def judge(
    request: pytest.FixtureRequest,
    implementations: Implementations,
    known: tuple[KnownFinding, ...],
    underflows: tuple[Underflow, ...],
) -> Judge:
    """The judge of the running test."""
    node: Any = request.node
    command = options.reproduce(node.path, node.name, request.config.getoption)
    show = partial(node.stash.__setitem__, CELL)
    return Judge(implementations, known, command, show, underflows)


@pytest.fixture(scope="session")
def article_causes(implementations: Implementations) -> ArticleCauses:
    """What is wrong with the numbers of the article."""
    return ArticleCauses(implementations)


@pytest.fixture
def cell(
    request: pytest.FixtureRequest,
    article: Article,
    implementations: Implementations,
    article_causes: ArticleCauses,
) -> Cell:
    """The cell of a test of a worked example, made from the test's parameters."""
    node: Any = request.node
    asked = node.callspec.params
    figure, pair, worked = asked.get("figure"), asked.get("pair"), asked.get("worked")
    adapter, against = pair or (asked["implementation"], figure.id if figure else "proven")
    if worked:
        quantity, iteration, group = "every figure", 1, report.EXAMPLES
    elif figure:
        quantity, iteration, group = figure.quantity, figure.iteration, figure.part
    else:
        quantity, iteration = asked["quantity"], asked["iteration"]
        group = report.PAIRS if pair else group_of(article, quantity)
    command = options.reproduce(node.path, node.name, request.config.getoption)
    run = (pair or [adapter], asked["precision"], iteration, quantity)
    missing = [name for name in pair or [adapter] if implementations.version(name) is None]
    found = Cell(
        network=(worked or article).name,
        adapter=adapter,
        against=against,
        version=None if missing else implementations.version(adapter),
        precision=asked["precision"],
        iteration=iteration,
        quantity=quantity,
        group=group,
        causes=[] if worked else article_causes.of(*run, command),
    )
    node.stash[CELL] = found
    return found
