"""Golden values: every quantity of the article's first two iterations, proven to 40 digits.

`make golden` rewrites fixtures/golden/article.json.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from backproof.reference.article.figures import ITERATIONS, Article
from backproof.reference.fixtures import FIXTURES, NUMBER, FixtureError
from backproof.reference.numbers.exact import BITS, exact, real, reals, significant, workprec
from backproof.reference.training import Iteration, iterations

DIGITS = 40
"""Significant decimal digits proven of every golden value."""

KEPT = sorted({0, *(round(10 ** (n / 12)) for n in range(49))})
"""The numbers of updates after which the trajectory is kept: twelve per decade, up to 10,000."""

GOLDEN = FIXTURES / "golden" / "article.json"
HEADER = {
    "generator": "backproof reference over Arb balls (python-flint)",
    "version": 1,
    "command": "make golden",
    "bits": BITS,
    "digits": DIGITS,
}


@dataclass(frozen=True, slots=True)
class Golden:
    """Proven values as decimal strings.

    iterations: for the first and the second iteration, quantity -> value.
    trajectory: updates made -> {"E": loss, "out_o1": output} of the pass after them.
    """

    iterations: tuple[Mapping[str, str], ...]
    trajectory: Mapping[int, Mapping[str, str]]


def prove(article: Article) -> list[Iteration]:
    """Return the first two iterations over `Real`s; call it inside `workprec()`.

    What is rational in them, such as a sum of products of weights and inputs, is exact.
    """
    endless = iterations(article.network, article.network.leaves(reals), real(article.eta))
    return list(islice(endless, len(ITERATIONS)))


def trajectory(article: Article, kept: Collection[int] = KEPT) -> dict[int, dict[str, str]]:
    """Return updates made -> the loss and the output of the pass after them, proven."""
    with workprec():
        leaves, eta = article.network.leaves(exact), exact(article.eta)[()]
        passes = islice(iterations(article.network, leaves, eta), max(kept) + 1)
        return {
            n: {q: significant(article.addresses[q].of(it), DIGITS) for q in ("E", "out_o1")}
            for n, it in enumerate(passes)
            if n in kept
        }


def generate(article: Article) -> str:
    """Return the text of fixtures/golden/article.json."""
    with workprec():
        proven = [
            {q: significant(where.of(it), DIGITS) for q, where in article.addresses.items()}
            for it in prove(article)
        ]
    content = {"header": HEADER, "iterations": proven, "trajectory": trajectory(article)}
    return json.dumps(content, indent=2) + "\n"


def read(article: Article, path: Path = GOLDEN) -> Golden:
    """Return the golden values of a file. Raises FixtureError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _error(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise _error(f"{path.name}: not JSON: {error}") from None
    _table(path.name, content, ["header", "iterations", "trajectory"])
    if content["header"] != HEADER:
        raise _error(f"{path.name}: header: expected {HEADER}, found {content['header']}")
    if not isinstance(content["iterations"], list) or len(content["iterations"]) != len(ITERATIONS):
        raise _error(f"{path.name}: iterations: expected a list of {len(ITERATIONS)}")
    for n, values in enumerate(content["iterations"], start=1):
        _numbers(f"{path.name}: iteration {n}", values, list(article.addresses))
    _table(f"{path.name}: trajectory", content["trajectory"], [str(n) for n in KEPT])
    for n in KEPT:
        values = content["trajectory"][str(n)]
        _numbers(f"{path.name}: trajectory after {n} updates", values, ["E", "out_o1"])
    return Golden(tuple(content["iterations"]), {n: content["trajectory"][str(n)] for n in KEPT})


def _table(where: str, found: Any, keys: list[str]) -> None:
    if not isinstance(found, dict):
        raise _error(f"{where}: expected a table, found {found!r}")
    if missing := [key for key in keys if key not in found]:
        raise _error(f"{where}: lacks {missing}")
    if unknown := [key for key in found if key not in keys]:
        raise _error(f"{where}: unknown keys {unknown}")


def _numbers(where: str, found: Any, keys: list[str]) -> None:
    _table(where, found, keys)
    for key, value in found.items():
        if not isinstance(value, str) or not NUMBER.fullmatch(value):
            raise _error(f"{where}: {key} = {value!r}: expected a decimal number as a string")


def _error(message: str) -> FixtureError:
    return FixtureError(f"{message}; `{HEADER['command']}` rewrites the file")
