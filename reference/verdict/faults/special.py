"""Classical mistakes of special functions.

Shapes: the operand x, the value y and its cotangent dy, all of one shape; of two operands a and b,
both broadcast to it.
"""

import numpy as np

from backproof.reference.ops.functions import arctan, digamma, erf, lgamma, zeta
from backproof.reference.ops.op import sum_to_shape
from backproof.reference.verdict.faults.arithmetic import broadcast
from backproof.reference.verdict.faults.elementary import IDENTITY, SIGN
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    cotangents,
    forward,
    reading,
)

dx, da, db = Cotangent(), Cotangent(0), Cotangent(1)

ATAN2: Table = {
    ("operands swapped", "the angle of (a, b)"): reading(
        lambda a, b: (b, a), lambda da, db: (db, da)
    ).known("atan2's order, which differs from library to library"),
    ("quadrant lost", "arctan(a / b)"): forward(lambda a, b: arctan(a / b)),
    ("cotangents swapped", "dy a / r^2 for da, dy b / r^2 for db"): cotangents(
        lambda dy, y, a, b: (
            sum_to_shape(dy * (a / (a * a + b * b)), a.shape),
            sum_to_shape(dy * (b / (a * a + b * b)), b.shape),
        )
    ),
    ("second operand's sign lost", "dy a / r^2 for db"): db.times(-1.0),
    ("square forgotten", "dy b for da = dy b / r^2"): da(
        lambda dy, y, a, b: sum_to_shape(dy * b, a.shape)
    ),
    ("second operand taken for a constant", "zero"): db.lost,
    **broadcast("second"),
}

ERF_INV: Table = {
    ("factor sqrt(pi) / 2 forgotten", "dy e^(y^2)"): dx.slope(lambda y, x: np.exp(y * y)),
    ("exponent's sign lost", "dy sqrt(pi) / 2 e^(-y^2)"): dx.slope(
        lambda y, x: np.sqrt(np.pi) / 2 * np.exp(-(y * y))
    ),
    ("derivative at the operand", "dy sqrt(pi) / 2 e^(x^2)"): dx.slope(
        lambda y, x: np.sqrt(np.pi) / 2 * np.exp(x * x)
    ),
    ("erf", "erf x"): forward(erf),
    **IDENTITY,
}

LGAMMA: Table = {
    ("of x + 1", "log x!"): forward(lambda x: lgamma(x + 1)).known("the factorial"),
    ("derivative of log x", "dy log x for dy psi(x)"): dx.slope(lambda y, x: np.log(x)).known(
        "psi's limit"
    ),
    ("derivative at x + 1", "dy psi(x + 1)"): dx.slope(lambda y, x: digamma(x + 1)),
    **SIGN,
    **IDENTITY,
}

DIGAMMA: Table = {
    ("logarithm", "log x"): forward(np.log).known("its limit"),
    ("derivative at x + 1", "the sum of 1 / (x + k)^2 without its first term"): dx.slope(
        lambda y, x: zeta(2, x + 1)
    ),
    ("derivative of log x", "dy / x"): dx.slope(lambda y, x: 1 / x),
    **SIGN,
    **IDENTITY,
}
