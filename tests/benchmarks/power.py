"""How much a certificate proves: which wrong arrays it accepts.

`python -m tests.benchmarks.power` replaces every array that a right pass computed, one at a time,
by six wrong ones, and judges it again: zeros, its negative, twice itself, 1.1 times itself, a
permutation of its entries, and the array of another seed. That one is left out where it differs
from the right array by less than a tenth in the 2-norm, as the attention weights of a new network
do: it is a smaller mistake than 1.1 times is. It prints for each network and precision how many
arrays there are, how many of them are undecided in the right pass, how many cancel (noise: they are
counted apart, since nothing is wrong about other noise), and of the rest how many wrong arrays of
each kind are accepted. A second table has what each freedom costs: how many wrong arrays are
accepted by it alone.

Options: names of frameworks, networks or op cases to restrict it to, such as `torch gpt article`.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

import numpy as np

from backproof import adapters
from backproof.adapters.protocol import Unsupported
from backproof.reference.article.figures import load
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.table import table
from backproof.reference.verdict.judging import judged
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.replay import Replay
from backproof.running.certificates import Certificates
from backproof.running.implementations import Implementations
from backproof.scenarios.networks import CASES
from backproof.scenarios.op_cases import OP_CASES

WRONG: dict[str, Callable[[Array, Array], Array]] = {
    "zero": lambda a, _: np.zeros_like(a),
    "negated": lambda a, _: -a,
    "twice": lambda a, _: a + a,
    "1.1 times": lambda a, _: (a.astype(float) * 1.1).astype(a.dtype),
    "permuted": lambda a, _: np.random.default_rng(0).permutation(a.ravel()).reshape(a.shape),
    "another seed's": lambda _, other: other,
}
"""Name -> from an array and that of another seed to a wrong array."""


@dataclass
class Tally(Replay):
    """Replays links, and judges wrong arrays in their places.

    other: the replay of another seed. count: "arrays", "undecided", "cancels", and each kind of
    wrong array that was accepted. costs: likewise by the property that accepted it, and the kind.
    """

    other: Replay = field(kw_only=True)
    count: Counter[str] = field(default_factory=Counter, kw_only=True)
    costs: Counter[tuple[str, str]] = field(default_factory=Counter, kw_only=True)

    def judge(self, quantity: Quantity, ball: Ball) -> Link:
        """Return the verdict on the right array, after those on the wrong ones."""
        right = super().judge(quantity, ball)
        self.count["arrays"] += 1
        self.count["undecided"] += right.verdict == "undecided"
        self.count["outside"] += right.verdict in ("refuted", "degraded")
        self.count["cancels"] += right.cancels
        if right.verdict == "inside" and not right.cancels:
            for name, by in self.accepted(quantity, ball):
                self.count[name] += 1
                self.costs[by, name] += 1
        return right

    def accepted(self, quantity: Quantity, ball: Ball) -> Iterator[tuple[str, str]]:
        """Yield the kinds of wrong arrays that are accepted, and the properties that they need."""
        seen, other = self.seen(quantity), self.other.seen(quantity)
        ways = {form: cache(make) for form, make in self.ways(quantity).items()}
        terms = self.terms(quantity)
        for name, make in WRONG.items():
            wrong = make(seen, other)
            if np.array_equal(wrong, seen) or (wrong is other and alike(seen, other)):
                continue
            link = judged(quantity, wrong, self.precision, ball, lambda: ways, terms)
            if link.verdict == "inside":
                yield name, ", ".join(link.properties) or "no freedom"


def alike(seen: Array, other: Array) -> bool:
    """Return whether the array of another seed differs by less than a tenth from the right one.

    A single number may agree by chance to all digits that are proven: it always counts as alike.
    """
    a, b = seen.astype(float), other.astype(float)
    return a.size == 1 or bool(np.linalg.norm(a - b) < 0.1 * np.linalg.norm(a))


def tally(replay: Replay, other: Replay) -> Tally:
    """Return how many arrays of a right pass there are, and how many wrong ones are accepted."""
    given: dict[str, Any] = {f.name: getattr(replay, f.name) for f in fields(Replay) if f.init}
    counting = Tally(**{**given, "balls": {}, "unusable": {}}, other=other)
    with np.errstate(all="ignore"):
        for _ in counting.links():
            pass
    return counting


def rows(names: Sequence[str], costs: Counter[tuple[str, str, str]]) -> Iterator[list[object]]:
    """Yield a row for each framework, network and precision; the last ones are of all op cases.

    costs: counts the wrong arrays accepted by framework and precision, property and kind.
    """
    frameworks = [name for name in adapters.DEFAULT if name in names] or [*adapters.DEFAULT]
    certificates = Certificates(Implementations(load(), dict.fromkeys(frameworks)))
    networks = [name for name, one in CASES.items() if not one.is_large]
    asked = [name for name in (*networks, *OP_CASES) if name in names] or [*networks, *OP_CASES]
    for framework in frameworks:
        for precision in PRECISIONS:
            alone: Counter[str] = Counter()
            for case in asked:
                if precision not in {**OP_CASES, **CASES}[case].extent.always:
                    continue
                try:
                    pair = [certificates.replay(framework, case, precision, s) for s in (0, 1)]
                except Unsupported:
                    continue
                found = tally(*pair)
                count = found.count
                for (by, kind), number in found.costs.items():
                    costs[f"{framework} {precision}", by, kind] += number
                if case in CASES:
                    yield row(framework, precision, case, count)
                else:
                    alone += count
            if alone:
                yield row(framework, precision, "every op alone", alone)


def row(framework: str, precision: str, case: str, count: Counter[str]) -> list[object]:
    """Return one row of the table."""
    found = [count[k] or "-" for k in ("arrays", "outside", "undecided", "cancels", *WRONG)]
    return [f"{framework} {precision}", case, *found]


def main(names: Sequence[str]) -> None:
    """Print both tables."""
    costs: Counter[tuple[str, str, str]] = Counter()
    kinds = [f"accepts {kind}" for kind in WRONG]
    print(table(["", "", "arrays", "outside", "undecided", "cancel", *kinds], rows(names, costs)))
    by = dict.fromkeys(key[:2] for key in costs)
    print()
    print(table(["", "freedom", *kinds], [[*k, *(costs[*k, w] or "-" for w in WRONG)] for k in by]))


if __name__ == "__main__":
    main(sys.argv[1:])
