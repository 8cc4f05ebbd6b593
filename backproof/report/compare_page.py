"""The comparison of two reports as a page: before and after, one HTML file."""

from collections.abc import Mapping
from typing import Any

from backproof.report import causes
from backproof.report.cells import Cell
from backproof.report.compare import BETTER, WORSE, Key, keyed, state, upgrades
from backproof.report.document import headline
from backproof.report.heatmap import SIGNS
from backproof.report.page import WEB, environment

FAILED = "another test fails"


def compare_page(
    old: Mapping[str, Any], new: Mapping[str, Any], changes: Mapping[str, list[Key]]
) -> str:
    """Return the page of a comparison. changes: as `compare` returns them."""
    before, after = keyed(old), keyed(new)

    def shown(cell: Cell | None) -> tuple[str, str]:
        """Return a cell's verdict, and what the comparison says of it."""
        return ("", "-") if cell is None else (cell.verdict, f"{SIGNS[cell.verdict]} {state(cell)}")

    kinds = [
        (
            kind,
            "worse" if kind in WORSE else "better" if kind in BETTER else "",
            [(key, shown(before.get(key)), shown(after.get(key))) for key in keys],
        )
        for kind, keys in changes.items()
    ]
    were = {one.title_of for one in causes.causes([*before.values()])}
    are = causes.causes([*after.values()])
    worse = sum(len(keys) for kind, keys in changes.items() if kind in WORSE)
    return (
        environment()
        .get_template("compare.html.jinja")
        .render(
            title=f"✗ Worse: {worse:,} changes" if worse else "✓ Nothing got worse",
            worse=worse,
            runs=[("before", old, headline(old)), ("after", new, headline(new))],
            upgrades=upgrades(old, new),
            appeared=causes.text([one for one in are if one.title_of not in were]),
            kinds=kinds,
            failed=FAILED,
            css=(WEB / "report.css").read_text(encoding="utf-8"),
        )
    )
