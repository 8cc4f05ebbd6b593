"""Infinities that are known, such as the fill of a mask, are numbers; those of overflow are not."""

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.reference.backprop import Trace, backprop
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import FLOAT64, PRECISIONS
from backproof.reference.ops.functions import matrix_exp
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.judging import judged, no_terms
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.passes import certify, certify_passes
from backproof.running.certificates import in_precision, replayed, traced
from backproof.running.implementations import Implementations

EVERY = pytest.mark.parametrize("precision", ["float64", "float32", "float16"])
"""NumPy has no trace in bfloat16."""
LATER = np.triu(np.ones((3, 3), bool), 1)


def masked(op: str) -> Network:
    """Return the loss of masked scores, to which a bias is added, through an op."""
    rng = np.random.default_rng(0)
    leaves = {name: rng.standard_normal((3, 3)) for name in ("x", "bias", "c")}
    nodes = (
        Node("filled", "masked_fill", ("x",), {"mask": LATER, "value": -np.inf}),
        Node("scores", "add", ("filled", "bias")),
        Node("p", op, ("scores",)),
        Node("kept", "masked_fill", ("p",), {"mask": LATER, "value": 0.0}),
        Node("weighted", "multiply", ("kept", "c")),
        Node("E", "sum", ("weighted",)),
    )
    return Network(op, leaves, {}, nodes, frozenset())


def certified(op: str, precision: str) -> tuple[Network, Trace, Certificate]:
    """Return a network, the reference's own trace in a precision, and its certificate."""
    network = masked(op)
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    trace = backprop(network, leaves)
    return network, trace, certify(network, leaves, trace, precision)


@EVERY
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_masked_scores_are_certified(op: str, precision: str) -> None:
    """Scores that are minus infinity leave nothing undecided: e to them is zero, exactly."""
    _, trace, certificate = certified(op, precision)

    assert np.isinf(trace.values["scores"]).any()
    assert certificate.wrong == ()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_framework_is_certified(precision: str, implementations: Implementations) -> None:
    """A framework's masked softmax is right, with probes and without."""
    network = masked("softmax")
    leaves, shapes = in_precision(network, precision)
    trace, plain = traced(implementations, Column("torch"), network, leaves, shapes, 1.0)

    assert certify_passes(replayed(network, leaves, trace, plain, 1.0)).wrong == ()


@EVERY
@pytest.mark.parametrize("wrong", [np.inf, np.nan, -60000.0])
@pytest.mark.parametrize("name", ["filled", "scores"])
def test_another_number_is_refuted(name: str, wrong: float, precision: str) -> None:
    """Where minus infinity is known, every other number is refuted, and only there."""
    network, trace, _ = certified("softmax", precision)
    seen = np.array(trace.values[name])
    seen[0, 2] = wrong
    trace.values[name] = seen
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    refuted = certify(network, leaves, trace, precision).wrong[0]

    assert (refuted.name, refuted.verdict, refuted.index) == (name, "refuted", (0, 2))


@EVERY
def test_an_infinity_for_a_number_is_refuted(precision: str) -> None:
    """Where a number is known, an infinity is refuted."""
    network, trace, _ = certified("softmax", precision)
    seen = np.array(trace.values["scores"])
    seen[2, 0] = -np.inf
    trace.values["scores"] = seen
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    refuted = certify(network, leaves, trace, precision).wrong[0]

    assert (refuted.name, refuted.index) == ("scores", (2, 0))
    assert refuted.problem == "expected a finite number, found -inf"


@EVERY
@pytest.mark.parametrize("wrong", [0.25, np.inf, None])
def test_a_row_that_is_masked_whole_is_undecided(wrong: float | None, precision: str) -> None:
    """NaN is undecided where it is NaN on paper; another number there, or elsewhere, is refuted."""
    network = masked("softmax")
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    (filled, *others), hidden = network.nodes, LATER | [[False], [True], [False]]
    filled = replace(filled, options={**filled.options, "mask": hidden})
    network = replace(network, nodes=(filled, *others))
    with np.errstate(invalid="ignore"):
        trace = backprop(network, leaves)
    if wrong:
        trace.values["p"][0, 0] = wrong
    with np.errstate(invalid="ignore"):
        links = {link.name: link for link in certify(network, leaves, trace, precision).links}

    assert np.isnan(trace.values["p"][1]).all()
    if wrong:
        assert (links["p"].verdict, links["p"].index) == ("refuted", (0, 0))
    else:
        assert links["p"].verdict == "undecided"
        assert links["p"].problem == "is nan, where the formula gives no number"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_largest_number(precision: str) -> None:
    """The largest number of a precision is that of its dtype."""
    p = PRECISIONS[precision]

    assert p.largest == float(ml_dtypes.finfo(p.dtype).max)


@EVERY
@pytest.mark.parametrize("wrong", [None, (0, -np.inf), (1, np.inf)])
def test_an_overflow_is_undecided(wrong: tuple[int, float] | None, precision: str) -> None:
    """A product that is too large for the precision is infinite; with the wrong sign it is not."""
    large = PRECISIONS[precision].largest
    nodes = (Node("y", "multiply", ("x", "x")), Node("E", "sum", ("y",)))
    network = Network("overflow", {"x": np.array([large, 2.0])}, {}, nodes, frozenset())
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    with np.errstate(over="ignore"):
        trace = backprop(network, leaves)
    if wrong:
        trace.values["y"][wrong[0]] = wrong[1]
    (first, *_) = certify(network, leaves, trace, precision).links

    assert (first.name, first.verdict) == ("y", "refuted" if wrong else "undecided")
    if not wrong:
        too_large = f"is inf: the number is too large for {precision}"
        beyond = "is inf: the number is infinite, or too large for float64 too"
        assert first.problem == (beyond if precision == "float64" else too_large)


@EVERY
@pytest.mark.parametrize("size", [1.0, 0.9, 1e-3])
def test_terms_that_overflow_are_undecided(size: float, precision: str) -> None:
    """NaN, as infinity less infinity, is no number where products overflow; else it is wrong."""
    large = PRECISIONS[precision].largest
    nodes = (Node("y", "matmul", ("x", "c")), Node("E", "sum", ("y",)))
    arrays = {"x": np.array([[large, large]]), "c": np.array([[size], [-size]])}
    network = Network("overflow", arrays, {}, nodes, frozenset())
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    trace = backprop(network, leaves)
    trace.values["y"] = np.full((1, 1), np.nan, precision)
    (first, *_) = certify(network, leaves, trace, precision).links

    assert first.verdict == ("refuted" if size < 0.5 else "undecided")
    if first.verdict == "undecided":
        too_large = f"is nan: the terms that are added up are too large for {precision}"
        no_bound = "is nan, where the formula gives no bound"
        assert first.problem == (no_bound if precision == "float64" else too_large)


@EVERY
@pytest.mark.parametrize("other", [np.nan, np.inf, -np.inf])
def test_nothing_is_refuted_where_there_is_no_bound(other: float, precision: str) -> None:
    """What is not finite is undecided where the radius is infinite; elsewhere it is wrong."""
    p = PRECISIONS[precision]
    ball = Ball([1.0, 2.0], [np.inf, 2 * p.u], p)

    def verdict(*seen: float) -> tuple[str, str]:
        numbers, ways = np.array(seen, precision), {(): lambda _: ball}
        of = Quantity("value", "y")
        link = judged(of, numbers, p, ball, lambda: ways, no_terms)
        return link.verdict, link.problem

    assert verdict(other, 2.0) == ("undecided", f"is {other}, where the formula gives no bound")
    assert verdict(other, other)[0] == "refuted"
    assert verdict(1.0, other)[0] == "refuted"


@EVERY
def test_a_pole_is_not_called_too_large(precision: str) -> None:
    """The derivative of the square root at zero is infinite in every precision."""
    nodes = (Node("y", "sqrt", ("x",)), Node("E", "sum", ("y",)))
    network = Network("pole", {"x": np.array([0.0, 4.0])}, {}, nodes, frozenset())
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    with np.errstate(divide="ignore"):
        trace = backprop(network, leaves)
        links = {link.name: link for link in certify(network, leaves, trace, precision).links}

    assert links["dE/dx"].verdict == "undecided"
    assert links["dE/dx"].problem == "is inf: the number is infinite, or too large for float64 too"


def test_a_loss_whose_derivative_is_nan_is_refuted() -> None:
    """An adapter may hand it in; the derivative of the loss is 1."""
    network = Network(
        "squares", {"x": np.array([3.0])}, {}, (Node("E", "sum", ("x",)),), frozenset()
    )
    leaves = network.leaves(np.asarray)
    trace = backprop(network, leaves)
    trace.cotangents["E"] = np.full_like(trace.cotangents["E"], np.nan)
    (link,) = (
        one for one in certify(network, leaves, trace, "float64").links if one.name == "dE/dE"
    )

    assert link.verdict == "refuted"


@pytest.mark.parametrize(
    ("seen", "verdict"), [(5e200, "undecided"), (np.inf, "undecided"), (-np.inf, "refuted")]
)
def test_a_number_where_a_step_overflows_is_undecided(seen: float, verdict: str) -> None:
    """The length of (3e200, 4e200) is 5e200, though its square is too large for float64."""
    nodes = (Node("y", "norm", ("x",)), Node("E", "scale", ("y",), {"factor": 1.0}))
    network = Network("length", {"x": np.array([3e200, 4e200])}, {}, nodes, frozenset())
    leaves = network.leaves(np.asarray)
    with np.errstate(all="ignore"):
        trace = backprop(network, leaves)
        trace.values["y"] = np.array(seen)
        (first, *_) = certify(network, leaves, trace, "float64").links

    assert (first.name, first.verdict) == ("y", verdict)


def test_a_matrix_whose_determinant_or_exponential_is_not_finite() -> None:
    """A determinant that overflows is too large; of infinite entries nothing is known."""
    A = Ball.exact(np.diag([1e200, -1e200]), FLOAT64)
    B = Ball.exact(np.diag([np.inf, 1.0]), FLOAT64)

    assert (np.linalg.det(A).mid, np.linalg.det(A).rad) == (-np.inf, np.inf)
    assert np.isnan(matrix_exp(B).mid).all()
    assert np.isinf(matrix_exp(B).rad).all()


def test_what_overflows_is_not_known() -> None:
    """A sum beyond the largest number, and infinity less infinity, have no ball."""
    largest, infinity = (Ball.exact([x], FLOAT64) for x in (1.7e308, np.inf))
    for ball in (largest + largest, infinity - infinity, infinity + Ball([0.0], [np.inf], FLOAT64)):
        assert not ball.contains([np.inf]).any()
    assert (infinity + largest).contains([np.inf]).all()


@EVERY
@pytest.mark.parametrize("wrong", [None, (0, 2, np.inf), (0, 0, np.inf), (0, 0, 9.0)])
def test_two_masks_of_the_largest_number_are_infinity(
    wrong: tuple[int, int, float] | None, precision: str
) -> None:
    """The largest number stands for infinity in masks: the sum of two is no overflow to report."""
    least = -PRECISIONS[precision].largest
    network = masked("softmax")
    filled, scores, *others = network.nodes
    filled = replace(filled, options={"mask": LATER, "value": least})
    again = Node("both", "add", ("filled", "mask"))
    nodes = (filled, again, replace(scores, inputs=("both", "bias")), *others)
    inputs = {**network.inputs, "mask": np.where(LATER, least, 0.0)}
    network = replace(network, inputs=inputs, nodes=nodes, constants=frozenset({"mask"}))
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    with np.errstate(over="ignore"):
        trace = backprop(network, leaves)
    assert np.isneginf(trace.values["both"][LATER]).all()
    if wrong:
        *place, number = wrong
        trace.values["both"][*place] = number
    links = {link.name: link for link in certify(network, leaves, trace, precision).links}

    if wrong:
        assert (links["both"].verdict, links["both"].index) == ("refuted", tuple(place))
    else:
        assert [link for link in links.values() if link.verdict != "inside"] == []


@EVERY
@pytest.mark.parametrize("seen", [0.25, 0.0, np.inf])
@pytest.mark.parametrize("other", [np.inf, np.nan])
def test_a_mask_excuses_no_other_number(seen: float, other: float, precision: str) -> None:
    """Infinity minus infinity, and NaN beside the fill of a mask, are no overflow."""
    least = -PRECISIONS[precision].largest
    x = np.array([-np.inf if other == np.inf else least, 1.0])
    nodes = (Node("y", "add", ("x", "z")), Node("E", "sum", ("y",)))
    network = Network("masks", {"x": x, "z": np.array([other, 1.0])}, {}, nodes, frozenset())
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    with np.errstate(invalid="ignore"):
        trace = backprop(network, leaves)
        trace.values["y"][0] = seen
        (first, *_) = certify(network, leaves, trace, precision).links

    assert (first.name, first.verdict) != ("y", "inside")
    assert first.name == "y"
