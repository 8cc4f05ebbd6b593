"""The blocks of a document, used as a reader uses them: files are written, commands are run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.verifier.sandbox import ROOT

DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the document that it is in."""

    language: str
    text: str
    document: str

    @property
    def file(self) -> str | None:
        """The name of the file that the block shows, from a comment in its first line."""
        named = re.match(r"# (\S+\.(?:py|yml|toml))\n", self.text)
        return named[1] if named else None

    @property
    def commands(self) -> Iterator[tuple[str, str]]:
        """Every command of a console block, and the output shown under it."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(name: str) -> list[Block]:
    """Return all fenced blocks of a document of the repository."""
    found, fence = [], None
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines(keepends=True):
        if fence is None and line.startswith("```"):
            fence = line.strip("`\n"), []
        elif fence and line == "```\n":
            found.append(Block(fence[0], "".join(fence[1]), name))
            fence = None
        elif fence:
            fence[1].append(line)
    return found


def run(command: str, folder: Path, variables: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Return a command's exit status and what it prints, in a folder, on 200 columns.

    A narrow terminal would break a line after a long path, and paths depend on the clone.

    variables: environment variables in addition to our own.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S602 what the documents say is our own
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "200", **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def shows(expected: str, printed: str) -> bool:
    """Return whether an output is as shown; widths of tables are free.

    A line of `...` alone stands for any lines, or none; within a line, `...` stands for any text.
    Every number is as shown, except for these:

    - seconds, which are free;
    - digits that are proven, whose last place may be rounded the other way;
    - digits of agreement, which follow a count such as 14/14, and shares of balls, which have two
      decimals: they depend on the processor, and differ by a factor of less than ten;
    - the last digits of a number that is shown with all that it has.
    """
    pattern = "".join(map(_line, _narrow(expected)))
    return bool(re.fullmatch(pattern, "".join(_narrow(printed))))


def _narrow(text: str) -> Iterator[str]:
    """Yield the lines that are not empty, without the widths of columns and the last digits."""
    for line in text.splitlines():
        narrow = re.sub(r"-{2,}|={2,}| +", " ", line).strip()
        if narrow:
            yield re.sub(WHOLE, _start, narrow) + "\n"


WHOLE = re.compile(r"\d+\.\d{9,}(?:e-?\d+)?")


def _start(number: re.Match[str]) -> str:
    return f"{float(number[0]):.4g}"


def _line(shown: str) -> str:
    """Return the pattern of a line as it may be printed."""
    if shown == "...\n":
        return r"(?:.*\n)*?"
    pattern, end = "", 0
    for found in FREE.finditer(shown):
        pattern += re.escape(shown[end : found.start()]) + _as_large(found)
        end = found.end()
    return pattern + re.escape(shown[end:])


FREE = re.compile(
    r"(?P<text>\.\.\.)|(?<![\w.])(?:"
    r"(?P<seconds>\d+\.\d+(?= s\b))"
    r"|(?P<share>\d\.\d\d)"
    r"|(?P<agreement>\d+/\d+ \d+\.\d)"
    r"|(?P<proven>\d+\.\d)"
    r")(?![\w.])"
)
"""What may differ in a line."""


def _as_large(found: re.Match[str]) -> str:
    """Return the pattern of what may stand in the place of a part that may differ."""
    if found["text"]:
        return ".*?"
    if found["seconds"]:
        return r"\d+\.\d+"
    count, space, number = found[0].rpartition(" ")
    places = len(number.partition(".")[2])
    n = int(number.replace(".", ""))  # in units of its last place
    near = {
        "proven": range(n - 1, n + 2),
        "agreement": range(n - 9, n + 10),  # of logarithms: a factor of 10^0.9
        "share": range(n // 10 + 1, 10 * n) or [0],
    }[found.lastgroup or ""]
    return count + space + "(?:" + "|".join(f"{k / 10**places:.{places}f}" for k in near) + ")"
