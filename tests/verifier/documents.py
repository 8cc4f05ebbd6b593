"""The blocks of a document, used as a reader uses them: files are written, commands are run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from doctest import ELLIPSIS, OutputChecker
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
    """Return whether an output is as shown; `...` stands for anything, widths of tables are free.

    A line of `...` alone stands for any lines, or none. Digits of agreement and shares of balls
    depend on the processor. So a number of one or two decimals matches any other of as many, and
    the last digits of a number that is shown with all that it has are left out.
    """
    pattern = re.sub(r"^\.\.\.\n", "...", _narrow(expected), flags=re.MULTILINE)
    return OutputChecker().check_output(pattern, _narrow(printed), ELLIPSIS)


def _narrow(text: str) -> str:
    lines = (re.sub(r"-{2,}|={2,}| +", " ", line).strip() for line in text.splitlines())
    lines = (re.sub(PROCESSORS, _zeros, re.sub(WHOLE, _start, line)) for line in lines)
    return "".join(f"{line}\n" for line in lines if line)


PROCESSORS = re.compile(r"(?<!\S)\d+\.\d{1,2}(?!\S)")
WHOLE = re.compile(r"\d+\.\d{9,}(?:e-?\d+)?")


def _start(number: re.Match[str]) -> str:
    return f"{float(number[0]):.4g}"


def _zeros(number: re.Match[str]) -> str:
    return re.sub(r"\d", "0", number[0].partition(".")[2])
