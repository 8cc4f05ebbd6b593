"""Every op of PyTorch's own table is certified on its sample inputs, and none is refuted."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.verifier.lazy import Lazy

torch, table = map(Lazy, ("torch", "tests.verifier.op_table"))

WRONG = {
    "bfloat16": {
        "logcumsumexp": "it takes the difference of logarithms that have no digits",
        "matrix_exp": "it is NaN, infinite or without a digit: e^(1/2) is -1.3e30",
    }
}
"""Precision -> the ops whose value or derivative is wrong in this release, and why."""


def verdicts(precision: str) -> dict[str, dict[str, str]]:
    """Return verdict -> the ops with such a sample, and what is said of the last one."""
    found, dtype = defaultdict[str, dict[str, str]](dict), getattr(torch, precision)
    for op in table.ops(dtype):
        for verdict, said in table.verdicts(op, dtype, 2):
            found[verdict][op.name] = said
    return found


@pytest.mark.filterwarnings("ignore")  # of ops that are deprecated, or in beta state
@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16", "complex64"])
def test_no_right_op_is_refuted(precision: str) -> None:
    """What is known of an op is right, in every way to call it; the rest is named, as not known."""
    pytest.importorskip("expecttest", reason="PyTorch's table needs it")
    with ThreadPoolExecutor(1) as thread:  # each sample input keeps the whole stack: a short one
        found = thread.submit(verdicts, precision).result()
    wrong = found["refuted"] | found["degraded"] | found["raises"]

    assert {*wrong} == {*WRONG.get(precision, {})}, wrong
    assert len(found["holds"]) > len(found["unknown"]) > 0
