"""What tests of balls share: the precisions, and whether exact numbers lie inside."""

from fractions import Fraction
from operator import attrgetter

import numpy as np
import pytest

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, PRECISIONS, Precision
from backproof.reference.ops import Array

NAME = attrgetter("__name__")


def each_of(*precisions: Precision) -> pytest.MarkDecorator:
    """Return the mark of a test that holds in some precisions, each of them `p`."""
    return pytest.mark.parametrize("p", precisions, ids=attrgetter("name"))


EVERY, BOTH = each_of(*PRECISIONS.values()), each_of(FLOAT64, FLOAT32)


def radii(ball: Ball) -> Array:
    """Return the radii of all entries, in one line."""
    return np.broadcast_to(ball.rad, ball.shape).ravel()


def inside(mid: float, rad: float, ends: tuple[Fraction, Fraction]) -> bool:
    """Return whether exact numbers lie in a ball."""
    return np.isinf(rad) or all(abs(end - Fraction(mid)) <= Fraction(rad) for end in ends)
