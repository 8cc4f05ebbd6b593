"""The promise of Ball for whole ops, with every option, at ordinary and at special points."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from backproof.reference.network import Network
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, PRECISIONS, Precision
from backproof.reference.ops import OPS, Array, Op
from backproof.scenarios.op_cases import OP_CASES
from tests.verifier.proven import outside

CASE = pytest.mark.parametrize("name", OP_CASES)
EVERY = pytest.mark.parametrize("p", PRECISIONS.values(), ids=PRECISIONS)
FINE = pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=lambda p: p.name)


@dataclass(frozen=True, slots=True)
class Operands:
    """What an op takes in a precision: arrays of its dtype, and options."""

    op: Op
    inputs: tuple[Array, ...]
    y: Array
    dy: Array
    options: dict[str, Any]

    def both(self, op: Op, number: Any) -> list[Any]:
        """Return an op's value and the cotangents of its inputs, over one kind of number."""
        inputs = [number(a) for a in self.inputs]
        y, dy = number(self.y)[()], number(self.dy)[()]  # as NumPy's sums return scalars
        return [op.forward(*inputs, **self.options), *op.backward(dy, y, *inputs, **self.options)]


@cache
def network(name: str) -> Network:
    """Return the network of one op alone."""
    return OP_CASES[name].network()


def operands(name: str, p: Precision) -> Operands:
    """Return the op of a case and what it takes, rounded to a precision."""
    node, leaves = network(name).nodes[0], network(name).leaves(np.asarray)
    op, options = OPS[node.op], dict(node.options)
    with np.errstate(all="ignore"):  # numbers that the precision cannot hold overflow
        inputs = tuple(leaves[name].astype(p.dtype) for name in node.inputs)
        y = np.asarray(op.forward(*(a.astype(float) for a in inputs), **options)).astype(p.dtype)
        return Operands(op, inputs, y, leaves["c"].astype(p.dtype), options)


def balls_of(found: Operands, op: Op, p: Precision) -> list[Ball]:
    """Return the balls of the op's results in a precision, from operands known exactly."""
    return found.both(op, lambda a: Ball.exact(a, p))


def exactly(found: Operands, op: Op) -> list[Any]:
    """Return the op's exact results."""
    with workprec():
        return found.both(op, lambda a: exact(a.astype(float)))


@CASE
@EVERY
def test_exact_values_lie_inside(name: str, p: Precision) -> None:
    """The exact results of an op and its backward function lie inside, whether p flushes or not."""
    found = operands(name, p)
    values = exactly(found, found.op)
    for q in (p, p.flushing()):
        for ball, value in zip(balls_of(found, found.op, q), values, strict=True):
            assert np.shape(value) == ball.shape
            assert list(outside(ball, value)) == []


@CASE
@EVERY
def test_radii_are_finite(name: str, p: Precision) -> None:
    """No radius is NaN; in float64 and float32 none is infinite, so every ball proves something."""
    found = operands(name, p)
    for q in (p, p.flushing()):
        for ball in balls_of(found, found.op, q):
            assert not np.isnan(ball.rad).any()
            assert p.accumulator or np.isfinite(ball.rad).all()
            assert p.accumulator or np.isfinite(ball.mid).all()


@CASE
@FINE
def test_computed_values_lie_inside(name: str, p: Precision) -> None:
    """The results that NumPy computes lie inside."""
    found = operands(name, p)
    with np.errstate(all="ignore"):  # underflow, overflow
        values = found.both(found.op, lambda a: a)
    for q in (p, p.flushing()):
        for ball, value in zip(balls_of(found, found.op, q), values, strict=True):
            assert ball.contains(value).all()


FORMS = [
    (case, form)
    for case in OP_CASES
    for form in OPS[case.partition("/")[0].partition("-")[0]].forms
]


@pytest.mark.parametrize(("name", "form"), FORMS, ids=[f"{case}-{form}" for case, form in FORMS])
@EVERY
def test_other_forms_lie_inside_their_own_balls(name: str, form: str, p: Precision) -> None:
    """The exact results of another form lie inside its balls, infinite where it overflows."""
    found = operands(name, p)
    other = found.op.forms[form]
    values = exactly(found, other)
    for q in (p, p.flushing()):
        for ball, value in zip(balls_of(found, other, q), values, strict=True):
            assert list(outside(ball, value)) == []


def test_attention_of_low_scores() -> None:
    """Hidden scores stay hidden where all scores that are seen are below -10,000."""
    q, k = np.full((1, 1, 2, 1), 200.0), np.array([[[[-200.0], [0.5]]]])

    assert OPS["attention"].forward(q, k, k)[0, 0, 0].tolist() == [-200.0]
