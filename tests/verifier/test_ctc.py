"""The loss of sequences is what its definition says, and PyTorch's derivative is held to it."""

from itertools import groupby, product
from typing import Any

import numpy as np
import pytest

from backproof import certify_op
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import FLOAT64
from backproof.reference.ops import Array
from backproof.reference.ops.ctc import (
    ROUNDINGS,
    ctc_backward,
    ctc_backward_of_normalized,
    ctc_forward,
)
from tests.verifier.lazy import Lazy
from tests.verifier.proven import outside

torch, F, bt = map(Lazy, ("torch", "torch.nn.functional", "backproof.torch"))

T, N, C = 5, 4, 3
OPTIONS = {
    "target": np.array([[1, 1], [1, 2], [2, 0], [0, 0]]),
    "times": np.array([5, 4, 3, 2]),
    "lengths": np.array([2, 2, 1, 0]),
    "blank": 0,
}
"""Equal labels, different ones, a shorter target and none."""


def log_probabilities() -> Array:
    """Return (T, N, C) logarithms of probabilities, which need not add up to 1."""
    return np.random.default_rng(0).standard_normal((T, N, C))


def read(path: tuple[int, ...], blank: int) -> list[int]:
    """Return the labels that a path is read as: without repetitions, then without blanks."""
    return [label for label, _ in groupby(path) if label != blank]


def by_definition(lp: Array, **options: Any) -> list[Any]:
    """Return -log of the probability of all paths that are read as the target, one by one."""
    found = []
    for n, (target, times, length) in enumerate(
        zip(options["target"], options["times"], options["lengths"], strict=True)
    ):
        total: Any = 0
        for path in product(range(C), repeat=times):
            if read(path, options["blank"]) == target[:length].tolist():
                total = total + np.exp(np.sum(lp[np.arange(times), n, path]))
        found.append(-np.log(total))
    return found


@pytest.mark.parametrize("blank", [0, 2])
def test_the_loss_is_that_of_all_paths(blank: int) -> None:
    """The loss is that of the definition, to all digits, wherever the blank is."""
    lp, options = log_probabilities(), {**OPTIONS, "blank": blank}
    options["target"] = np.where(OPTIONS["target"] == blank, 0, OPTIONS["target"])
    with workprec():
        expected = np.array(by_definition(exact(lp), **options))
        found = ctc_forward(exact(lp), **options)
        ball = ctc_forward(Ball.exact(lp, FLOAT64), **options)

        assert all(one.overlaps(other) for one, other in zip(expected, found, strict=True))
        assert list(outside(ball, expected)) == []
    roundings = len(lp) * 2 * (ROUNDINGS + 2)  # at each time, in both precisions: all are float64
    assert np.max(ball.rad) < roundings * FLOAT64.u * np.max(np.abs(lp))


def test_the_derivative_is_that_of_the_loss() -> None:
    """The backward function is the derivative of the forward function."""
    verdict = certify_op(ctc_forward, ctc_backward, {"lp": log_probabilities()}, options=OPTIONS)

    assert verdict.holds, verdict


def of_other_labels(dy: Array, y: Array, lp: Array, **options: Any) -> tuple[Array]:
    """Return dlp as if equal labels were different ones, between which no blank has to be."""
    return ctc_backward(dy, y, lp, **{**options, "target": np.array([[1, 2]] * N)})


WRONG = {"of outputs before a softmax": ctc_backward_of_normalized, "of others": of_other_labels}


@pytest.mark.parametrize("backward", WRONG.values(), ids=WRONG)
def test_a_wrong_derivative_is_refuted(backward: Any) -> None:
    """What is no derivative of the loss is wrong."""
    verdict = certify_op(ctc_forward, backward, {"lp": log_probabilities()}, options=OPTIONS)

    assert not verdict.holds
    assert "wrong: backward" in str(verdict)


def certified(make: Any, times: Any = (6, 5, 4), **options: Any) -> Any:
    """Return the certificate of the loss of outputs (N, T, C), which are made probabilities."""
    torch.manual_seed(0)
    z, targets = torch.randn(3, 6, 5, requires_grad=True), torch.tensor([[1, 1], [2, 3], [4, 0]])
    lengths = torch.tensor([2, 2, 1])
    if options.pop("in_a_row", False):
        targets = torch.tensor([1, 1, 2, 3, 4])

    def loss() -> Any:
        lp = make(z)
        found = F.ctc_loss(lp, targets, torch.tensor(times), lengths, **options)
        return (found * torch.arange(1.0, 4)).sum() if found.dim() else found

    return bt.certify(loss, {"z": z})


HOLDS: dict[str, dict[str, Any]] = {
    "mean": {},
    "sum": {"reduction": "sum"},
    "none": {"reduction": "none"},
    "in a row": {"in_a_row": True},
    "impossible, and left out": {"times": (2, 5, 4), "zero_infinity": True},
}


@pytest.mark.parametrize("name", HOLDS)
def test_what_pytorch_computes_holds(name: str) -> None:
    """Losses and gradients of each reduction hold, behind log_softmax."""
    certificate = certified(lambda z: z.log_softmax(-1).transpose(0, 1), **HOLDS[name])

    assert certificate.holds, str(certificate)


MADE: dict[str, tuple[Any, bool]] = {
    "in float64": (
        lambda z: F.log_softmax(z, 2, dtype=torch.float64).float().mT.permute(2, 0, 1),
        True,
    ),
    "a logarithm of softmax": (lambda z: z.softmax(-1).log().transpose(0, 1).contiguous(), True),
    "stacked": (lambda z: torch.stack([z[:, t].log_softmax(-1) for t in range(6)]), True),
    "stacked, one of them twice": (
        lambda z: torch.stack([z[:, t].log_softmax(-1) for t in (0, 0, 1, 2, 3, 4)]),
        True,
    ),
    "joined with a constant": (
        lambda z: torch.cat([z[:, 1:].log_softmax(-1), z.detach()[:, :1]], 1).transpose(0, 1),
        True,
    ),
    "joined with outputs": (
        lambda z: torch.cat([z[:, 1:].log_softmax(-1), z[:, :1]], 1).transpose(0, 1),
        False,
    ),
    "outputs": (lambda z: z.transpose(0, 1), False),
    "along another axis": (lambda z: z.log_softmax(1).transpose(0, 1), False),
    "a part of the classes": (
        lambda z: z.repeat(1, 1, 2).log_softmax(-1)[..., :5].mT.mT.transpose(0, 1),
        False,
    ),
    "moved": (lambda z: (z.log_softmax(-1) - 0.5).transpose(0, 1), False),
}
"""How the logarithms are made -> whether log_softmax made them: only there PyTorch is right."""


@pytest.mark.parametrize("name", MADE)
def test_pytorch_is_right_behind_log_softmax_alone(name: str) -> None:
    """PyTorch adds dy e^lp to the derivative: refuted where log_softmax is not before it."""
    make, holds = MADE[name]
    certificate = certified(make)

    assert certificate.holds == holds, str(certificate)
    assert holds or certificate.refuted is not None


def test_an_impossible_target_is_not_known() -> None:
    """Of an infinite loss there is no derivative, and nothing is certified."""
    certificate = certified(lambda z: z.log_softmax(-1).transpose(0, 1), times=(2, 5, 4))

    assert "a target that is too long for its sequence" in str(certificate)
    assert (certificate.holds, certificate.proven) == (False, ())
