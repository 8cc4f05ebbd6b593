"""The mark of a test of every op case."""

from typing import Any

import pytest

from backproof.reference.numbers.precision import Precision
from backproof.scenarios.op_cases import OP_CASES


def op_cases(*precisions: Precision, without: tuple[str, ...] = ()) -> Any:
    """Return the mark that gives a test every op case, in those precisions that it is tried in.

    without: sets of points that are left out.
    """
    return pytest.mark.parametrize(
        ("name", "p"),
        [
            pytest.param(name, p, id=f"{name}-{p.name}")
            for name, case in OP_CASES.items()
            for p in precisions
            if p.name in case.extent.always and not name.endswith(without)
        ],
    )
