"""What each variant is certified on: what is compiled, on less than what is not."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

import pytest

from backproof.reference.network import Network
from backproof.reference.networks import gpt, resnet
from backproof.scenarios.every_op import together
from backproof.scenarios.networks import CASES
from backproof.scenarios.op_cases import ALONE, OPS_ALONE

Unsupported = Collection[str]
"""Of an adapter: ops and "op option"s."""


def lacking(unsupported: Unsupported) -> list[str]:
    """Return the ops alone that an adapter goes without, or without an option of theirs."""
    return [
        name
        for name, alone in ALONE.items()
        if {alone.op, *(f"{alone.op} {option}" for option in alone.options)} & {*unsupported}
    ]


def every_op(points: str, unsupported: Unsupported) -> Network:
    """Return every op that an adapter has, with every option that it has, in one network."""
    return together(points, 0, lacking(unsupported))


VARIED: dict[str, Callable[[Unsupported], Network]] = {
    **{f"every-op/{points}": partial(every_op, points) for points in ("ordinary", "special")},
    **{
        name: lambda _, name=name: CASES[name](0)  # type: ignore[misc]
        for name in ("article", "32-64-64-10", "100-layers-of-64", "gpt", "resnet-20", "yolo")
    },
    "bce_with_logits/special": lambda _: OPS_ALONE["bce_with_logits/special"](0),
    "resnet-8": lambda _: resnet(1, 4, image=8, classes=4, batch=2),
    "gpt-1-layer": lambda _: gpt(1, 2, 16, context=8, vocabulary=32),
}
"""Name -> network for an adapter."""

EAGER = ("every-op/ordinary", "every-op/special", "article", "gpt", "resnet-20", "yolo")

ASKED: dict[str, tuple[str, ...]] = {
    "torch.func": (*EAGER, "bce_with_logits/special"),
    "torch.vmap": (*EAGER, "bce_with_logits/special"),
    "torch.checkpoint": EAGER,
    "torch.compile": ("article", "32-64-64-10"),
    "jax.jit": ("every-op/ordinary", "article", "32-64-64-10", "gpt", "resnet-8"),
    "jax.vmap": ("article", "gpt-1-layer"),
    "jax.checkpoint": ("article", "32-64-64-10", "gpt-1-layer"),
    "jax.scan": ("gpt",),
}
"""Variant -> what it is certified on, in float64 and float32."""

ONCE = {
    "torch.compile": ("32-64-64-10", "gpt-1-layer"),
    "jax.jit": ("every-op/ordinary", "gpt", "resnet-8", "resnet-20", "yolo"),
    "jax.vmap": ("every-op/ordinary", "gpt-1-layer"),
    "jax.checkpoint": ("gpt-1-layer",),
    "jax.scan": ("100-layers-of-64", "gpt"),
}
"""What takes long to compile: in float32 alone."""

LARGE = {
    "torch.compile": ("gpt-1-layer", "every-op/ordinary"),
    "jax.jit": ("resnet-20", "yolo"),
    "jax.vmap": ("every-op/ordinary",),
    "jax.scan": ("100-layers-of-64",),
}
"""Behind --large: of all that is compiled, the longest."""

COMPILED = ("torch.compile", "jax.jit", "jax.vmap", "jax.checkpoint", "jax.scan")
"""Variants whose passes with and without probes are two programs."""


def asked_of(frameworks: Collection[str], *, large: bool) -> Iterator[Any]:
    """Yield variant, network's name and precision, with readable ids."""
    for variant, names in ASKED.items():
        if variant.partition(".")[0] not in frameworks:
            continue
        for name in (*names, *(LARGE.get(variant, ()) if large else ())):
            once = name in ONCE.get(variant, ())
            for precision in ("float32",) if once else ("float64", "float32"):
                yield pytest.param(variant, name, precision, id=f"{name}-{precision}-{variant}")
