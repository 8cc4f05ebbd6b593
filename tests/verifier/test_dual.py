"""Duals: forward functions give forward mode, and backward functions give the R-operator."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from inspect import signature
from typing import Any
from unittest.mock import patch

import flint
import numpy as np
import pytest

from backproof.reference.numbers import dual_rules
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.exact import exact
from backproof.reference.numbers.precision import PRECISIONS, Precision
from backproof.reference.ops import OPS, Op, boxes, indexing
from backproof.scenarios.op_cases import OP_CASES
from backproof.scenarios.op_options import OP_OPTIONS, filled
from tests.verifier.difference import STEP, close, decimal, on_paper
from tests.verifier.op_case_marks import op_cases
from tests.verifier.proven import outside

FORMS = [(name, form) for name, one in OP_OPTIONS.items() for form in ("", *OPS[one.op].forms)]
IDS = ["-".join(filter(None, pair)) for pair in FORMS]


@contextmanager
def proven_slopes() -> Iterator[None]:
    """Compute on paper, with the slope of erf as a ball too instead of rounded."""
    with on_paper(), patch.object(dual_rules, "ERF_SLOPE", 2 / flint.arb.pi().sqrt()):
        yield


def on_paper_options(op: Op, inputs: list[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of an op; a float becomes the decimal that is meant."""
    bound = signature(op.forward).bind(*inputs, **given)
    bound.apply_defaults()
    return {key: decimal(value) for key, value in bound.kwargs.items()}


def halves(op: Op, inputs: list[Any], dy: Any, options: dict[str, Any]) -> list[Any]:
    """Return an op's value and the cotangents of its inputs, over any kind of number."""
    y = op.forward(*inputs, **options)
    return [y, *op.backward(dy, y, *inputs, **options)]


@cache
def tangents(name: str, form: str) -> list[tuple[Any, Any]]:
    """Return pairs of tangents, by quotients and by duals: of an op's value and its cotangents.

    The direction in inputs and cotangent is random. Complete IoU's alpha is held constant.
    """
    one, rng = OP_OPTIONS[name], np.random.default_rng(5)
    op = OPS[one.op].forms[form] if form else OPS[one.op]
    with proven_slopes():
        inputs = [exact(a) for a in filled(one, "ordinary", rng)]
        options = on_paper_options(op, inputs, one.options)
        shape = np.shape(op.forward(*inputs, **options))
        operands = [*inputs, exact(rng.standard_normal(shape))[()]]
        along = [exact(rng.standard_normal(np.shape(a)))[()] for a in operands]

        def at(numbers: list[Any]) -> list[Any]:
            return halves(op, numbers[:-1], numbers[-1], options)

        with constants(inputs, options):
            ends = [
                at([a + step * v for a, v in zip(operands, along, strict=True)])
                for step in (STEP, -STEP)
            ]
        found = at([Dual(a, v) for a, v in zip(operands, along, strict=True)])
        return [
            ((high - low) / (2 * STEP), d.whole_tangent() if isinstance(d, Dual) else 0 * high)
            for high, low, d in zip(*ends, found, strict=True)
        ]


@contextmanager
def constants(inputs: list[Any], options: dict[str, Any]) -> Iterator[None]:
    """Make complete IoU use the alpha of these inputs, and an embedding their row of padding."""
    if options.get("padding_index") is not None:
        with patch.object(indexing, "stop", lambda _: inputs[0]):
            yield
        return
    if not (len(inputs) == 2 and inputs[0].shape[-1:] == (4,) and "eps" in options):
        yield
        return
    alpha = boxes.trade_off(boxes.overlap(*inputs, options["eps"]), options["eps"])
    with patch.object(boxes, "trade_off", lambda _, __: alpha):
        yield


@pytest.mark.parametrize(("name", "form"), FORMS, ids=IDS)
def test_tangents_are_difference_quotients(name: str, form: str) -> None:
    """The tangents of an op's value and of its inputs' cotangents are directional derivatives."""
    with proven_slopes():
        for i, (quotient, found) in enumerate(tangents(name, form)):
            assert close(quotient, found), f"input {i}" if i else "value"


@pytest.mark.parametrize("name", OP_OPTIONS)
def test_a_wrong_tangent_is_seen(name: str) -> None:
    """The quotient refutes a tangent a thousandth too large, unless all of its entries are zero."""
    with proven_slopes():
        for quotient, found in tangents(name, ""):
            zero = close(quotient, 0 * quotient)
            assert zero or not close(quotient, found * exact("1.001")[()])


EVERY = op_cases(*PRECISIONS.values(), without=("/offset",))


@EVERY
def test_proven_tangents_lie_inside(name: str, p: Precision) -> None:
    """Duals of balls hold the Arb balls of values, cotangents, and their tangents."""
    network, rng = OP_CASES[name].network(), np.random.default_rng(7)
    node = network.nodes[0]
    op, options = OPS[node.op], dict(node.options)
    with np.errstate(all="ignore"):
        leaves = network.leaves(np.asarray)
        arrays = [leaves[k].astype(p.dtype).astype(float) for k in (*node.inputs, "c")]
        along = [rng.standard_normal(a.shape).astype(p.dtype).astype(float) for a in arrays]

    def both(number: Callable[[Any], Any]) -> list[Any]:
        duals = [Dual(number(a), number(v)) for a, v in zip(arrays, along, strict=True)]
        return halves(op, duals[:-1], duals[-1][()], options)

    with proven_slopes():
        proven = both(exact)
    for q in (p, p.flushing()):
        for ball, number in zip(both(lambda a, q=q: Ball.exact(a, q)), proven, strict=True):
            assert list(outside(ball.value, number.value)) == []
            assert list(outside(ball.whole_tangent(), number.whole_tangent())) == []


@pytest.mark.parametrize("name", [n for n in OP_CASES if not n.endswith("/offset")])
def test_forward_and_backward_are_adjoint(name: str) -> None:
    """<dy, J v> = <J^T dy, v>, at kinks and ties too: forward and backward take the same side."""
    network, rng = OP_CASES[name].network(), np.random.default_rng(9)
    node = network.nodes[0]
    with proven_slopes():
        leaves = network.leaves(exact)
        inputs, dy = [leaves[k] for k in node.inputs], leaves["c"][()]
        along = [exact(rng.standard_normal(a.shape)) for a in inputs]
        options = on_paper_options(OPS[node.op], inputs, node.options)
        y = OPS[node.op].forward(*map(Dual, inputs, along), **options)
        handed_on = OPS[node.op].backward(dy, y.value, *inputs, **options)
        pairs = zip(handed_on, along, strict=True)
        backward = sum(np.sum(d * v) for d, v in pairs)

        assert close(np.sum(dy * y.whole_tangent()), backward)


@pytest.mark.parametrize("chosen", [np.maximum, np.minimum])
def test_equal_operands_of_which_one_moves(chosen: Any) -> None:
    """Half of the tangent of the one that moves is handed on, but nothing beside a number."""
    moves, rests = Dual(np.ones(2), np.ones(2)), Dual(np.ones(2), 0.0)
    pairs = [(moves, rests), (rests, moves), (moves, 1), (1, moves)]

    assert [float(np.sum(chosen(*pair).tangent)) for pair in pairs] == [1.0, 1.0, 0.0, 0.0]


def test_the_largest_of_each_of_no_rows() -> None:
    """Where there are no rows, there are no largest entries, and no tangents."""
    x = Dual(np.zeros((0, 3)), np.ones((0, 3)))
    y = np.max(x, axis=1)

    assert (y.shape, np.shape(y.tangent)) == ((0,), (0,))
