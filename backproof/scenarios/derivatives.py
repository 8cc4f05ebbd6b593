"""The scenarios of forward mode and second order, and their directions."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.adapters.frameworks import row
from backproof.adapters.gaps import Why
from backproof.reference.networks import gpt, mlp, resnet, yolo
from backproof.reference.ops import Array
from backproof.scenarios import scenario
from backproof.scenarios.every_op import every_op, lacking
from backproof.scenarios.networks import CASES
from backproof.scenarios.scenario import (
    BOTH,
    BOTH_IF_LARGE,
    NONE,
    ONCE,
    ONCE_IF_LARGE,
    Scenario,
    seeded,
    table,
)

COMPILED = {"compiled": ONCE}
LESS = replace(ONCE, large=BOTH.always)
EAGER = {"eager reverse-over-forward": LESS}
LONGEST = {
    **EAGER,
    **COMPILED,
    **dict.fromkeys(
        (f"compiled {m}" for m in ("linearize", "reverse-over-forward", "reverse-over-reverse")),
        ONCE_IF_LARGE,
    ),
}
"""Where a pass or compiling it takes long: float32 alone, or nothing, unless with --large."""
EVERY_OP = {
    **EAGER,
    **dict.fromkeys(("compiled", "rewritten"), ONCE_IF_LARGE),
    "compiled jvp": ONCE,
}
"""Compiling or rewriting the second order of all ops takes minutes."""
SPECIAL = {
    **dict.fromkeys(("eager forward-over-reverse", "eager reverse-over-reverse"), LESS),
    "eager reverse-over-forward": BOTH_IF_LARGE,
    **dict.fromkeys(("compiled", "rewritten"), NONE),
    "compiled jvp": LESS,
}

DIFFERENTIATED = table(
    Scenario("every-op/ordinary", partial(every_op, "ordinary"), BOTH, EVERY_OP),
    Scenario("every-op/special", partial(every_op, "special"), BOTH, SPECIAL),
    Scenario("article", CASES["article"].recipe, BOTH),
    *(
        Scenario(name, CASES[name].recipe, BOTH, COMPILED)
        for name in (  # where derivatives vanish, saturate or tie
            *("zero-weights", "equal-weights", "saturated-sigmoid", "saturated-tanh"),
            *("special-sigmoid", "special-tanh", "special-relu"),
        )
    ),
    Scenario("5-6-3", seeded(mlp, (5, 6, 3), "tanh", "softmax_cross_entropy", batch=4), BOTH),
    Scenario("gpt-1-layer", seeded(gpt, 1, 2, 8, context=4, vocabulary=8), BOTH, COMPILED),
    Scenario("resnet-8", seeded(resnet, 1, 4, image=8, classes=4, batch=2), BOTH, LONGEST),
    Scenario("yolo-32-pixels", seeded(yolo, 2, image=32), BOTH, LONGEST),
)
"""Name -> scenario."""


def parameters(frameworks: Collection[str], *, large: bool) -> Iterator[Any]:
    """Yield column, scenario's name and precision, with readable ids."""
    columns = [Column(f, m) for f in frameworks for m in row(f).methods]
    return scenario.parameters(columns, DIFFERENTIATED, large=large)


def without(frameworks: Collection[str]) -> Iterator[Any]:
    """Yield column and op case for each op case that a framework's method does not support."""
    for name in frameworks:
        for method in row(name).methods:
            for case in lacking_in(method, name):
                yield pytest.param(Column(name, method), case, id=f"{name}.{method}-{case}")


def lacking_in(method: str, framework: str) -> list[str]:
    """Return the op cases that a framework's method does not support and its gradient does."""
    declared = row(framework).methods[method]
    if not isinstance(declared, Mapping):
        return [*declared]
    never = lacking(declared)
    return [case for case in lacking(undifferentiated(declared, method)) if case not in never]


def undifferentiated(unsupported: Mapping[str, Why], *ways: str) -> dict[str, Why]:
    """Return what an adapter does not support in one method, or in a precision of it."""
    found = {**unsupported}
    for way in ways:
        found |= {k.removesuffix(f" {way}"): v for k, v in found.items()}
    return found


def drawn(leaves: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Return a random direction: a tangent of every leaf, in its shape and dtype."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(a.shape).astype(a.dtype) for name, a in leaves.items()}
