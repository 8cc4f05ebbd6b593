"""Functions that a derivative, which is a part of the loss, goes through: one by one."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, F, bt, models = map(
    Lazy, ("torch", "torch.nn.functional", "backproof.torch", "tests.verifier.models")
)

Function = Callable[[Any], Any]


def written(write: Callable[[Any, Any], Any]) -> Function:
    """Return the function that writes to a copy of a matrix (4, 4), or makes another one of it."""

    def function(x: Any) -> Any:
        y = x * 1.5
        made = write(y, torch.sin(x))
        return (y if made is None else made) * x

    return function


def rows() -> Any:
    """Return the places of two rows."""
    return torch.tensor([0, 2])


def image(x: Any) -> Any:
    """Return a matrix as an image of one channel."""
    return x[None, None]


def copied(y: Any, z: Any) -> None:
    """Copy into a view of y."""
    y[:, :2].copy_(z[:, 2:])


def added(y: Any, z: Any) -> None:
    """Add to a view of y."""
    y[:, 0].add_(z[:, 1])


WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "a part": lambda y, z: y.__setitem__(slice(1, 3), z[1:3]),
    "an entry": lambda y, z: y.__setitem__((0, 0), z[1, 1]),
    "a number": lambda y, _: y.__setitem__((slice(None), 0), 0),
    "rows": lambda y, z: y.__setitem__(rows(), z[:2]),
    "a mask": lambda y, z: y.__setitem__(torch.eye(4) > 0, z.diagonal()),
    "a copy into a view": copied,
    "added to a view": added,
    "index_put": lambda y, z: y.index_put((rows(),), z[:2]),
    "index_put, added": lambda y, z: y.index_put((rows(),), z[:2], accumulate=True),
    "zeros": lambda _, z: torch.zeros(4, 4).index_put((rows(),), z[:2]),
}
"""What is written to: (the matrix, others) -> nothing, or another matrix."""


def lowered(x: Any) -> Any:
    """Multiply matrices in the lower precision of autocast."""
    with torch.autocast("cpu", torch.bfloat16):
        return torch.tanh(x @ x).float()


FUNCTIONS: dict[str, Function] = {
    **{name: written(write) for name, write in WRITES.items()},
    "diagonal": lambda x: x.diagonal(),
    "unfold": lambda x: x.unfold(0, 2, 1),
    "unfold in steps": lambda x: x.unfold(1, 2, 2),
    "taken": lambda x: x[rows()] * x[torch.eye(4) > 0],
    "a mean of all": lambda x: x * x.sum() + x.mean(),
    "std": lambda x: x.std(1),
    "minimum": lambda x: torch.minimum(x, x.T) + torch.maximum(x, x.T),
    "glu": lambda x: F.glu(x) * 2,
    "logsigmoid": lambda x: F.logsigmoid(x) * 2,
    "prelu": lambda x: F.prelu(x, x[0, :1].detach().abs()),
    "prelu of channels": lambda x: F.prelu(x, x[0].sin()),
    "interpolation": lambda x: F.interpolate(image(x), scale_factor=2, mode="bilinear"),
    "interpolation to the corners": lambda x: F.interpolate(
        image(x), (7, 3), mode="bicubic", align_corners=True
    ),
    "interpolation of rows": lambda x: F.interpolate(x[None], scale_factor=1.5, mode="linear"),
    "adaptive pooling": lambda x: F.adaptive_avg_pool2d(image(x), 3),
    "matrix_exp": lambda x: torch.matrix_exp(x) / 2,
    "autocast": lowered,
    "attention of blind rows": lambda x: F.scaled_dot_product_attention(
        x[None], x[None], x[None], torch.ones(4, 4).tril(-1) > 0
    ),
    "torch.group_norm": lambda x: torch.group_norm(
        x.view(2, 4, 2),
        2,
        None,
        None,
        1e-5,
        True,  # noqa: FBT003 as F.group_norm calls it
    ),
    "a norm of no rows": lambda x: x.mean() + F.group_norm(x[:0], 2).sum(),
}
"""What a matrix (4, 4) goes through."""


def certified(function: Function, wrong: Any = None) -> Any:
    """Return the certificate of a slope that is a part of a loss. wrong: a mode that is on."""
    torch.manual_seed(0)
    w, places = torch.randn(4, 4, requires_grad=True), torch.randn(4, 4)

    def loss() -> Any:
        x = places.clone().requires_grad_()
        y = function(torch.tanh(x @ w))
        return torch.autograd.grad(y.sin().sum(), x, create_graph=True)[0].square().sum()

    def program() -> Any:
        if wrong is None:
            return loss()
        with wrong:
            return loss()

    return bt.certify(program, {"w": w})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_through_functions_hold(name: str) -> None:
    """Each call beneath autograd is a link."""
    certificate = certified(FUNCTIONS[name])

    assert certificate.holds, str(certificate)


BENEATH: dict[str, str] = {
    "autocast": "_to_copy.default",
    "rows": "index.Tensor",
    "a part": "copy_.default",
    "diagonal": "diagonal_backward.default",
    "unfold": "unfold_backward.default",
    "glu": "glu_backward.default",
    "logsigmoid": "log_sigmoid_backward.default",
    "interpolation": "upsample_bilinear2d_backward.default",
    "adaptive pooling": "_adaptive_avg_pool2d_backward.default",
}
"""Function -> one that autograd calls beneath it."""


@pytest.mark.parametrize("name", BENEATH)
def test_a_wrong_call_beneath_is_refuted(name: str) -> None:
    """What autograd computes for the program is held to its op."""
    overloads, _, overload = BENEATH[name].partition(".")
    function = getattr(getattr(torch.ops.aten, overloads), overload)
    wrong = models.Beneath(
        function, lambda found: found.mul_(0.5) if name == "a part" else found / 2
    )
    certificate = certified(FUNCTIONS[name], wrong)

    assert certificate.refuted is not None, str(certificate)


def multiplied(y: Any, z: Any) -> None:
    """Multiply a row of y, whose old numbers autograd keeps as a copy."""
    y[1].mul_(z[0])


UNKNOWN: dict[str, tuple[Function, str]] = {
    "cosine_similarity": (lambda x: F.cosine_similarity(x, x.flip(0)), "what autograd kept of it"),
    "grid_sample": (
        lambda x: F.grid_sample(image(x), x.reshape(1, 4, 2, 2), align_corners=False),
        "aten.grid_sampler_2d_backward",
    ),
    "complex numbers": (lambda x: torch.fft.rfft(x).abs(), "complex numbers"),
    "multiplied by way of a view": (written(multiplied), "autograd kept what nobody sees"),
}
"""Function -> what is said of it."""


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_named(name: str) -> None:
    """It is named, and nothing is refuted for it."""
    function, said = UNKNOWN[name]
    certificate = certified(function)

    assert not certificate.holds
    assert certificate.refuted is None
    assert said in str(certificate)
