"""Golden values: every quantity of the passes that a worked example prints, proven to 40 digits.

`make golden` rewrites fixtures/golden/NAME.json; `backproof audit FILE --golden FILE` writes those
of one's own example.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backproof.reference.article.figures import Article
from backproof.reference.files import FIXTURES, FileError
from backproof.reference.files import read as read_file
from backproof.reference.numbers.exact import (
    BITS,
    Undecided,
    exact,
    real,
    reals,
    significant,
    workprec,
)
from backproof.reference.training import Iteration, iterations

DIGITS = 40
"""Significant decimal digits proven of every golden value."""

KEPT = sorted({0, *(round(10 ** (n / 12)) for n in range(61))})
"""The numbers of updates after which a trajectory is kept: twelve per decade, up to 100,000."""

HEADER = {
    "generator": "backproof reference over Arb balls (python-flint)",
    "version": 2,
    "command": "make golden",
    "bits": BITS,
    "digits": DIGITS,
}


@dataclass(frozen=True, slots=True)
class Golden:
    """Proven values as decimal strings.

    iterations: iteration, from 1 -> quantity -> value.
    trajectory: updates made -> quantity -> value in the pass after them.
    """

    iterations: Mapping[int, Mapping[str, str]]
    trajectory: Mapping[int, Mapping[str, str]]


def file(article: Article) -> Path:
    """Return the file of a shipped example's golden values."""
    return FIXTURES / "golden" / f"{article.name}.json"


def prove(article: Article, wanted: Collection[int]) -> dict[int, Iteration]:
    """Return iterations, by their numbers from 1, over `Real`s; call it inside `workprec()`.

    What is rational in them, such as a sum of products of weights and inputs, is exact. Raises
    FileError where an op of the network cannot be proven.
    """
    return dict(_passes(article, wanted, reals, real))


def _passes(
    article: Article, wanted: Collection[int], number: Any, scalar: Any
) -> Iterator[tuple[int, Iteration]]:
    """Yield iterations with their numbers, over one kind of number."""
    try:
        leaves = article.network.leaves(number)
        passes = iterations(article.network, leaves, scalar(article.eta))
        for n, iteration in zip(range(1, max(wanted) + 1), passes, strict=False):
            if n in wanted:
                yield n, iteration
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise FileError(f"{article.name}: its pass cannot be proven: {error}") from None


def kept(article: Article) -> list[int]:
    """Return the numbers of updates after which an example's trajectory is kept."""
    return [n for n in KEPT if article.followed and n <= article.updates]


def trajectory(article: Article, after: Collection[int]) -> dict[int, dict[str, str]]:
    """Return updates made -> the quantities followed, in the pass after them, proven."""
    if not after:
        return {}
    with workprec():
        return {
            n - 1: {q: significant(article.addresses[q].of(it), DIGITS) for q in article.followed}
            for n, it in _passes(article, {n + 1 for n in after}, exact, lambda eta: exact(eta)[()])
        }


def generate(article: Article) -> str:
    """Return the text of a file of golden values; what has no proven digit is null."""
    with workprec():
        proven = {
            n: {q: _digits(where.of(it)) for q, where in article.addresses.items()}
            for n, it in prove(article, article.iterations).items()
        }
    content = {
        "header": HEADER,
        "iterations": proven,
        "trajectory": trajectory(article, kept(article)),
    }
    return json.dumps(content, indent=2) + "\n"


def _digits(value: Any) -> str | None:
    try:
        return significant(value, DIGITS)
    except Undecided:
        return None


def read(article: Article, path: Path | None = None) -> Golden:
    """Return the golden values of an example, or of a file. Raises FileError."""
    path = path or file(article)
    try:
        content = read_file(path, "golden")
        _headed(path, content["header"])
        iterations = _numbered(path, content, "iterations", article.iterations, article.addresses)
        followed = _numbered(path, content, "trajectory", kept(article), article.followed)
    except FileError as error:
        raise FileError(f"{error}; `{HEADER['command']}` rewrites the file") from None
    return Golden(iterations, followed)


def _headed(path: Path, header: Any) -> None:
    if header != HEADER:
        raise FileError(f"{path}: header: expected {HEADER}, found {header}")


def _numbered(
    path: Path, content: Any, key: str, numbers: Collection[int], quantities: Collection[str]
) -> dict[int, dict[str, str]]:
    """Return a table by numbers; expected: exactly these, each with exactly these quantities."""
    _same(f"{path}: {key}", content[key], map(str, numbers))
    for n in numbers:
        _same(f"{path}: {key}: {n}", content[key][str(n)], quantities)
    return {n: content[key][str(n)] for n in numbers}


def _same(where: str, found: Collection[str], expected: Any) -> None:
    expected = [*expected]
    if missing := [key for key in expected if key not in found]:
        raise FileError(f"{where}: lacks {missing}")
    if unknown := [key for key in found if key not in expected]:
        raise FileError(f"{where}: unknown keys {unknown}")
