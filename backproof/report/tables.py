"""The tables of a report, as plain text."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from backproof.reference.table import table
from backproof.report.cells import CERTIFIED, NETWORKS, OPS_ALONE, PAIRS, Cell

DECLARED = "declared unsupported: "
"""With it begins the message of a cell that its adapter declares unsupported."""

UNDECIDED = (
    "Undecided: the numbers lie in their balls, but so would zeros, or numbers without a correct "
    "digit. So nothing is proven of them, and the run fails."
)
"""What the verdict means."""

ABBREVIATED = {"float64": "f64", "float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def matrix(cells: Iterable[Cell]) -> str:
    """Return one row per group, one column per implementation and precision."""
    of_one = [cell for cell in cells if cell.group not in (PAIRS, *CERTIFIED)]
    if not of_one:
        return ""
    columns = list(dict.fromkeys((cell.adapter, cell.precision) for cell in of_one))
    groups = list(dict.fromkeys(cell.group for cell in of_one))
    head = ["", *(f"{adapter} {ABBREVIATED[precision]}" for adapter, precision in columns)]
    rows = [
        [
            group,
            *(
                agreement(
                    c for c in of_one if (c.group, c.adapter, c.precision) == (group, *column)
                )
                for column in columns
            ),
        ]
        for group in groups
    ]
    return table(head, rows)


def pairs(cells: Iterable[Cell]) -> str:
    """Return one row per pair of implementations, one column per precision."""
    of_two = [cell for cell in cells if cell.group == PAIRS]
    if not of_two:
        return ""
    precisions = list(dict.fromkeys(cell.precision for cell in of_two))
    names = list(dict.fromkeys((cell.adapter, cell.against) for cell in of_two))
    rows = [
        [
            f"{one} - {other}",
            *(
                agreement(
                    c for c in of_two if (c.adapter, c.against, c.precision) == (one, other, p)
                )
                for p in precisions
            ),
        ]
        for one, other in names
    ]
    return table(["", *(ABBREVIATED[p] for p in precisions)], rows)


def networks(cells: Iterable[Cell]) -> str:
    """Return one row per network: links inside, worst share of a ball, digits proven."""
    return certified([cell for cell in cells if cell.group == NETWORKS])


def ops_alone(cells: Iterable[Cell]) -> str:
    """Return the same with one row per op, all its options and points together."""
    of_ops = [cell for cell in cells if cell.group == OPS_ALONE]
    return certified(
        [replace(c, network=c.network.partition("/")[0].partition("-")[0]) for c in of_ops]
    )


def certified(cells: Iterable[Cell]) -> str:
    """Return one row per network that the cells name."""
    of_links = [cell for cell in cells if cell.verdict != "unsupported"]
    precisions = [p for p in ABBREVIATED if any(c.precision == p for c in of_links)]
    rows = []
    for name in dict.fromkeys(cell.network for cell in of_links):
        own = [cell for cell in of_links if cell.network == name]
        links, inside = sum(c.links for c in own), sum(c.inside for c in own)
        rows.append(
            [
                name,
                f"{inside}/{links}{' RED' if any(c.is_red for c in own) else ''}",
                sum(c.undecided for c in own) or "-",
                sum(c.outside for c in own if c.verdict == "known") or "-",
                f"{sum(c.entries for c in own):,}",
                _share(c.share for c in own),
                *(_fewest(c.proven for c in own if c.precision == p) for p in precisions),
            ]
        )
    head = ["", "links inside", "undecided", "known", "numbers", "worst share"]
    return table([*head, *(f"proven {ABBREVIATED[p]}" for p in precisions)], rows) if rows else ""


def end_to_end(cells: Iterable[Cell]) -> str:
    """Return one row per network, one column per precision: "decided/all fewest digits".

    How many losses and gradients are proven end to end, of all, and to how many digits gradients
    agree with those of the implementations before.
    """
    held = [cell for cell in cells if cell.group == NETWORKS and cell.end_to_end]
    precisions = [p for p in ABBREVIATED if any(c.precision == p for c in held)]
    rows = []
    for name in dict.fromkeys(cell.network for cell in held):
        own = [[c for c in held if (c.network, c.precision) == (name, p)] for p in precisions]
        rows.append([name, *map(_decided, own)])
    return table(["", *(ABBREVIATED[p] for p in precisions)], rows) if rows else ""


def _decided(cells: Sequence[Cell]) -> str:
    decided, total = sum(c.decided for c in cells), sum(c.end_to_end for c in cells)
    return f"{decided}/{total} {_fewest(c.digits for c in cells)}" if cells else "-"


def grid(cells: Iterable[Cell], group: str) -> str:
    """Return one row per network, or per op with all its points, and one column per adapter.

    An entry says "links inside/links", how many others are undecided and known, and RED if a cell
    fails the run.
    """
    own = [c for c in cells if c.group == group and c.verdict != "unsupported"]
    columns = list(dict.fromkeys(cell.adapter for cell in own))
    rows: dict[str, dict[str, list[Cell]]] = {}
    for cell in own:
        name = cell.network.partition("/")[0]
        rows.setdefault(name, {}).setdefault(cell.adapter, []).append(cell)
    lines = [
        [name, *(_inside(of_adapter.get(column, [])) for column in columns)]
        for name, of_adapter in rows.items()
    ]
    return table(["", *columns], lines) if lines else ""


def _inside(cells: Sequence[Cell]) -> str:
    if not cells:
        return "-"
    links, inside = sum(c.links for c in cells), sum(c.inside for c in cells)
    counts = {
        "undecided": sum(c.undecided for c in cells),
        "known": sum(c.outside for c in cells if c.verdict == "known"),
    }
    others = [f"{count} {name}" for name, count in counts.items() if count]
    red = ["RED"] if any(c.is_red for c in cells) else []
    return " ".join([f"{inside}/{links}", *others, *red])


def properties(cells: Iterable[Cell]) -> str:
    """Return one row per property that an implementation was seen to have, and where."""
    seen: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        for name in cell.properties:
            where = seen.setdefault((cell.adapter, name), [])
            where.append(f"{cell.network} {ABBREVIATED.get(cell.precision, '')}".strip())
    rows = [
        (adapter, name, _few(list(dict.fromkeys(where)))) for (adapter, name), where in seen.items()
    ]
    return table(("", "property", "seen on"), rows) if rows else ""


def _few(names: list[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def known(findings: Iterable[Mapping[str, str]]) -> str:
    """Return one paragraph per known finding, with its reproducer."""
    return "\n\n".join(
        f"{one['of']}: {one['cause']}\n"
        f"  at {one['point']}: seen {one['seen']}, proven {one['proven']}\n"
        + textwrap.indent(one["reproducer"], "  | ")
        for one in findings
    )


def _share(shares: Iterable[float | None]) -> str:
    known = [share for share in shares if share is not None]
    return f"{math.floor(max(known) * 100) / 100:.2f}" if known else "-"


def _fewest(digits: Iterable[float | None]) -> str:
    known = [d for d in digits if d is not None]
    return f"{math.floor(min(known) * 10) / 10:.1f}" if known else "-"


def agreement(cells: Iterable[Cell]) -> str:
    """Return "agreeing/total fewest digits" of some cells, and RED where not all of them agree."""
    found = list(cells)
    if not found:
        return ""
    if all(cell.verdict == "unsupported" for cell in found):
        return "unsupported"
    agreeing = sum(cell.verdict == "agrees" for cell in found)
    fewest = _fewest(cell.digits for cell in found)
    return f"{agreeing}/{len(found)} {fewest}{' RED' if agreeing < len(found) else ''}"


def unsupported(cells: Iterable[Cell]) -> str:
    """Return what was declared unsupported: a line for each reason of an adapter in a precision."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for cell in cells:
        if cell.verdict == "unsupported":
            what, _, why = (cell.message or "").removeprefix(DECLARED).partition(": ")
            found.setdefault((f"{cell.adapter} {cell.precision}", why), {})[what] = None
    return "\n".join(
        f"{where}: {DECLARED}{': '.join(filter(None, (', '.join(what), why)))}"
        for (where, why), what in found.items()
    )
