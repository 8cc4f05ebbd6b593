"""The hand-derived derivatives, compared with difference quotients, which use no chain rule."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from inspect import signature
from typing import Any

import numpy as np
import pytest

from backproof.reference.article.figures import Article
from backproof.reference.article.golden import prove
from backproof.reference.backprop import Trace, backprop, forward
from backproof.reference.network import Network
from backproof.reference.networks import mlp
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.ops import OPS, Op, boxes
from backproof.reference.ops.indexing import at
from backproof.scenarios.op_options import OP_OPTIONS, OpOptions, filled
from tests.verifier import formulas
from tests.verifier.difference import close, decimal, drawn, gradient, on_paper, quotients
from tests.verifier.networks import shared

EDGES = {
    "dense-one-example": OpOptions("dense", ((1, 2), (2, 2), ()), ("x", "w", "w")),
    "dense-one-output": OpOptions("dense", ((1, 2), (2, 1), (1,)), ("x", "w", "w")),
    "dense-one-input": OpOptions("dense", ((5, 1), (1, 3), (1,)), ("x", "w", "w")),
    "dense-row-bias": OpOptions("dense", ((2, 3), (3, 3), (1, 3)), ("x", "w", "w")),
    "sigmoid-one": OpOptions("sigmoid", ((1, 1),), ("x",)),
    "half_squared_error-one": OpOptions("half_squared_error", ((1, 1), (1, 1)), ("x", "w")),
    "mean_squared_error-one": OpOptions("mean_squared_error", ((1, 1), (1, 1)), ("x", "w")),
    "softmax_cross_entropy-one": OpOptions(
        "softmax_cross_entropy", ((1, 2), (1, 2)), ("x", "distribution")
    ),
}
"""Axes of one entry, and biases of every shape that they may have."""

TESTED = {**OP_OPTIONS, **EDGES}
"""Every op with every option, and the edge cases."""

MOST = 48
"""At how many entries of each input a quotient is taken: convolution over balls is slow."""


@dataclass(frozen=True, slots=True)
class Derivative:
    """A derivative at some entries of one input: by a quotient, and by the chain rule."""

    quotient: list[Any]
    found: list[Any]


@cache
def derivatives(name: str) -> tuple[Derivative, ...]:
    """Return the derivatives of an op, input by input, at ordinary points.

    The cotangent is random: ones would hide a transposition.
    """
    with on_paper():
        op, dy, y, inputs, options = _ordinary(name)
        forward = _differentiated(TESTED[name].op, inputs, options)
        found = []
        for i, d in enumerate(op.backward(dy, y, *inputs, **options)):
            where = drawn(inputs[i].shape, MOST)

            def weighted(x: Any, i: int = i) -> Any:
                return np.sum(dy * forward(*inputs[:i], x, *inputs[i + 1 :]))

            assert inputs[i].shape == np.shape(d), f"input {i}"
            entries = np.asarray(d, dtype=object)
            pair = (quotients(weighted, inputs[i], where), [entries[index] for index in where])
            found.append(Derivative(*pair))
        assert len(inputs) == len(found)
        return tuple(found)


def _ordinary(name: str) -> tuple[Op, Any, Any, list[Any], dict[str, Any]]:
    """Return an op, a random cotangent, its value, its inputs and all its options."""
    one = TESTED[name]
    rng = np.random.default_rng(3)
    op = OPS[one.op]
    inputs = [exact(a) for a in filled(one, "ordinary", rng)]
    bound = signature(op.forward).bind(*inputs, **one.options)
    bound.apply_defaults()
    options = {key: decimal(value) for key, value in bound.kwargs.items()}
    y = op.forward(*inputs, **options)
    return op, exact(rng.standard_normal(np.shape(y)))[()], y, inputs, options


def _differentiated(op: str, inputs: list[Any], options: dict[str, Any]) -> Callable[..., Any]:
    """Return the function whose derivative an op's backward function is: its forward function.

    Complete IoU, by its definition, holds a factor constant: alpha, here that of the inputs. So
    does an embedding its row of padding.
    """
    if (padding := options.get("padding_index")) is not None:
        (held,) = inputs
        return lambda W: OPS[op].forward(np.where(at(padding, W.shape), held, W), **options)
    if op == "complete_iou":
        eps = options["eps"]
        alpha = boxes.trade_off(boxes.overlap(*inputs, eps), eps)
        return lambda p, t: boxes.loss(boxes.overlap(p, t, eps), alpha)
    return partial(OPS[op].forward, **options)


@pytest.mark.parametrize("name", TESTED)
def test_op_backward(name: str) -> None:
    """An op's backward function is the derivative of its forward function, input by input."""
    for i, d in enumerate(derivatives(name)):
        assert close(d.quotient, d.found), f"input {i}"


@pytest.mark.parametrize("factor", [2, "1.001"])
@pytest.mark.parametrize("name", [name for name in TESTED if name != "power-0"])  # x^0 is constant
def test_a_wrong_derivative_is_seen(name: str, factor: int | str) -> None:
    """For every input, the difference quotient refutes a derivative that is off by a factor."""
    with workprec():
        for i, d in enumerate(derivatives(name)):
            wrong = [entry * exact(factor)[()] for entry in d.found]
            assert not close(d.quotient, wrong), f"input {i}"


FORMS = [(name, form) for name, one in TESTED.items() for form in OPS[one.op].forms]


@pytest.mark.parametrize(("name", "form"), FORMS, ids=[f"{name}-{form}" for name, form in FORMS])
def test_forms_are_equal_on_paper(name: str, form: str) -> None:
    """Another form of an op has the same values and the same derivatives."""
    with on_paper():
        op, dy, y, inputs, options = _ordinary(name)
        other = op.forms[form]
        assert close(y, other.forward(*inputs, **options))
        pairs = zip(
            op.backward(dy, y, *inputs, **options),
            other.backward(dy, y, *inputs, **options),
            strict=True,
        )
        assert all(close(one, two) for one, two in pairs)


def test_every_op_is_tested() -> None:
    """Every op has a case in the table of single ops."""
    assert set(OPS) == {one.op for one in OP_OPTIONS.values()}


OPTIONS = [
    (op, option)
    for op in OPS
    for option, parameter in signature(OPS[op].forward).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
]


@pytest.mark.parametrize(
    ("op", "option"), OPTIONS, ids=[f"{op}-{option}" for op, option in OPTIONS]
)
def test_every_option_is_tested(op: str, option: str) -> None:
    """Every option has a case away from its default, and backward has it with the same default."""
    default = signature(OPS[op].forward).parameters[option].default
    found = [
        one.options[option] for one in OP_OPTIONS.values() if one.op == op and option in one.options
    ]

    assert any(value is not default and (np.ndim(value) or value != default) for value in found)
    assert default == signature(OPS[op].backward).parameters[option].default


@pytest.mark.parametrize("name", TESTED)
def test_dtype_of_an_op_is_kept(name: str, precision: str) -> None:
    """An op over one dtype returns that dtype, forward and backward."""
    one, rng = TESTED[name], np.random.default_rng(3)
    inputs = [a.astype(precision) for a in filled(one, "ordinary", rng)]
    y = OPS[one.op].forward(*inputs, **one.options)
    dy = rng.standard_normal(np.shape(y)).astype(precision)
    found = OPS[one.op].backward(dy, y, *inputs, **one.options)

    assert [np.dtype(precision)] * (1 + len(inputs)) == [np.asarray(a).dtype for a in (y, *found)]


NETWORKS = [
    mlp((2, 2, 1)),
    mlp((3, 1)),
    mlp((2, 4, 3, 2), "tanh", "mean_squared_error", batch=3),
    mlp((1, 2, 1, 2, 1), "relu", "softmax_cross_entropy", batch=2),
    shared(),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_gradients(network: Network) -> None:
    """All gradients of a network are right, those of inputs and shared parameters included."""
    with workprec():
        leaves = network.leaves(exact)
        trace = backprop(network, leaves)
        for name, leaf in leaves.items():
            expected = gradient(lambda a, name=name: _loss(network, {**leaves, name: a}), leaf)
            assert close(expected, trace.gradients[name]), name


def test_golden_gradients(article: Article) -> None:
    """The article's golden gradients are right, in both iterations."""
    with workprec():
        for iteration in prove(article, article.iterations).values():
            for name, leaf in iteration.leaves.items():
                others = iteration.leaves
                expected = gradient(
                    lambda a, name=name, others=others: _loss(article.network, {**others, name: a}),
                    leaf,
                )
                assert close(expected, iteration.trace.gradients[name]), name


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
    """Each of the eight rows of the article's formula reference gives its part of the trace."""
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
