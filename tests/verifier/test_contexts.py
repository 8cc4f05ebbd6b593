"""A call is read alike wherever it is made: in a checkpoint, in a graph, of any operands."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.verifier.calls import FAMILIES
from tests.verifier.lazy import Lazy

torch, F, bt = map(Lazy, ("torch", "torch.nn.functional", "backproof.torch"))
models = Lazy("tests.verifier.models")
checkpoint = Lazy("torch.utils.checkpoint")

Program = Callable[[Any], Any]


def certified(program: Program, dtype: str = "float32") -> Any:
    """Return the certificate of a program of a matrix (4, 4)."""
    torch.manual_seed(0)
    w = torch.randn(4, 4, dtype=getattr(torch, dtype), requires_grad=True)
    return bt.certify(lambda: torch.sigmoid(program(w)).sum(), {"w": w})


READ_BY_CALLS = {
    "erfinv": ("arithmetic", "quantiles"),
    "linalg_cond": ("linear algebra", "conditions"),
    "grid_sample": ("images", "grid_sample"),
    "ctc_loss": ("losses", "ctc_loss"),
}
"""Functions whose readers call others -> a program that calls them."""


@pytest.mark.parametrize("function", READ_BY_CALLS)
def test_a_checkpoint_counts_the_calls_of_the_program_alone(function: str) -> None:
    """What is called to read a call saves nothing that a checkpoint would miss when it runs again.

    A wrong derivative is found there, too.
    """
    family, name = READ_BY_CALLS[function]
    program = FAMILIES[family][name]

    def wrong(w: Any) -> Any:
        with models.Halving("mul"):
            return program(w) * 1

    right, halved = (
        certified(partial(checkpoint.checkpoint, one, use_reentrant=False))
        for one in (program, wrong)
    )

    assert right.holds, right
    assert halved.wrong, halved


def aten(name: str, *arguments: Any) -> Program:
    """Return the program of one call beneath autograd."""
    return lambda w: getattr(torch.ops.aten, name)(w * 1, *arguments)


BENEATH: dict[str, Program] = {
    "elu with scales": aten("elu", 1.5, 1.25, 0.75),
    "elu as selu has it": aten("elu", 1.6732632423543772, 1.0507009873554805),
    "elu in place": aten("elu_", 1.5, 1.25, 0.75),
    "norm of a matrix": aten("linalg_norm", 1),
    "norm of a matrix by axes": aten("linalg_norm", float("inf"), (0, 1)),
}
"""Calls beneath autograd whose arguments are others than the public function's."""


@pytest.mark.parametrize("name", BENEATH)
def test_a_call_beneath_autograd_is_read_by_its_own_arguments(name: str) -> None:
    """As in the graphs that PyTorch exports."""
    certificate = certified(BENEATH[name])

    assert certificate.holds, certificate


NARROW: dict[str, Program] = {
    "power": lambda w: (w.abs() + 0.5) ** w.float(),
    "base": lambda w: (w.float().abs() + 0.5) ** w,
    "sum of one operand": lambda w: torch.einsum("ij,jk->ik", w[:, :1], w.float()),
    "denominator": lambda w: torch.addcdiv(w, w.float(), w.float().abs() + 0.5),
    "logarithm": lambda w: torch.xlogy(w, w.float().abs() + 0.5),
    "logarithm beside one": lambda w: torch.special.xlog1py(w, w.float().abs() + 0.5),
}
"""Functions that compute something of a float32 operand alone, in float32, for float64."""


@pytest.mark.parametrize("name", NARROW)
def test_steps_of_a_narrow_operand_are_not_known(name: str) -> None:
    """PyTorch promotes the result, but not these steps: they are named."""
    certificate = certified(NARROW[name], "float64")

    assert certificate.refuted is None, certificate
    assert "an operand of lower precision than the result" in str(certificate)


def test_a_power_of_two_is_rounded() -> None:
    """A constant that PyTorch computes by a power is no exact one."""
    exponents = torch.linspace(-9, 9, 16).view(4, 4)
    certificate = certified(lambda w: torch.ldexp(w, exponents))

    assert certificate.holds, certificate


def test_views_that_a_write_makes_useless() -> None:
    """Autograd refuses views such as those of `unbind` once their base is written to."""

    def program(w: Any) -> Any:
        x = w * 1
        y = sum(torch.tanh(row) for row in x.unbind())
        x.mul_(2)
        return y + x

    certificate = certified(program)

    assert certificate.holds, certificate


TIES: dict[str, Program] = {
    "largest of rows and of all": lambda x: x.max(0).values.exp() + x.max() + x.amax(),
    "smallest of rows and of all": lambda x: x.min(1).values.exp() + torch.min(x) + x.amin(),
    "columns of equal sums": lambda x: torch.linalg.matrix_norm(x, 1),
    "rows of equal sums": lambda x: torch.linalg.matrix_norm(x, -float("inf")),
}
"""Functions of equal entries: one of them receives all, by its index, or they share it."""


@pytest.mark.parametrize("name", TIES)
def test_equal_entries_receive_what_each_function_hands_on(name: str) -> None:
    """Functions with several conventions may take one tensor; one may be a step of another.

    No convention hands on half.
    """
    program = TIES[name]

    def wrong(x: Any) -> Any:
        y = program(x) * 1
        y.register_hook(lambda d: d / 2)
        return y

    right, halved = (
        certified(lambda w, of=of: of(w[:2, :2].exp().repeat(2, 2))) for of in (program, wrong)
    )

    assert right.holds, right
    assert halved.wrong, halved


ODD: dict[str, Program] = {
    "fewer numbers than the correction": lambda w: w + w[:0].var() + w[0, :2].std(correction=3),
    "bounds that cross": lambda w: torch.logit(w.sigmoid(), 1.0),
    "alpha=-1.0": lambda w: F.celu(w, -1.0),
    "input_scale=-1.0": lambda w: torch.ops.aten.elu(w, 1.0, 1.0, -1.0),
}
"""Reason -> a call with arguments for which PyTorch computes something else than the op."""


@pytest.mark.parametrize("reason", ODD)
@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
def test_odd_arguments_are_not_known(reason: str) -> None:
    """They are named, and nothing is refuted."""
    certificate = certified(ODD[reason])

    assert certificate.refuted is None, certificate
    assert reason in str(certificate)
