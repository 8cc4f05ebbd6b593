"""Classical mistakes of elementary functions, and of functions that choose.

Shapes: the operand x, the value y and its cotangent dy, all of one shape; of two operands a and b,
both broadcast to it.
"""

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.op import sum_to_shape
from backproof.reference.verdict.faults.arithmetic import addend, factor
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    both,
    cotangents,
    fixed,
    forward,
    function,
)

dx, da, db = Cotangent(), Cotangent(0), Cotangent(1)

IDENTITY: Table = {("no derivative", "dy"): dx.passed_on.known("a stray identity")}
SIGN: Table = {("wrong sign", "the gradient negated"): dx.times(-1.0)}

SUBTRACT: Table = {
    ("added", "a + b"): forward(lambda a, b: a + b).known("a sign"),
    ("second operand's sign lost", "dy for db = -dy"): db.times(-1.0),
    **addend("first"),
    **addend("second"),
}

DIVIDE: Table = {
    ("multiplied", "a b"): forward(lambda a, b: a * b).known("the wrong operator"),
    ("second operand's sign lost", "a dy / b^2 for db"): db.times(-1.0),
    ("square forgotten", "-a dy / b for db"): db(
        lambda dy, y, a, b: sum_to_shape(-(dy * (a / b)), b.shape)
    ),
    ("first operand multiplied", "b dy for da = dy / b"): da(
        lambda dy, y, a, b: sum_to_shape(dy * b, a.shape)
    ),
    **factor("first"),
    **factor("second"),
}

NEGATIVE: Table = {
    ("sign lost", "x"): forward(lambda x: 1 * x),
    ("sign lost on the way back", "dy"): dx.passed_on,
}

POWER: Table = {
    ("exponent forgotten", "dy x^(n - 1)"): dx.then(lambda d, x, exponent: d / exponent),
    ("exponent not lowered", "dy n x^n"): dx.then(lambda d, x, exponent: d * x),
    ("one power too many", "x^(n + 1)"): forward(lambda x, exponent: x**exponent * x),
    **IDENTITY,
}

EXP: Table = {
    ("one subtracted", "e^x - 1"): forward(np.expm1),
    ("derivative at the output", "dy e^y"): dx.slope(lambda y, x: np.exp(y)),
    **IDENTITY,
}

EXPM1: Table = {
    ("one not subtracted", "e^x"): forward(np.exp),
    ("its own output for the derivative", "dy y, without + 1"): dx.slope(lambda y, x: y),
    **IDENTITY,
}

LOG: Table = {
    ("of base 2", "log x / log 2"): forward(lambda x: np.log(x) / np.log(2.0)),
    ("multiplied", "dy x"): dx.slope(lambda y, x: x),
    **IDENTITY,
}

LOG1P: Table = {
    ("one forgotten", "log x"): function(np.log, lambda dy, y, x: (dy / x,)),
    ("one forgotten on the way back", "dy / x"): dx.slope(lambda y, x: 1 / x),
    **IDENTITY,
}

SQRT: Table = {
    ("lost factor 1/2", "dy / sqrt x"): dx.times(2),
    ("root forgotten", "dy / (2 x)"): dx.slope(lambda y, x: 0.5 / x),
    **IDENTITY,
}

RSQRT: Table = {
    ("root for its reciprocal", "sqrt x"): forward(np.sqrt),
    ("lost factor 1/2", "-dy / (x sqrt x)"): dx.times(2),
    ("square for cube", "-1/2 dy y^2"): dx.slope(lambda y, x: -0.5 / x),
    **SIGN,
}

RECIPROCAL: Table = {
    ("square forgotten", "-dy / x"): dx.slope(lambda y, x: -1 / x),
    ("divided by its square", "-dy x^2"): dx.slope(lambda y, x: -(x * x)),
    **SIGN,
}

SIN: Table = {
    ("its own output for the derivative", "dy sin x"): dx.slope(lambda y, x: np.sin(x)),
    ("cosine for sine", "cos x"): forward(np.cos),
    **SIGN,
    **IDENTITY,
}

COS: Table = {
    ("sine for cosine", "sin x"): forward(np.sin),
    ("its own output for the derivative", "dy cos x"): dx.slope(lambda y, x: np.cos(x)),
    **SIGN,
}

ERF: Table = {
    ("factor 2 / sqrt(pi) forgotten", "dy e^-x^2"): dx.slope(lambda y, x: np.exp(-(x * x))),
    ("half of the exponent", "dy 2 / sqrt(pi) e^(-x^2 / 2), the normal density's"): dx.slope(
        lambda y, x: 2 / np.pi**0.5 * np.exp(-0.5 * (x * x))
    ),
    ("tanh", "tanh x"): forward(np.tanh),
    **IDENTITY,
}

ABS: Table = {
    **IDENTITY,
    **SIGN,
    ("zero at negatives", "dy where x > 0, else zero"): dx(
        lambda dy, y, x: np.where(x > 0, dy, 0)
    ).known("ReLU's"),
}

CLAMP: Table = {
    ("no derivative", "dy beyond the bounds too"): dx.passed_on.known(
        "a straight-through estimator"
    ),
    ("low forgotten", "what no bound below gives"): fixed(low=None),
    ("high forgotten", "what no bound above gives"): fixed(high=None),
}


def other(op: str) -> Table:
    """Return the faults of the larger or smaller of two, for which the other one may be taken."""
    return {
        ("the other one", f"what {op} gives"): both(lambda _: OPS[op]),
        ("both receive", "dy for both operands"): cotangents(
            lambda dy, y, a, b: (sum_to_shape(dy, a.shape), sum_to_shape(dy, b.shape))
        ),
        ("the loser receives", f"what {op} hands on"): cotangents(OPS[op].backward),
    }


MAXIMUM, MINIMUM = other("minimum"), other("maximum")


def swapped(op: str) -> Op:
    """Return the op of the negated condition."""
    right = OPS[op]
    return Op(
        lambda a, b, condition: right.forward(a, b, condition=~condition),
        lambda dy, y, a, b, condition: right.backward(dy, y, a, b, condition=~condition),
    )


WHERE: Table = {
    ("condition negated", "a where the condition does not hold"): both(swapped),
    ("first operand's gradient not masked", "dy everywhere"): da(
        lambda dy, y, a, b, **_: sum_to_shape(dy, a.shape)
    ),
    ("second operand's gradient not masked", "dy everywhere"): db(
        lambda dy, y, a, b, **_: sum_to_shape(dy, b.shape)
    ),
}
