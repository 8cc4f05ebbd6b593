"""The audit of a worked example: does each printed figure hold, and if not, where was it lost?

Two questions are asked of a figure: does the proven value round to it, and does its own line give
it, from the figures that it repeats? The verdict follows from the answers:

    holds      the proven value rounds to the figure, at its own places.
    rounding   it does not, but the figure follows from its line, whose operands hold or are
               `rounding` themselves: rounding on the way added up.
    carried    it follows from its line, but an operand is itself wrong (slip or carried).
    slip       its own line does not give it, or copies a figure wrongly.
    undecided  its value has no proven digit, or is too near a tie to be rounded; or so is that of
               an operand on which the verdict depends.

At a tie, which only a rational value can be proven to be, both neighbours are right roundings:
0.007 and 0.008 of 0.0075. Where the audit itself rounds one, it rounds half up.

The origin of a carried figure is the first slip met on the way upstream, from line to line. The
search ends there, since earlier figures do not explain a slip. For a figure of the program's
output, the program takes the part of the line. A wrong figure with neither is explained by a
mistake that gives it (explanation.py).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from backproof.reference.article import expression
from backproof.reference.article.explanation import explanations
from backproof.reference.article.figures import FIRST, Article, Figure
from backproof.reference.article.golden import DIGITS, prove
from backproof.reference.files import FIXTURES, FileError, read
from backproof.reference.fixtures import places
from backproof.reference.numbers.exact import (
    Real,
    nearest,
    rational,
    real,
    round_half_up,
    significant,
    workprec,
)
from backproof.reference.table import table

FigureVerdict = Literal["holds", "rounding", "carried", "slip", "undecided"]

VERDICTS = get_args(FigureVerdict)

COMMAND = "make golden"
"""What rewrites the record of an audit, for the test that keeps it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one figure.

    id, iteration, step, place, quantity, printed: of the figure.
    proven:    the quantity's value, proven to 40 digits; empty where that is undecided.
    verdict:   holds, rounding, carried, slip or undecided.
    corrected: the proven value at the printed places, where the figure does not hold.
    follows:   whether the figure's own line gives it, from operands that are copied rightly;
               None where it has no line.
    gives:     what its line gives at the printed places, or what the program prints.
    origin:    the id of the first slip upstream, of a carried figure.
    why:       one line for people; empty where the figure holds and its line gives it.
    """

    id: str
    iteration: int
    step: str
    place: str
    quantity: str
    printed: str
    proven: str = ""
    verdict: FigureVerdict = "undecided"
    corrected: str | None = None
    follows: bool | None = None
    gives: str | None = None
    origin: str | None = None
    why: str = ""


class _Auditor:
    """Holds what every verdict needs: the figures and the proven passes."""

    def __init__(self, article: Article) -> None:
        """Prove the iterations that figures belong to."""
        self.article = article
        self.figures = {figure.id: figure for figure in article.figures}
        self.proven = prove(article, article.iterations)
        self.verdict = cache(self._verdict)

    def finding(self, figure: Figure) -> Finding:
        """Return the finding on one figure."""
        finding = Finding(
            id=figure.id,
            iteration=figure.iteration,
            step=figure.step,
            place=f"{figure.step}, {figure.at}",
            quantity=figure.quantity,
            printed=figure.printed,
        )
        verdict, origin = self.verdict(figure.id, figure.printed)
        try:
            value = self.value(figure)
            follows = self.follows(figure, figure.printed)
            right = verdict == "holds"
            return replace(
                finding,
                proven=significant(value, DIGITS),
                verdict=verdict,
                corrected=None if right else f"{round_half_up(value, figure.places):f}",
                follows=follows,
                gives=self.gives(figure),
                origin=origin if verdict == "carried" else None,
                why="" if right and follows is not False else self.why(figure, verdict, origin),
            )
        except ArithmeticError as error:
            return replace(finding, why=str(error))

    def _verdict(self, id_: str, printed: str) -> tuple[FigureVerdict, str | None]:
        """Return the verdict on `printed` in a figure's place, and the id of its first slip.

        `printed` is the figure itself, or another line's copy of it: whether a copy is right does
        not depend on what else is printed.
        """
        figure = self.figures[id_]
        try:
            if Decimal(printed) in nearest(self.value(figure), places(printed)):
                return "holds", None
            if not self.follows(figure, printed):
                return "slip", id_
        except ArithmeticError:
            return "undecided", None
        found = [self.operand(figure, operand) for operand in figure.operands]
        if slips := [origin for _, origin in found if origin is not None]:
            return "carried", min(slips, key=list(self.figures).index)
        return "undecided" if ("undecided", None) in found else "rounding", None

    def operand(self, figure: Figure, operand: str) -> tuple[FigureVerdict, str | None]:
        """Return the verdict on an operand of the figure's line, and the id of its first slip.

        An operand that is wrong as it stands may still repeat, up to its sign and at the fewer
        places of both, what is printed. If it does not, the slip is the figure's own.
        """
        id_ = figure.operands[operand]
        printed = self.figures[id_].printed
        copy = ("-" if printed.startswith("-") else "") + operand.lstrip("+-")
        verdict, origin = self.verdict(id_, copy)
        if verdict != "slip":
            return verdict, origin
        fewer = min(places(copy), places(printed))
        repeats = nearest(rational(copy), fewer) & nearest(rational(printed), fewer)
        return self.verdict(id_, printed) if repeats else (verdict, figure.id)

    def value(self, figure: Figure) -> Real:
        """Return the proven value of what the figure states."""
        iteration = self.proven[figure.iteration]
        value: Real = self.article.value(figure.quantity, real, lambda at: at.of(iteration))
        return value

    def gives(self, figure: Figure) -> str | None:
        """Return what the figure's line gives at its places, or what the program prints."""
        if figure.line is None:
            return self.article.prints.get(figure.id)
        return f"{round_half_up(expression.evaluate(figure.line, real), figure.places):f}"

    def follows(self, figure: Figure, printed: str) -> bool | None:
        """Return whether the figure's line, or the program, gives `printed`; None without one."""
        if figure.line is None:
            return self.article.prints[figure.id] == printed if figure.program else None
        value = expression.evaluate(figure.line, real)
        right = Decimal(printed) in nearest(value, places(printed))
        return right and not self.miscopied(figure)

    def miscopied(self, figure: Figure) -> list[str]:
        """Return the operands whose slip is the figure's own."""
        return [one for one in figure.operands if self.operand(figure, one)[1] == figure.id]

    def why(self, figure: Figure, verdict: FigureVerdict, origin: str | None) -> str:
        """Return one line on a figure that does not hold, or does not follow from its line."""
        if figure.program:
            return f"the program prints {self.article.prints[figure.id]}"
        if figure.line is None:
            off = abs(Decimal(figure.printed) - round_half_up(self.value(figure), figure.places))
            one = off == Decimal(1).scaleb(-figure.places)
            return "one unit of its last place off" if one else "not the value given"
        if wrong := self.miscopied(figure):
            id_ = figure.operands[wrong[0]]
            return f"{figure.line} repeats {id_}, {self.figures[id_].printed}, as {wrong[0]}"
        repeated = figure.operands.get(figure.line)
        rounded = f"{figure.line} gives it, of operands that were rounded before"
        return {
            "carried": f"follows from its line, which carries the slip at {origin}",
            "rounding": f"repeats {repeated}, rounded on the way" if repeated else rounded,
            "undecided": "follows from its line, of which an operand is undecided",
        }.get(verdict, f"{figure.line} gives {self.gives(figure)}")


def audit(article: Article) -> list[Finding]:
    """Return the finding on every figure of the article, in its order. Raises FileError."""
    with workprec():
        auditor = _Auditor(article)
        findings = [auditor.finding(figure) for figure in article.figures]
    unsaid = {f.id for f in findings if f.verdict == "slip" and f.follows is None}
    why = explanations(article, [figure for figure in article.figures if figure.id in unsaid])
    return [replace(f, why=why.get(f.id, f.why)) for f in findings]


def errata(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings on figures that are wrong."""
    return [finding for finding in findings if finding.verdict not in ("holds", "undecided")]


def record(article: Article, findings: Iterable[Finding]) -> str:
    """Return the text of the record of an audit, one finding a line."""
    lines = [f"  {json.dumps(f.id)}: {json.dumps(asdict(f))}" for f in findings]
    header = json.dumps({"of": f"fixtures/articles/{article.name}.toml", "command": COMMAND})
    inner = ",\n".join(lines)
    return f'{{\n "header": {header},\n "findings": {{\n{inner}\n }}\n}}\n'


def file(name: str) -> Path:
    """Return the file of the record of a shipped example's audit."""
    return FIXTURES / "golden" / f"{name}.audit.json"


def recorded(path: Path | None = None) -> dict[str, Any]:
    """Return id -> finding as recorded, of the first article or of a file. Raises FileError."""
    path = path or file(FIRST)
    try:
        found: dict[str, Any] = read(path, "audit")["findings"]
    except FileError as error:
        raise FileError(f"{error}; `{COMMAND}` rewrites the file") from None
    return found


def to_json(findings: Iterable[Finding]) -> str:
    """Return the audit as a JSON array of objects; what is None is left out."""
    objects = [{k: v for k, v in asdict(f).items() if v is not None} for f in findings]
    return json.dumps(objects, indent=1)


def to_text(findings: Sequence[Finding]) -> str:
    """Return the audit as a table of all figures, one of the errata, and the counts."""
    head = ("id", "place", "quantity", "printed", "proven", "verdict", "follows", "why")
    parts = [table(head, [_row(f) for f in findings])]
    if wrong := errata(findings):
        rows = [(f.place, f.quantity, f.printed, f.corrected or "", f.why) for f in wrong]
        parts.append("Errata:\n" + table(("place", "quantity", "printed", "correct", "why"), rows))
    return "\n\n".join([*parts, counts(findings)])


def counts(findings: Iterable[Finding]) -> str:
    """Return how many figures have each verdict that occurs, in one sentence."""
    verdicts = [finding.verdict for finding in findings]
    each = [f"{n} {verdict}" for verdict in VERDICTS if (n := verdicts.count(verdict))]
    return f"{len(verdicts)} figures: {', '.join(each)}."


def _row(f: Finding) -> tuple[str, ...]:
    follows = {None: "", True: "yes", False: "no"}[f.follows]
    return f.id, f.place, f.quantity, f.printed, f.proven[:14], f.verdict, follows, f.why
