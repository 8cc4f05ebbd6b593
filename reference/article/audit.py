"""The audit of the article: does each printed figure hold, and if not, where was it lost?

Two questions are asked of a figure: does the proven value round to it, and do the operands
printed on its own line give it? The verdict follows from the answers:

    holds     the proven value rounds, half up, to the figure at its own places.
    rounding  it does not, but the figure follows from its line, whose operands hold or are
              `rounding` themselves: rounding on the way added up.
    carried   it follows from its line, but an operand is itself wrong (slip or carried).
    slip      its own line does not give it.

The origin of a carried figure is the first slip met on the way upstream, from line to line. The
search ends there, since earlier figures do not explain a slip. For a figure of the program's
output, the program takes the part of the line.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from backproof.reference.article import expression
from backproof.reference.article.figures import FUNCTIONS, Article, Figure
from backproof.reference.article.golden import DIGITS, prove
from backproof.reference.article.program import printed_numbers
from backproof.reference.fixtures import FIXTURES, FixtureError, places
from backproof.reference.numbers.exact import (
    Number,
    on_balls,
    rational,
    round_half_up,
    significant,
    workprec,
)
from backproof.reference.table import table

FigureVerdict = Literal["holds", "rounding", "carried", "slip"]

RECORD = FIXTURES / "golden" / "audit.json"
"""The audit's findings as last recorded, for the test that keeps them."""

COMMAND = "make golden"


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one figure.

    id, iteration, step, place, quantity, printed: of the figure.
    proven:    the quantity's value, proven to 40 digits.
    verdict:   holds, rounding, carried or slip.
    corrected: the proven value at the printed places, where the figure does not hold.
    follows:   whether the figure's own line gives it; None where it has none.
    gives:     what its line gives at the printed places, or what the program prints.
    origin:    the id of the first slip upstream, of a carried figure.
    why:       one line for people; empty where the figure holds and follows.
    """

    id: str
    iteration: int
    step: str
    place: str
    quantity: str
    printed: str
    proven: str
    verdict: FigureVerdict
    corrected: str | None
    follows: bool | None
    gives: str | None
    origin: str | None
    why: str


class Auditor:
    """Holds what every verdict needs: the proven iterations and the program's output."""

    def __init__(self, article: Article) -> None:
        """Prove the article's two iterations, and run its program."""
        self.article = article
        self.figures = {figure.id: figure for figure in article.figures}
        with workprec():
            self.proven = prove(article)
        claimed = [figure.id for figure in article.figures if figure.program]
        prints = printed_numbers(**_program_arguments(article))
        if len(prints) != len(claimed):
            raise FixtureError(
                f"article.toml: {len(claimed)} figures have program = true, "
                f"but the program prints {len(prints)} numbers"
            )
        self.prints = dict(zip(claimed, prints, strict=True))

    def audit(self) -> list[Finding]:
        """Return the finding on every figure, in the article's order."""
        with workprec():
            return [self.finding(figure) for figure in self.article.figures]

    def finding(self, figure: Figure) -> Finding:
        """Return the finding on one figure."""
        verdict, origin = self.verdict(figure, figure.printed)
        gives = self.gives(figure, figure.printed)
        follows = None if gives is None else _same(gives, figure.printed, text=figure.program)
        value = self.value(figure)
        return Finding(
            id=figure.id,
            iteration=figure.iteration,
            step=figure.step,
            place=f"{figure.step}, {figure.at}",
            quantity=figure.quantity,
            printed=figure.printed,
            proven=significant(value, DIGITS),
            verdict=verdict,
            corrected=None if verdict == "holds" else f"{round_half_up(value, figure.places):f}",
            follows=follows,
            gives=gives,
            origin=origin if verdict == "carried" else None,
            why=""
            if verdict == "holds" and follows is not False
            else _why(figure, verdict, gives, origin),
        )

    def value(self, figure: Figure) -> Number:
        """Return the proven value of what the figure states."""
        iteration = self.proven[figure.iteration - 1]
        value: Number = self.article.value(figure.quantity, rational, lambda at: at.of(iteration))
        return value

    def gives(self, figure: Figure, printed: str) -> str | None:
        """Return what the figure's line gives, half up at the places of `printed`."""
        if figure.program:
            return self.prints[figure.id]
        if figure.line is None:
            return None
        functions = {name: on_balls(function) for name, function in FUNCTIONS.items()}
        value = expression.evaluate(figure.line, rational, {**functions, "abs": abs})
        return f"{round_half_up(value, places(printed)):f}"

    def verdict(self, figure: Figure, printed: str) -> tuple[FigureVerdict, str | None]:
        """Return the verdict on `printed` in the figure's place, and the id of its first slip.

        `printed` is the figure itself, or the operand by which another line repeats it. So the
        verdict on a line depends on the operands as that line prints them, and the verdict on a
        figure does not depend on copies of it.
        """
        if _same(f"{round_half_up(self.value(figure), places(printed)):f}", printed):
            return "holds", None
        gives = self.gives(figure, printed)
        if gives is None or not _same(gives, printed, text=figure.program):
            return "slip", figure.id
        operands = [
            self.verdict(self.figures[repeated], operand)
            for operand, repeated in figure.operands.items()
        ]
        origins = [origin for _, origin in operands if origin is not None]
        if origins:
            return "carried", min(origins, key=list(self.figures).index)
        return "rounding", None


def audit(article: Article) -> list[Finding]:
    """Return the finding on every figure of the article, in its order."""
    return Auditor(article).audit()


def errata(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings on figures that do not hold."""
    return [finding for finding in findings if finding.verdict != "holds"]


def record(findings: Iterable[Finding]) -> str:
    """Return the text of fixtures/golden/audit.json."""
    header = {"generator": "backproof audit of fixtures/article.toml", "version": 1}
    header["command"] = COMMAND
    content = {"header": header, "findings": {f.id: asdict(f) for f in findings}}
    return json.dumps(content, indent=1) + "\n"


def recorded(path: Path = RECORD) -> dict[str, Any]:
    """Return id -> finding as recorded. Raises FixtureError."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["findings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FixtureError(
            f"{path.name}: {type(error).__name__}: {error}; `{COMMAND}` rewrites the file"
        ) from None
    return found


def to_json(findings: Iterable[Finding]) -> str:
    """Return the audit as a JSON array of objects; what is None is left out."""
    objects = [{k: v for k, v in asdict(f).items() if v is not None} for f in findings]
    return json.dumps(objects, indent=1)


def to_text(findings: Sequence[Finding]) -> str:
    """Return the audit as a table of all figures, then the counts."""
    head = ("id", "place", "quantity", "printed", "proven", "verdict", "follows", "why")
    return f"{table(head, [_row(f) for f in findings])}\n\n{counts(findings)}"


def counts(findings: Iterable[Finding]) -> str:
    """Return how many figures have each verdict, in one sentence."""
    verdicts = [finding.verdict for finding in findings]
    each = ", ".join(f"{verdicts.count(v)} {v}" for v in ("holds", "rounding", "carried", "slip"))
    return f"{len(verdicts)} figures: {each}."


def _row(f: Finding) -> tuple[str, ...]:
    follows = {None: "", True: "yes", False: "no"}[f.follows]
    return f.id, f.place, f.quantity, f.printed, f.proven[:14], f.verdict, follows, f.why


def _program_arguments(article: Article) -> dict[str, Any]:
    leaves = article.network.leaves(lambda a: a.astype(float))
    return {
        "x": leaves["x"][0],
        "t": leaves["t"][0, 0],
        "eta": float(article.eta),
        "W_h": leaves["W_h"],
        "b_h": leaves["b_h"],
        "W_o": leaves["W_o"][:, 0],
        "b_o": leaves["b_o"],
    }


def _same(one: str, other: str, *, text: bool = False) -> bool:
    """Return whether two printed numbers are equal; as `text`, digit by digit."""
    return one == other if text else Decimal(one) == Decimal(other)


def _why(figure: Figure, verdict: FigureVerdict, gives: str | None, origin: str | None) -> str:
    """Return one line on a figure that does not hold, or does not follow from its line."""
    if figure.program:
        return f"the program prints {gives}"
    if verdict == "carried":
        return f"follows from its line, which carries the slip at {origin}"
    if verdict == "rounding" and (repeated := figure.operands.get(figure.line or "")):
        return f"repeats {repeated}, rounded on the way"
    if verdict == "rounding":
        return f"{figure.line} gives it, of operands that were rounded before"
    return f"{figure.line} gives {gives}" if figure.line else "not the value given"
