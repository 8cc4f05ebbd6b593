"""PyTorch's losses in programs: each is certified, with its options, and a wrong one refuted."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, F = map(Lazy, ("torch", "torch.nn.functional"))
bt = Lazy("backproof.torch")


def signs(a: Any) -> Any:
    """Return a target of signs."""
    return torch.tensor([1, -1, 1, -1], dtype=a.dtype)


def classes() -> Any:
    """Return a target of classes."""
    return torch.tensor([2, 0, 1, 2])


def weights(a: Any) -> Any:
    """Return a weight for each class."""
    return torch.tensor([0.5, 2.0, 1.25], dtype=a.dtype)


def maps(a: Any) -> Any:
    """Return logits of two examples with two places each."""
    return a.view(2, 2, 3).transpose(1, 2)


Loss = Callable[[Any, Any], Any]

LOSSES: dict[str, Loss] = {
    "binary_cross_entropy": lambda a, _: F.binary_cross_entropy(
        a.sigmoid(), (a > 0).to(a.dtype), a.detach().abs(), reduction="sum"
    ),
    "cross_entropy": lambda a, _: F.cross_entropy(a, classes(), weights(a), label_smoothing=0.25),
    "cross_entropy of maps": lambda a, _: F.cross_entropy(
        maps(a), classes().view(2, 2), ignore_index=1, reduction="sum"
    ),
    "cross_entropy of probabilities": lambda a, b: F.cross_entropy(
        maps(a), maps(b.softmax(-1)), weights(a), reduction="none"
    ).sum(),
    "nll_loss": lambda a, _: F.nll_loss(a.log_softmax(-1), classes(), weights(a), ignore_index=2),
    "nll_loss of maps": lambda a, _: F.nll_loss(maps(a), classes().view(2, 2)),
    "binary_cross_entropy_with_logits": lambda a, b: F.binary_cross_entropy_with_logits(
        a, b.sigmoid(), weights(a), pos_weight=1 + weights(a), reduction="none"
    ).sum(),
    "mse_loss": lambda a, b: F.mse_loss(a, b, reduction="sum"),
    "l1_loss": lambda a, b: F.l1_loss(a, b, reduction="none").sum(),
    "huber_loss": lambda a, b: F.huber_loss(a, b, reduction="sum", delta=0.5),
    "smooth_l1_loss": lambda a, b: F.smooth_l1_loss(a, b, beta=0.3),
    "smooth_l1_loss of beta 0": lambda a, b: F.smooth_l1_loss(a, b, beta=0, reduction="sum"),
    "kl_div": lambda a, b: F.kl_div(a.log_softmax(-1), b.softmax(-1), reduction="batchmean"),
    "kl_div of logs": lambda a, b: F.kl_div(
        a.log_softmax(-1), b.log_softmax(-1), reduction="sum", log_target=True
    ),
    "poisson_nll_loss, full": lambda a, b: F.poisson_nll_loss(a, b.exp(), full=True),
    "poisson_nll_loss": lambda a, b: F.poisson_nll_loss(a, b.exp()),
    "poisson_nll_loss of means": lambda a, b: F.poisson_nll_loss(
        a.exp(), b.exp(), log_input=False, reduction="sum"
    ),
    "gaussian_nll_loss": lambda a, b: F.gaussian_nll_loss(a, a.detach() + 1, b.exp()),
    "soft_margin_loss": lambda a, _: F.soft_margin_loss(a[:, 0], signs(a)),
    "margin_ranking_loss": lambda a, b: F.margin_ranking_loss(
        a[:, 0], b[:, 0], signs(a), margin=0.3
    ),
    "hinge_embedding_loss": lambda a, _: F.hinge_embedding_loss(a[:, 0], signs(a), margin=0.6),
    "multi_margin_loss": lambda a, _: F.multi_margin_loss(a, classes(), p=2, weight=weights(a)),
    "triplet_margin_loss": lambda a, b: F.triplet_margin_loss(a, b, a * b),
    "triplet_margin_loss with swap": lambda a, b: F.triplet_margin_loss(
        a, b, a * b, swap=True, reduction="sum"
    ),
    "pairwise_distance": lambda a, b: F.pairwise_distance(a, b, keepdim=True).sum(),
    "cdist": lambda a, b: torch.cdist(a, b[:2]).sum(),
    "cosine_similarity": lambda a, b: F.cosine_similarity(a, b).sum(),
    "layer_norm over several axes": lambda a, b: (
        F.layer_norm(a.view(2, 2, 3), (2, 3), b.view(2, 2, 3)[0]) * b.view(2, 2, 3)
    ).sum(),
    "rms_norm over several axes": lambda a, b: (
        F.rms_norm(a.view(2, 2, 3), (2, 3)) * b.view(2, 2, 3)
    ).sum(),
    "amin": lambda a, b: (a.amin(1, keepdim=True) * b).sum(),
    "min": lambda a, b: torch.min(a.min(), b).sum(),
    "tan": lambda a, b: (torch.tan(a) * b).sum(),
    "pow": lambda a, b: (a.exp() ** b).sum(),
    "cumprod": lambda a, b: (a.cumprod(0) * b).sum(),
    "unfold": lambda a, b: (F.unfold(a.view(1, 1, 4, 3), 2, padding=1) * b[0, 0]).sum(),
    "Tensor.unfold": lambda a, b: (a.unfold(1, 2, 1) * b[0, 0]).sum(),
    "local_response_norm": lambda a, b: (F.local_response_norm(a.view(1, 4, 3), 3) * b).sum(),
    "cosine_embedding_loss": lambda a, b: F.cosine_embedding_loss(a, b, signs(a), margin=-0.2),
}


def certified(loss: Loss, dtype: str = "float32", factor: float = 1) -> Any:
    """Return the certificate of a loss of two arrays; factor: of the first one's gradient."""
    torch.manual_seed(0)
    a, b = (torch.randn(4, 3, dtype=getattr(torch, dtype)).requires_grad_() for _ in range(2))
    if factor != 1:
        a.register_hook(lambda d: factor * d)
    return bt.certify(lambda: loss(a, b) + 0 * b.sum(), {"a": a, "b": b})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_hold(name: str, dtype: str) -> None:
    """Every gradient of a program with the loss is proven."""
    certificate = certified(LOSSES[name], dtype)

    assert certificate.holds, certificate
    assert certificate.proven == ("a", "b")


REFUSED: dict[str, tuple[Loss, str]] = {
    "cross_entropy": (
        lambda a, _: F.cross_entropy(a, classes(), size_average=False),
        "size_average or reduce",
    ),
    "triplet_margin_loss": (lambda a, b: F.triplet_margin_loss(a, b, a * b, p=0), "p=0"),
    "margin_ranking_loss": (
        lambda a, b: F.margin_ranking_loss(a[:, 0], b[:, 0], signs(a).double()),
        "operands of several dtypes",
    ),
    "cdist": (lambda a, b: torch.cdist(a, b, p=0.0).sum(), "p=0.0"),
    "pow": (
        lambda a, b: (a.repeat(2, 1) ** torch.arange(24).view(8, 3)).sum() * b.sum(),
        "not all positive",
    ),
}


def half(x: Any) -> Any:
    """Return numbers in bfloat16."""
    return x.bfloat16()


NARROW: dict[str, Loss] = {
    "logits": lambda a, b: F.binary_cross_entropy_with_logits(half(a), b.sigmoid()),
    "probabilities": lambda a, b: F.cross_entropy(half(a), b.softmax(-1)),
    "divergence": lambda a, b: F.kl_div(a.log_softmax(-1), half(b.abs()), reduction="sum"),
    "powers of two": lambda a, b: torch.ldexp(a, half(b)).sum(),
    "angles": lambda a, b: torch.atan2(a, half(b)).sum(),
}
"""Functions that take a step of one operand alone, whose precision is lower than the result's."""


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
def test_what_may_be_less_precise_inside_is_not_known(name: str) -> None:
    """It is named, and nothing is refuted."""
    certificate = certified(NARROW[name], "float32")

    assert certificate.unknown, str(certificate)
    assert certificate.refuted is None, str(certificate)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:size_average and reduce")
def test_options_without_an_op_are_named(name: str) -> None:
    """An option that the reference does not have is named, and nothing is proven by it."""
    loss, reason = REFUSED[name]
    certificate = certified(loss)

    assert reason in str(certificate)
    assert "a" not in certificate.proven
    assert certificate.refuted is None


@pytest.mark.parametrize("name", LOSSES)
def test_a_wrong_gradient_is_refuted(name: str) -> None:
    """A gradient of the loss that is off by one percent is refuted, where it is."""
    certificate = certified(LOSSES[name], factor=1.01)

    assert [(one.name, one.verdict) for one in certificate.wrong] == [("dE/da", "refuted")]
    assert certificate.unknown == ()
