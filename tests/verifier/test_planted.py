"""A wrong digit, planted anywhere, fails at its own cell and nowhere else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.protocol import Adapter
from backproof.reference.article.figures import Address, Article
from backproof.reference.article.golden import Golden, prove
from backproof.reference.numbers.exact import workprec
from backproof.reference.training import Iteration
from backproof.report.cells import FIVE_DECIMALS, Cell
from backproof.running.implementations import REFERENCE, Implementations
from backproof.running.judge import Judge
from backproof.verification import test_article as checks
from backproof.verification import test_golden
from tests.verifier.sandbox import COMPLEX_STEP, Sandbox

NAME = COMPLEX_STEP.stem
CELL = Cell("", "", "", None, "", 1, "", "")
NOBODY: Any = None
JUDGE = Judge(NOBODY, (), reproduce="", show=lambda _: None)
"""It knows no finding."""


class Planted(Implementations):
    """Runs in which one number of the adapter is off in its fourth digit."""

    def __init__(self, article: Article, iteration: int, address: Address) -> None:
        """Plant at one address of one iteration."""
        super().__init__(article, {NAME: COMPLEX_STEP})
        self.planted = iteration, address

    def _load(self, column: Column) -> Adapter:
        # 62 processes of their own would be slow.
        return adapters.load(column.framework, COMPLEX_STEP)

    def _adapted(self, name: str, precision: str) -> dict[int, Iteration]:
        found = super()._adapted(name, precision)
        iteration, address = self.planted
        holder: Any = found[iteration]
        arrays = getattr(holder if address.kind == "updated" else holder.trace, address.kind)
        array = np.array(arrays[address.array])
        array[address.index] *= np.array(1.001, precision)
        arrays[address.array] = array
        return found


def is_red(check: Callable[..., None], *arguments: Any) -> bool:
    """Return whether a test fails, called as pytest calls it."""
    try:
        check(*arguments, CELL)
    except AssertionError:
        return True
    return False


def test_a_wrong_number_of_an_adapter(article: Article, golden: Golden, precision: str) -> None:
    """Only the planted number's own cells fail: the one against the ball, and its pairs."""
    computed = [q for q, at in article.addresses.items() if at.kind != "leaves"]
    for planted in ((n, q) for n in article.iterations for q in computed):
        implementations = Planted(article, planted[0], article.addresses[planted[1]])
        cells = [(n, q) for n in article.iterations for q in computed]
        for name in (REFERENCE, NAME):
            red = [
                c
                for c in cells
                if is_red(checks.test_in_ball, name, precision, *c, implementations, golden, JUDGE)
            ]
            assert red == ([planted] if name == NAME else []), name
        pairs = [
            c
            for c in cells
            if is_red(checks.test_pair_agrees, (REFERENCE, NAME), precision, *c, implementations)
        ]
        assert pairs == [planted] or is_tiny(golden, *planted)


def is_tiny(golden: Golden, iteration: int, quantity: str) -> bool:
    """Return whether a thousandth of the number is too small to show in five decimals."""
    return abs(float(golden.iterations[iteration][quantity])) / 1000 < FIVE_DECIMALS


def test_any_wrong_golden_digit(article: Article, golden: Golden) -> None:
    """A golden value off in its fourth digit leaves the ball; in its last, it is not proven."""
    implementations = Implementations(article, {})
    with workprec():
        proven = prove(article, article.iterations)
    for at in ((n, q) for n in article.iterations for q in article.addresses):
        value = golden.iterations[at[0]][at[1]]
        first = next(i for i, digit in enumerate(value) if digit in "123456789")
        for i in (first + 3, len(value) - 1):
            wrong = value[:i] + str((int(value[i]) + 1) % 10) + value[i + 1 :]
            planted = {n: dict(values) for n, values in golden.iterations.items()}
            planted[at[0]][at[1]] = wrong
            changed = replace(golden, iterations=planted)
            with workprec(), pytest.raises(AssertionError):
                test_golden.test_value(article, changed, proven, *at)
            if i < len(value) - 1:
                assert is_red(
                    checks.test_in_ball, REFERENCE, "float64", *at, implementations, changed, JUDGE
                ), at


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """A copy of the package, to be broken."""
    return Sandbox(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "red"),
    [
        ('"dE_dw5": "0.0821670', '"dE_dw5": "0.0821680', "iteration1-dE_dw5"),
        ('"out_o1": "0.7420870419', '"out_o1": "0.7421870419', "iteration2-out_o1"),
    ],
    ids=["iteration1", "iteration2"],
)
def test_a_wrong_golden_digit(sandbox: Sandbox, old: str, new: str, red: str) -> None:
    """Every implementation fails against it, in no other quantity; the golden file fails too."""
    text = sandbox.path("fixtures/golden/article.json").read_text(encoding="utf-8")
    sandbox.write("fixtures/golden/article.json", text.replace(old, new, 1))
    outcome = sandbox.run("--frameworks", "reference")

    assert sorted(outcome.red) == sorted(
        ["file", f"value[{red}]"]
        + [f"in_ball[reference-{p}-{red}]" for p in ("float64", "float32")]
    )


def test_a_wrong_printed_digit(sandbox: Sandbox) -> None:
    """The wrong figure fails in the audit and in every implementation, and no other figure does."""
    sandbox.edit(
        "fixtures/articles/article.toml",
        'quantity = "net_o1", printed = "1.10591"',
        'quantity = "net_o1", printed = "1.10592"',
    )
    outcome = sandbox.run("--frameworks", "reference")

    assert sorted(outcome.red) == [
        "figure[reference-float32-1.3-net_o1]",
        "figure[reference-float64-1.3-net_o1]",
        "verdict[1.3-net_o1]",
    ]


WRONG = """
from dataclasses import replace
from backproof.adapters.{module} import adapter as right

def value_and_grad(loss, tensors):
    values, gradients = right.value_and_grad(loss, tensors)
    wrong = right.numpy(gradients["W_o"]).copy()
    wrong[0, 0] *= wrong.dtype.type(1.001)
    return values, {{**gradients, "W_o": right.array(wrong)}}

adapter = replace(right, value_and_grad=value_and_grad)
"""


@pytest.mark.parametrize(("name", "module"), [("torch", "pytorch_autograd"), ("jax", "jax_grad")])
def test_a_wrong_gradient_of_a_framework(sandbox: Sandbox, name: str, module: str) -> None:
    """dE/dw5 off by a thousandth fails wherever it is compared; the right adapter agrees."""
    wrong = sandbox.write("wrong.py", WRONG.format(module=module))
    outcome = sandbox.run("--frameworks", name, "--adapter", wrong)
    red = [cell for cell in outcome.cells if cell["verdict"] != "agrees"]

    assert outcome.status == pytest.ExitCode.TESTS_FAILED
    assert {cell["quantity"] for cell in red} == {"dE_dw5", "eta * dE_dw5"}
    assert all("wrong" in (cell["adapter"], cell["against"]) for cell in red)
    assert len(red) == len(outcome.red)
    assert all(cell["message"] for cell in red)
    assert "RED" in outcome.text
