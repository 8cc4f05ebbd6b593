"""The tables that a run prints on the terminal, each below its title; the causes come last."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from backproof.report import causes, tables
from backproof.report.cells import DERIVATIVES, OPTIMIZERS, VARIANTS
from backproof.report.document import cells_of


def sections(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield title and text of each table that has rows; nothing where nothing was compared."""
    if not (cells := cells_of(report)):
        return
    audit = (
        ""
        if report["article"] is None
        else f"{report['article']['counts']} `backproof audit` lists them."
    )
    red = causes.causes(cells)
    explained = f"{tables.UNDECIDED}\n\n" if any(x.verdict == "undecided" for x in red) else ""
    for title, text in (
        ("agreeing / total, fewest significant digits of agreement", tables.matrix(cells)),
        ("pairs, to five decimals", tables.pairs(cells)),
        ("certificates, every op alone", tables.ops_alone(cells)),
        ("certificates, every link of the chain rule", tables.networks(cells)),
        ("end to end: decided / all, fewest digits of agreement", tables.end_to_end(cells)),
        ("variants, links inside", tables.grid(cells, VARIANTS)),
        ("forward mode and second order, links inside", tables.grid(cells, DERIVATIVES)),
        ("optimizers, every step: numbers inside their balls", tables.grid(cells, OPTIMIZERS)),
        ("properties seen", tables.properties(cells)),
        ("known findings (fixtures/findings.toml)", tables.known(report["findings"])),
        ("what implementations do not support", tables.unsupported(cells)),
        ("the article's printed figures", audit),
        (causes.title(red), f"{explained}{causes.text(red)}" if red else ""),
    ):
        if text:
            yield f"backproof: {title}", text


def harmless(text: str) -> str:
    """Return a text in which no line is a command of a CI log: "::error::", "##[error]"."""
    return re.sub(r"^(\s*):(?=:)|##(?=\[)", lambda m: f"{m[0]} ", text, flags=re.MULTILINE)
