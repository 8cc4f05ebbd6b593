"""The scenarios of each variant. Compiled variants run smaller networks and fewer precisions."""

from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

from backproof.adapters.column import Column
from backproof.adapters.frameworks import row
from backproof.reference.networks import gpt, resnet
from backproof.scenarios import scenario
from backproof.scenarios.every_op import every_op
from backproof.scenarios.networks import CASES
from backproof.scenarios.op_cases import OP_CASES
from backproof.scenarios.scenario import (
    BOTH,
    BOTH_IF_LARGE,
    NONE,
    ONCE,
    ONCE_IF_LARGE,
    Extent,
    Recipe,
    Scenario,
    seeded,
    table,
)


def varied(
    name: str,
    recipe: Recipe | None = None,
    *,
    eager: Extent = NONE,
    threads: Extent = NONE,
    vmap_first: Extent = NONE,
    **compiled: Extent,
) -> Scenario:
    """Return a scenario with the extents of eager variants and of some compiled ones.

    recipe: by default, that of the network of that name. threads: the extent of the eager variant
    with several threads. vmap_first: that of vmap whose first example is certified, not the second.
    """
    exceptions = {f"compiled {variant}": extent for variant, extent in compiled.items()}
    exceptions |= {"compiled": NONE, "eager threads": threads}
    exceptions |= {"eager vmap_first": vmap_first, "compiled vmap_first": vmap_first}
    return Scenario(name, recipe or CASES[name].recipe, eager, exceptions)


VARIED = table(
    varied(
        "every-op/ordinary",
        partial(every_op, "ordinary"),
        eager=BOTH,
        compile=BOTH_IF_LARGE,
        jit=ONCE_IF_LARGE,
        vmap=ONCE_IF_LARGE,
        to_static=BOTH_IF_LARGE,
    ),
    varied("every-op/special", partial(every_op, "special"), eager=BOTH),
    varied(
        "article",
        eager=BOTH,
        compile=BOTH,
        jit=BOTH,
        vmap=BOTH,
        vmap_first=BOTH,
        checkpoint=BOTH,
        function=BOTH,
        function_jit=BOTH,
        to_static=BOTH,
        numba=BOTH,
    ),
    varied(
        "32-64-64-10",
        compile=ONCE,
        compile_threads=ONCE,
        jit=BOTH,
        checkpoint=BOTH,
        function=ONCE,
        function_jit=ONCE,
        to_static=ONCE,
        numba=BOTH,
    ),
    varied("784-1024-1024-10", threads=ONCE),
    varied(
        "conv-used-twice", eager=BOTH, compile=ONCE, compile_threads=ONCE, jit=ONCE, to_static=BOTH
    ),
    varied("100-layers-of-64", scan=ONCE_IF_LARGE),
    varied("gpt", eager=BOTH, jit=ONCE_IF_LARGE, scan=ONCE, to_static=BOTH),
    varied("resnet-20", eager=BOTH, threads=ONCE, jit=ONCE_IF_LARGE, to_static=ONCE),
    varied("yolo", eager=BOTH, jit=ONCE_IF_LARGE),
    Scenario(
        "bce_with_logits/special",
        OP_CASES["bce_with_logits/special"].recipe,
        BOTH,
        {
            "compiled": NONE,
            **dict.fromkeys(("eager checkpoint", "eager threads", "eager vmap_first"), NONE),
        },
    ),
    varied("resnet-8", seeded(resnet, 1, 4, image=8, classes=4, batch=2), jit=ONCE),
    varied(
        "gpt-1-layer",
        seeded(gpt, 1, 2, 16, context=8, vocabulary=32),
        compile=ONCE_IF_LARGE,
        vmap=ONCE_IF_LARGE,
        checkpoint=ONCE_IF_LARGE,
    ),
)
"""Name -> scenario."""


def parameters(frameworks: Collection[str], *, large: bool) -> Iterator[Any]:
    """Yield column, scenario's name and precision, with readable ids."""
    columns = [Column(name, variant) for name in frameworks for variant in row(name).variants]
    return scenario.parameters(columns, VARIED, large=large)
