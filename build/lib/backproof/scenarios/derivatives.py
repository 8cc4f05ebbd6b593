"""What forward mode and second order are certified on, and along which directions."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest

from backproof.reference.network import Network
from backproof.reference.networks import gpt, mlp, resnet, yolo
from backproof.reference.ops import Array
from backproof.scenarios.networks import CASES
from backproof.scenarios.variants import Unsupported, every_op

SMALL = (
    *("zero-weights", "equal-weights", "saturated-sigmoid", "saturated-tanh"),
    *("special-sigmoid", "special-tanh", "special-relu"),
)
"""Of the cases, where derivatives vanish, saturate or tie."""

DIFFERENTIATED: dict[str, Callable[[Unsupported], Network]] = {
    **{f"every-op/{points}": partial(every_op, points) for points in ("ordinary", "special")},
    **{
        name: lambda _, name=name: CASES[name](0)  # type: ignore[misc]
        for name in ("article", *SMALL)
    },
    "5-6-3": lambda _: mlp((5, 6, 3), "tanh", "softmax_cross_entropy", batch=4),
    "gpt-1-layer": lambda _: gpt(1, 2, 8, context=4, vocabulary=8),
    "resnet-8": lambda _: resnet(1, 4, image=8, classes=4, batch=2),
    "yolo-32-pixels": lambda _: yolo(2, image=32),
}
"""Name -> network for an adapter."""

MODES: dict[str, tuple[str, ...]] = {
    "torch": ("jvp", "forward-over-reverse", "reverse-over-forward", "reverse-over-reverse"),
    "jax": (
        *("jvp", "linearize"),
        *("forward-over-reverse", "reverse-over-forward", "reverse-over-reverse"),
    ),
}
"""Framework -> its methods, columns of the report."""

ONCE = {
    ("jax", name, mode)
    for name in (
        *("every-op/ordinary", "every-op/special", "gpt-1-layer", "resnet-8", "yolo-32-pixels"),
        *SMALL,
    )
    for mode in MODES["jax"]
    if (name, mode) != ("every-op/special", "jvp")
}
"""What takes long to compile, or is much: in float32 alone, and of every op at ordinary points."""


LARGE = {
    ("jax", name, "reverse-over-reverse")
    for name in ("every-op/ordinary", "resnet-8", "yolo-32-pixels")
}
"""Behind --large: of all that is compiled, the longest."""


def asked_of(frameworks: Collection[str], *, large: bool) -> Iterator[Any]:
    """Yield mode, network's name and precision, with readable ids."""
    for framework, modes in MODES.items():
        for mode in modes if framework in frameworks else ():
            for name in DIFFERENTIATED:
                once = (framework, name, mode) in ONCE
                if once and name == "every-op/special":
                    continue
                if (framework, name, mode) in LARGE and not large:
                    continue
                for precision in ("float32",) if once else ("float64", "float32"):
                    column = f"{framework}.{mode}"
                    yield pytest.param(column, name, precision, id=f"{name}-{precision}-{column}")


def undifferentiated(unsupported: Unsupported, mode: str) -> set[str]:
    """Return the ops and options that an adapter goes without in one mode."""
    return {*unsupported, *(k.removesuffix(f" {mode}") for k in unsupported if mode in k)}


def drawn(leaves: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Return a random direction: a tangent of every leaf, in its shape and dtype."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(a.shape).astype(a.dtype) for name, a in leaves.items()}
