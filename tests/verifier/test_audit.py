"""The audit's verdicts, on the article's figures and on planted ones."""

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from backproof.reference.article.audit import Finding, audit, counts, errata, recorded
from backproof.reference.article.expression import parts
from backproof.reference.article.figures import Article, load
from backproof.reference.fixtures import FIXTURES, FixtureError
from tests.verifier.sandbox import Sandbox

QUOTED = r'"([^"]*)"'
TEXT = (FIXTURES / "articles" / "article.toml").read_text(encoding="utf-8")


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
    """No figure is left out, and all are decided, with these four verdicts."""
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
        for number in parts(figure.line)[1]
        if number not in figure.operands
    }

    assert own == {"1", "0.5"}


def test_operands_are_repeated_as_printed(article: Article) -> None:
    """Every operand equals, up to its sign, the figure that it is said to repeat."""
    printed = {figure.id: float(figure.printed) for figure in article.figures}

    for figure in article.figures:
        for operand, repeated in figure.operands.items():
            assert float(operand) in (printed[repeated], -printed[repeated]), figure.id


def test_every_number_of_a_line_is_declared(tmp_path: Path) -> None:
    """If an operand or a constant is left out, the error names file, figure and number.

    Every seventh of them is tried.
    """
    path = tmp_path / "article.toml"
    lines = re.findall(r"^  \{ id = .* line = .*$", TEXT, re.MULTILINE)
    declared = [
        (line, *entry)
        for line in lines
        for entry in re.findall(r'(?:[{,] |\[)("([-+.\d]+)"(?: = "[^"]*")?)', line)
    ]
    assert len(declared) == sum(len(parts(f.line)[1]) for f in load().figures if f.line)

    for line, entry, number in declared[::7]:
        shorter = line.replace(entry, "").replace("{ , ", "{ ").replace(",  }", " }")
        path.write_text(TEXT.replace(line, shorter.replace(", , ", ", ")), encoding="utf-8")

        with pytest.raises(FixtureError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: step ")
        assert f"({re.findall(QUOTED, line)[0]}): line = " in str(caught.value)
        assert str(caught.value).endswith(f"{number!r} is no operand and no constant")


def changed(article: Article, id_: str, **changes: Any) -> dict[str, Finding]:
    """Return the audit with one figure changed: figure's id -> finding."""
    figures = [replace(f, **changes) if f.id == id_ else f for f in article.figures]
    return {f.id: f for f in audit(replace(article, figures=tuple(figures)))}


def others_are_as_recorded(found: dict[str, Finding], *ids: str) -> bool:
    """Return whether the finding on every other figure is the recorded one."""
    record = recorded()
    return [id_ for id_ in found if asdict(found[id_]) != record[id_]] == list(ids)


@pytest.mark.parametrize(
    ("id_", "printed", "verdict", "follows"),
    [
        ("1.1-w1x1", "0.008", "holds", True),  # 0.15 * 0.05 = 0.0075
        ("1.1-w1x1", "0.007", "holds", True),
        ("1.1-w1x1", "0.009", "slip", False),
        ("1.1-net_h1", "0.378", "holds", True),  # 0.3775, a node's value
        ("1.1-net_h1", "0.377", "holds", True),
        ("1.1-net_h1", "0.376", "slip", False),
        ("w1", "0.1", "holds", None),
        ("w1", "0.2", "holds", None),
        ("3.3-shift5", "0.04108", "holds", True),  # 0.5 * 0.08217 = 0.041085
        ("3.3-shift5", "0.04109", "rounding", True),
        ("3.3-shift5", "0.04110", "slip", False),
    ],
)
def test_at_a_tie_both_neighbours_are_right(
    article: Article,
    id_: str,
    printed: str,
    verdict: str,
    follows: bool | None,  # noqa: FBT001 an expected value
) -> None:
    """A value or a line halfway between two decimals rounds to both, and to no third."""
    found = changed(article, id_, printed=printed)

    assert (found[id_].verdict, found[id_].follows) == (verdict, follows)
    assert others_are_as_recorded(found, *[id_] * (asdict(found[id_]) != recorded()[id_]))


@pytest.mark.parametrize(
    ("quantity", "why"),
    [
        ("exp(0) * w1 * x1", "too wide to be rounded to 3 decimal places"),
        ("w5_new - w5_new", "may be zero: it has no proven digit"),
        ("1 / (w5_new - w5_new)", "not finite"),
        ("1 / (x1 - x1)", "division by zero"),
        ("exp(exp(exp(w1 / x1 ** 9)))", "not finite"),
    ],
)
def test_an_undecidable_figure_costs_no_other_its_verdict(
    article: Article, quantity: str, why: str
) -> None:
    """A figure whose value cannot be rounded is undecided and says why; all others are judged."""
    found = changed(article, "1.1-w1x1", quantity=quantity, printed="0.008")
    finding = found["1.1-w1x1"]

    assert (finding.verdict, finding.proven, finding.corrected) == ("undecided", "", None)
    assert why in finding.why
    assert others_are_as_recorded(found, "1.1-w1x1")
    assert counts(found.values()).endswith(" 1 undecided.")
    assert len(errata(found.values())) == 52


def test_what_follows_from_an_undecided_operand_is_undecided(article: Article) -> None:
    """A wrong figure is not called rounding while it is undecided whether its operand holds."""
    found = changed(article, "2-t1-o1", quantity="1 / (x1 - x1)")

    assert found["2-square"].verdict == "undecided"
    assert found["2-square"].why == "follows from its line, of which an operand is undecided"
    assert found["2-square"].corrected == "0.54962"
    assert found["2-t1-prose"].verdict == "holds"


def planted(printed: str) -> str:
    """Return a figure with its last digit off by one."""
    return printed[:-1] + str((int(printed[-1]) + 1) % 10)


def test_a_wrong_digit_is_one_red_figure(article: Article) -> None:
    """A wrong digit in a printed figure changes the finding on that figure, and on no other.

    Only where it was a slip before do its copies become wrong copies, and slips of their own.
    """
    record = recorded()
    for figure in article.figures:
        found = changed(article, figure.id, printed=planted(figure.printed))
        moved = {id_ for id_ in found if asdict(found[id_]) != record[id_]} - {figure.id}

        assert asdict(found[figure.id]) != record[figure.id]
        assert not moved or record[figure.id]["verdict"] == "slip"
        for id_ in moved:
            copied = figure.id in next(f for f in article.figures if f.id == id_).operands.values()
            assert copied or record[id_]["origin"] == figure.id


@pytest.mark.parametrize(
    ("copy", "printed", "verdict", "follows"),
    [
        ("0.23732", "1.10592", "slip", False),  # the line gives it, but not the article
        ("0.23732", "1.10591", "holds", False),
        ("0.2373", "1.10590", "rounding", True),
        ("0.237310", "1.10591", "holds", True),
    ],
)
def test_a_wrong_copy_is_the_copys_fault(
    tmp_path: Path,
    copy: str,
    printed: str,
    verdict: str,
    follows: bool,  # noqa: FBT001 an expected value
) -> None:
    """A line that repeats a figure wrongly is a slip of its own; a copy of other places is none."""
    line = 'line = "0.23731 + 0.26860 + 0.60000", operands = { "0.23731"'
    article = edited(
        tmp_path,
        (line, line.replace("0.23731", copy)),
        ('printed = "1.10591"', f'printed = "{printed}"'),
    )
    found = {f.id: f for f in audit(article)}
    finding = found["1.3-net_o1"]

    assert (finding.verdict, finding.follows, finding.origin) == (verdict, follows, None)
    assert ("repeats 1.3-w5h1, 0.23731, as 0.23732" in finding.why) == (follows is False)
    assert others_are_as_recorded(found, *["1.3-net_o1"] * bool(finding.why))


def test_a_tie_fails_in_no_implementation(tmp_path: Path) -> None:
    """Where 0.378 is printed for 0.3775, numbers a little above and below the tie are right."""
    sandbox = Sandbox(tmp_path)
    sandbox.edit(
        "fixtures/articles/article.toml",
        'quantity = "net_h1", printed = "0.3775"',
        'quantity = "net_h1", printed = "0.378"',
    )
    outcome = sandbox.run("--frameworks", "reference", "-k", "1.1-net_h1")

    assert outcome.red == ["verdict[1.1-net_h1]"]  # the record is of another figure
    assert len(outcome.cells) >= 2
