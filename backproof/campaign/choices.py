"""Choices: a random graph is a list of places, drawn by need, taken again, and reduced.

A place is an index into a sequence whose simplest item comes first. So a graph is the simpler the
shorter its list and the smaller its places, and every list makes a graph.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

Places = tuple[int, ...]


@dataclass(slots=True)
class Choices:
    """The choices of one graph.

    rng:     draws places; None where they are taken from `given`.
    reached: key -> how often it was reached; what was reached least is drawn next.
    given:   the places to take; after its end, the first place of each sequence is taken.
    taken:   all places so far.
    """

    rng: np.random.Generator | None = None
    reached: Counter[Hashable] = field(default_factory=Counter)
    given: Places = ()
    taken: list[int] = field(default_factory=list)

    def place(self, count: int, keys: Sequence[Hashable] = ()) -> int:
        """Return one of `count` places; if they have keys, of those that were reached least."""
        if self.rng is None:
            given = self.given[len(self.taken) :]
            place = min(given[0], count - 1) if given else 0
        else:
            fewest = min((self.reached[key] for key in keys), default=0)
            least = [n for n, key in enumerate(keys) if self.reached[key] == fewest] or range(count)
            place = least[int(self.rng.integers(len(least)))]
        self.reached.update(keys[place : place + 1])
        self.taken.append(place)
        return place

    def branch(self) -> "Choices":
        """Return choices that go on from here, and count what they reach apart."""
        return replace(self, reached=self.reached.copy())


def reduced(places: Places, again: Callable[[Places], Places | None], tries: int) -> Places:
    """Return simpler places that show the same: without blocks, then with smaller places.

    again: makes a graph of places and returns those that it took, if it shows the same; else None.
    tries: how often `again` is called at most.
    """

    def is_simpler(attempt: Places) -> bool:
        nonlocal places, tries
        tries -= 1
        taken = again(attempt) if tries >= 0 else None
        if taken is None or (len(taken), taken) >= (len(places), places):
            return False
        places = taken
        return True

    before: Places = ()
    while places != before and tries > 0:
        before, size = places, len(places)
        while size := size // 2:
            start = 0
            while start < len(places):
                if not is_simpler(places[:start] + places[start + size :]):
                    start += size
        for n in range(len(places)):
            for part in (0, 0.5, 1):
                if n < len(places) and places[n]:
                    is_simpler((*places[:n], int(part * (places[n] - 1)), *places[n + 1 :]))
    return places
