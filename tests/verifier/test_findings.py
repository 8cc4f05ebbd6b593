"""Recorded findings are true: reproducers show them, Arb proves them, formulas predict them."""

import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.frameworks import TABLE, is_installed, package
from backproof.adapters.protocol import AdapterError
from backproof.campaign import campaign, saved_graphs
from backproof.reference.article.figures import load as article
from backproof.reference.backprop import Trace, backprop
from backproof.reference.files import FIXTURES
from backproof.reference.findings import load, seen_here
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import FLOAT32, FLOAT64
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.directions import certify_tangents, replays
from backproof.reference.verdict.known import FORMULAS
from backproof.reference.verdict.known.formula import Instead, OfDtype, Swept
from backproof.reference.verdict.known.predict import Witness, missed
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.passes import certify_passes
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.tangents import TangentReplay
from backproof.report.cells import Cell, RefutedError
from backproof.running.certificates import in_precision, replayed, traced
from backproof.running.derivatives import passed
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge
from backproof.running.loss_scale import loss_scale
from backproof.running.trainings import started
from backproof.scenarios.networks import CASES
from backproof.scenarios.op_cases import OP_CASES
from tests.verifier.test_faults import OverBalls
from tests.verifier.test_tangents import TangentsOverBalls

FINDINGS = load()


def processor(adapter: str) -> Collection[str]:
    """Return the processor features that an adapter may use."""
    return adapters.load(adapter).processor


def installed(adapter: str) -> None:
    """Skip the test where a framework is not installed, or cannot live in this process."""
    if not is_installed(adapter):
        pytest.skip(f"{adapter} is not installed")
    if package(adapter) != adapter:  # such as Keras, which has one backend
        try:
            adapters.load(adapter)
        except AdapterError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("adapter", dict.fromkeys(finding.adapter for finding in FINDINGS))
def test_reproducers(adapter: str) -> None:
    """Each reproducer, a few lines of the framework alone, prints the number that was seen."""
    installed(adapter)
    own = seen_here([x for x in FINDINGS if x.adapter == adapter], processor)
    scripts = dict.fromkeys(finding.reproducer for finding in own)
    # One process runs all of them, each in a namespace of its own; those that need x64 come last.
    code = "\n".join(
        f"exec({text!r}, {{'__name__': '__main__'}})"
        for text in sorted(scripts, key=lambda text: "x64" in text)
    )
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    printed = done.stdout.split("\n")

    assert sorted({finding.seen for finding in own}) == sorted({*printed} - {""})


def test_formulas_are_of_findings() -> None:
    """Every formula is named by a finding."""
    assert {*FORMULAS} == {one.formula for finding in FINDINGS for one in finding.where}


@cache
def certified(column: str, case: str, precision: str) -> tuple[Certificate, Witness]:
    """Return the certificate of a cell, and what replays its links."""
    of = Column.parse(column)
    implementations = Implementations(article(), {of.framework: None})
    if is_method(column):
        network, leaves, (along, *_) = passed(implementations, of, case, precision)
        given = (network, leaves, *along, precision)
        return certify_tangents(*given), Witness(*replays(*given))
    network = {**OP_CASES, **CASES}[case].network()
    leaves, shapes = in_precision(network, precision)
    scale = loss_scale(network, leaves)
    trace, plain = traced(implementations, of, network, leaves, shapes, scale)
    replay = replayed(network, leaves, trace, plain, scale)
    return certify_passes(replay), Witness(replay)


def predicted(cell: tuple[Any, ...]) -> list[tuple[Link, Any]]:
    """Return the links of a recorded cell that the finding predicts, and what replays each."""
    finding, formula, *where = cell
    installed(finding.adapter)
    if not seen_here([finding], processor):
        pytest.skip(f"seen on {', '.join(finding.processors)}: {finding.cause}")
    certificate, witness = certified(*where)
    judged = [link for link in certificate.links if not link.is_not_judged]
    red = [link.quantity for link in judged if link.verdict != "inside"]
    held = [q for q in red if witness.missed(formula, q) is None]
    return [(x, witness.of(x.quantity)) for x in certificate.links if x.quantity in held]


def is_method(column: str) -> bool:
    """Return whether a column is one of forward mode or second order."""
    of = Column.parse(column)
    return of.variant in TABLE[of.framework].methods


def recorded() -> Iterator[Any]:
    """Yield one cell of each sighting: an op alone, or else a method that shows it, of every op.

    What concerns a whole sweep is of a network.
    """
    for finding in FINDINGS:
        for one in finding.where:
            swept = isinstance(FORMULAS[one.formula], Swept)
            alone = [(c, k) for c, k in product(one.columns, one.cases) if swept or k in OP_CASES]
            along = [
                (column, case)
                for column, case in product(reversed(one.columns), one.cases)
                if is_method(column)
            ]
            along.sort(key=lambda one: not one[1].startswith("every-op"))
            for column, case in (*alone, *along)[:1]:
                precision = one.precisions[0]
                readable = f"{column}-{case}-{precision}-{one.formula}"
                yield pytest.param((finding, one.formula, column, case, precision), id=readable)


RECORDED = [*recorded()]


@pytest.mark.parametrize("cell", RECORDED)
def test_settled_in_arb(cell: tuple[Any, ...]) -> None:
    """From the same operands, Arb proves a value inside the ball; the framework's is outside.

    The ball is that of the accumulator's precision, where there is one, else of the precision.
    """
    found = predicted(cell)
    assert found
    for link, replay in found:
        if isinstance(FORMULAS[cell[1]], OfDtype):
            continue  # of another dtype: there is nothing to settle in Arb
        ball = replay.ball(link.quantity, replay.precision.steps)
        with workprec():
            exactly = over_arb(replay).ball(link.quantity, replay.precision)
            proven = np.asarray(exactly - exact(ball.mid))
            radius = np.broadcast_to(exact(ball.rad), ball.shape)
            assert abs(proven[link.index]) <= radius[link.index], link
        assert not ball.contains(replay.seen(link.quantity))[link.index], link


def over_arb(replay: Any) -> Replay:
    """Return a replay over Arb balls."""
    of = (replay.network, replay.leaves, replay.trace, replay.precision)
    if isinstance(replay, TangentReplay):
        return TangentsOverBalls(*of, directions=replay.directions, along=replay.along)
    return OverBalls(*of, replay.plain)


WRONG: dict[str, Callable[[Array], Array]] = {
    "zero": lambda a: 0 * a,
    "negative": lambda a: -a,
    "twice": lambda a: 2 * a,
    "a number": lambda a: np.full_like(a, 1234.5),
    "one number": lambda a: with_one(a, 4 * np.max(np.abs(a)) + 1),
    "one NaN": lambda a: with_one(a, np.nan),
    "another shape": lambda a: np.stack([a, a]),
}


def with_one(a: Array, number: float) -> Array:
    """Return an array with another first entry."""
    a = a.copy()
    a.flat[0] = number
    return a


@pytest.mark.parametrize("cell", RECORDED)
def test_other_numbers_are_not_predicted(cell: tuple[Any, ...]) -> None:
    """No other array is predicted in the place of a predicted one: zeros, one entry changed.

    Zeros are left out where they are right.
    """
    for link, replay in predicted(cell):
        seen = replay.seen(link.quantity)
        right = replay.ball(link.quantity, replay.precision).mid
        for name, wrong in WRONG.items():
            other = wrong(np.where(np.isfinite(seen), seen, 0).astype(seen.dtype))
            if any(np.array_equal(other, one, equal_nan=True) for one in (seen, right)):
                continue
            of = with_other(replay, link.quantity, other)
            assert Witness(of, of).missed(cell[1], link.quantity), (name, link.name)


def with_other(replay: Any, quantity: Quantity, array: Array) -> Any:
    """Return the replay of a run that gave another array of a quantity."""
    name = quantity.of
    if not quantity.probes:
        kind = "values" if quantity.kind == "value" else "gradients"
        arrays = {**getattr(replay.plain, kind), name: array}
        return replace(replay, plain=replace(replay.plain, **{kind: arrays}), balls={})
    of_node = "cotangents" if name in replay.trace.values else "gradients"
    kind = "values" if quantity.kind == "value" else of_node

    def changed(trace: Trace) -> Trace:
        return replace(trace, **{kind: {**getattr(trace, kind), name: array}})

    if quantity.tangent:
        along = replace(replay.along, tangents=changed(replay.along.tangents))
        return replace(replay, along=along, balls={})
    return replace(replay, trace=changed(replay.trace), balls={})


class Planted(Implementations):
    """PyTorch, whose gradients of some leaves are others."""

    def __init__(self, changed: Callable[[Any], Any], leaves: Collection[str]) -> None:
        """Run nothing yet. changed: a gradient -> what is given for it. leaves: whose."""
        super().__init__(article(), {"torch": None})
        right = adapters.load("torch")

        def value_and_grad(loss: Any, tensors: dict[str, Any]) -> tuple[Any, ...]:
            values, gradients = right.value_and_grad(loss, tensors)
            given = {k: changed(g) if k in leaves else g for k, g in gradients.items()}
            return values, given

        self.adapter = lambda _: replace(right, value_and_grad=value_and_grad)


NORMS = [name for name in saved_graphs.kept() if name.startswith("torch-") and "norm" in name]


@pytest.mark.parametrize("name", NORMS)
def test_gradients_of_a_norm_in_campaigns(name: str) -> None:
    """In every precision a norm's gradients are known where they are predicted, and only there.

    1234.5 is new in every gradient, and so is one entry that is twice as large.
    """
    found = saved_graphs.load(saved_graphs.kept()[name])
    leaves = ("x", "gamma", "beta")

    def new(changed: Callable[[Any], Any]) -> set[str]:
        planted = Planted(changed, leaves)
        graph = (found.column, found.network, found.leaves)
        return {link.quantity.of for link in campaign.judge(planted, *graph, FINDINGS).new}

    def with_one_twice_as_large(gradient: Any) -> Any:
        gradient = gradient.clone()
        gradient.view(-1)[-1] *= 2
        return gradient

    assert new(lambda gradient: gradient) == set()
    assert new(lambda gradient: 0 * gradient + 1234.5) == {*leaves}
    assert new(with_one_twice_as_large) == {*leaves}


def test_a_recorded_cell_excuses_no_other_number() -> None:
    """12345 at the place of a finding fails, and the message says what the finding predicts."""
    planted, case = Planted(with_12345, ["x1"]), "gelu/special"
    network = OP_CASES[case].network()
    leaves, shapes = in_precision(network, "float32")
    trace, plain = traced(planted, Column("torch"), network, leaves, shapes, 1.0)
    replay = replayed(network, leaves, trace, plain, 1.0)
    own = [finding for finding in FINDINGS if finding.adapter == "torch"]
    judge = Judge(planted, seen_here(own, processor), "this", lambda _: None)
    cell = judge.cell(case, Column("torch"), "float32", "ops")

    with pytest.raises(RefutedError) as caught:
        judge.report_verdict(certify_passes(replay), cell, Witness(replay))
    assert "not as recorded for torch 2.13.0: the float32 gradient of F.gelu" in str(caught.value)
    assert "; it predicts " in str(caught.value)
    assert "found 12345.0" in str(caught.value)


def test_a_finding_beside_another_convention_is_known() -> None:
    """An op with a recorded fault, and one with a convention of its own, may share an operand."""
    nodes = (
        Node("least", "min", ("x",)),
        Node("h", "hardsigmoid", ("x",)),
        Node("total", "sum", ("h",)),
        Node("E", "add", ("least", "total")),
    )
    x = np.array([0.0, 1.0, 0.0, 2.0])
    network, sixth = Network("shared", {"x": x}, {}, nodes, frozenset()), float(np.float32(1 / 6))
    trace = backprop(network, {"x": x})
    quantity = Quantity("derivative", "x")
    formula = FORMULAS["1/6 in float32"]
    found = {}
    for share in (0.5, 0.75):
        trace.gradients["x"] = np.array([share, 0, share, 0]) + sixth
        found[share] = missed(Replay(network, {"x": x}, trace, FLOAT64), quantity, formula)

    assert found[0.5] is None
    assert str(found[0.75]).startswith("predicts")


def test_gradients_of_a_training_are_predicted_end_to_end() -> None:
    """Without cotangents a gradient is known if a sweep back by the formula's ops gives it."""
    network, leaves = started("convolutional", "float64")
    formula, gradient = FORMULAS["1/n in float32"], Quantity("derivative", "K", end_to_end=True)
    assert isinstance(formula, Instead)
    trace = backprop(network, leaves, formula.rules)

    def found(factor: float, name: str = "1/n in float32") -> str | None:
        gradients = {k: factor * np.asarray(a) for k, a in trace.gradients.items()}
        replay = Replay(network, leaves, Trace(trace.values, {}, gradients), FLOAT64)
        return missed(replay, gradient, FORMULAS[name])

    assert found(1) is None
    for wrong in (1 + 2**-30, 0, -1):
        assert str(found(wrong)).startswith("dE/dK end to end")
    assert found(1, "softmax in float32") == "predicts no number"
    assert found(1, "max pooling hands nothing on") == "predicts no number"


def with_12345(gradient: Any) -> Any:
    """Return a gradient whose first entry is 12345."""
    gradient = gradient.clone()
    gradient.view(-1)[0] = 12345
    return gradient


@pytest.mark.parametrize("case", ["32-64-64-10", "conv-used-twice"])
def test_a_sweep_predicts_only_what_it_changes(case: str) -> None:
    """A gradient that another sweep leaves as it is is not known: it may be no other number."""
    network = CASES[case].network()
    leaves, shapes = in_precision(network, "float32")
    implementations = Implementations(article(), {"torch": None})
    found = traced(implementations, Column("torch"), network, leaves, shapes, scale=1.0)
    replay = replayed(network, leaves, *found, scale=1.0)
    changed = {"x", "W", "b"} if case == "conv-used-twice" else set()
    same = [name for name in leaves if name not in changed]

    assert same
    for name in same:
        quantity = Quantity("derivative", name, probes=False)
        ball = replay.ball(quantity, FLOAT32)  # of the link itself, which is narrower
        wrong = (ball.mid + 2 * ball.rad).astype("float32")
        of = with_other(replay, quantity, wrong)
        assert Witness(of, of).missed("max pooling hands nothing on", quantity), name


def test_a_file_is_read_once_until_it_is_written(tmp_path: Path) -> None:
    """The file that every certificate asks for is read once, and again when it is written."""
    path, (first, second, *_) = tmp_path / "findings.toml", FINDINGS
    recorded = (FIXTURES / "findings.toml").read_text("utf-8").split("[[finding]]")
    path.write_text("[[finding]]".join(recorded[:3]), "utf-8")

    assert load(path) == (first, second)
    assert load(path) is load(path)

    path.write_text("[[finding]]".join(recorded[:2]), "utf-8")
    assert load(path) == (first,)


FORMULA = "e^x of six terms"


def test_a_pass_is_known_only_as_it_is_predicted() -> None:
    """A pass has the causes that predict all of its numbers; with a zero among them it has none."""
    nobody: Any = None
    judge = Judge(nobody, FINDINGS, reproduce="", show=lambda _: None)
    cell = Cell("article", "mindspore", "proven", "2.10.0", "float32", 0, "out_h1", "")
    recorded = next(x for x in FINDINGS if FORMULA in {one.formula for one in x.where})
    network = article().network
    leaves, _ = in_precision(network, "float32")
    balls = {name: Ball.exact(a, FLOAT32) for name, a in leaves.items()}
    formula = FORMULAS[FORMULA]
    assert isinstance(formula, Instead)
    over = backprop(network, balls, formula.rules)
    kinds = (over.values, over.cotangents, over.gradients)
    found = [{k: a.mid.astype("float32") for k, a in of.items()} for of in kinds]

    assert judge.predicted(Replay(network, leaves, Trace(*found), FLOAT32), cell) == (
        recorded.cause,
    )
    assert judge.predicted(None, cell) == ()
    for kind in range(len(found)):
        for name, a in found[kind].items():
            planted = [dict(of) for of in found]
            planted[kind][name] = 0 * a
            replay = Replay(network, leaves, Trace(*planted), FLOAT32)
            assert judge.predicted(replay, cell) == (), name
