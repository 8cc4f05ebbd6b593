"""Functions beneath autograd are read by their own arguments, as exported graphs call them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, nn, F = map(Lazy, ("torch", "torch.nn", "torch.nn.functional"))
ops, in_c, bt = map(Lazy, ("torch.ops", "torch._C._nn", "backproof.torch"))

Program = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def _installed() -> None:
    """Skip the tests where PyTorch is not installed."""
    pytest.importorskip("torch")


def shares() -> Any:
    """Return numbers (4, 6) between 0 and 1."""
    return torch.linspace(0.05, 0.95, 24).view(4, 6)


def signs() -> Any:
    """Return ones (4, 6) of both signs."""
    return (shares() - 0.5).sign()


def classes() -> Any:
    """Return a class for each of four rows."""
    return torch.tensor([0, 2, 1, 5])


def image(w: Any) -> Any:
    """Return an image (1, 2, 4, 3)."""
    return w.view(1, 2, 4, 3)


def ones(n: int) -> Any:
    """Return n ones."""
    return torch.ones(n)


LOSSES: dict[str, Callable[[Any, int], Any]] = {
    "mse_loss": lambda w, r: ops.aten.mse_loss(w, shares(), r),
    "l1_loss": lambda w, r: ops.aten.l1_loss(w, shares(), r),
    "huber_loss": lambda w, r: ops.aten.huber_loss(w, shares(), r, 0.3),
    "smooth_l1_loss": lambda w, r: ops.aten.smooth_l1_loss(w, shares(), r, 0.4),
    "cross_entropy_loss": lambda w, r: ops.aten.cross_entropy_loss(w, classes(), None, r, 1, 0.1),
    "nll_loss_nd": lambda w, r: ops.aten.nll_loss_nd(w, classes(), None, r, 2),
    "binary_cross_entropy": lambda w, r: ops.aten.binary_cross_entropy(
        w.sigmoid(), shares(), None, r
    ),
    "with logits": lambda w, r: ops.aten.binary_cross_entropy_with_logits(
        w, shares(), None, None, r
    ),
    "kl_div": lambda w, r: ops.aten.kl_div(w, shares().log(), r, log_target=True),
    "kl_div of torch": lambda w, r: torch.kl_div(w, shares(), r),
    "poisson_nll_loss": lambda w, r: ops.aten.poisson_nll_loss(w, shares(), 1, 0, 1e-8, r),
    "soft_margin_loss": lambda w, r: ops.aten.soft_margin_loss(w, signs(), r),
    "hinge_embedding_loss": lambda w, r: ops.aten.hinge_embedding_loss(w, signs(), 0.7, r),
    "margin_ranking_loss": lambda w, r: ops.aten.margin_ranking_loss(w, shares(), signs(), 0.2, r),
    "multi_margin_loss": lambda w, r: ops.aten.multi_margin_loss(w, classes(), 1, 0.7, None, r),
    "triplet_margin_loss": lambda w, r: ops.aten.triplet_margin_loss(
        w, shares(), signs(), 1.5, 2.0, 1e-6, 1, r
    ),
    "cosine_embedding_loss": lambda w, r: ops.aten.cosine_embedding_loss(
        w, shares(), signs()[:, 0], 0.1, r
    ),
}
"""Name -> a loss of numbers (4, 6), and of PyTorch's number for a reduction."""

NO = False
"""What functions of torch take, where those of torch.ops.aten also take a number."""

LAYERS: dict[str, Program] = {
    "batch_norm": lambda w: ops.aten.batch_norm(
        w, ones(6), ones(6) / 7, None, None, 1, 0.1, 0.2, 1
    ),
    "batch_norm of torch": lambda w: torch.batch_norm(
        *(w, ones(6), None, ones(6) / 3, ones(6), NO, 0.1, 0.2, NO)
    ),
    "batch_norm at rest": lambda w: ops.aten._native_batch_norm_legit_no_training(  # noqa: SLF001
        w, ones(6), None, ones(6) / 3, ones(6), 0.1, 0.2
    )[0],
    "instance_norm": lambda w: ops.aten.instance_norm(
        image(w), ones(2), ones(2) / 7, None, None, 1, 0.1, 0.2, 1
    ),
    "embedding": lambda w: torch.embedding(w, classes() % 4, 2),
    "embedding_bag": lambda w: ops.aten.embedding_bag(
        w, torch.tensor([1, 2, 3]), torch.tensor([0, 2]), 0, 1
    )[0],
    "gru_cell": lambda w: ops.aten.gru_cell(
        w, w[:, :2], shares().view(6, 4) @ w, w.view(6, 4)[:, 2:]
    ),
    "nearest entries": lambda w: ops.aten.upsample_nearest2d(image(w), None, [2.0, 2.0]),
    "nearest entries by a size": lambda w: ops.aten.upsample_nearest2d(
        image(w), [8, 9], None, None
    ),
    "nearest entries in C++": lambda w: in_c.upsample_nearest2d(image(w), None, [2.0, 2.0]),
    "entries between": lambda w: ops.aten.upsample_bilinear2d(image(w), [7, 5], 0, None),
    "corners that stay": lambda w: ops.aten.upsample_bicubic2d(image(w), [7, 5], 1, None),
    "channels that are dropped": lambda w: ops.aten.feature_dropout(image(w), 0.5, 1),
    "entries that are dropped": lambda w: ops.aten.native_dropout(w, 0.3, 1)[0],
    "blocks": lambda w: ops.aten.im2col(image(w), [2, 2], [1, 1], [1, 1], [1, 2]),
    "tensordot": lambda w: ops.aten.tensordot(w, shares(), [0, 1], [0, 1]),
    "turned": lambda w: ops.aten.numpy_T(2 * w),
    "sigmoid": lambda w: ops.aten.special_expit(w) + torch.special.expit(w),
    "special functions": lambda w: torch.special.softmax(torch.special.expm1(w), 1),
    "distances": lambda w: ops.aten._cdist_forward(w, shares(), 2.0, None),  # noqa: SLF001
    "distances between rows": lambda w: ops.aten._pdist_forward(w, 2.0),  # noqa: SLF001
}
"""Name -> a program of numbers (4, 6)."""

CALLS: dict[str, Program] = LAYERS | {
    f"{name}, {kind}": lambda w, loss=loss, number=number: loss(w, number)
    for name, loss in LOSSES.items()
    for number, kind in enumerate(("none", "mean", "sum"))
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_read_by_its_own_arguments(name: str) -> None:
    """A call holds whose arguments stand in another order than the public function's.

    Its gradient halved does not.
    """
    torch.manual_seed(0)
    w = torch.randn(4, 6, requires_grad=True)

    def loss(share: float) -> Any:
        x = w * 1
        x.register_hook(lambda d: share * d)
        y = CALLS[name](x)
        return (y * torch.linspace(1, 2, y.numel()).view_as(y)).sum()

    right, halved = (bt.certify(lambda s=s: loss(s), {"w": w}) for s in (1, 0.5))

    assert right.holds, str(right)
    assert halved.refuted is not None


@pytest.mark.parametrize("is_core", [False, True], ids=["as it is", "decomposed"])
@pytest.mark.filterwarnings("ignore:`isinstance.treespec:FutureWarning")
def test_an_exported_network_holds(is_core: bool) -> None:  # noqa: FBT001
    """The graph of a network, as it is and decomposed into PyTorch's core ops, is a program."""
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.InstanceNorm2d(4, affine=True),
        nn.CELU(0.5),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Dropout2d(0.3),
        nn.Flatten(),
        nn.LazyLinear(3),
    )
    x = torch.randn(3, 2, 4, 3)
    model(x)
    exported = torch.export.export(model, (x,))
    program = (exported.run_decompositions() if is_core else exported).module()
    certificate = bt.certify(
        lambda: ops.aten.cross_entropy_loss(program(x), torch.tensor([0, 2, 1])), program
    )

    assert certificate.holds, str(certificate)
    assert len(certificate.proven) == len([*model.parameters()])
