"""A lower precision is named where it was used, and a wrong formula never passes for one."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import Rules, backprop
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import (
    BFLOAT16,
    FLOAT32,
    FLOAT64,
    PRECISIONS,
    TF32,
    Precision,
)
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.verdict.evidence import (
    are_rounded_to,
    are_spread_by,
    norm,
    sharpness,
    significant,
)
from backproof.reference.verdict.link import Link
from backproof.reference.verdict.passes import certify
from backproof.scenarios.op_cases import OP_CASES
from backproof.scenarios.op_options import OP_OPTIONS
from tests.verifier.planting import run

BY_OP = {one.op: f"{name}/ordinary" for name, one in reversed(OP_OPTIONS.items())}
"""Op -> its first op case, at ordinary points."""


def rounded(a: Any, p: Precision) -> Array:
    """Return numbers rounded to a precision, in their own dtype."""
    array = np.asarray(a)
    return Ball.exact(array, FLOAT64).nearest(p).mid.astype(array.dtype)


def in_float32(op: Op) -> Op:
    """Return an op that casts its operands to float32, and its results back."""

    def narrow(arrays: tuple[Any, ...]) -> Iterator[Array]:
        return (np.asarray(a).astype(np.float32) for a in arrays)

    return Op(
        lambda *x, **o: np.asarray(op.forward(*narrow(x), **o)).astype(float),
        lambda *a, **o: tuple(d.astype(float) for d in op.backward(*narrow(a), **o)),
    )


def with_results_in(p: Precision, op: Op) -> Op:
    """Return an op whose results are rounded to a lower precision."""
    return Op(
        lambda *x, **o: rounded(op.forward(*x, **o), p),
        lambda *a, **o: tuple(rounded(d, p) for d in op.backward(*a, **o)),
    )


def with_products_in(p: Precision, op: Op) -> Op:
    """Return a dense, conv or matmul whose products round their operands, but no bias."""

    def forward(x: Any, w: Any, *b: Any, **o: Any) -> Any:
        return op.forward(rounded(x, p), rounded(w, p), *b, **o)

    def backward(dy: Any, y: Any, x: Any, w: Any, *b: Any, **o: Any) -> tuple[Any, ...]:
        dx, dw, *_ = op.backward(*(rounded(a, p) for a in (dy, y, x, w)), *b, **o)
        return (dx, dw, *op.backward(dy, y, x, w, *b, **o)[2:])

    return Op(forward, backward)


def red_links(case: str, asked: str, op: str, change: Callable[[Op], Op]) -> list[Link]:
    """Return the links of an op case that are not inside, with one op changed."""
    network = OP_CASES[case].network(0)
    leaves = network.leaves(lambda a: np.asarray(a).astype(float).astype(asked))
    trace, _ = run(network, leaves, asked, Rules(ops={**OPS, op: change(OPS[op])}))
    links = certify(network, leaves, trace, asked).links
    return [link for link in links if link.verdict != "inside"]


LOWER: dict[str, tuple[str, str, Callable[[Op], Op], tuple[str, ...]]] = {
    "float32 within float64": ("float64", "float32", in_float32, tuple(OPS)),
    "results in bfloat16": (
        "float32", "bfloat16", lambda op: with_results_in(BFLOAT16, op), tuple(OPS),
    ),
    "products in tf32": (
        "float32", "tf32", lambda op: with_products_in(TF32, op), ("dense", "conv", "matmul"),
    ),
    "products in bfloat16": (
        "float32", "bfloat16", lambda op: with_products_in(BFLOAT16, op),
        ("dense", "conv", "matmul"),
    ),
    "products in bfloat16 within float64": (
        "float64", "bfloat16", lambda op: with_products_in(BFLOAT16, op),
        ("dense", "conv", "matmul"),
    ),
}  # fmt: skip
"""What is lower -> precision asked for, the one to be named, the change of an op, the ops."""


@pytest.mark.parametrize("what", LOWER)
def test_a_lower_precision_is_named(what: str) -> None:
    """Of the links that an op computes in a lower precision 98% are degraded, and none to another.

    Links of one or two entries are no evidence, and may be refuted.
    """
    asked, lower, change, ops = LOWER[what]
    links = [
        link
        for op, case in BY_OP.items()
        if op in ops
        for link in red_links(case, asked, op, change)
        if link.outside > 2
    ]
    degraded = [link for link in links if link.verdict == "degraded"]

    assert {link.precision for link in degraded} == {lower}
    assert len(degraded) >= 0.98 * len(links)


def times(factor: float, op: Op) -> Op:
    """Return an op whose results are multiplied."""
    return Op(
        lambda *x, **o: factor * op.forward(*x, **o),
        lambda *a, **o: tuple(factor * d for d in op.backward(*a, **o)),
    )


def with_eps(eps: float, op: Op) -> Op:
    """Return a norm of another epsilon."""
    return Op(
        lambda *x, **o: op.forward(*x, **{**o, "eps": eps}),
        lambda *a, **o: op.backward(*a, **{**o, "eps": eps}),
    )


FACTORS = (1.08, 1.01, 1.001, 1.0001, 1 + 1e-6, 1 + 1e-8)
EPSILONS = (1e-3, 2e-5, 1e-6, 1e-12)
NORMS = ("batch_norm", "batch_norm-images", "layer_norm", "layer_norm-eps", "rms_norm")
SEVERAL = ("dense", "conv", "softmax", "attention", "gelu", "layer_norm", "huber")
WRONG: dict[str, tuple[Callable[[Op], Op], tuple[str, ...]]] = {
    **{f"{f} times": (lambda op, f=f: times(f, op), SEVERAL) for f in FACTORS},
    **{f"an epsilon of {e}": (lambda op, e=e: with_eps(e, op), NORMS) for e in EPSILONS},
}
"""What is wrong -> the change of an op, the names of op cases."""


@pytest.mark.parametrize("asked", ["float64", "float32", "float16"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_formula_is_refuted(wrong: str, asked: str) -> None:
    """A wrong factor or epsilon is no lower precision, however small it is."""
    change, names = WRONG[wrong]
    links = [
        link
        for name in names
        for points in ("ordinary", "special")
        for link in red_links(f"{name}/{points}", asked, OP_OPTIONS[name].op, change)
    ]

    assert [str(link) for link in links if link.verdict == "degraded"] == []
    assert links or asked != "float64"  # where it may be smaller than rounding


def test_a_negated_sum_is_refuted() -> None:
    """A bfloat16 sum of 150 terms may have any sign, and is no evidence of bfloat16."""
    draw = np.random.default_rng(0).standard_normal
    nodes = (Node("z", "dense", ("x", "W")), Node("E", "half_squared_error", ("z", "t")))
    network = Network(
        "sum", {"x": draw((150, 5)), "t": draw((150, 4))}, {"W": draw((5, 4))}, nodes, frozenset()
    )
    leaves = network.leaves(np.asarray)
    trace = backprop(network, leaves)
    trace.gradients["W"] = -trace.gradients["W"]
    refuted = certify(network, leaves, trace, "float64").refuted

    assert refuted is not None
    assert refuted.name == "dE/dW"


@cache
def drawn(n: int) -> Array:
    """Return n float64 numbers."""
    return np.random.default_rng(1).standard_normal(n)


def around(expected: Any) -> Ball:
    """Return balls of float64's unit roundoff around numbers."""
    return Ball.rounded(expected, FLOAT64)


NUMBERS: dict[str, tuple[Any, Any, Precision, bool]] = {
    "float32's": (rounded(drawn(9), FLOAT32), drawn(9), FLOAT32, True),
    "tf32's": (rounded(drawn(9), TF32), drawn(9), TF32, True),
    "bfloat16's": (rounded(drawn(9), BFLOAT16), drawn(9), BFLOAT16, True),
    "bfloat16's, which do not use tf32's digits": (
        rounded(drawn(9), BFLOAT16), drawn(9), TF32, False,
    ),
    "bfloat16's, which do not use float32's digits": (
        rounded(drawn(9), BFLOAT16), drawn(9), FLOAT32, False,
    ),
    "float32's, not tf32's": (rounded(drawn(9), FLOAT32), drawn(9), TF32, False),
    "a factor": (drawn(9) * 1.001, drawn(9), FLOAT32, False),
    "one alone": (rounded(drawn(1), FLOAT32), drawn(1), FLOAT32, False),
    "short ones": ([1.0, 0.5, -2.0, 0.25], [1.01, 0.51, -2.01, 0.249], BFLOAT16, False),
    "zeros": ([0.0, 0.0], [1e-9, -1e-8], BFLOAT16, False),
    "those of data, hardly moved": (
        rounded(drawn(2), FLOAT32), rounded(drawn(2), FLOAT32) + 1e-13, FLOAT32, False,
    ),
}  # fmt: skip
"""What was seen -> numbers, those expected, a precision, whether they are evidence of it."""


@pytest.mark.parametrize("what", NUMBERS)
def test_what_numbers_are_evidence(what: str) -> None:
    """Numbers are a lower precision's if they have its digits, are no shorter, and were moved."""
    seen, expected, p, evidence = NUMBERS[what]

    assert are_rounded_to(p, [(np.asarray(seen), around(np.asarray(expected)))]) == evidence


def test_one_number_each_of_several_arrays() -> None:
    """Numbers of several arrays are evidence together."""
    pairs = [(rounded(x, BFLOAT16), around(x)) for x in drawn(8).reshape(8, 1)]

    assert are_rounded_to(BFLOAT16, pairs)
    assert not any(are_rounded_to(BFLOAT16, [pair]) for pair in pairs)


ERRORS: dict[str, tuple[int, Callable[[Any, Any], Any], bool]] = {
    "both ways": (200, lambda x, u: u * x, True),
    "too few": (21, lambda x, u: u * x, False),
    "away from zero": (200, lambda x, u: np.abs(u) * x, False),
    "up": (200, lambda _, u: np.abs(u), False),
    "mostly up": (200, lambda _, u: np.where(np.arange(200) % 5, np.abs(u), -np.abs(u)), False),
    "too small": (200, lambda x, u: 1e-4 * u * x, False),
}
"""How errors are spread -> how many, errors of numbers x where u is uniform, whether they are."""


@pytest.mark.parametrize("how", ERRORS)
def test_what_errors_are_evidence(how: str) -> None:
    """Errors are float32's roundings if they go both ways and have its unit's size."""
    n, errors, evidence = ERRORS[how]
    u = np.random.default_rng(2).uniform(-1, 1, n) * 2 * FLOAT32.u
    seen = drawn(n) + errors(drawn(n), u)

    assert are_spread_by(FLOAT32, seen, around(drawn(n))) == evidence
    assert not are_spread_by(TF32, seen, around(drawn(n)))


def test_a_softmax_in_float32() -> None:
    """Attention whose softmax alone is in float32 is degraded to float32, link by link."""
    right = OPS["attention"]

    def forward(q: Any, k: Any, v: Any) -> Any:
        scores = q @ np.swapaxes(k, -1, -2) / q.shape[-1] ** 0.5
        future = np.triu(np.ones(scores.shape[-2:], bool), 1)
        e = np.exp(np.where(future, -np.inf, scores).astype(np.float32))
        return (e / np.sum(e, axis=-1, keepdims=True)).astype(float) @ v

    draw = np.random.default_rng(3).standard_normal
    parameters = {name: draw((2, 4, 16, 8)) for name in "qkv"}
    nodes = (Node("y", "attention", ("q", "k", "v")), Node("E", "half_squared_error", ("y", "t")))
    network = Network("attention", {"t": draw((2, 4, 16, 8))}, parameters, nodes, frozenset())
    leaves = network.leaves(np.asarray)
    trace = backprop(network, leaves, Rules(ops={**OPS, "attention": Op(forward, right.backward)}))
    degraded = certify(network, leaves, trace, "float64").degraded

    assert [(link.name, link.precision) for link in degraded] == [("y", "float32")]


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_rounding_to_nearest(name: str) -> None:
    """Balls are rounded as NumPy's dtypes round, ties and subnormals too; narrow ones to points."""
    p = PRECISIONS[name]
    points = [0.0, 1.0, 1 + p.u, 1 + 3 * p.u, p.minimum / 3, p.underflow / 2, p.underflow * 1.5]
    numbers = np.concatenate([drawn(100), points, np.negative(points)])
    with np.errstate(under="ignore"):
        expected = numbers.astype(p.dtype).astype(float)
    narrow = Ball(drawn(100), np.full(100, 1e-13), FLOAT64).nearest(p)

    assert np.array_equal(Ball.exact(numbers, FLOAT64).nearest(p).mid, expected)
    assert np.array_equal(narrow.mid, expected[:100])
    assert not np.any(narrow.rad)


def test_wide_balls_are_rounded_outwards() -> None:
    """A ball over several numbers of a precision becomes one that holds all their roundings."""
    found = Ball([1.0, 0.0, 1.0], [0.01, 1e-9, np.inf], FLOAT64).nearest(BFLOAT16)
    inside = [[1 - 0.01, 0.0, -1.0], [1.0, 1e-10, 0.0], [1 + 0.01, 1e-9, 1e9]]

    assert all(found.contains(rounded(numbers, BFLOAT16)).all() for numbers in inside)
    assert found.rad[0] <= 0.01 + BFLOAT16.u
    assert found.rad[2] == np.inf


def test_sharpness() -> None:
    """Another formula explains what leaves the right ball if it holds it, and not the right one."""
    right = Ball([1.0, 2.0], [0.1, 0.1], FLOAT64)
    seen = np.array([1.0, 3.0])

    def of(mid: float, rad: float) -> float:
        return sharpness(seen, right, Ball([1.0, mid], [0.1, rad], FLOAT64))

    assert of(3.0, 0.1) == pytest.approx(0.2)
    assert of(3.0, 2.0) > 1  # it would hold the right number as well
    assert of(2.5, 0.1) == np.inf  # it does not hold what was seen
    assert sharpness(np.array([1.0, 2.0]), right, right) == np.inf  # nothing to explain
    assert sharpness(seen, right, Ball([1.0, 3.0, 3.0], 0.0, FLOAT64)) == np.inf


def test_digits_and_norms() -> None:
    """Digits are counted from the first to the last, and norms neither overflow nor underflow."""
    numbers = np.array([0.0, 1.0, -0.5, 3.0, 30.0, 1 + 2.0**-23, 1e-310, 2.0**-1074])
    size = 1e200

    assert significant(numbers)[:6].tolist() == [0, 1, 1, 2, 4, 24]
    assert significant(numbers)[-1] == 1
    assert norm(np.array([3 * size, 4 * size])) == pytest.approx(5 * size)
    assert norm(np.array([3 / size, 4 / size])) == pytest.approx(5 / size)
    assert norm(np.array([1, np.inf])) == np.inf
