"""The audit's verdicts, on the article's figures and on planted ones."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from backproof.reference.article.audit import Finding, audit, recorded
from backproof.reference.article.expression import literals
from backproof.reference.article.figures import Article, load
from backproof.reference.fixtures import FIXTURES

TEXT = (FIXTURES / "article.toml").read_text(encoding="utf-8")


def edited(tmp_path: Path, *changes: tuple[str, str]) -> Article:
    """Return the article with parts of its text replaced; each must occur exactly once."""
    text = TEXT
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "article.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.mark.parametrize(
    ("id", "verdict", "follows", "corrected", "origin"),
    [
        ("1.1-net_h1", "holds", True, None, None),
        ("1.1-exp", "slip", False, "0.68557", None),
        ("1.1-denominator", "carried", True, "1.68557", "1.1-exp"),
        ("1.1-out_h1", "holds", False, None, None),  # 1 / 1.68566 does not give 0.59327
        ("2-square", "rounding", True, "0.54962", None),
        ("2-E", "rounding", True, "0.27481", None),  # operand: 2-square, `rounding` itself
        ("3.1-delta_o", "slip", False, "0.13850", None),
        ("4.2-dout_h2", "carried", True, "0.06232", "3.1-delta_o"),
        ("3.3-shift5", "rounding", True, "0.04108", None),  # a tie, rounded half up
        ("6-net_o1", "carried", True, "1.05684", "6-w5h1"),
        ("6-E", "carried", True, "0.26798", "6-out_o1"),
        ("8-E", "slip", False, "0.27481", None),
        ("8-out_h1", "holds", False, None, None),  # the program prints eight places
        ("x1", "holds", None, None, None),
    ],
)
def test_verdict(
    findings: dict[str, Finding],
    id: str,  # noqa: A002 the figure's id
    verdict: str,
    follows: bool | None,  # noqa: FBT001 an expected value
    corrected: str | None,
    origin: str | None,
) -> None:
    """The findings on figures that were worked out by hand are right."""
    finding = findings[id]

    assert (verdict, follows, corrected, origin) == (
        finding.verdict,
        finding.follows,
        finding.corrected,
        finding.origin,
    )


def test_every_figure_has_a_verdict(article: Article, findings: dict[str, Finding]) -> None:
    """No figure is left out, and the verdicts are these four words."""
    assert [figure.id for figure in article.figures] == list(findings)
    assert {f.verdict for f in findings.values()} == {"holds", "rounding", "carried", "slip"}


def test_origins_are_slips(findings: dict[str, Finding]) -> None:
    """A carried figure names a slip as its origin; no other figure has an origin."""
    carried = {f.id: f.origin for f in findings.values() if f.origin is not None}

    assert list(carried) == [f.id for f in findings.values() if f.verdict == "carried"]
    assert {findings[origin].verdict for origin in carried.values() if origin} == {"slip"}


def test_errata_say_why(findings: dict[str, Finding]) -> None:
    """Every figure that does not hold, or does not follow, has a line of explanation."""
    for f in findings.values():
        assert bool(f.why) == (f.verdict != "holds" or f.follows is False), f.id


def test_lines_bring_in_only_constants(article: Article) -> None:
    """A number on a line that repeats no figure is 1, or the 0.5 of the loss."""
    own = {
        number
        for figure in article.figures
        if figure.line is not None
        for number in literals(figure.line)
        if number not in figure.operands
    }

    assert own == {"1", "0.5"}


def test_operands_are_repeated_as_printed(article: Article) -> None:
    """Every operand equals, up to its sign, the figure that it is said to repeat."""
    printed = {figure.id: float(figure.printed) for figure in article.figures}

    for figure in article.figures:
        for operand, repeated in figure.operands.items():
            assert float(operand) in (printed[repeated], -printed[repeated]), figure.id


def planted(printed: str) -> str:
    """Return a figure with its last digit off by one."""
    return printed[:-1] + str((int(printed[-1]) + 1) % 10)


def test_a_wrong_digit_is_one_red_figure(article: Article) -> None:
    """A wrong digit in a printed figure changes the finding on that figure, and on no other."""
    record = recorded()
    for i, figure in enumerate(article.figures):
        wrong = replace(figure, printed=planted(figure.printed))
        figures = (*article.figures[:i], wrong, *article.figures[i + 1 :])
        found = {f.id: asdict(f) for f in audit(replace(article, figures=figures))}

        assert [id_ for id_ in found if found[id_] != record[id_]] == [figure.id]


def test_a_wrong_copy_is_the_copys_fault(tmp_path: Path) -> None:
    """A figure whose line repeats another wrongly is carried; the repeated figure itself holds."""
    line = 'line = "0.23731 + 0.26860 + 0.60000"'
    copy = '"0.23731" = "1.3-w5h1"'
    article = edited(
        tmp_path,
        (line, line.replace("0.23731", "0.23732")),
        (copy, copy.replace("0.23731", "0.23732")),
        ('printed = "1.10591"', 'printed = "1.10592"'),
    )
    found = {f.id: f for f in audit(article)}

    assert found["1.3-w5h1"].verdict == "holds"
    assert found["1.3-net_o1"].verdict == "carried"
    assert found["1.3-net_o1"].origin == "1.3-w5h1"
