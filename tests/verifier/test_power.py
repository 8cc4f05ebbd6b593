"""Whole arrays that are wrong are accepted nowhere: a small share of `tests.benchmarks.power`."""

import pytest

from backproof.reference.article.figures import load
from backproof.reference.numbers.precision import PRECISIONS
from backproof.running.certificates import Certificates
from backproof.running.implementations import Implementations
from tests.benchmarks.power import WRONG, tally


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", ["article", "32-64-64-10"])
def test_no_wrong_array_is_accepted(case: str, precision: str) -> None:
    """In the place of any array, zeros, its negative, twice itself and others are not inside.

    1.1 times itself may be inside in float16 and bfloat16 alone.
    """
    certificates = Certificates(Implementations(load(), {"torch": None}))
    count = tally(*(certificates.replay("torch", case, precision, seed) for seed in (0, 1))).count

    assert count["arrays"]
    assert (count["outside"], count["undecided"]) == (0, 0)
    too_wide = {"1.1 times"} if PRECISIONS[precision].accumulator else set()
    assert {kind for kind in WRONG if count[kind]} <= too_wide
