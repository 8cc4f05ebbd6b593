"""The promise of Ball for whole ops, with every option, at ordinary and at special points."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import flint
import numpy as np
import pytest

from backproof.reference.network import Network
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, PRECISIONS, Precision
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.verdict.custom import certify_op
from backproof.scenarios.op_cases import OP_CASES
from tests.verifier.difference import decimal, on_paper
from tests.verifier.op_case_marks import op_cases
from tests.verifier.proven import outside

EVERY, FINE = op_cases(*PRECISIONS.values()), op_cases(FLOAT64, FLOAT32)


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


@EVERY
def test_exact_values_lie_inside(name: str, p: Precision) -> None:
    """The exact results of an op and its backward function lie inside, whether p flushes or not."""
    found = operands(name, p)
    values = exactly(found, found.op)
    for q in (p, p.flushing()):
        for ball, value in zip(balls_of(found, found.op, q), values, strict=True):
            assert np.shape(value) == ball.shape
            assert list(outside(ball, value)) == []


@EVERY
def test_radii_are_finite(name: str, p: Precision) -> None:
    """No radius is NaN; in float64 and float32 none is infinite, so every ball proves something."""
    found = operands(name, p)
    for q in (p, p.flushing()):
        for ball in balls_of(found, found.op, q):
            assert not np.isnan(ball.rad).any()
            assert p.accumulator or np.isfinite(ball.rad).all()
            assert p.accumulator or np.isfinite(ball.mid).all()


@FINE
def test_computed_values_lie_inside(name: str, p: Precision) -> None:
    """The results that NumPy computes lie inside."""
    found = operands(name, p)
    with np.errstate(all="ignore"):  # underflow, overflow
        values = found.both(found.op, lambda a: a)
    for q in (p, p.flushing()):
        for ball, value in zip(balls_of(found, found.op, q), values, strict=True):
            assert ball.contains(value).all()


@EVERY
def test_other_forms_lie_inside_their_own_balls(name: str, p: Precision) -> None:
    """The exact results of other forms lie inside their balls, infinite where one overflows."""
    found = operands(name, p)
    for form, other in found.op.forms.items():
        values = exactly(found, other)
        for q in (p, p.flushing()):
            for ball, value in zip(balls_of(found, other, q), values, strict=True):
                assert list(outside(ball, value)) == [], form


@EVERY
def test_who_is_exact_is_right(name: str, p: Precision) -> None:
    """The exact value and cotangents, rounded once, are all inside the sharpest ball of one form.

    They are those of the inputs: an op that uses its own rounded output is less exact.
    """
    found = operands(name, p)
    ops, own = [found.op, *found.op.forms.values()], p.accumulator or p
    balls = zip(*(balls_of(found, op, own) for op in ops), strict=True)
    for i, (value, of_forms) in enumerate(zip(on_paper_of(found), balls, strict=True)):
        seen = nearest(value, p)
        fits = np.isfinite(seen)  # otherwise the precision cannot hold it
        inside = [np.all(ball.into(p).contains(seen) | ~fits) for ball in of_forms]
        assert any(inside), f"input {i}" if i else "value"


def on_paper_of(found: Operands) -> list[Any]:
    """Return the exact value and cotangents of the inputs, each as Arb balls.

    Of 1 - s(700), which is e^-700, a thousand bits cancel.
    """
    with on_paper(bits=2048):
        inputs, dy = [exact(a.astype(float)) for a in found.inputs], exact(found.dy.astype(float))
        options = {key: decimal(option) for key, option in found.options.items()}
        y = found.op.forward(*inputs, **options)
        return [y, *found.op.backward(dy[()], y, *inputs, **options)]


def nearest(values: Any, p: Precision) -> Array:
    """Return Arb balls rounded to the nearest numbers of a precision."""
    mids = [float(x.mid()) if isinstance(x, flint.arb) else float(x) for x in np.ravel(values)]
    with np.errstate(over="ignore"):
        return np.reshape(mids, np.shape(values)).astype(p.dtype)


def test_attention_of_low_scores() -> None:
    """Hidden scores stay hidden where all scores that are seen are below -10,000."""
    q, k = np.full((1, 1, 2, 1), 200.0), np.array([[[[-200.0], [0.5]]]])

    assert OPS["attention"].forward(q, k, k)[0, 0, 0].tolist() == [-200.0]


ROWS = np.array([[True, False, True], [False, False, True]])

BROADCAST: dict[str, tuple[str, tuple[tuple[int, ...], ...], dict[str, Any]]] = {
    "a row and a column": ("multiply", ((2, 1), (1, 3)), {}),
    "a number": ("divide", ((2, 3), ()), {}),
    "einsum of a number": ("einsum", ((2, 3), ()), {"equation": "ij,->ij"}),
    "einsum of a batch": ("einsum", ((1, 2, 3), (2, 3, 2)), {"equation": "...ij,...jk->...ik"}),
    "einsum over one entry": ("einsum", ((2, 1), (3, 2)), {"equation": "ij,jk->ik"}),
    "einsum of one entry": ("einsum", ((3,), (1,)), {"equation": "i,i->i"}),
    "matrices and a vector": ("matmul", ((2, 2, 3), (3,)), {}),
    "addmm of a row": ("addmm", ((3,), (2, 2, 2), (2, 3)), {"beta": 0.5}),
    "equations of one matrix": ("solve", ((2, 2), (2, 2, 1)), {}),
    "equations of one side": ("solve", ((2, 2, 2), (2, 1)), {}),
    "triangles": ("triangular_solve", ((1, 2, 2), (2, 2, 1)), {}),
    "a mask of more rows": ("masked_fill", ((3,),), {"mask": ROWS, "value": 2.0}),
    "a condition of more rows": ("where", ((3,), (1,)), {"condition": ROWS}),
    "bias of attention": ("attention", ((1, 2, 2, 3), (1, 1, 2, 3), (1, 1, 2, 2), (2, 2)), {}),
}
"""What broadcasts -> an op, shapes of its operands, and options."""


@pytest.mark.parametrize("name", BROADCAST)
def test_operands_that_broadcast_receive_from_every_place(name: str) -> None:
    """The backward function of an op is its derivative at shapes that broadcast, too."""
    op, shapes, options = BROADCAST[name]
    rng = np.random.default_rng(0)
    inputs = {f"x{i}": rng.standard_normal(shape) for i, shape in enumerate(shapes)}

    assert certify_op(OPS[op].forward, OPS[op].backward, inputs, options=options)
