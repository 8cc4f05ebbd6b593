"""The promise of a Ball: the exact result and the computed one both lie inside."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import BFLOAT16, FLOAT32, FLOAT64, Precision
from backproof.reference.ops import Array
from backproof.reference.ops.functions import (
    arctan,
    arctan2,
    digamma,
    erf_inv,
    erfc,
    erfcx,
    i0e,
    i1e,
    lgamma,
    logaddexp,
    root,
    zeta,
)
from backproof.reference.ops.softmax import log_softmax_forward
from tests.verifier.balls import EVERY
from tests.verifier.proven import outside


def _written(target: Any, values: Any) -> Any:
    target[:, ::2] = values
    return target


def _added(target: Any, values: Any) -> Any:
    np.add.at(target, (np.array([1, 1]),), values)
    return target


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda a, _: -a,
    "absolute": lambda a, _: np.abs(a),
    "maximum": np.maximum,
    "sign": lambda a, b: np.sign(a * b - b) * b,
    "floor": lambda a, b: np.floor(a * b),
    "cos": lambda a, _: np.cos(a),
    "where": lambda a, b: np.where(a > 0, b, a),
    "max": lambda a, _: np.max(a, axis=1, keepdims=True),
    "exp": lambda a, _: np.exp(-np.abs(a) / 64),
    "log": lambda a, b: np.log(np.abs(a) + np.abs(b)),
    "sqrt": lambda a, _: np.sqrt(np.abs(a)),
    "tanh": lambda a, _: np.tanh(a / 64),
    "sigmoid": lambda a, _: 1 / (1 + np.exp(-np.abs(a / 64))),
    "minimum": np.minimum,
    "less": lambda a, b: np.where(a < b, b, a),
    "arctan": lambda a, b: arctan(a * b),
    "sin": lambda a, b: np.sin(a * b),
    "square": lambda a, _: a**2,
    "cube": lambda a, b: ((a - b) / 4) ** 3,
    "power": lambda a, b: (np.abs(a) + np.abs(b)) ** -1.5,
    "cumsum": lambda a, _: np.cumsum(a, axis=1),
    "expm1": lambda a, _: np.expm1(-np.abs(a) / 64),
    "log1p": lambda a, _: np.log1p(a / 64),
    "atan2": arctan2,
    "root": lambda a, b: root(a * b),
    "logaddexp": lambda a, b: logaddexp(a, logaddexp(b / 8, a)),
    "erf_inv": lambda a, _: erf_inv(a / 64),
    "lgamma": lambda a, b: lgamma(np.abs(a) + np.abs(b)),
    "digamma": lambda a, b: digamma(np.abs(a) + np.abs(b)),
    "zeta": lambda a, b: zeta(2, np.abs(a) + np.abs(b)),
    "erfc": lambda a, _: erfc(a / 16),
    "erfcx": lambda a, _: erfcx(a / 16),
    "i0e": lambda a, _: i0e(a),
    "i1e": lambda a, _: i1e(a),
    "tenth": lambda a, _: a * 0.1 + 0.044715,
    "concatenate": lambda a, b: np.concatenate([a, b], axis=1),
    "pad": lambda a, _: np.pad(a, ((0, 1), (2, 0))),
    "max-padded": lambda a, _: np.max(
        np.pad(a, ((0, 0), (2, 1)), constant_values=-np.inf), axis=0, keepdims=True
    )[:, 2:7],
    "transpose": lambda a, _: np.transpose(a, (1, 0)),
    "swapaxes": lambda a, _: np.swapaxes(a, 0, 1),
    "repeat": lambda a, _: np.repeat(a, 2, axis=1),
    "broadcast_to": lambda a, _: np.broadcast_to(a[:, None], (2, 3, 5)),
    "windows": lambda a, _: sliding_window_view(a, (2, 3), axis=(0, 1)),
    "reshape": lambda a, _: np.reshape(a, (5, 2)),
    "set": lambda a, b: _written(np.zeros_like(a), a[:, ::2] * b[:, ::2]),
    "add_at": lambda a, b: _added(np.zeros_like(a), a * b),
    "matmul": lambda a, b: a @ b.T,
    "matmul-3d": lambda a, b: np.broadcast_to(a, (2, 2, 5)) @ np.broadcast_to(b.T, (2, 5, 2)),
    "sum": lambda a, b: np.sum(a * b, axis=0),
    "sum-axes": lambda a, b: np.sum((a * b).reshape(2, 5, 1), axis=(0, 2)),
    "shared": lambda a, b: np.sum(a * (1 - b) + 0.5 * b, axis=1, keepdims=True),
    "log_softmax": lambda a, _: log_softmax_forward(a / 64),
}
ACCUMULATING = (
    *("matmul", "matmul-3d", "sum", "sum-axes", "cumsum", "add_at", "shared", "log_softmax"),
)
"""Operations that accumulate: in bfloat16 and float16, NumPy chooses the accumulator itself.

So they are held to balls with the precision itself as the accumulator.
"""

SCIPY = ("erf_inv", "erfc", "erfcx", "i0e", "i1e", "lgamma", "digamma", "zeta")
"""Operations that SciPy computes in float32 or float64."""


def arrays(p: Precision) -> st.SearchStrategy[Array]:
    """Return arrays (2, 5) of a precision, with entries of sizes from 2^-5 to 2^5, or 0, -0, 1."""
    significand = st.integers(2 ** (p.digits - 1), 2**p.digits - 1)
    positive = st.builds(lambda m, e: m * 2.0 ** (e - p.digits), significand, st.integers(-4, 5))
    entry = st.one_of(positive, positive.map(lambda x: -x), st.sampled_from([0.0, -0.0, 1.0]))
    return st.lists(entry, min_size=10, max_size=10).map(
        lambda entries: np.array(entries).astype(p.dtype).reshape(2, 5)
    )


@pytest.mark.parametrize("name", OPERATIONS)
@EVERY
@settings(max_examples=12)
@given(data=st.data())
def test_promise(p: Precision, name: str, data: st.DataObject) -> None:
    """For operands inside the balls, the exact result and the computed one lie inside."""
    operation = OPERATIONS[name]
    mids = [data.draw(arrays(p)) for _ in range(2)]
    if name in ("divide", "log", "power", "lgamma", "digamma", "zeta"):
        mids[1] = np.where(mids[1] == 0, np.array(1, p.dtype), mids[1])
    moved = [m * np.array(1 + 2.0**-5, p.dtype) for m in mids]
    rads = [np.abs(x.astype(float) - m.astype(float)) for m, x in zip(mids, moved, strict=True)]
    q = p.narrow() if name in ACCUMULATING else p
    computed = operation(*moved)
    if p is BFLOAT16 and name in (*ACCUMULATING, "tenth", "power"):  # NumPy returns something wider
        computed = computed.astype(p.dtype)
    if name in SCIPY and p.accumulator:
        computed = computed.astype(p.dtype)
    with workprec():
        exactly = operation(*map(exact, moved))
    assert computed.dtype == p.dtype
    for balls in (
        [Ball(m, r, q) for m, r in zip(mids, rads, strict=True)],
        [Ball.exact(x, q) for x in moved],
    ):
        ball = operation(*balls)

        assert ball.contains(computed).all()
        assert ball.precision is q
        assert list(outside(ball, exactly)) == []


def test_shares() -> None:
    """The share is 0 at the midpoint and 1 at the edge; for a zero radius it is 0 or infinite."""
    ball = Ball([1.0, 1.0, 1.0], [2.0, 2.0, 0.0], FLOAT64)

    assert ball.shares([1.0, 3.0, 1.0]).tolist() == [0, 1, 0]
    assert Ball.exact([1.0, 1.0], FLOAT64).shares([1.0, 2.0]).tolist() == [0, np.inf]


def test_writing_to_zeros() -> None:
    """Written balls keep their radii at their places; writing exact numbers leaves zeros exact."""
    source = Ball([1.0, 2.0], [0.25, 0.5], FLOAT64)
    zeros = np.zeros_like(source, shape=(4,))
    zeros[1:3] = Ball.exact([3.0, 4.0], FLOAT64)
    zeros[0] = 5.0

    assert zeros.is_exact
    zeros[::3] = source
    assert zeros.mid.tolist() == [1, 3, 4, 2]
    assert zeros.rad.tolist() == [0.25, 0, 0, 0.5]
    assert source.mid.tolist() == [1, 2]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty_arrays(shape: tuple[int, ...]) -> None:
    """Operations on empty arrays return empty arrays of the right shape."""
    empty = Ball.exact(np.zeros(shape), FLOAT32)

    assert (empty + empty * 2).shape == shape
    assert np.exp(empty).shape == shape
    assert empty.contains(np.zeros(shape)).shape == shape
    assert np.sum(empty).contains(0.0)
    if len(shape) == 2:
        product = empty @ empty.T
        assert product.shape == (shape[0], shape[0])
        assert product.contains(np.zeros(product.shape)).all()


def test_a_text_is_no_number() -> None:
    """NumPy would read it as one, and an option of a trace file may be a text."""
    with pytest.raises(TypeError, match=re.escape("expected a number, found the text '0.3'")):
        Ball.exact(np.ones(2), FLOAT64) * "0.3"


def test_unknown_functions_are_refused() -> None:
    """A function without a rule raises; it never falls back on midpoints alone."""
    with pytest.raises(TypeError):
        np.cosh(Ball.exact([1.0], FLOAT64))
    with pytest.raises(TypeError):
        np.median(Ball.exact([1.0], FLOAT64))
