"""The article's printed figures: what the audit says, and what implementations compute."""

from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

from backproof.reference.article.audit import Finding
from backproof.reference.article.figures import Figure
from backproof.reference.numbers.exact import nearest, rational, round_half_up
from backproof.report.cells import FIVE_DECIMALS, Cell, digits
from backproof.running.implementations import Implementations


def test_verdict(figure: Figure, findings: dict[str, Finding], record: dict[str, Any]) -> None:
    """The audit of each figure is the recorded one."""
    assert record.get(figure.id) == asdict(findings[figure.id])


def test_record_is_of_this_article(findings: dict[str, Finding], record: dict[str, Any]) -> None:
    """Every recorded figure still stands in the article, in the same order."""
    assert list(record) == list(findings)


def test_figure(
    implementation: str,
    precision: str,
    figure: Figure,
    findings: dict[str, Finding],
    record: dict[str, Any],
    implementations: Implementations,
    cell: Cell,
) -> None:
    """Each implementation rounds to the figure, or to its correction and not to the figure.

    The recorded audit says which of the two. At a tie, either neighbour of the proven value is
    right. The number also lies within five decimals of the proven value, even where fewer are
    printed.
    """
    finding, recorded = findings[figure.id], record[figure.id]
    assert finding.verdict != "undecided", finding.why
    value = implementations.value(implementation, precision, figure.iteration, figure.quantity)
    rounded = round_half_up(rational(value), figure.places)
    right = nearest(rational(finding.proven), figure.places)
    cell.value, cell.digits = value, digits(value, finding.proven, precision)
    near = abs(Fraction(value) - Fraction(finding.proven)) <= FIVE_DECIMALS

    assert near, f"{figure.quantity}: proven {finding.proven}, {implementation} says {value!r}"
    assert rounded in right
    assert Decimal(recorded["corrected"] or figure.printed) in right
    assert (recorded["verdict"] == "holds") == (Decimal(figure.printed) in right)
