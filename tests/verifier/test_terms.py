"""Terms tell a number that cancels from one that does not."""

from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import backprop
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import FLOAT64
from backproof.reference.numbers.terms import Terms
from backproof.reference.ops import OPS
from backproof.reference.verdict.known import FORMULAS
from backproof.reference.verdict.known.formula import Instead
from backproof.scenarios.op_cases import OP_CASES
from tests.verifier.test_ops import operands

ROUNDED = 1 + 2.0**-40
"""More than float64's own roundings take from a sum of magnitudes here."""

FORMS = [
    (case, form)
    for case in OP_CASES
    for form in ("", *OPS[OP_CASES[case].network().nodes[0].op].forms)
]


@pytest.mark.parametrize(
    ("case", "form"), FORMS, ids=["-".join(filter(None, pair)) for pair in FORMS]
)
def test_every_op_runs_over_terms(case: str, form: str) -> None:
    """Over terms every op computes what it computes over float64; no number exceeds its terms."""
    found = operands(case, FLOAT64)
    op = found.op.forms[form] if form else found.op
    with np.errstate(all="ignore"):
        numbers = found.both(op, lambda a: a)
        terms = found.both(op, Terms.of)
    for number, one in zip(numbers, terms, strict=True):
        assert np.shape(number) == one.shape == one.magnitude.shape
        np.testing.assert_array_equal(number, one.mid)
        size = np.abs(number)
        assert np.all((size <= one.magnitude * ROUNDED) | ~np.isfinite(size))


KNOWN = [
    (formula, name, next(case for case, of in OP_CASES.items() if of.network().nodes[0].op == name))
    for formula, one in FORMULAS.items()
    if type(one) is Instead
    for name in one.ops
]


@pytest.mark.parametrize(("formula", "name", "case"), KNOWN, ids=["-".join(x) for x in KNOWN])
def test_every_formula_runs_over_terms(formula: str, name: str, case: str) -> None:
    """Over terms every formula of a finding computes the shapes that the right op does."""
    found = operands(case, FLOAT64)
    with np.errstate(all="ignore"):
        right = found.both(OPS[name], Terms.of)
        other = found.both(FORMULAS[formula].ops[name], Terms.of)

    assert [one.shape for one in right] == [one.shape for one in other]


def test_terms_by_hand() -> None:
    """Magnitudes add up where terms do, multiply in products, and move with their entries."""
    a, b = Terms([[1.0, -2.0]], [[3.0, 2.0]]), Terms([[4.0, 0.5]], [[8.0, 0.5]])
    added = np.zeros_like(a, shape=(2,))
    np.add.at(added, (np.array([1, 1]),), a[0])
    expected: list[tuple[Any, Any, Any]] = [
        (a - b, [[-3, -2.5]], [[11, 2.5]]),
        (a * b, [[4, -1]], [[24, 1]]),
        (a / b, [[0.25, -4]], [[1.5, 4]]),
        (a @ b.T, [[3]], [[25]]),
        (np.sum(a, axis=1), [-1], [5]),
        (np.tanh(a - a), [[0, 0]], [[0, 0]]),
        (np.maximum(a, 0), [[1, 0]], [[3, 0]]),
        (np.minimum(a, b), [[1, -2]], [[3, 2]]),
        (np.where(a > 0, a, b), [[1, 0.5]], [[3, 0.5]]),
        (np.max(np.concatenate([a, b]), axis=0), [4, 0.5], [8, 0.5]),
        (np.max(Terms([[1.0, 1.0]], [[3.0, 2.0]])), 1, 3),
        (np.pad(a, ((0, 0), (1, 0)), constant_values=-1.0), [[-1, 1, -2]], [[1, 3, 2]]),
        (added, [0, -1], [0, 5]),
    ]
    for found, mid, magnitude in expected:
        assert (found.mid.tolist(), found.magnitude.tolist()) == (mid, magnitude)


def _traced(nodes: list[tuple[str, str, tuple[str, ...]]], shapes: dict[str, Any]) -> Any:
    """Return the gradients, over terms, of the sum of squares of what the nodes compute."""
    rng = np.random.default_rng(0)
    leaves = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    last = nodes[-1][0]
    every = [*nodes, ("square", "multiply", (last, "weights")), ("E", "sum", ("square",))]
    inputs = {"x": leaves["x"], "weights": leaves["weights"]}
    network = Network(
        "cancels",
        inputs,
        {name: a for name, a in leaves.items() if name not in inputs},
        tuple(Node(*node) for node in every),
        frozenset(),
    )
    return backprop(network, network.leaves(Terms.of)).gradients


def test_a_bias_before_a_batch_norm_cancels() -> None:
    """The mean is subtracted again: the gradient of the bias is zero, of terms that are not."""
    gradients = _traced(
        [("net", "dense", ("x", "W", "b")), ("y", "batch_norm", ("net", "gamma", "beta"))],
        {"x": (16, 5), "W": (5, 3), "b": 3, "gamma": 3, "beta": 3, "weights": (16, 3)},
    )

    assert np.all(np.abs(gradients["b"].mid) < 2.0**-40 * gradients["b"].magnitude)
    for name in ("W", "gamma", "beta"):
        assert np.all(np.abs(gradients[name].mid) > 2.0**-20 * gradients[name].magnitude)


def test_the_bias_of_the_keys_cancels() -> None:
    """A softmax does not see what all scores of a row share: the gradient of the bias is zero."""
    projections = [(name, "dense", ("x", f"W{name}", f"b{name}")) for name in "qkv"]
    shapes = {f"W{name}": (4, 4) for name in "qkv"} | {f"b{name}": (4,) for name in "qkv"}
    gradients = _traced(
        [*projections, ("y", "attention", ("q", "k", "v"))],
        {"x": (2, 2, 6, 4), "weights": (2, 2, 6, 4), **shapes},
    )

    assert np.all(np.abs(gradients["bk"].mid) < 2.0**-40 * gradients["bk"].magnitude)
    for name in ("bq", "bv", "Wk"):
        assert np.all(np.abs(gradients[name].mid) > 2.0**-20 * gradients[name].magnitude)


def test_unknown_functions_are_refused() -> None:
    """A function without a rule raises; it never falls back on midpoints alone."""
    for function in (np.cosh, np.median):
        with pytest.raises(TypeError):
            function(Terms.of([1.0]))
