"""Print how many ops of PyTorch's own table hold on its sample inputs, in each precision.

`--names`: also what is said of each op of which no sample holds.
"""

import sys
import warnings
from collections import Counter

import torch

from tests.verifier.op_table import ops, verdicts

PRECISIONS = ("float64", "float32", "bfloat16", "float16", "complex64")

SAMPLES = 8
"""So many sample inputs of each op at most, spread over all."""

UNTRIED = ("no derivative", "not recorded")
"""What PyTorch cannot differentiate, and sparse tensors or numbers of other formats."""


def row(precision: str, *, names: bool) -> str:
    """Return the counts of one precision. names: whether what is not known is printed."""
    samples, holding, dtype = Counter[str](), Counter[str](), getattr(torch, precision)
    for op in ops(dtype):
        found = [one for one in verdicts(op, dtype, SAMPLES) if one[0] not in UNTRIED]
        if not found:
            continue
        samples.update(verdict for verdict, _ in found)
        hold = sum(verdict == "holds" for verdict, _ in found)
        holding["every" if hold == len(found) else "some" if hold else "no"] += 1
        if names and not hold:
            print(f"{precision} {op.name}: {found[0][1].splitlines()[-1]}")
    numbers = ", ".join(f"{holding[which]} on {which} sample" for which in ("every", "some", "no"))
    each = ", ".join(f"{n:,} {verdict}" for verdict, n in samples.most_common())
    return f"{precision}: ops hold: {numbers}; samples: {each}"


def main() -> None:
    """Print one row per precision."""
    warnings.simplefilter("ignore")
    for precision in PRECISIONS:
        print(row(precision, names="--names" in sys.argv), flush=True)


if __name__ == "__main__":
    main()
