"""Special functions: their derivatives are proven, and what implementations may lose is derived."""

from math import cos, pi, sqrt
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from scipy.special import i0e, i1e

from backproof import certify_op
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import FLOAT32, FLOAT64
from backproof.reference.numbers.special_rules import CHEBYSHEV, STEEP
from backproof.reference.ops import OPS
from backproof.reference.ops.functions import erfcx
from backproof.reference.own import OWN
from backproof.reference.verdict.evidence import DIGIT
from tests.verifier.proven import outside

AROUND = [[-9.5, -2.3, -0.75, -1e-3], [1e-3, 0.6, 3.1, 8.5]]
"""Numbers on both sides of zero, of all sizes; no pole of the gamma function."""

DEFINED: dict[str, Any] = {
    "erfc": lambda x: x.erfc(),
    "erfcx": lambda x: x.erfc() * (x * x).exp(),
    "i0": lambda x: x.bessel_i(0),
    "i0e": lambda x: x.bessel_i(0) * (-abs(x)).exp(),
    "i1": lambda x: x.bessel_i(1),
    "i1e": lambda x: x.bessel_i(1) * (-abs(x)).exp(),
    "lgamma": lambda x: abs(x.gamma()).log(),
    "digamma": lambda x: x.digamma(),
    "sinc": lambda x: x.sinc_pi(),
}
"""Op -> the function as Arb has it."""


def op_of(name: str) -> Any:
    """Return an op."""
    return OWN[name] if name in OWN else OPS[name]


@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=lambda p: p.name)
@pytest.mark.parametrize("name", DEFINED)
def test_the_value_is_inside(name: str, p: Any) -> None:
    """The exact value lies inside, on both sides of zero."""
    ball = op_of(name).forward(Ball.exact(AROUND, p))
    with workprec():
        expected = np.frompyfunc(DEFINED[name], 1, 1)(exact(AROUND))

        assert list(outside(ball, expected)) == []
    assert np.max(ball.rad / np.abs(ball.mid)) < DIGIT


@pytest.mark.parametrize("name", DEFINED)
def test_the_derivative_is_that_of_the_function(name: str) -> None:
    """The backward function is the derivative; half of it is not."""
    op = op_of(name)

    def half(dy: Any, y: Any, x: Any) -> Any:
        (dx,) = op.backward(dy, y, x)
        return (dx / 2,)

    assert certify_op(op.forward, op.backward, {"x": AROUND}).holds
    assert "wrong: backward" in str(certify_op(op.forward, half, {"x": AROUND}))


def test_the_slope_of_i1_at_zero() -> None:
    """I1(x) = x / 2 + ..., and so is e^-|x| I1(x); e^-|x| I0(x) has a kink."""
    slopes = [OWN[name].backward(1.0, None, np.zeros(1))[0] for name in ("i1", "i1e", "i0e")]

    assert np.concatenate(slopes).tolist() == [0.5, 0.5, 0]


CARDINAL = np.concatenate([s * np.geomspace(1e-12, 1, 200) for s in (1, -1)])
"""Numbers on both sides of zero, and of the place where sinc's slope is computed otherwise."""


@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=lambda p: p.name)
def test_the_slope_of_sinc_loses_few_digits(p: Any) -> None:
    """It and its own slope are inside, also near zero, where the terms of a quotient cancel."""
    x = CARDINAL.astype(p.dtype).astype(float)
    (ball,) = OWN["sinc"].backward(
        1.0, None, Dual(Ball.exact(x, p), Ball.exact(np.ones(x.shape), p))
    )
    with workprec():
        z, pi = np.pi * exact(x), exact(np.pi)
        slope = pi * (np.cos(z) - np.sin(z) / z) / z
        second = -pi * pi * (np.sin(z) / z) - 2 * slope / exact(x)

        assert list(outside(ball.value, slope)) == []
        assert list(outside(ball.tangent, second)) == []
    assert np.max(ball.value.rad / np.abs(ball.value.mid)) < 200 * p.u


@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=lambda p: p.name)
def test_a_quotient_whose_terms_cancel_is_no_proof_of_zero(p: Any) -> None:
    """What a quotient loses near zero is inside; where it has no digit, the ball holds zero."""
    (form,) = OWN["sinc"].forms.values()
    x = CARDINAL.astype(p.dtype)
    z = x.dtype.type(np.pi) * x
    seen = (z * np.cos(z) - np.sin(z)) / (x.dtype.type(np.pi) * x * x)
    (ball,) = form.backward(1.0, None, Ball.exact(x.astype(float), p))
    is_lost = np.abs(seen / ball.mid - 1) > 1

    assert ball.contains(seen).all()
    assert is_lost.any()
    assert (ball.rad > np.abs(ball.mid))[is_lost].all()


SERIES = {
    (0, "near"): (lambda t: i0e(4 * t + 4), 30),
    (0, "far"): (lambda t: i0e(16 / (t + 1)) * np.sqrt(16 / (t + 1)), 25),
    (1, "near"): (lambda t: i1e(4 * t + 4) / (4 * t + 4), 29),
    (1, "far"): (lambda t: i1e(16 / (t + 1)) * np.sqrt(16 / (t + 1)), 25),
}
"""Order, and on which side of 8 -> the function of t that Cephes has a series of, and its terms."""


@pytest.mark.parametrize(("n", "side"), SERIES)
def test_the_roundings_of_a_series_of_chebyshev(n: int, side: str) -> None:
    """Clenshaw's recurrence rounds as often as is allowed, at most, relative to its result."""
    f, terms = SERIES[n, side]
    c = chebyshev.chebinterpolate(f, 80)[:terms]
    slope = chebyshev.chebval(np.linspace(-0.999, 1, 400), chebyshev.chebder(c))
    worst = 0.0
    for t, rise in zip(np.linspace(-0.999, 1, 400), slope, strict=True):
        b, lost = [0.0, 0.0], 0.0
        for k in range(terms - 1, -1, -1):
            product, coefficient = 2 * t * b[0], c[k] * (2 if k == 0 else 1)
            sizes = (product, product - b[1], product - b[1] + coefficient, coefficient)
            lost += sum(map(abs, sizes)) * abs(cos(k * np.arccos(t))) * (0.5 if k == 0 else 1)
            b = [sizes[2], b[0]]
        y = f(t)
        off = abs(2 * t) + (2 * t + 2 if side == "far" else 0)  # of 2 t, in roundings
        root = 2 * (FLOAT32.sqrt_ulp + FLOAT32.divide_ulp) if side == "far" else 0
        worst = max(worst, (lost + abs(rise) / 2 * off) / y + 1 + root)

    assert worst < CHEBYSHEV[n]


def test_the_steepest_place_of_erfcx() -> None:
    """As a function of y = 4 / (4 + x), log erfcx is steepest by log y at zero."""
    x = np.linspace(0, 100, 10_000)
    slopes = (4 + x) * (2 / sqrt(pi) / erfcx(x) - 2 * x)

    assert np.argmax(slopes) == 0
    assert slopes[0] == pytest.approx(STEEP)
