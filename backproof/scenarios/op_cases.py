"""Op cases: every op by itself, with every option, at ordinary points and at special ones."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import OPS
from backproof.scenarios.op_options import OP_OPTIONS, filled
from backproof.scenarios.points import NORMAL
from backproof.scenarios.scenario import BOTH, EVERY, ONCE, Extent, Scenario, seeded, table


def op_network(name: str, points: str, seed: int) -> Network:
    """Return the network of one op: its value, weighted by random numbers and summed up."""
    one = OP_OPTIONS[name]
    rng = np.random.default_rng(seed)
    arrays = filled(one, points, rng)
    leaves = {f"x{i}": array for i, array in enumerate(arrays, start=1)}
    with np.errstate(all="ignore"):
        y = OPS[one.op].forward(*arrays, **one.options)
    nodes = (
        Node("y", one.op, tuple(leaves), one.options),
        Node("weighted", "multiply", ("y", "c")),
        Node("E", "sum", ("weighted",)),
    )
    c = rng.standard_normal(np.shape(y)) / 8
    return Network(f"{name}/{points}", {**leaves, "c": c}, {}, nodes, frozenset())


def extent(op: str, points: str) -> Extent:
    """Return the precisions in which an op is tried at a set of points.

    Libraries have linear algebra in float64 and float32. Near OFFSET, numbers of bfloat16 and
    float16 are 64 and 8 apart: no variance is left. float16 does not reach LARGE.
    """
    if op in ("triangular_solve", "solve", "cholesky"):
        return BOTH
    left_out = {"offset": ("bfloat16", "float16"), "large": ("float16",)}.get(points, ())
    return Extent(tuple(name for name in PRECISIONS if name not in left_out))


FIRST = [*{one.op: name for name, one in reversed(OP_OPTIONS.items())}.values()]
"""The first op case of each op."""
IN_TURN = [Extent(("float32", narrow), EVERY.always) for narrow in ("bfloat16", "float16")]
"""The precisions of the first case of one op and of the next."""


def exceptions(name: str, points: str) -> dict[str, Extent]:
    """Return the extent of compiled columns, where each op case compiles anew.

    Of an op's first case these are two precisions, of a further one float32, or all of them with
    --large. Points of another size compile nothing.
    """
    if points in NORMAL:
        return {}
    in_turn = IN_TURN[FIRST.index(name) % 2] if name in FIRST else None
    return {"compiled": in_turn or replace(ONCE, large=EVERY.always)}


OP_CASES = table(
    *(
        Scenario(
            f"{name}/{points}",
            seeded(op_network, name, points),
            extent(one.op, points),
            exceptions(name, points),
        )
        for name, one in OP_OPTIONS.items()
        for points in one.points
    )
)
"""Name -> scenario."""


def parameters(names: Sequence[str], seeds: int, *, large: bool) -> Iterator[Any]:
    """Yield implementation, op case's name, seed and precision, with readable ids."""
    for case, scenario in OP_CASES.items():
        # The implementation is innermost: one case's runs stand together.
        for precision, seed, name in product(scenario.extent.always, range(seeds), names):
            if precision in scenario.precisions(Column(name), large=large):
                readable = f"{case}-{precision}-{seed}-{name}"
                yield pytest.param(name, case, seed, precision, id=readable)
