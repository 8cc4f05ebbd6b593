"""Green means decided: what lies in a ball that would hold zeros as well is not green."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import RIGHT, Trace, backprop
from backproof.reference.network import Network, Node
from backproof.reference.networks import mlp
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import FLOAT64, PRECISIONS, gamma
from backproof.reference.ops import OPS, Array
from backproof.reference.verdict.balls import Update
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.deciding import decided, measured, resolution
from backproof.reference.verdict.end_to_end import bounded_gradient, held_loss
from backproof.reference.verdict.evidence import DIGIT
from backproof.reference.verdict.judging import MANY, judged, no_terms
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.passes import certify, held_end_to_end
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.sweep import Sweep

FLOAT32 = PRECISIONS["float32"]


def network_of(*nodes: Node, **leaves: Array) -> Network:
    """Return a network without parameters."""
    return Network("drawn", leaves, {}, nodes, frozenset())


def rounded(network: Network, precision: str) -> tuple[dict[str, Array], Trace]:
    """Return leaves in a precision, and the float64 trace of them, rounded to it."""
    leaves = network.leaves(lambda a: np.asarray(a, float).astype(precision))
    exactly = backprop(network, {name: a.astype(float) for name, a in leaves.items()})
    kinds = (exactly.values, exactly.cotangents, exactly.gradients)
    return leaves, Trace(
        *({k: np.asarray(a).astype(precision) for k, a in of.items()} for of in kinds)
    )


def changed(trace: Trace, kind: str, name: str, array: Array) -> Trace:
    """Return the trace with another array."""
    return replace(trace, **{kind: {**getattr(trace, kind), name: array}})


def link(certificate: Certificate, name: str) -> Link:
    """Return the link of a name."""
    return next(link for link in certificate.links if link.name == name)


def product(n: int) -> Network:
    """Return a network of one inner product of n terms of all signs."""
    rng = np.random.default_rng(0)
    nodes = (Node("y", "matmul", ("a", "b")), Node("E", "sum", ("y",)))
    return network_of(*nodes, a=rng.standard_normal((3, n)), b=rng.standard_normal((n, 2)))


WRONG = {
    "zero": lambda a: 0 * a,
    "negated": lambda a: -a,
    "tripled": lambda a: 3 * a,
    "swapped": lambda a: a[::-1].copy(),
}


@pytest.mark.parametrize("n", [100, 150, 300])
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_wide_accumulator_excuses_nothing(precision: str, wrong: str, n: int) -> None:
    """A product of many terms is right in a narrow accumulator only while that ball decides."""
    leaves, trace = rounded(product(n), precision)
    y = np.asarray(WRONG[wrong](trace.values["y"])).astype(precision)
    found = certify(product(n), leaves, changed(trace, "values", "y", y), precision)

    assert link(certify(product(n), leaves, trace, precision), "y").verdict == "inside"
    assert link(found, "y").verdict == "refuted"


@pytest.mark.parametrize(("factor", "verdict"), [(1, "inside"), (30, "refuted")])
def test_a_sum_that_cancels_in_a_narrow_accumulator(factor: int, verdict: str) -> None:
    """What rounding leaves of four terms agrees to a digit here; what it cannot leave is refuted.

    The terms are those of a cotangent that JAX adds up in float16.
    """
    terms = [
        [2.0078125, -1.3203125, -0.22229004, -0.46118164],
        [-0.68798828, 1.27050781, 0.80664062, -1.38574219],
        [2.47851562, -1.22753906, -0.92333984, -0.32714844],
    ]
    nodes = (Node("y", "matmul", ("a", "b")), Node("E", "sum", ("y",)))
    network = network_of(*nodes, a=np.array(terms), b=np.ones((4, 1)))
    leaves, trace = rounded(network, "float16")
    one_by_one = np.add.accumulate(leaves["a"], axis=1, dtype=np.float16)[:, -1:]
    trace = changed(trace, "values", "y", (factor * one_by_one).astype(np.float16))

    assert link(certify(network, leaves, trace, "float16"), "y").verdict == verdict


def test_undecided_is_not_green() -> None:
    """A ball as wide as its numbers leaves a link undecided, and the certificate does not hold."""
    ball = Ball(np.array([1.0, -2.0]), np.array([1.5, 2.5]), FLOAT32)
    seen = np.array([1.3, -2.0], np.float32)
    found = judged(
        Quantity("value", "y"), seen, FLOAT32, ball, lambda: {(): lambda _: ball}, no_terms
    )

    assert found.verdict == "undecided"
    assert found.resolution == resolution(ball, ball.mid) > 1
    assert found.digits == 0
    assert not Certificate("one", "float32", (found,)).holds
    assert "holds 1.2999999523162842, and zeros as well" in str(found)


def test_many_forms_are_tried_where_the_formula_itself_fails() -> None:
    """A step of an LSTM has thirty: they are not computed where an ordinary freedom is enough.

    Those that are the same are computed twice: ties may be others where subnormal numbers are zero.
    """
    p, mid = PRECISIONS["bfloat16"], np.array([1.0, -2.0])
    seen = (mid + 2**-6).astype(p.dtype)

    def itself(freedom: object) -> Ball:
        return Ball(mid, np.full(2, 2.0**-9 if freedom == p.steps else 2.0**-5), p)

    asked: list[object] = []
    forms = {(f"form {i}",): lambda one: asked.append(one) or itself(one) for i in range(MANY)}
    ways = {(): itself, **forms}
    found = judged(Quantity("value", "y"), seen, p, itself(p.steps), lambda: ways, no_terms)
    before = len(asked)
    wrong = judged(Quantity("value", "y"), 2 * seen, p, itself(p.steps), lambda: ways, no_terms)

    assert (found.verdict, found.properties) == ("inside", ("rounds every step to bfloat16",))
    assert (wrong.verdict, before, len(asked)) == ("refuted", 0, 2 * MANY)


WIDE = {
    "right": (1.0, "inside"),
    "to a digit": (1.05, "inside"),
    "to half a digit": (1.3, "undecided"),
    "tripled": (3.0, "undecided"),
    "zero": (0.0, "undecided"),
    "negated": (-1.0, "undecided"),
}
"""What is wrong with numbers in a wide ball -> times what they should be, and the verdict."""


@pytest.mark.parametrize("wrong", WIDE)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_agrees_to_a_digit_is_decided(precision: str, wrong: str) -> None:
    """Numbers in a wide ball that are much nearer to the exact ones than its radius are right.

    In float64 the midpoints are no better than the numbers themselves.
    """
    p, (times, verdict) = PRECISIONS[precision], WIDE[wrong]
    exact = np.array([1.0, -2.0, 0.5])
    ball = Ball(exact, np.full(3, 8.0), p.steps)
    seen = (times * exact).astype(p.dtype)
    found = judged(Quantity("value", "y"), seen, p, ball, lambda: {(): lambda _: ball}, no_terms)

    assert found.verdict == ("undecided" if precision == "float64" else verdict)
    assert (found.digits >= 1) == (found.verdict == "inside")


@pytest.mark.parametrize("times", [1.0, 1.05, 1.3])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_has_no_correct_digit_is_not_green(precision: str, times: float) -> None:
    """A ball of half the size of the numbers holds no zeros, but may hold 1.3 times the numbers.

    In float64 it is not known how near they are, since the midpoints are no better.
    """
    p, exact = PRECISIONS[precision], np.array([1.0, -2.0, 0.5])
    ball = Ball(exact, np.abs(exact) / 2, p.steps)
    seen = (times * exact).astype(p.dtype)
    found = judged(Quantity("value", "y"), seen, p, ball, lambda: {(): lambda _: ball}, no_terms)

    is_near = times < 1.1 and precision != "float64"
    assert found.verdict == ("inside" if is_near else "undecided")
    assert is_near or "and numbers without a correct digit as well" in str(found)


@pytest.mark.parametrize(
    ("bound", "times", "verdict"),
    [(0.5, 1.0, "inside"), (0.5, 1.05, "inside"), (0.5, 1.3, "undecided"), (2, 0, "undecided")],
)
def test_gradients_without_probes_prove_a_digit(bound: float, times: float, verdict: str) -> None:
    """A bound of half their size, or more, decides only where they agree to a digit.

    They do not cancel, though their terms are a hundred times as large.
    """
    exact = np.array([1.0, -2.0, 0.5])
    seen = (times * exact).astype(np.float32)
    size = float(np.sum(np.abs(exact)))
    trace = SimpleNamespace(gradients={"w": seen})
    sweep: Any = SimpleNamespace(
        exact={"w": exact},
        replay=SimpleNamespace(trace=trace, precision=FLOAT32),
        both=1 + FLOAT64.u / FLOAT32.u,
        bound=lambda _: bound * size,
        terms=lambda _: 100 * size,
    )
    found = bounded_gradient(sweep, Quantity("derivative", "w", probes=False))

    assert found.verdict == verdict
    assert not found.cancels
    assert (found.digits >= 1) == (verdict == "inside")


@pytest.mark.parametrize(("whole", "verdict"), [(1.0, "undecided"), (1e-8, "refuted")])
def test_one_number_without_a_bound_refutes_nothing(whole: float, verdict: str) -> None:
    """The bound of all numbers together says whether they are wrong."""
    bounds = iter([whole, np.inf])
    trace = SimpleNamespace(gradients={"w": np.array([3e-8, 1e-8], np.float32)})
    sweep: Any = SimpleNamespace(
        exact={"w": np.array([1e-8, 1e-8])},
        replay=SimpleNamespace(trace=trace, precision=FLOAT32),
        both=1 + FLOAT64.u / FLOAT32.u,
        bound=lambda _: next(bounds),
        terms=lambda _: 0.1,
    )
    found = bounded_gradient(sweep, Quantity("derivative", "w", probes=False))

    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("times", "verdict"), [(1.0, "inside"), (1.3, "undecided"), (0, "undecided")]
)
def test_operands_that_are_read_as_zero_excuse_no_other_number(times: float, verdict: str) -> None:
    """An entry is another one where a subnormal is read as zero; all agree with that to a digit."""
    p = FLOAT32.zeroing()
    exact, as_read = np.array([1.0, -2.0, 0.5]), np.array([1.0, -2.0, 0.0])
    wide, seen = Ball(as_read, np.full(3, 1.1), p), (times * as_read).astype(np.float32)
    reached = measured(Quantity("value", "y"), "float32", seen, wide, exact)
    found = decided(reached, seen, wide, Ball.exact(exact, p), lambda: np.zeros(3), FLOAT32.u)

    assert DIGIT < reached.resolution < 1
    assert ("inside" if found else "undecided") == verdict


@pytest.mark.parametrize(("radius", "is_known"), [(0.01, True), (0.2, False)])
@pytest.mark.parametrize(("times", "is_near"), [(1.0, True), (0.9, False), (0, False)])
def test_other_midpoints_of_a_wide_ball_excuse_nothing(
    times: float, radius: float, *, is_near: bool, is_known: bool
) -> None:
    """Where a step rounds to nearest, numbers are held to the sharpest ball, as far as it knows."""
    p, mid = FLOAT32, np.array([1.0, -2.0, 0.5])
    sharpest, wide = Ball(mid, radius * np.abs(mid), p), Ball(mid + 2.0**-10, np.full(3, 1.1), p)
    seen = (times * mid).astype(np.float32)
    reached = measured(Quantity("value", "y"), "float32", seen, wide, mid)
    found = decided(reached, seen, wide, sharpest, lambda: np.zeros(3), FLOAT32.u)

    assert (reached.share <= 1) == (times > 0)
    assert bool(found) == (is_near and is_known)


WIDE_BALLS = {
    "float32 too small": ("float32", [1e-25, 1e-25, 1e-25], 1e-25, True),
    "bfloat16 too small": ("bfloat16", [1e-25, 1e-25, 1e-25], 1e-25, True),
    "float16 too small": ("float16", [1e-7, 1e-7, 1e-7], 1e-7, True),
    "terms cancel": ("float32", [1.0, -1.0] * 32 + [1000 * FLOAT32.u], 1.0, False),
}
"""Why a ball is wide -> its precision, a row and the factor of its sum, whether that underflows."""


@pytest.mark.parametrize("why", WIDE_BALLS)
def test_what_underflows_is_told_from_what_cancels(why: str) -> None:
    """Zeros in the ball of numbers that are too small, or cancel, are undecided."""
    precision, row, factor, underflows = WIDE_BALLS[why]
    nodes = (Node("y", "matmul", ("a", "b")), Node("E", "sum", ("y",)))
    network = network_of(*nodes, a=np.array([row, row]), b=np.full((len(row), 1), factor))
    leaves, trace = rounded(network, precision)
    zeros = np.zeros_like(trace.values["y"])
    found = link(certify(network, leaves, changed(trace, "values", "y", zeros), precision), "y")

    assert (found.verdict, found.underflows) == ("undecided", underflows)


def normalized() -> Network:
    """Return a network of a bias before a batch norm: its gradient is zero on paper."""
    rng = np.random.default_rng(1)
    nodes = (
        Node("z", "dense", ("x", "W", "b")),
        Node("y", "batch_norm", ("z", "gain", "shift")),
        Node("c", "multiply", ("y", "t")),
        Node("E", "sum", ("c",)),
    )
    return network_of(
        *nodes,
        x=rng.standard_normal((32, 5)),
        W=rng.standard_normal((5, 4)),
        b=rng.standard_normal(4),
        gain=rng.standard_normal(4),
        shift=rng.standard_normal(4),
        t=rng.standard_normal((32, 4)),
    )


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_zeros_by_cancellation_are_green(precision: str) -> None:
    """The gradient of a bias before a batch norm is noise: it is inside, and said to cancel."""
    network = normalized()
    leaves = network.leaves(lambda a: np.asarray(a, float).astype(precision))
    found = certify(network, leaves, backprop(network, leaves), precision)

    assert found.holds, found
    assert link(found, "dE/db").cancels
    assert not link(found, "dE/dW").cancels


def test_zeros_of_a_long_sum_do_not_cancel() -> None:
    """Of three million terms float32 may lose all digits of their mean: zeros are undecided."""
    n = 3_000_000
    rounding = np.sum(Ball.exact(np.ones((n, 1)), FLOAT32), axis=0).rad
    ball, seen = Ball([n / 8], rounding, FLOAT32), np.zeros(1, np.float32)
    found = judged(Quantity("value", "y"), seen, FLOAT32, ball, dict, lambda _: np.array([n]))

    assert n / 8 < rounding[0] < n / 2
    assert found.verdict == "undecided"


def test_a_long_sum_is_decided_where_blocks_decide() -> None:
    """A sum of a million terms is inside if it is as good as one in blocks, and else undecided."""
    x = np.random.default_rng(0).standard_normal(1_000_000).astype(np.float32)
    ways = {(): lambda p: np.sum(Ball.exact(x, p), axis=0, keepdims=True)}
    ball = ways[()](FLOAT32)

    def verdict(times: float) -> str:
        seen = np.float32(times) * np.sum(x, keepdims=True)
        quantity, terms = Quantity("value", "y"), lambda _: np.sum(np.abs(x), keepdims=True)
        return judged(quantity, seen, FLOAT32, ball, lambda: ways, terms).verdict

    assert ball.rad > abs(ball.mid), "sums in any order decide"
    assert verdict(1) == "inside"
    assert [verdict(times) for times in (0, -1, 2)] == ["undecided"] * 3


def test_a_wide_ball_does_not_cancel() -> None:
    """Zeros in a ball that is wide, not small beside its terms, are undecided."""
    ball = Ball(np.zeros(3), np.full(3, 0.6), FLOAT32)

    def verdict(size: float) -> str:
        seen, ways = np.zeros(3, np.float32), {(): lambda _: ball}
        terms = lambda _: np.full(3, size)  # noqa: E731 one line
        return judged(Quantity("value", "y"), seen, FLOAT32, ball, lambda: ways, terms).verdict

    assert verdict(1.0) == "undecided"
    assert verdict(100.0) == "inside"


def test_a_gradient_lost_to_underflow_is_no_zero() -> None:
    """A zero that a wider range would not have is undecided end to end, however right its links."""
    network = network_of(
        Node("c", "scale", ("b",), {"factor": 1e30}),
        Node("x", "concatenate", ("a", "c"), {"axis": 0}),
        Node("y", "multiply", ("x", "s")),
        Node("z", "multiply", ("y", "s")),
        Node("E", "sum", ("z",)),
        a=np.array([1.0]),
        b=np.array([1e-30]),
        s=np.array([1.0, 1e-25]),
    )
    leaves = network.leaves(lambda a: np.asarray(a, "float32"))
    with np.errstate(under="ignore"):
        trace = backprop(network, leaves)
    certificate = certify(network, leaves, trace, "float32", plain=trace)
    found = {one.quantity.of: one.verdict for one in certificate.end_to_end}

    assert trace.gradients["b"].tolist() == [0.0]  # though it is 1e-20
    assert (found["a"], found["b"]) == ("inside", "undecided")


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16", "float16"])
def test_exact_zeros_are_green(precision: str) -> None:
    """What is multiplied by zero is zero, without rounding: dead units and masks are decided."""
    network = mlp(
        (3, 4, 2), "relu", "mean_squared_error", batch=2, weights=lambda _, s: -np.ones(s)
    )
    positive = replace(network, inputs={**network.inputs, "x": np.ones((2, 3))})
    leaves, trace = rounded(positive, precision)
    found = certify(positive, leaves, trace, precision)

    assert found.holds, found
    assert link(found, "dE/dW1").resolution == 0


@pytest.mark.parametrize(
    ("plain", "wrong"),
    [
        pytest.param(lambda t: Trace(t.values, {}, {}), "dE/dx without probes", id="no gradients"),
        pytest.param(lambda t: Trace({}, {}, t.gradients), "net1 without probes", id="no values"),
        pytest.param(
            lambda t: Trace({k: a - 1e6 for k, a in t.values.items()}, {}, t.gradients),
            "net1 without probes",
            id="other values",
        ),
        pytest.param(
            lambda t: Trace(t.values, {}, {k: 0 * a for k, a in t.gradients.items()}),
            "dE/dx without probes",
            id="zero gradients",
        ),
    ],
)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_pass_without_probes_is_held(precision: str, plain: object, wrong: str) -> None:
    """What the pass without probes lacks, or has wrong, is not green."""
    network = mlp((3, 4, 2), "tanh", batch=2)
    leaves, trace = rounded(network, precision)
    found = certify(network, leaves, trace, precision, plain(trace))  # type: ignore[operator]

    assert certify(
        network, leaves, trace, precision, Trace(trace.values, {}, trace.gradients)
    ).holds
    assert wrong in [link.name for link in found.wrong]


def test_every_trained_parameter_is_updated() -> None:
    """An update that lacks a parameter is refuted."""
    network = mlp((3, 4, 2), "tanh", batch=2)
    leaves, trace = rounded(network, "float64")
    updated = {k: leaves[k] - 0.5 * trace.gradients[k] for k in network.trained}
    lacking = {name: updated[name] for name in updated if name != "W2"}

    assert certify(network, leaves, trace, "float64", update=Update(updated, 0.5)).holds
    wrong = certify(network, leaves, trace, "float64", update=Update(lacking, 0.5)).wrong
    assert [str(link) for link in wrong] == ["W2 updated: refuted: is missing"]


def test_after_a_nan_others_are_judged() -> None:
    """A NaN costs no other link its verdict, but those that are computed from it."""
    network = mlp((3, 4, 2), "tanh", batch=2)
    leaves, trace = rounded(network, "float64")
    trace.gradients["W2"][0, 0] = np.nan
    trace.gradients["W1"] *= 2
    trace.cotangents["out1"][:] = np.inf
    found = certify(network, leaves, trace, "float64")
    verdicts = {link.name: link.verdict for link in found.links}

    assert verdicts["dE/db2"] == "inside"
    assert verdicts["dE/dW2"] == verdicts["dE/dout1"] == "refuted"
    assert str(link(found, "dE/dnet1")).endswith("not judged: dE/dout1 is no operand")
    assert link(found, "dE/dW1").cause == Quantity("derivative", "out1")


def test_each_op_has_its_own_form() -> None:
    """An array used by two ops, each computed in another form, is inside, with both named."""
    nodes = (
        Node("p", "tanh", ("x",)),
        Node("q", "elu", ("x",)),
        Node("s", "add", ("p", "q")),
        Node("w", "multiply", ("s", "c")),
        Node("E", "sum", ("w",)),
    )
    rng = np.random.default_rng(0)
    x, c = -3 - 22 * rng.random(20), rng.standard_normal(20)
    network = network_of(*nodes, x=x, c=c)
    leaves = network.leaves(lambda a: np.asarray(a, np.float32))
    trace = backprop(network, leaves)
    forms = ("tanh' as (1 + y)(1 - y)", "ELU' as y + alpha")
    ops = {op: OPS[op].forms[form] for op, form in zip(("tanh", "elu"), forms, strict=True)}
    parts = [
        ops[node.op].backward(trace.cotangents[node.name], trace.values[node.name], leaves["x"])[0]
        for node in nodes[:2]
    ]
    found = certify(network, leaves, changed(trace, "gradients", "x", sum(parts)), "float32")

    assert link(found, "dE/dx").verdict == "inside"
    assert {*forms} & {*link(found, "dE/dx").properties}


@pytest.mark.parametrize("wrong", [0, -1, 2, 1.1])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_links_alone_are_not_trusted(precision: str, wrong: float) -> None:
    """Gradients that are consistently wrong from some node on are refuted end to end."""
    network = mlp((3, 4, 4, 2), "tanh", batch=2)
    leaves, trace = rounded(network, precision)
    right = certify(network, leaves, trace, precision)
    early = {"x", "W1", "b1"}
    gradients = {k: a * (wrong if k in early else 1) for k, a in trace.gradients.items()}
    changed = Trace(trace.values, trace.cotangents, gradients)
    replay = Replay(network, leaves, changed, PRECISIONS[precision])
    # As if one link were zero in a ball so wide that it held zeros:
    found = held_end_to_end(replace(right, end_to_end=()), replay)

    assert {link.verdict for link in right.end_to_end} == {"inside"}
    assert {link.quantity.of for link in found.wrong} == early
    assert not found.holds


def test_a_near_gradient_needs_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient that the rounding of a few steps explains is inside without the whole bound."""
    network = mlp((3, 4, 4, 2), "tanh", batch=2)
    leaves, trace = rounded(network, "float32")
    monkeypatch.delattr(Sweep, "bound")

    found = certify(network, leaves, trace, "float32")

    assert {link.verdict for link in found.end_to_end} == {"inside"}


@pytest.mark.parametrize("wrong", [0, -1])
def test_what_is_not_near_is_not_inside_of_a_wide_bound(wrong: int) -> None:
    """Where the bound is wider than a gradient, zeros and its negative are not inside of it."""
    network = mlp((4,) * 21, "tanh", batch=2)
    leaves, trace = rounded(network, "bfloat16")
    right = certify(network, leaves, trace, "bfloat16")
    gradients = {name: wrong * a for name, a in trace.gradients.items()}
    changed = Trace(trace.values, trace.cotangents, gradients)
    replay = Replay(network, leaves, changed, PRECISIONS["bfloat16"])
    found = held_end_to_end(replace(right, end_to_end=()), replay)

    assert {link.verdict for link in right.end_to_end} == {"inside"}
    assert {link.verdict for link in found.end_to_end[1:]} == {"refuted", "undecided"}


def test_a_loss_that_is_not_near_is_not_inside_of_a_wide_bound() -> None:
    """Where the bound is wider than the loss, zero is not inside of it."""
    numbers = {"x": np.array([1.0, 1.0]), "w": np.array([1.0078125, -1.0])}
    nodes = (Node("y", "exp", ("x",)), Node("z", "multiply", ("y", "w")), Node("E", "sum", ("z",)))
    leaves, trace = rounded(network_of(*nodes, **numbers), "bfloat16")
    zero = {**trace.values, "E": np.zeros_like(trace.values["E"])}
    network = network_of(*nodes, **numbers)
    found = [
        held_loss(Sweep(Replay(network, leaves, replace(trace, values=v), PRECISIONS["bfloat16"])))
        for v in (trace.values, zero)
    ]

    assert [link.verdict for link in found] == ["inside", "undecided"]


def test_the_terms_that_are_enough_are_part_of_the_bound() -> None:
    """All terms together are the bound; those that allow a small distance are less."""
    network = mlp((3, 4, 4, 2), "tanh", batch=2)
    leaves, trace = rounded(network, "float32")
    sweep = Sweep(Replay(network, leaves, trace, FLOAT32))
    u = {"W1": np.ones_like(sweep.exact["W1"])}
    whole = sweep.bound(u)

    # Both are sums of the same terms, one of each value, in another order.
    assert sweep.allowed(u, np.inf) == pytest.approx(whole, rel=gamma(len(sweep.values), FLOAT64.u))
    assert 0 < sweep.allowed(u, whole / 1e6) < whole


def test_the_loss_is_held_end_to_end() -> None:
    """A loss that is consistently wrong from some value on is refuted end to end."""
    network = mlp((3, 4, 2), "tanh", batch=2)
    leaves, trace = rounded(network, "float32")
    right = certify(network, leaves, trace, "float32")
    values = forward_from(network, {**leaves, "out1": 1.1 * trace.values["out1"]}, trace.values)
    replay = Replay(network, leaves, replace(trace, values=values), FLOAT32)
    found = held_end_to_end(replace(right, end_to_end=()), replay)

    assert "E end to end" in [link.name for link in found.wrong]


def forward_from(
    network: Network, known: dict[str, Array], values: dict[str, Array]
) -> dict[str, Array]:
    """Return the values of a pass in which some values are given."""
    found = dict(known)
    for node in network.nodes:
        if node.name not in found:
            found[node.name] = np.float32(RIGHT.value(node, found))
    return {name: np.asarray(found[name], np.float32) for name in values}


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0, -1.0])
def test_a_kink_between_two_passes(slope: float) -> None:
    """A sum that is 0 with probes and 2^-24 without, in another order, has two right slopes."""
    nodes = (
        Node("z", "dense", ("x", "W", "b")),
        Node("r", "relu", ("z",)),
        Node("w", "multiply", ("r", "c")),
        Node("E", "sum", ("w",)),
    )
    x, W, b, c = (np.array(a, np.float32) for a in ([[1, 2**-24]], [[1], [1]], [-1], [[3]]))
    network = network_of(*nodes, x=x, W=W, b=b, c=c)
    leaves = {"x": x, "W": W, "b": b, "c": c}
    with_probes = backprop(network, leaves)
    z = np.array([[2**-24]], np.float32)
    values = {**with_probes.values, "z": z, "r": z, "w": 3 * z, "E": np.float32(3 * z[0, 0])}
    dz = np.array([[3 * slope]], np.float32)
    gradients = {"x": dz @ W.T, "W": x.T @ dz, "b": dz[0], "c": z}
    plain = Trace(values, {}, gradients)
    wrong = certify(network, leaves, with_probes, "float32", plain).wrong

    assert with_probes.values["z"] == 0
    assert bool(wrong) == (slope not in (0, 1))


def test_operands_read_as_zero_decide_nothing() -> None:
    """Zeros computed from subnormal operands that were read as zero are no exact zeros."""
    nodes = (Node("y", "multiply", ("a", "b")), Node("E", "sum", ("y",)))
    network = network_of(*nodes, a=np.full((2, 3), 2.0**-16), b=np.ones((2, 3)))
    leaves, trace = rounded(network, "float16")
    zeros = changed(trace, "values", "y", np.zeros_like(trace.values["y"]))

    assert certify(network, leaves, trace, "float16").holds
    assert link(certify(network, leaves, zeros, "float16"), "y").verdict == "undecided"


@pytest.mark.parametrize(
    ("handed_on", "verdict"),
    [((1, 0, 0), "inside"), ((0.5, 0.5, 0), "inside"), ((0.5, 0, 0), "refuted")],
    ids=["by size", "as a tie", "half"],
)
def test_subnormal_operands_may_be_a_tie(handed_on: tuple[float, ...], verdict: str) -> None:
    """Of subnormal numbers that are read as zero, all are the largest, and share a cotangent."""
    x = np.array([[2.0**-16, 2.0**-17, -1.0]])
    network = network_of(Node("y", "max", ("x",), {"axis": -1}), Node("E", "sum", ("y",)), x=x)
    leaves, trace = rounded(network, "float16")
    cotangent = np.array([handed_on], "float16")
    found = certify(network, leaves, changed(trace, "gradients", "x", cotangent), "float16")

    assert link(found, "dE/dx").verdict == verdict


@pytest.mark.parametrize("wrong", WRONG)
def test_partial_sums_may_be_rounded(wrong: str) -> None:
    """A bfloat16 sum whose parts were rounded is inside, as PyTorch's gradients of biases are."""
    rng = np.random.default_rng(0)
    leaves, trace = rounded(network_of(Node("E", "sum", ("x",)), x=rng.random(60)), "bfloat16")
    network = network_of(Node("E", "sum", ("x",)), x=rng.random(60))
    parts = leaves["x"].astype(float).reshape(6, 10).sum(axis=1).astype("bfloat16")
    E = np.asarray(parts.astype(float).sum()).astype("bfloat16")
    found = link(certify(network, leaves, changed(trace, "values", "E", E), "bfloat16"), "E")
    others = np.asarray(WRONG[wrong](E[None])[0] if wrong != "swapped" else 1.5 * E)
    planted = changed(trace, "values", "E", others.astype("bfloat16"))

    assert found.verdict == "inside"
    assert link(certify(network, leaves, planted, "bfloat16"), "E").verdict == "refuted"


def test_one_kernel_that_flushes_says_nothing_of_another() -> None:
    """A pass that reads one subnormal number as zero, and another one not, is right both times."""
    nodes = (
        Node("near", "multiply", ("z", "v")),
        Node("far", "multiply", ("x", "w")),
        Node("both", "add", ("near", "far")),
        Node("E", "sum", ("both",)),
    )
    numbers = {"z": (2e-5, 1), "v": (1e3, 1), "x": (3e-5, 3e-5), "w": (1e3, 1e3)}
    network = network_of(*nodes, **{name: np.array(a) for name, a in numbers.items()})
    leaves, trace = rounded(network, "float16")
    near, far = trace.values["near"] * np.float16([0, 1]), trace.values["far"]
    values = {"near": near, "far": far, "both": near + far, "E": np.sum(near + far)}
    found = certify(network, leaves, replace(trace, values=values), "float16")

    assert "flushes subnormals to zero" in found.properties
    assert {str(link) for link in found.end_to_end if link.verdict != "inside"} == set()
    assert found.holds, found


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16", "float16"])
def test_what_no_precision_holds_is_zero(precision: str) -> None:
    """e^-100000 is zero in every precision, so zeros are right; another number decides nothing."""
    network = network_of(
        Node("e", "exp", ("x",)),
        Node("w", "multiply", ("e", "c")),
        Node("E", "sum", ("w",)),
        x=np.full(3, -60000.0),
        c=np.array([1.0, -2.0, 3.0]),
    )
    leaves, trace = rounded(network, precision)
    least = np.full(3, np.asarray(PRECISIONS[precision].underflow, trace.values["e"].dtype))

    def verdict(e: Array) -> str:
        return link(
            certify(network, leaves, changed(trace, "values", "e", e), precision), "e"
        ).verdict

    assert verdict(np.zeros_like(least)) == "inside"
    assert verdict(least) == "undecided"
