"""The other worked examples: their printed figures, audited, and in every implementation."""

from dataclasses import asdict
from fractions import Fraction

import pytest

from backproof.reference.article import audit as audits
from backproof.reference.article import expression, golden
from backproof.reference.article.figures import Article, Figure
from backproof.reference.article.golden import Golden
from backproof.reference.numbers.exact import Real, nearest, rational, real, significant, workprec
from backproof.report.cells import Cell, RefutedError, digits
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge

SHOWN = 20
"""Digits of a proven value in a message: more than a number of any precision has."""


def test_file(worked: Article) -> None:
    """The golden file is byte for byte what `make golden` writes."""
    assert golden.generate(worked) == golden.file(worked).read_text(encoding="utf-8")


def test_audit(worked: Article) -> None:
    """The audit of every figure is the recorded one."""
    found = {finding.id: asdict(finding) for finding in audits.audit(worked)}

    assert found == audits.recorded(audits.file(worked.name))


def test_example(
    implementation: str,
    precision: str,
    worked: Article,
    implementations: Implementations,
    cell: Cell,
    judge: Judge,
) -> None:
    """Each implementation computes every printed figure, or its correction.

    Its number lies in the ball of all correct evaluations, or recorded findings predict all of the
    pass that it belongs to. Where this ball rounds to one decimal only, at the places that are
    printed, that is what the proven value rounds to.
    """
    one, proven = implementations.of(worked), golden.read(worked)
    known: dict[str, None] = {}
    for figure in worked.figures:
        value = one.value(implementation, precision, figure.iteration, figure.quantity)
        ball = one.ball(precision, figure.iteration, figure.quantity)
        with workprec():
            right = exactly(worked, proven, figure)
            shown = significant(right, SHOWN)
            told = f"{figure.id}, {figure.quantity}: proven {shown}, {implementation} says {value}"
            mid, rad = Fraction(float(ball.mid)), Fraction(float(ball.rad))
            rounded = [nearest(rational(end), figure.places) for end in (mid - rad, mid + rad)]
            if abs(Fraction(value) - mid) > rad:
                at = precision, figure.iteration, figure.quantity
                if causes := judge.predicted(one.pass_of(implementation, *at), cell):
                    known |= dict.fromkeys(causes)
                    continue
                raise RefutedError(f"{told}: outside the ball {float(mid)!r} +- {float(rad)!r}")
            if rounded[0] == rounded[1] != nearest(right, figure.places):
                raise RefutedError(f"{told}: {figure.places} places differ")
            agreed = digits(value, shown, precision)
        cell.digits = agreed if cell.digits is None else min(agreed, cell.digits)
    cell.known = tuple(known)
    if known:
        pytest.xfail("known: " + "; ".join(known))


def exactly(worked: Article, proven: Golden, figure: Figure) -> Real:
    """Return the proven value of what a figure states."""
    known = {"eta": worked.eta, **proven.iterations[figure.iteration]}
    value: Real = expression.evaluate(figure.quantity, real, lambda name: real(known[name]))
    return value
