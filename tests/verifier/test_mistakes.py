"""Mistakes of PyTorch and JAX in functions that programs call, beside the table of ops."""

from collections.abc import Callable
from math import exp, nan, pi
from typing import Any

import numpy as np
import pytest

from tests.verifier.lazy import Lazy

jax, torch, F = map(Lazy, ("jax", "torch", "torch.nn.functional"))
checkpoints = Lazy("torch.utils.checkpoint")


def gradient(of: Callable[[Any], Any], x: list[Any], dtype: str = "float64") -> Any:
    """Return the gradient of the sum of a function."""
    t = torch.tensor(x, dtype=getattr(torch, dtype), requires_grad=True)
    return torch.autograd.grad(of(t).sum(), t)[0].double().numpy()


def running(x: Any) -> Any:
    """Return the weighted sum of running log-sums."""
    return x.logcumsumexp(0) * torch.tensor([1, 2, 3], dtype=x.dtype)


def tangent() -> Any:
    """Return how the last running log-sum of equal steps moves."""
    x = torch.tensor([0.5, -1.0, 2.0])
    return torch.autograd.functional.jvp(lambda x: x.logcumsumexp(0), x, torch.ones(3))[1][2].item()


def over_itself(s: Any) -> Any:
    """Return the largest of one entry, written over an equal one."""
    x, at = torch.full((1,), 2.0, dtype=s.dtype), torch.tensor([0])
    return x.scatter_reduce(0, at, s, "amax", include_self=False)


def ones(*shape: int) -> Any:
    """Return ones in float64."""
    return torch.ones(shape, dtype=torch.float64)


def third(of: Callable[[Any], Any]) -> float:
    """Return the sign of d^3 y_0 / dx_0 dx_1 dx_2."""
    x = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64, requires_grad=True)
    y = of(x)[0]
    for k in range(3):
        y = torch.autograd.grad(y, x, create_graph=True)[0][k]
    return float(y.detach().sign())


def higher(of: Callable[[Any], Any], x: float, order: int) -> float:
    """Return a derivative of a function of a number."""
    t = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = of(t)
    for _ in range(order):
        (y,) = torch.autograd.grad(y, t, create_graph=True)
    return float(y.detach())


def of_products(changed: str) -> float:
    """Return the slope of one factor of kron, the other of which is changed afterwards."""
    a, b = (torch.tensor([[x]], requires_grad=True) for x in (2.0, 5.0))
    x, y = a * 1, b * 1
    product = torch.kron(x, y)
    {"a": x, "b": y}[changed].mul_(10)
    of = {"a": b, "b": a}[changed]
    return float(torch.autograd.grad(product, of)[0])


def have_their_slopes() -> bool:
    """Return whether the slopes of rrelu in a checkpoint are those of its pass, a hundred times."""
    x = torch.full((100, 8), -1.0, requires_grad=True)
    rows = [checkpoints.checkpoint(F.rrelu, row, training=True, use_reentrant=False) for row in x]
    (slopes,) = torch.autograd.grad(sum(rows).sum(), x)
    return bool(torch.equal(slopes, -torch.stack(rows)))


def surprise(p: Any) -> Any:
    """Return -log p, as a cross entropy."""
    return F.binary_cross_entropy(p, torch.ones_like(p))


MISTAKES: dict[str, tuple[Callable[[], Any], float, float]] = {
    "interpolate, nearest, by a factor that keeps the size": (
        lambda: gradient(lambda x: F.interpolate(x, scale_factor=1.013)[..., 1], [[[1, 2]]])[
            0, 0, 0
        ],
        0,
        1,
    ),
    "interpolate, nearest-exact": (
        lambda: gradient(
            lambda x: F.interpolate(x, size=41, mode="nearest-exact")[..., 20],
            [[[1, 2]]],
            "float32",
        )[0, 0, 1],
        0,
        1,
    ),
    "as_strided_scatter": (
        lambda: gradient(
            lambda x: torch.as_strided_scatter(x, ones(2), (2,), (1,), 0), [1, 2, 3, 4]
        )[0],
        1,
        0,
    ),
    "scatter_reduce, amax over an equal entry": (lambda: gradient(over_itself, [2])[0], 0.5, 1),
    "cholesky_solve, by a factor with numbers in the other triangle": (
        lambda: gradient(lambda L: torch.cholesky_solve(ones(2, 1), L), [[2, 5], [1, 2]])[1, 1],
        -0.296875,
        -0.0625,
    ),
    "logcumsumexp, in bfloat16, of large numbers": (
        lambda: gradient(running, [9984, 5, 4], "bfloat16")[0],
        1,
        6,
    ),
    "logcumsumexp, along a direction": (tangent, np.nan, 1),
    "soft_margin_loss, of a margin of -100, in float32": (
        lambda: F.soft_margin_loss(torch.tensor([-100.0]), torch.ones(1)).item(),
        np.inf,
        100,
    ),
    "layer_norm, the third derivative": (lambda: third(lambda x: F.layer_norm(x, (3,))), 0, 1),
    "batch_norm, the third derivative": (
        lambda: third(lambda x: F.batch_norm(x[:, None], None, None, training=True)[:, 0]),
        0,
        1,
    ),
    "binary_cross_entropy, millionths that the second derivative at 1e-6 lacks": (
        lambda: round(1e6 * (1 - 1e-12 * higher(surprise, 1e-6, 2))),
        2,
        0,
    ),
    "i1, the third derivative at zero": (lambda: higher(torch.special.i1, 0.0, 3), 0, 0.375),
    "i1, the third derivative near zero": (lambda: higher(torch.special.i1, 1e-9, 3), 256, 0.375),
    "kron, whose first factor is changed afterwards": (lambda: of_products("a"), 20, 2),
    "kron, whose second factor is changed afterwards": (lambda: of_products("b"), 50, 5),
    "rrelu, at the end of a checkpoint": (have_their_slopes, False, True),
    "celu, billionths by which the slope in float64 is too large": (
        lambda: round(1e9 * (higher(lambda x: F.celu(x, 0.3), -0.5, 1) / exp(-0.5 / 0.3) - 1)),
        26,
        0,
    ),
    "polygamma of order 1, in float64": (
        lambda: torch.polygamma(1, torch.tensor(1.0, dtype=torch.float64)).item(),
        1.6449340676383375,
        pi**2 / 6,
    ),
    "sinc, the slope near zero": (lambda: higher(torch.sinc, 1e-9, 1), 0, -(pi**2) / 3 * 1e-9),
    "sinc, the second derivative at zero": (lambda: higher(torch.sinc, 0.0, 2), nan, -(pi**2) / 3),
    "matrix_exp, in float16, whether e^(1/2) is beyond 1,000": (
        lambda: bool(torch.matrix_exp(torch.eye(2).half() / 2)[0, 0].abs() > 1000),
        True,
        False,
    ),
    "fmod, where the quotient is nearly an integer": (
        lambda: gradient(lambda y: torch.fmod(torch.tensor(0.5), y), [0.1], "float32")[0],
        -5,
        -4,
    ),
}
"""What is wrong -> a program, the number that it gives, and the right one."""


def covered(channels: int, k: int) -> float:
    """Return a convolution of ones by ones, whose kernel is as large as the image."""
    image, kernel = torch.ones(1, channels, k, k), torch.ones(1, channels, k, k)
    image = image.bfloat16().to(memory_format=torch.channels_last)
    return float(F.conv2d(image, kernel.bfloat16(), stride=k))


@pytest.mark.parametrize(("channels", "k"), [(8, 8), (4, 16), (16, 4)])
def test_convolutions_lose_channels_on_some_processors(channels: int, k: int) -> None:
    """With bfloat16 units of AVX-512, terms of a convolution are left out."""
    features = torch.cpu.get_capabilities()
    if not features.get("avx512_bf16") or features.get("amx_bf16"):
        pytest.skip("seen on processors with AVX-512 BF16 and without AMX")

    assert covered(3, 8) == 3 * 8 * 8
    assert covered(channels, k) < channels * k * k


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_still_seen(name: str) -> None:
    """Each mistake that the documentation names is seen in the release that it names."""
    version = torch.version.__version__
    if version.partition("+")[0] != "2.13.0":
        pytest.skip(f"the mistakes are those of PyTorch 2.13.0, not of {version}")
    program, seen, right = MISTAKES[name]

    np.testing.assert_equal(program(), seen)
    assert seen != right


def test_the_slope_of_a_remainder_of_jax_is_off_by_one() -> None:
    """The float32 number 0.05 goes 19 times into 1, and a rest is left: JAX counts 20."""
    if jax.version.__version__ != "0.10.2":
        pytest.skip(f"the mistake is one of JAX 0.10.2, not of {jax.version.__version__}")
    times = -jax.grad(lambda y: jax.lax.rem(1.0, y))(0.05)

    assert float(times) == 20
    assert int(1 / float(np.float32(0.05))) == 19
