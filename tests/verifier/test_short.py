"""What is in a short run, and when a run is one."""

from types import SimpleNamespace
from typing import Any

import pytest

from backproof import adapters
from backproof.reference.ops import OPS
from backproof.running.options import is_short
from backproof.scenarios import derivatives, networks, op_cases, short, variants
from backproof.scenarios.op_options import OP_OPTIONS

NAMES = ["reference", *adapters.TABLE]


@pytest.mark.parametrize(
    ("arguments", "given", "expected"),
    [
        ([], (), True),
        (["tests"], (), True),
        (["backproof.verification"], (), True),
        (["/home/me/.pyenv/lib/backproof/verification"], (), True),
        ([], ("--frameworks",), True),
        (["test_networks.py"], (), False),
        (["test_networks.py::test_op[x]"], (), False),
        *(([], (flag,), False) for flag in ("--all", "--large", "--campaign", "-k", "-m")),
    ],
)
def test_a_run_is_short(arguments: list[str], given: tuple[str, ...], expected: bool) -> None:  # noqa: FBT001
    """A run is short unless a test is named, or all or more is asked for."""
    config = SimpleNamespace(args=arguments, getoption=lambda flag: flag in given)

    assert expected == is_short(config)


def found(arguments: tuple[str, ...], parameters: Any) -> list[Any]:
    """Return the values of the short run."""
    return [one.values for one in short.shortened(arguments, [*parameters])]


def test_the_short_run_has_every_op_and_column() -> None:
    """Each op is tried in each framework, and each variant and method on the worked example."""
    ops = found(
        ("implementation", "op_case", "seed", "precision"),
        op_cases.parameters(NAMES, 1, large=False),
    )
    cases = found(
        ("implementation", "case", "seed", "precision"), networks.parameters(NAMES, 1, large=False)
    )
    varied = found(
        ("column", "varied", "precision"), variants.parameters(adapters.TABLE, large=False)
    )
    methods = found(
        ("column", "differentiated", "precision"),
        derivatives.parameters(adapters.TABLE, large=False),
    )

    for name in NAMES:
        assert {OP_OPTIONS[case.partition("/")[0]].op for at, case, *_ in ops if at == name} == {
            *OPS
        }
        assert {p for at, case, _, p in cases if (at, case) == (name, "article")} >= {"float64"}
    for name, framework in adapters.TABLE.items():
        assert {one.variant for one, *_ in methods if one.framework == name} == {*framework.methods}
        in_variants = any(one.framework == name for one, *_ in varied)
        assert in_variants == bool(framework.variants)
