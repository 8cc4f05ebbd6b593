"""The page, opened in headless Chromium.

`python -m tests.verifier.browser report.html .github/report.png` renews the picture of
docs/verify.md.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "there is no Chromium to open the page in: apt-get install chromium"
PHONE, DESK = 390, 1280
"""The widths, in pixels, of a telephone's and of a desktop's screen."""

HEIGHT = 760


def chromium() -> str | None:
    """Return the path of the Chromium that is installed, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started() -> Iterator[Browser]:
    """Start Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        yield browser
        browser.close()


@dataclass(slots=True)
class Seen:
    """An open page. said: its console messages. asked: the addresses that it loaded."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@contextmanager
def opened(browser: Browser, path: Path, theme: str = "light", width: int = DESK) -> Iterator[Seen]:
    """Open a file in a theme, "light" or "dark", and at a width."""
    size = {"width": width, "height": HEIGHT}
    page = browser.new_page(viewport=size, color_scheme=theme)
    seen = Seen(page)
    page.on("console", lambda message: seen.said.append(message.text))
    page.on("pageerror", lambda error: seen.said.append(str(error)))
    page.on("dialog", lambda dialog: (seen.said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: seen.asked.append(request.url))
    page.goto(path.resolve().as_uri())
    yield seen
    page.close()


def photograph(seen: Seen, picture: Path) -> None:
    """Save a picture of the visible part of a page."""
    picture.write_bytes(seen.page.screenshot())


if __name__ == "__main__":
    with started() as browser, opened(browser, Path(sys.argv[1])) as seen:
        photograph(seen, Path(sys.argv[2]))
