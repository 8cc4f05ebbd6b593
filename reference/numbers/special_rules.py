"""Rules of balls for special functions: gamma, Bessel and error functions, and their inverses."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import erfc, erfcx, erfinv, gammaln, i0e, i1e, psi

from backproof.reference.numbers.ball import Ball, ends, read, rounded_by, rounded_once, unit, up
from backproof.reference.numbers.function_rules import elementary
from backproof.reference.numbers.precision import FLOAT64, Precision, gamma
from backproof.reference.ops import Array
from backproof.reference.ops.functions import zeta


def _erf_inv_growth(a: Ball, _: Array) -> Array:
    """Return the radius times the slope sqrt(pi) / 2 e^(y^2) at the end that is farther from 0."""
    end = (np.abs(a.mid) + a.rad) * (1 + gamma(4, FLOAT64.u))  # not nearer, once rounded
    y = erfinv(np.minimum(end, 1)) * (1 + FLOAT64.ulps(FLOAT64.erf_inv_ulp))
    slope = np.sqrt(np.pi) / 2 * np.exp(y * y * (1 + gamma(4, FLOAT64.u)))
    return np.where(end < 1, a.rad * slope, np.where(a.rad > 0, np.inf, 0))


_erf_inv = elementary(erfinv, "erf_inv_ulp", _erf_inv_growth)

ROUNDED = 1 + 2.0**-40
"""More than float64's own roundings take from psi and its derivative of positive numbers."""


def _of_positive(
    f: Any,
    grows: Callable[[Array, Array], Array],
    rounds: Callable[[Array, Array, Precision], Array],
) -> Callable[..., Ball]:
    """Return the rule of a function of positive numbers; of others nothing is known.

    grows:  (lower end, upper end) -> a bound of |f'| between them.
    rounds: (upper end, bound of |f|, precision) -> a bound of the error of f.
    """

    def rule(a: Ball, p: Precision) -> Ball:
        mid = np.asarray(f(a.mid))
        low, high = ends(a)
        rad = np.zeros(a.shape) if a.is_exact else a.rad * grows(low, high) * ROUNDED
        size = np.abs(mid) + rad
        rad = rad + rounds(high, size, p) + rounds(high, size, FLOAT64)
        rad += rounded_by(size, 0, p)
        return Ball(mid, np.where(low > 0, up(np.asarray(rad)), np.inf), p)

    return rule


def _log_of_gamma(_: Array, size: Array, p: Precision) -> Array:
    """Return the error of log Gamma: that of Gamma, which is relative, and that of a logarithm."""
    relative = p.ulps(p.tgamma_ulp)
    return relative / (1 - relative) + p.ulps(p.log_ulp) * size


SHIFT = 10
"""From here on asymptotic series are summed; up to it, term by term."""


def _by_recurrence(x: Array, size: Array, p: Precision) -> Array:
    """Return the error of psi(x) = log z - 1/(2z) - ... - sum of 1/(x + k), z = x + SHIFT.

    Each term has the errors of a sum, and of a logarithm or a quotient (DLMF 5.5.2, 5.11.2). The
    sum over k < SHIFT is psi(z) - psi(x), and psi(z) < log z, so all terms have together a size of
    2 log z + |psi(x)| at most, and of 1/z for the others.
    """
    share = gamma(SHIFT + 4, p.u) + p.ulps(max(p.divide_ulp, p.log_ulp))
    return share * (2 * np.log(x + SHIFT) + 1 / SHIFT + size)


def _by_powers(s: int) -> Callable[[Array, Array, Precision], Array]:
    """Return the error of zeta(s, x), the sum of (x + k)^-s, k < SHIFT, and of a series after it.

    All terms are positive, but for those of the series, of which at most SHIFT count. Each has the
    errors of a sum, s times, and of a power (DLMF 25.11.43).
    """

    def rounds(_: Array, size: Array, p: Precision) -> Array:
        return (gamma(2 * SHIFT + s + 4, p.u) + p.ulps(p.pow_ulp)) * size

    return rounds


# psi grows, from below zero to above it; its derivative zeta(2, x) falls, as every zeta(s, x) does.
_lgamma = _of_positive(
    gammaln, lambda low, high: np.maximum(np.abs(psi(low)), np.abs(psi(high))), _log_of_gamma
)
_digamma = _of_positive(psi, lambda low, _: zeta(2, low), _by_recurrence)


CHEBYSHEV = {0: 19, 1: 77}
"""Order of a modified Bessel function -> the roundings of e^-|x| I0(x), and of e^-|x| I1(x) / x.

Up to 8 each is a series of c[k] T[k](t), and from there on such a series divided by sqrt x (Cephes,
i0.c and i1.c). Clenshaw's recurrence b[k] = 2 t b[k + 1] - b[k + 2] + c[k] rounds each of 2 t b,
the difference, the sum and c; that error goes into the result as T[k] times it (Higham, problem
5.6). Added up for all k, with the error of t, it is 18.2 and 75.8 roundings of the result at most,
which `tests/verifier/test_special.py` computes; less than 19 from 8 on, the root's included.
"""


def _bessel(f: Any, n: int) -> Callable[..., Ball]:
    """Return the rule of e^-|x| I_n(x), which moves by no more than its operand does."""

    def rule(a: Ball, p: Precision) -> Ball:
        mid = np.asarray(f(a.mid))
        spread = 0.0 if a.is_exact else np.array(np.broadcast_to(a.rad, a.shape))
        return Ball(mid, rounded_once(mid, spread, (CHEBYSHEV[n] + n) * unit(p), p), p)

    return rule


STEEP = 8 / np.sqrt(np.pi)
"""The largest |d log erfcx / d log y| of y = 4 / (4 + x), x >= 0: at x = 0."""


def _of_erfcx(p: Precision) -> float:
    """Return the relative error of erfcx above zero.

    It is computed as a polynomial of y = 4 / (4 + x) (Johnson, Faddeeva Package, 2012), whose last
    sum, product and coefficient are rounded: 3, and less than 1 before.
    """
    return float(STEEP * (p.u + p.ulps(p.divide_ulp)) + 4 * p.u)


def _erfcx(a: Ball, p: Precision) -> Ball:
    """Enclose e^(x^2) (1 - erf x).

    1. It falls, and its slope 2 x erfcx x - 2 / sqrt(pi) is steepest at the lower end.
    2. Below zero it is 2 e^(x^2) - erfcx(-x), and 2 e^(x^2) is at most twice as much as it.
    """
    mid, (low, _) = np.asarray(erfcx(a.mid)), ends(a)
    steepest = (2 / np.sqrt(np.pi) + 2 * np.abs(low) * erfcx(low)) * ROUNDED
    spread = np.zeros(a.shape) if a.is_exact else a.rad * steepest
    size, rad = mid + spread, spread
    for q in (p, FLOAT64):
        below = 2 * (low * low * q.u + q.ulps(q.exp_ulp)) + q.u
        rad = rad + (_of_erfcx(q) + np.where(low < 0, below, 0)) * size
    return Ball(mid, up(rad + rounded_by(size, 0, p)), p)


def _erfc(a: Ball, p: Precision) -> Ball:
    """Enclose 1 - erf x, whose slope is -2 / sqrt(pi) e^(-x^2), steepest nearest to zero.

    Above zero it may be computed by way of e^(-x^2), which an error u x^2 of x^2 moves by as much.
    """
    product, (low, high) = np.exp(-a.mid * a.mid) * erfcx(a.mid), ends(a)
    mid = np.where(a.mid > 1, product, erfc(a.mid))  # SciPy's is zero where it underflows
    nearest = np.where(low * high > 0, np.minimum(np.abs(low), np.abs(high)), 0)
    steepest = 2 / np.sqrt(np.pi) * np.exp(-nearest * nearest) * ROUNDED
    spread = np.zeros(a.shape) if a.is_exact else a.rad * steepest
    size, rad = mid + spread, spread
    for q in (p, FLOAT64):
        rad = rad + (q.ulps(q.erfc_ulp) + np.maximum(high, 0) ** 2 * q.u) * size
    rad = rad + _of_erfcx(FLOAT64) * size  # the midpoint's
    return Ball(mid, up(rad + rounded_by(size, 0, p, nonzero=True)), p)


def _zeta(s: int, x: Ball) -> Ball:
    of = _of_positive(lambda x: zeta(s, x), lambda low, _: s * zeta(s + 1, low), _by_powers(s))
    return of(read(x), x.precision)


Ball.rules |= {
    erfinv: _erf_inv,
    erfc: _erfc,
    erfcx: _erfcx,
    i0e: _bessel(i0e, 0),
    i1e: _bessel(i1e, 1),
    gammaln: _lgamma,
    psi: _digamma,
    zeta: _zeta,
}
