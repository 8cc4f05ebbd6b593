"""tanh and erf far out, where they are flat: their balls are bounded, and GELU's decide."""

from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from backproof import adapters
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, PRECISIONS, Precision
from backproof.reference.ops import OPS
from backproof.reference.ops import functions as on_paper
from backproof.reference.verdict.passes import certify
from backproof.running.certificates import in_precision
from tests.verifier.proven import outside

EVERY = pytest.mark.parametrize("p", PRECISIONS.values(), ids=PRECISIONS)
SATURATING = pytest.mark.parametrize(("f", "proven"), [(np.tanh, np.tanh), (erf, on_paper.erf)])


@SATURATING
@EVERY
def test_both_ends_lie_inside(f: Any, proven: Any, p: Precision) -> None:
    """Both ends of the range lie inside, for narrow balls and for wide ones, near zero and far."""
    rng = np.random.default_rng(0)
    mid = 10.0 ** rng.uniform(-3, 1.5, 500) * rng.choice([-1, 1], 500)
    rad = np.abs(mid) * 10.0 ** rng.uniform(-16, 1, 500)
    ball = f(Ball(mid, rad, p))
    with workprec():
        for end in (exact(mid) - exact(rad), exact(mid), exact(mid) + exact(rad)):
            assert list(outside(ball, proven(end))) == []


@SATURATING
def test_the_growth_is_bounded_by_the_slope(f: Any, proven: Any) -> None:
    """The radius is at most the operand's, times the slope at the end nearest to zero."""
    mid, rad = np.array([2.0, -3.0, 4.0]), np.array([0.25, 0.25, 0.25])
    x = np.abs(mid) - rad
    slope = 1 - np.tanh(x) ** 2 if f is np.tanh else 2 / np.sqrt(np.pi) * np.exp(-x * x)

    assert np.all(f(Ball(mid, rad, FLOAT64)).rad <= rad * slope + 128 * FLOAT64.u)


@SATURATING
def test_operands_without_bound_have_bounded_values(f: Any, proven: Any) -> None:
    """Whatever the operand is, the ball is finite, and hardly wider than from -1 to 1."""
    mids, rads = [np.inf, -np.inf, np.inf, 0.0, 3.0, 1e300], [0, 0, np.inf, np.inf, np.inf, 1e308]
    for p in PRECISIONS.values():
        ball = f(Ball(mids, rads, p))

        assert np.all(ball.rad <= 2 * (1 + 64 * p.u))
        assert ball.contains(np.sign(mids)).all()
        assert ball[3:].contains([-1.0] * 3).all()


@SATURATING
@EVERY
def test_computed_values_lie_inside(f: Any, proven: Any, p: Precision) -> None:
    """What NumPy and SciPy compute lies inside, before saturation and beyond it."""
    x = np.concatenate([np.linspace(0, 40, 40_001), np.geomspace(1e-3, 1e4, 1001)]).astype(p.dtype)
    wide = np.float32 if p.accumulator else p.dtype
    for operand in (x, -x):
        ball = f(Ball.exact(operand, p))

        assert ball.contains(f(operand.astype(wide)).astype(p.dtype)).all()


@EVERY
def test_a_saturated_tanh_is_one(p: Precision) -> None:
    """Far out, tanh is off by no more than it is away from 1: by e^-80 at 40."""
    t = np.tanh(Ball.exact([40.0, -40.0], p))

    assert t.contains([1.0, -1.0]).all()
    assert np.all(t.rad <= 8 * np.exp(-80) + 2 * p.underflow)
    assert np.all(((1 - t) * (1 + t)).rad <= 32 * np.exp(-80) + 8 * p.underflow)


def test_tanh_may_be_short_of_one_by_three_roundings() -> None:
    """In float32 the form that is short of 1 holds 1 - 3u far out, and not 1 - 4u."""
    short = OPS["tanh"].forms["tanh short of 1 far out"].forward(Ball.exact([20.0] * 3, FLOAT32))
    far_out = 1 - np.array([0, 3, 4]) * FLOAT32.u

    assert short.contains(far_out).tolist() == [True, True, False]


DECIDED = [
    *((FLOAT32, z) for z in (20.0, 100.0, 700.0, 1e10)),
    *((FLOAT64, z) for z in (20.0, 100.0, 700.0, 1e10, 1e75, 1e103)),
]


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize(("p", "z"), DECIDED, ids=[f"{p.name}-{z:g}" for p, z in DECIDED])
def test_gelu_decides(p: Precision, z: float, approximate: str) -> None:
    """Far above zero GELU is z and its slope 1, both to nearly all digits; below it, both are 0."""
    for sign in (1, -1):
        x, dy = Ball.exact([sign * z], p), Ball.exact([1.0], p)
        y = OPS["gelu"].forward(x, approximate=approximate)
        (dx,) = OPS["gelu"].backward(dy, y, x, approximate=approximate)

        for ball, expected in ((y, max(sign * z, 0)), (dx, max(sign, 0))):
            assert ball.contains([expected]).all()
            assert np.all(ball.rad <= 64 * p.u * max(z if ball is y else 1, 1))


ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "tanh": ("tanh", {}),
    "gelu": ("gelu", {}),
    "gelu-tanh": ("gelu", {"approximate": "tanh"}),
}
FARTHEST = {"float64": 1e103, "float32": 1e12, "bfloat16": 1e12, "float16": 40}
"""Precision -> the largest operand: from there on a cube overflows somewhere."""


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("framework", ["torch", "jax"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_frameworks_lie_inside(framework: str, name: str, precision: str) -> None:
    """PyTorch's and JAX's values and gradients are inside, at 7,000 points up to the farthest."""
    op, options = ACTIVATIONS[name]
    x = np.concatenate([np.linspace(1, 40, 3001), np.geomspace(1, FARTHEST[precision], 501)])
    c = np.random.default_rng(0).standard_normal(2 * x.size) / np.concatenate([x, x])
    inputs = {"x": np.concatenate([x, -x]), "c": c}
    nodes = (
        Node("y", op, ("x",), options),
        Node("weighted", "multiply", ("y", "c")),
        Node("E", "sum", ("weighted",)),
    )
    network, adapter = Network(name, inputs, {}, nodes, frozenset()), adapters.load(framework)
    leaves, shapes = in_precision(network, precision)
    trace, plain = adapter.trace(network, leaves, shapes), adapter.plain(network, leaves)
    certificate = certify(network, leaves, trace, precision, plain)

    assert [str(link) for link in certificate.links if link.verdict != "inside"] == []
