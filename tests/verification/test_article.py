"""The article's network: every quantity, in every implementation, in both iterations."""

from fractions import Fraction

import pytest

from backproof.reference.article.golden import Golden
from backproof.report.cells import FIVE_DECIMALS, Cell, RefutedError, digits
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge


def test_in_ball(
    implementation: str,
    precision: str,
    iteration: int,
    quantity: str,
    implementations: Implementations,
    golden: Golden,
    judge: Judge,
    cell: Cell,
) -> None:
    """The number and the proven value lie in the ball of all correct evaluations in the precision.

    The ball's radius is what the error model allows the whole computation up to this quantity. A
    number outside is known only if recorded findings predict all of the pass that it belongs to.
    """
    value = implementations.value(implementation, precision, iteration, quantity)
    proven = golden.iterations[iteration][quantity]
    ball = implementations.ball(precision, iteration, quantity)
    cell.value, cell.digits = value, digits(value, proven, precision)
    mid, rad = Fraction(float(ball.mid)), Fraction(float(ball.rad))
    proven_inside = abs(Fraction(proven) - mid) <= rad
    inside = abs(Fraction(value) - mid) <= rad
    found = f"{quantity}: proven {proven}, ball {float(mid)!r} +- {float(rad)!r}"
    if not proven_inside:
        raise RefutedError(f"{found}: the proven value is outside")
    if not inside:
        passed = implementations.pass_of(implementation, precision, iteration, quantity)
        cell.known = judge.predicted(passed, cell)
        if cell.known:
            pytest.xfail("known: " + "; ".join(cell.known))
        raise RefutedError(f"{found}: {implementation} says {value!r}")


def test_pair_agrees(
    pair: tuple[str, str],
    precision: str,
    iteration: int,
    quantity: str,
    implementations: Implementations,
    cell: Cell,
) -> None:
    """Any two implementations agree to five decimals."""
    one, other = (implementations.value(name, precision, iteration, quantity) for name in pair)
    cell.value, cell.digits = one, digits(one, other, precision)
    agree = abs(Fraction(one) - Fraction(other)) <= FIVE_DECIMALS
    if not agree:
        raise RefutedError(f"{quantity}: {pair[0]} says {one!r}, {pair[1]} {other!r}")
