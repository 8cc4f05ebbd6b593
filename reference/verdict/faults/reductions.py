"""Classical mistakes of reductions.

Shapes: the operand x, of which n entries are reduced to one of y and dy; options are `axis` and
`keepdims`.
"""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.reductions import axes_of, centered, count, kept, norm_forward
from backproof.reference.verdict.faults.families import Cotangent, Table, fixed, forward, scaled

dx = Cotangent()

N = "a lost 1/n"

SUM: Table = {
    ("mean for sum", "the mean"): forward(OPS["mean"].forward),
    ("mean for sum on the way back", "dy / n"): dx.then(
        lambda d, x, axis=None, **_: d / count(x, axis)
    ),
}

MEAN: Table = {
    ("sum for mean", "what n times as much gives"): scaled(
        lambda x, axis=None, **_: count(x, axis)
    ).known(N),
    ("sum for mean on the way back", "dy"): dx.then(
        lambda d, x, axis=None, **_: d * count(x, axis)
    ).known(N),
    ("gradient lost", "zero"): dx.lost,
}

MAX: Table = {
    ("all receive", "dy for every entry, as of a sum"): dx(
        lambda dy, y, x, **o: OPS["sum"].backward(dy, y, x, **o)[0]
    ),
    ("smallest for largest", "the smallest entry"): forward(
        lambda x, **o: -OPS["max"].forward(-x, **o)
    ),
    ("smallest receives", "dy for the smallest entry"): dx(
        lambda dy, y, x, **o: OPS["max"].backward(dy, y, -x, **o)[0]
    ),
}

MIN: Table = {
    ("all receive", "dy for every entry, as of a sum"): dx(
        lambda dy, y, x, **o: OPS["sum"].backward(dy, y, x, **o)[0]
    ),
    ("largest for smallest", "the largest entry"): forward(OPS["max"].forward),
    ("largest receives", "dy for the largest entry"): dx(
        lambda dy, y, x, **o: OPS["max"].backward(dy, y, x, **o)[0]
    ),
    ("wrong sign", "-dy for the smallest entry"): dx.times(-1.0).known(
        "-max(-x), with one of its signs lost"
    ),
}

LOGSUMEXP: Table = {
    ("sum's gradient", "dy for every entry, without the softmax"): dx(
        lambda dy, y, x, **o: OPS["sum"].backward(dy, y, x, **o)[0]
    ),
    ("largest receives", "dy for the largest entry, as of a maximum"): dx(
        lambda dy, y, x, **o: OPS["max"].backward(dy, y, x, **o)[0]
    ),
    ("not normalized", "dy e^x"): dx(
        lambda dy, y, x, axis=None, **_: kept(dy, x, axis) * np.exp(x)
    ).known("softmax without its sum"),
    ("the maximum alone", "the largest entry"): forward(OPS["max"].forward),
}

VARIANCE: Table = {
    ("correction forgotten", "what n in the place of n - correction gives"): fixed(
        correction=0
    ).known("np.var's default"),
    ("lost factor 2", "(x - m) dy / (n - correction)"): dx.times(0.5),
    ("mean not subtracted", "2 x dy / (n - correction)"): dx(
        lambda dy, y, x, axis=None, correction=1, **_: (
            2 * x * kept(dy, x, axis) / (count(x, axis) - correction)
        )
    ),
    ("standard deviation", "its square root"): forward(
        lambda x, **o: np.sqrt(OPS["variance"].forward(x, **o))
    ),
    ("sum for mean on the way back", "2 (x - m) dy"): dx(
        lambda dy, y, x, axis=None, **_: 2 * centered(x, axis) * kept(dy, x, axis)
    ).known(N),
}

NORM: Table = {
    ("square for length", "sum x^2"): forward(lambda x, **o: OPS["sum"].forward(x * x, **o)).known(
        "a lost sqrt"
    ),
    ("not divided by the length", "dy x"): dx(
        lambda dy, y, x, axis=None, **_: kept(dy, x, axis) * x
    ),
    ("lost factor 1/2", "2 dy x / y"): dx.times(2.0),
    ("divided by the square", "dy x / y^2"): dx.then(
        lambda d, x, axis=None, **_: d / norm_forward(x, axis=axes_of(x, axis), keepdims=True)
    ),
}

NORMALIZE: Table = {
    ("length taken for a constant", "du / ||x||"): dx(
        lambda du, u, x, axis=1, eps=1e-12: du / length(x, axis, eps)
    ).known("a length computed under no_grad()"),
    ("squared length", "x / ||x||^2"): forward(
        lambda x, axis=1, eps=1e-12: x / (length(x, axis, eps) * length(x, axis, eps))
    ),
    ("over all axes", "what the length of the whole array gives"): fixed(axis=None).known(
        "a norm without its `dim`"
    ),
    ("not divided by the length", "du - u sum du u"): dx.then(
        lambda d, x, axis=1, eps=1e-12: d * length(x, axis, eps)
    ),
    ("epsilon forgotten", "x / ||x||"): fixed(eps=0.0),
}


def length(x: Any, axis: Any, eps: float) -> Any:
    """Return max(||x||, eps)."""
    return np.maximum(norm_forward(x, axis=axes_of(x, axis), keepdims=True), eps)


def up_to(right: Any, dy: Any, y: Any, x: Any, *, axis: int) -> Any:
    """Return the sums of dy up to each entry."""
    return OPS["cumsum"].forward(dy, axis=axis)


CUMSUM: Table = {
    ("not turned round on the way back", "the sums of dy up to each entry"): dx.of_right(
        up_to
    ).known("the forward function, used on the way back"),
    ("no derivative", "dy"): dx.passed_on,
    ("entry itself left out", "the sums of the entries before each"): forward(
        lambda x, axis: OPS["cumsum"].forward(x, axis=axis) - x
    ).known("an exclusive sum"),
}
