"""The page in Chromium, in both themes, at the widths of a desktop and of a telephone."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from backproof.report.cells import Cell
from backproof.report.compare import compare
from backproof.report.compare_page import compare_page
from backproof.report.document import headline
from backproof.report.page import page
from backproof.report.tables import ABBREVIATED
from tests.verifier import sample
from tests.verifier.browser import DESK, MISSING, PHONE, Seen, chromium, opened, photograph, started
from tests.verifier.sandbox import ROOT

AA = 4.5
"""The least contrast that text must have: WCAG 2.2, success criterion 1.4.3, level AA."""

SIGNS = {
    "agrees": "✓",
    "known": "◆",
    "degraded": "◆",
    "undecided": "?",
    "refuted": "✗",
    "not-run": "!",
    "unsupported": "-",
}
"""Verdict, as a class of the page -> the sign before it."""

TSPANS = "tspan.refuted, tspan.undecided, tspan.degraded"

CONTRASTS = """() => {
  const linear = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const WEIGHTS = [0.2126, 0.7152, 0.0722];
  const light = all => WEIGHTS.reduce((sum, weight, i) => sum + weight * linear(all[i] / 255), 0);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const [r, g, b, a = 1] = rgb(getComputedStyle(e).backgroundColor);
      if (a) return [r, g, b];
    }
    throw new Error("no background");
  };
  const seen = {};
  for (const e of document.querySelectorAll("body *:not(svg *):not(script):not(style)")) {
    const says = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!says || !e.checkVisibility()) continue;
    const [one, other] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
    const found = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const name = `${e.tagName}.${e.className}`;
    seen[name] = Math.min(seen[name] ?? 99, found);
  }
  return seen;
}"""
"""Kind of element -> the least contrast of its text with what is behind it (WCAG 2.2's formula)."""

SCROLLED = """async () => {
  const times = [];
  let before = performance.now();
  for (let y = 0; y < Math.min(40000, document.documentElement.scrollHeight); y += 500) {
    scrollTo(0, y);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - before);
    before = now;
  }
  return times;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; where there is none, a failure in CI, and a skip that says so elsewhere."""
    if chromium() is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)(MISSING)
    with started() as browser:
        yield browser


FOLLOWED = """async () => {
  const cell = document.querySelector("#cell"), found = [];
  const until = async (holds, link) => {
    for (const start = performance.now(); !holds(); ) {
      if (performance.now() - start > 10_000) throw new Error(`${link.hash} opens nothing`);
      await new Promise(requestAnimationFrame);
    }
  };
  for (const link of document.querySelectorAll(".matrix td a")) {
    link.click();
    await until(() => document.querySelector("#cell[open] tbody tr"), link);
    const [adapters, precisions] = link.closest("table").tHead.rows;
    const column = link.closest("td").cellIndex;
    const adapter = [...adapters.cells].flatMap((c) => Array(c.colSpan).fill(c.innerText))[column];
    found.push([
      link.closest("tr").querySelector("th").innerText,
      `${adapter}, ${precisions.cells[column].innerText}`,
      document.querySelector("#cell-title").innerText,
      cell.querySelectorAll("tbody tr").length,
    ]);
    cell.close();
    await until(() => !cell.open && !location.hash, link);
  }
  return found;
}"""
"""For every link of the matrix: its row, its column, the title of the cell that it opens, and how
many rows that cell has."""


def written(folder: Path, report: dict[str, Any]) -> Path:
    """Write the page of a report."""
    path = folder / "report.html"
    path.write_text(page(report), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return name -> page for every one of REPORTS."""
    return {n: written(tmp_path_factory.mktemp(n), make()) for n, make in REPORTS.items()}


REPORTS = {
    "one": lambda: sample.report(["torch"]),
    "all": sample.report,
    "red": lambda: sample.report(verdict="refuted"),
    "undecided": lambda: sample.report(verdict="undecided"),
    "known": lambda: sample.report(verdict="known"),
    "not run": lambda: sample.report(["torch"], verdict="not run"),
    "empty": lambda: sample.of([]),
}


def complaints(seen: Seen, path: Path, said: str, width: int = DESK) -> list[str]:
    """Return what is wrong with a page, each as a kind and what was found.

    said: the text that its first line must be.
    """
    wide = seen.page.evaluate("document.documentElement.scrollWidth")
    contrasts = seen.page.evaluate(CONTRASTS)
    coloured = seen.page.eval_on_selector_all(
        f"td[class], {TSPANS}, .legend li, summary span[class]",
        "all => all.map(e => [e.className.baseVal ?? e.className, e.textContent.trim()])",
    )
    signs = [(SIGNS[c.split()[0]], text) for c, text in coloured if c.split()[0] in SIGNS]
    targets = seen.page.eval_on_selector_all(
        "a[href^='#']:not([href^='#c'])", "all => all.map(e => e.hash.slice(1))"
    )
    missing = [t for t in targets if seen.page.locator(f"[id='{t}']").count() != 1]
    found = {
        "verdict": [] if said == seen.page.inner_text("main, header").splitlines()[0] else [said],
        "title": [] if said in seen.page.title() else [said],
        "console": seen.said,
        "loaded": [u for u in seen.asked if u not in ("data:,", path.resolve().as_uri())],
        "width": [] if wide == width else [wide],
        "contrast": [name for name, contrast in contrasts.items() if contrast < AA],
        "colour alone": [text for sign, text in signs if not text.startswith(sign)],
        "link": missing,
    }
    return [f"{kind}: {one}" for kind, several in found.items() for one in several]


@pytest.mark.parametrize("width", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_seen(browser: Browser, pages: dict[str, Path], name: str, theme: str, width: int) -> None:
    """The verdict is the first line, nothing else is loaded, nothing overflows, all is legible.

    Text in a verdict's colour begins with its sign, and links within the page have targets.
    """
    with opened(browser, pages[name], theme, width) as seen:
        assert complaints(seen, pages[name], headline(REPORTS[name]()), width) == []


PLANTED = {
    "verdict": ("<header>", "<header><p>Welcome</p>"),
    "console": ("</main>", "<script>console.error('planted')</script></main>"),
    "loaded": ("</main>", "<img src='other.png' alt=''></main>"),
    "width": ("</main>", "<div style='width: 9000px'>planted</div></main>"),
    "contrast": ("</main>", "<p style='color: #999; background: #fff'>planted</p></main>"),
    "colour alone": ("</main>", "<table><tr><td class='refuted'>0.5</td></tr></table></main>"),
    "link": ("</main>", "<a href='#nowhere'>planted</a></main>"),
}
"""Complaint -> the text to replace in a page, and its replacement."""


@pytest.mark.parametrize("kind", PLANTED)
def test_faults_of_pages(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """A page with a planted fault gets the complaint of that kind."""
    text, path = pages["one"].read_text(encoding="utf-8"), tmp_path / "report.html"
    path.write_text(text.replace(*PLANTED[kind], 1), encoding="utf-8")
    with opened(browser, path) as seen:
        found = complaints(seen, path, headline(REPORTS["one"]()))

    assert kind in {one.partition(": ")[0] for one in found}


def test_links_reach_their_cells(browser: Browser, pages: dict[str, Path]) -> None:
    """Each link of the matrix opens the cell of its row and column, with its whole chain."""
    report, full = sample.report(), {short: name for name, short in ABBREVIATED.items()}
    with opened(browser, pages["all"]) as seen:
        certified = {
            (c["network"], c["adapter"], c["precision"]): c for c in report["cells"] if c["chain"]
        }
        links = {}
        for row, column, title, rows in seen.page.evaluate(FOLLOWED):
            name, _, shown = title.rpartition(": ")
            first, _, second = shown.rpartition(" and ")  # of a pair: the row's, the column's
            adapter, _, short = column.rpartition(", ")
            precision = full.get(short, short)
            links[row, adapter, precision] = rows
            assert (row, f"{adapter}, {precision}") == (first or name, second)

        assert {k: links[k] for k in certified} == {
            k: len(c["chain"]) for k, c in certified.items()
        }
        assert seen.said == []


def test_by_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    """Arrows move between cells, Enter opens one, Escape closes it and returns to it."""
    focus = "document.activeElement.id"
    with opened(browser, pages["all"]) as seen:
        seen.page.focus("#at-0")
        seen.page.keyboard.press("ArrowRight")
        assert seen.page.evaluate(focus) == "at-1"
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector("#cell[open]")
        assert seen.page.evaluate(focus) == "cell-title"
        seen.page.keyboard.press("Escape")
        seen.page.wait_for_selector("#cell[open]", state="hidden")
        assert seen.page.evaluate(focus) == "at-1"


def test_a_drawing_shows_another_column(browser: Browser, tmp_path: Path) -> None:
    """Choosing a column fills the drawing with its numbers and marks its first refuted link."""
    report = sample.report()
    (wrong,) = (
        cell
        for cell in report["cells"]
        if (cell["adapter"], cell["precision"], cell["quantity"], cell["against"])
        == ("jax", "float32", "dE_dnet_h1", "proven")
    )
    wrong.update(verdict="refuted", value=0.5)
    mark = "✗ 0.5 ← first refuted"
    with opened(browser, written(tmp_path, report)) as seen:
        drawing = seen.page.locator(".drawing").first
        expect(drawing).to_contain_text(mark)  # a column with a refuted number is shown first
        seen.page.select_option("[data-drawing='0']", "proven")
        expect(drawing).not_to_contain_text(mark)
        expect(drawing).to_contain_text("0.13849856")
        seen.page.select_option("[data-drawing='0']", "jax float32")
        expect(drawing).to_contain_text(mark)


def test_picture(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    """The picture of docs/verify.md can be taken, and is small enough for a document."""
    with opened(browser, pages["all"]) as seen:
        photograph(seen, tmp_path / "report.png")

    for picture in (tmp_path / "report.png", ROOT / ".github" / "report.png"):
        content = picture.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 150_000


OUT_OF_SIGHT = """() => [...document.querySelectorAll("table.stack td, .cause dd, pre")]
  .filter(e => e.checkVisibility() && !e.classList.contains("table"))
  .filter(e => e.getBoundingClientRect().right > innerWidth || e.scrollWidth > e.clientWidth + 1)
  .map(e => e.textContent)"""
"""What ends to the right of the screen, or is wider than its place."""


def test_nothing_is_cut_off_on_a_phone(browser: Browser, pages: dict[str, Path]) -> None:
    """Each cell of a table says its column, and ends on the screen; long lines wrap."""
    with opened(browser, pages["red"], width=PHONE) as seen:
        assert seen.page.evaluate(OUT_OF_SIGHT) == []
        label = "getComputedStyle(document.querySelector('.matrix tbody td'), '::before').content"
        assert seen.page.evaluate(label) == '"reference f64"'
        seen.page.evaluate("location.hash = '#c0'")
        seen.page.wait_for_selector("#cell[open] tbody tr")
        assert seen.page.evaluate(OUT_OF_SIGHT) == []
        seen.page.evaluate("document.querySelector('.cause dd').style.whiteSpace = 'nowrap'")
        seen.page.evaluate("document.querySelector('.cause dd').textContent = 'planted'.repeat(99)")
        assert len(seen.page.evaluate(OUT_OF_SIGHT)) == 1


def test_a_card_per_cause(browser: Browser, pages: dict[str, Path]) -> None:
    """Each adapter's fault is a card with its numbers; its command is copied by a button."""
    with opened(browser, pages["red"]) as seen:
        cards = seen.page.locator("#red .cause")
        said = cards.first.inner_text()

        assert cards.count() == 3  # one an implementation, whatever the number of cells
        assert "reference: sigmoid: lost factor 1 - s" in said
        assert all(part in said for part in (sample.WRONG.expected, sample.WRONG.found))
        seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        cards.first.locator(".copy").click()
        expect(cards.first.locator(".copy")).to_have_text("Copied")
        copied = seen.page.evaluate("navigator.clipboard.readText()")
        assert copied == sample.WRONG.command


def test_rows_are_filtered(browser: Browser, tmp_path: Path) -> None:
    """Rows without a cell of a chosen verdict, or of another name, are hidden."""
    cells = [*sample.certified(["torch"], "agrees"), *sample.certified(["jax"], "refuted")]
    green = [replace(cell, network="green") for cell in cells[:2]]
    path = written(tmp_path, sample.of([*cells, *green]))
    with opened(browser, path) as seen:
        rows = seen.page.locator(".matrix tbody tr:visible")
        assert rows.count() == len(sample.SMALL) + 2
        seen.page.uncheck("#filter [value=agrees]")
        assert rows.count() == len(sample.SMALL) + 1
        seen.page.check("#filter [value=agrees]")
        seen.page.uncheck("#filter [value=refuted]")
        seen.page.fill("#filter [type=search]", "gre")
        assert rows.count() == 1


def test_darker_is_better(browser: Browser, tmp_path: Path) -> None:
    """In both themes a cell is the darker, the more digits it proves."""
    first = next(sample.certified(["torch"], "agrees"))
    cells = [replace(first, network=f"n{d:02}", proven=float(d)) for d in (1, 5, 8, 11, 15)]
    path = written(tmp_path, sample.of(cells))
    grounds = "all => all.map(e => getComputedStyle(e).backgroundColor.match(/\\d+/g)[1] * 1)"
    for theme in ("light", "dark"):
        with opened(browser, path, theme) as seen:
            greens = seen.page.eval_on_selector_all(".matrix td.agrees", grounds)
            assert greens == sorted({*greens}, reverse=True), theme


def test_before_and_after(browser: Browser, tmp_path: Path) -> None:
    """The page of a comparison is legible on a phone, and shows what changed and why."""
    old, new = sample.report(["torch"]), sample.report(["torch"], verdict="refuted")
    path = tmp_path / "compare.html"
    path.write_text(compare_page(old, new, compare(old, new)), encoding="utf-8")
    with opened(browser, path, width=PHONE) as seen:
        assert complaints(seen, path, f"✗ Worse: {len(new['cells']):,} changes", PHONE) == []
        assert "torch: sigmoid: lost factor 1 - s" in seen.page.inner_text("main")
        assert seen.page.evaluate(OUT_OF_SIGHT) == []


def test_ten_thousand_cells(browser: Browser, tmp_path: Path) -> None:
    """Ten thousand cells scroll without a missed frame (which lasts for two), and one opens."""
    few, many = (tmp_path / name for name in ("few.html", "many.html"))
    few.write_text(page(sample.report(["torch"])), encoding="utf-8")
    many.write_text(page(sample.report(cells=10_000)), encoding="utf-8")
    with opened(browser, few) as seen:
        frame = median(seen.page.evaluate(SCROLLED))
    with opened(browser, many) as seen:
        assert median(seen.page.evaluate(SCROLLED)) < 2 * frame
        seen.page.locator(".matrix td a").last.click()
        seen.page.wait_for_selector("#cell[open] tbody tr")


def test_hostile_names(browser: Browser, tmp_path: Path) -> None:
    """Names of networks and adapters are shown as text, never run as HTML."""
    name = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    cell = next(sample.certified(["torch"], "refuted"))
    hostile = {**{k: getattr(cell, k) for k in Cell.__slots__}, "network": name, "message": name}
    hostile |= {"adapter": name, "chain": [[name, "refuted", None, None, 1, name, name]]}
    path = written(tmp_path, sample.of([Cell(**hostile)], failed=[name], command=name))
    with opened(browser, path) as seen:
        seen.page.locator(".matrix td a").click()
        seen.page.wait_for_selector("#cell[open] tbody tr")

        assert name in seen.page.inner_text("#cell")
        assert seen.said == []
        assert name not in path.read_text(encoding="utf-8")
