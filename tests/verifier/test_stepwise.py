"""Stepwise numbers: what one evaluation in a precision itself gives, every step rounded."""

import numpy as np
import pytest

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.precision import BFLOAT16, FLOAT32, FLOAT64, PRECISIONS
from backproof.reference.numbers.stepwise import Stepwise, cast, like, wide
from backproof.reference.ops import OPS, Array
from backproof.scenarios.op_cases import OP_CASES

NARROW = ("bfloat16", "float16")


def stepwise(values: Array, precision: str = "bfloat16") -> Stepwise:
    """Return numbers rounded to a precision."""
    return Stepwise.of(np.asarray(values).astype(precision))


@pytest.mark.parametrize(("precision", "most"), [("bfloat16", 256), ("float16", 2048)])
def test_a_narrow_sum_stops_growing(precision: str, most: float) -> None:
    """In bfloat16 256 + 1 is 256, and in float16 2,048 + 1 is 2,048."""
    assert float(np.sum(stepwise(np.ones(5000), precision))) == most


def test_sums_are_added_up_in_the_order_of_memory() -> None:
    """The last axis is the fastest: 256 + 1 + 1 + 2 is 258, and 1 + 1 + 2 + 256 is 260."""
    a = stepwise([[[256, 1], [1, 2]], [[1, 1], [2, 256]]])

    assert np.sum(a, axis=(1, 2)).tolist() == [258, 260]
    assert np.sum(a, axis=-1, keepdims=True).shape == (2, 2, 1)
    assert np.sum(a).dtype == "bfloat16"


@pytest.mark.parametrize("precision", NARROW)
@pytest.mark.parametrize("case", ["batch_norm/ordinary", "gelu-tanh/special", "softmax/ordinary"])
def test_every_step_is_rounded(case: str, precision: str) -> None:
    """The reference's ops run over them, and give numbers of the precision, constants or not."""
    network = OP_CASES[case].network()
    node = network.nodes[0]
    inputs = [stepwise(network.inputs[name], precision) for name in node.inputs]
    y = OPS[node.op].forward(*inputs, **node.options)
    handed_on = OPS[node.op].backward(y, y, *inputs, **node.options)

    assert {a.dtype.name for a in (y, *handed_on)} == {precision}


def test_what_overflows() -> None:
    """A square above float16's largest number is infinite, and zero times it NaN."""
    a = stepwise([300.0, 0.0], "float16")

    assert (a * a).tolist() == [np.inf, 0]
    assert np.isnan(0 * (a * a)).tolist() == [True, False]


def test_numbers_in_another_precision() -> None:
    """A cast rounds once into a narrower precision, every kind of number, and widens exactly."""
    third = np.array([1 / 3])
    ball = cast(Ball.exact(third, FLOAT64), BFLOAT16)
    dual = cast(Dual(third, third), FLOAT32)

    assert wide(stepwise(third)).dtype == "float32"
    assert like(wide(stepwise(third)), stepwise(third)).dtype == "bfloat16"
    assert ball.contains(third.astype("bfloat16").astype(float)).all()
    assert ball.precision == BFLOAT16
    assert cast(ball, FLOAT64).rad == ball.rad
    assert dual.value == dual.tangent == third.astype("float32")
    assert {cast(third, p).dtype.name for p in PRECISIONS.values()} == {*PRECISIONS}
