"""The short run: what `backproof verify` certifies unless it is asked for something, or for all.

It has the worked example in each framework and precision, and in most variants; in float32, in
which most is seen, every op at ordinary points, and the networks that compile quickly.
"""

from collections.abc import Callable, Mapping
from typing import Any

from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.scenarios.op_cases import FIRST

PRECISION = "float32"
ARTICLE = "article"
SMALL = ("32-64-64-10", "zero-weights", "equal-weights")
"""Networks that compile in seconds."""
RULES = ("sgd", "adam")
FIRST_CASES = {f"{name}/ordinary" for name in FIRST}


def is_eager(column: Column) -> bool:
    """Return whether nothing is compiled in a column before its first run."""
    return not traits(column).compiled


def network(implementation: str, case: str, _: int, precision: str) -> bool:
    """Return whether a network is in the short run."""
    small = case in SMALL or is_eager(Column(implementation))
    return case == ARTICLE or (small and precision == PRECISION)


ASKED: Mapping[tuple[str, ...], Callable[..., bool]] = {
    ("implementation", "case", "seed", "precision"): network,
    ("implementation", "op_case", "seed", "precision"): lambda _, case, __, precision: (
        case in FIRST_CASES and precision == PRECISION
    ),
    ("column", "varied", "precision"): lambda _, name, precision: (
        (name, precision) == (ARTICLE, PRECISION)
    ),
    ("column", "differentiated", "precision"): lambda _, name, precision: (
        (name, precision) == (ARTICLE, PRECISION)
    ),
    ("column", "without"): lambda *_: False,
    ("library", "network", "optimizer", "precision"): lambda _, name, rule, __: (
        name == ARTICLE and rule in RULES
    ),
    ("library",): lambda _: False,
    ("shard", "column"): lambda _, column: is_eager(column),
    ("kept",): lambda name: is_eager(Column.parse(name.partition("-")[0])),
}
"""Arguments of tests -> whether some values are in the short run; of other arguments all are."""


def shortened(arguments: tuple[str, ...], parameters: list[Any]) -> list[Any]:
    """Return the parameters of the short run."""
    asked = ASKED.get(arguments)
    return parameters if asked is None else [one for one in parameters if asked(*one.values)]
