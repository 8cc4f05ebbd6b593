"""The hand-derived derivatives, against difference quotients that know no chain rule."""

from typing import Any

import numpy as np
import pytest

from reference import formulas
from reference.article import Article
from reference.backprop import Trace, backprop, forward
from reference.golden import prove
from reference.network import Network
from reference.networks import mlp
from reference.numbers.exact import exact, workprec
from reference.ops import OPS, Op
from tests.verifier.difference import close, gradient
from tests.verifier.networks import shared

SHAPES: dict[str, list[tuple[tuple[int, ...], ...]]] = {
    "dense": [
        ((1, 2), (2, 2), ()),
        ((1, 2), (2, 1), (1,)),
        ((3, 4), (4, 2), (2,)),
        ((5, 1), (1, 3), (1,)),
        ((2, 3), (3, 3), (1, 3)),
    ],
    "sigmoid": [((1, 1),), ((2, 3),)],
    "tanh": [((1, 1),), ((2, 3),)],
    "relu": [((1, 1),), ((2, 3),)],
    "half_squared_error": [((1, 1), (1, 1)), ((3, 2), (3, 2))],
    "mean_squared_error": [((1, 1), (1, 1)), ((3, 2), (3, 2))],
    "softmax_cross_entropy": [((1, 2), (1, 2)), ((3, 4), (3, 4))],
}
"""Of every op, the shapes of its inputs."""

CASES = [(op, shapes) for op, all_shapes in SHAPES.items() for shapes in all_shapes]


@pytest.mark.parametrize(("op", "shapes"), CASES, ids=[f"{op}-{shapes}" for op, shapes in CASES])
def test_op_backward(op: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    """An op's backward function is the derivative of its forward function, input by input.

    Under a random cotangent: ones alone would hide a transposition.
    """
    draw = np.random.default_rng(3).standard_normal
    with workprec():
        inputs = [exact(draw(shape)) for shape in shapes]
        y = OPS[op].forward(*inputs)
        dy = exact(draw(np.shape(y)))[()]
        found = OPS[op].backward(dy, y, *inputs)
        for i, d in enumerate(found):
            expected = gradient(lambda x, i=i: _dot(OPS[op], dy, inputs, i, x), inputs[i])
            assert close(expected, d), f"input {i}"


def _dot(op: Op, dy: Any, inputs: list[Any], i: int, x: Any) -> Any:
    return np.sum(dy * op.forward(*inputs[:i], x, *inputs[i + 1 :]))


FORMS = [(op, form) for op in OPS for form in OPS[op].forms]


@pytest.mark.parametrize(("op", "form"), FORMS, ids=[form for _, form in FORMS])
def test_forms_are_equal_on_paper(op: str, form: str) -> None:
    """Another form of an op has the same values and the same derivatives."""
    draw = np.random.default_rng(5).standard_normal
    with workprec():
        for shapes in SHAPES[op]:
            inputs = [exact(draw(shape)) for shape in shapes]
            y, other = OPS[op].forward(*inputs), OPS[op].forms[form].forward(*inputs)
            dy = exact(draw(np.shape(y)))[()]
            assert close(y, other)
            pairs = zip(
                OPS[op].backward(dy, y, *inputs),
                OPS[op].forms[form].backward(dy, y, *inputs),
                strict=True,
            )
            assert all(close(one, two) for one, two in pairs)


def test_every_op_is_tested() -> None:
    """The table of shapes has every op."""
    assert list(OPS) == list(SHAPES)


NETWORKS = [
    mlp((2, 2, 1)),
    mlp((3, 1)),
    mlp((2, 4, 3, 2), "tanh", "mean_squared_error", batch=3),
    mlp((1, 2, 1, 2, 1), "relu", "softmax_cross_entropy", batch=2),
    shared(),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_gradients(network: Network) -> None:
    """All gradients of any network, of inputs and shared parameters too, are right."""
    with workprec():
        leaves = network.leaves(exact)
        trace = backprop(network, leaves)
        for name, leaf in leaves.items():
            expected = gradient(lambda a, name=name: _loss(network, {**leaves, name: a}), leaf)
            assert close(expected, trace.gradients[name]), name


def test_golden_gradients(article: Article) -> None:
    """The article's golden gradients are right, in both iterations."""
    with workprec():
        for iteration in prove(article):
            for name, leaf in iteration.leaves.items():
                others = iteration.leaves
                expected = gradient(
                    lambda a, name=name, others=others: _loss(article.network, {**others, name: a}),
                    leaf,
                )
                assert close(expected, iteration.trace.gradients[name]), name


@pytest.mark.parametrize("factor", [2, "1.001"])
@pytest.mark.parametrize("op", OPS)
def test_a_wrong_derivative_is_seen(op: str, factor: int | str) -> None:
    """The difference quotient refutes a backward function that is off by a factor."""
    with workprec():
        inputs = [exact(np.ones(shape)) for shape in SHAPES[op][0]]
        inputs[0] = (
            inputs[0] * exact(np.arange(1.0, inputs[0].size + 1).reshape(SHAPES[op][0][0])) / 2
        )
        y = OPS[op].forward(*inputs)
        dy = exact(np.ones(np.shape(y)))[()]
        wrong = OPS[op].backward(dy, y, *inputs)[0] * exact(factor)[()]
        expected = gradient(lambda x: _dot(OPS[op], dy, inputs, 0, x), inputs[0])

        assert not close(expected, wrong)


def _loss(network: Network, leaves: dict[str, Any]) -> Any:
    return forward(network, leaves)[network.loss]


def test_trace_is_complete() -> None:
    """A trace holds every node's value and cotangent and every leaf's gradient, in its shape."""
    network = mlp((2, 4, 3), batch=5)
    leaves = network.leaves(np.asarray)
    trace = backprop(network, leaves)
    names = [node.name for node in network.nodes]

    assert names == list(trace.values) == list(trace.cotangents)
    assert list(leaves) == list(trace.gradients)
    assert _shapes(trace.values) == _shapes(trace.cotangents)
    assert _shapes(leaves) == _shapes(trace.gradients)


def _shapes(arrays: dict[str, Any]) -> list[tuple[int, ...]]:
    return [np.shape(array) for array in arrays.values()]


def test_dtype_is_kept(precision: str) -> None:
    """A pass over one dtype computes in that dtype throughout."""
    network = mlp((2, 3, 1))
    trace = backprop(network, network.leaves(lambda a: a.astype(precision)))
    arrays = {**trace.values, **trace.cotangents, **trace.gradients}

    assert {np.dtype(precision)} == {array.dtype for array in arrays.values()}


@pytest.fixture
def article_pass(article: Article) -> tuple[dict[str, Any], Trace]:
    """The leaves and the trace of the article's first pass, in float64."""
    leaves = article.network.leaves(lambda a: a.astype(float))
    return leaves, backprop(article.network, leaves)


def test_formula_reference(article_pass: tuple[dict[str, Any], Trace]) -> None:
    """The eight rows of the article's formula reference give the trace, row by row."""
    leaf, trace = article_pass
    value, cotangent, grad = trace.values, trace.cotangents, trace.gradients
    delta_o = formulas.output_delta(leaf["t"], value["out_o"], value["net_o"])
    delta_h = formulas.hidden_delta(delta_o, leaf["W_o"], value["net_h"])
    rows = [
        (value["net_h"], formulas.net_input(leaf["x"], leaf["W_h"], leaf["b_h"])),
        (value["out_h"], formulas.activation(value["net_h"])),
        (value["E"], formulas.loss(leaf["t"], value["out_o"])),
        (cotangent["net_o"], delta_o),
        (grad["W_o"], formulas.output_weight_gradient(delta_o, value["out_h"])),
        (cotangent["net_h"], delta_h),
        (grad["W_h"], formulas.hidden_weight_gradient(delta_h, leaf["x"])),
        (leaf["W_o"] - 0.5 * grad["W_o"], formulas.weight_update(leaf["W_o"], grad["W_o"], 0.5)),
    ]

    assert [np.asarray(expected).tolist() for expected, _ in rows] == [
        np.asarray(actual).tolist() for _, actual in rows
    ]


def test_formulas_name_their_row_and_step() -> None:
    """Every formula's docstring names its row and the article's step."""
    rows = [f for f in vars(formulas).values() if getattr(f, "__module__", "") == formulas.__name__]

    assert [f"Row {n}, " for n in range(1, 9)] == [f.__doc__[:7] for f in rows]
    assert all("step" in f.__doc__ or "part" in f.__doc__ for f in rows)
