"""Windows and groups of JAX, in derivatives inside of a loss too: right ones hold."""

from typing import Any

import pytest

from tests.verifier.lazy import Lazy

jax, jnp, lax, nn = map(Lazy, ("jax", "jax.numpy", "jax.lax", "jax.nn"))
bj, models = map(Lazy, ("backproof.jax", "tests.verifier.jax_models"))


@pytest.fixture(autouse=True)
def _installed() -> None:
    """Skip the tests where JAX is not installed."""
    pytest.importorskip("jax")


def pooled(x: Any, padding: str = "SAME") -> Any:
    """Return the largest entries of overlapping windows."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (3, 2), (2, 1), padding)


def smallest(x: Any) -> Any:
    """Return the smallest entries of windows."""
    return lax.reduce_window(x, jnp.inf, lax.min, (2, 3), (1, 2), "VALID")


def penalty(function: Any) -> Any:
    """Return the squared gradient of a function, for a loss."""

    def of(x: Any, *rest: Any) -> Any:
        return jnp.square(jax.grad(lambda x: jnp.sum(jnp.sin(function(x, *rest))))(x))

    return of


def grouped(x: Any, kernel: Any) -> Any:
    """Return a convolution of images (6, 2, 5, 5) in three groups of the batch."""
    return lax.conv_general_dilated(
        x.reshape(6, 2, 5, 5),
        kernel.reshape(3, 2, 2, 2),
        (2, 1),
        ((1, 0), (0, 1)),
        (1, 2),
        batch_group_count=3,
    )


def depthwise(kernel: Any, x: Any) -> Any:
    """Return a convolution of each of two channels alone."""
    images = x.reshape(3, 2, 10, 5)
    return lax.conv_general_dilated(
        images, kernel.reshape(4, 1, 3, 2), (1, 1), "SAME", feature_group_count=2
    )


def experts(a: Any, b: Any) -> Any:
    """Return a product for each group of rows, one of them empty; the last rows have no group."""
    return lax.ragged_dot(a.reshape(20, 15), b.reshape(3, 15, -1), jnp.array([5, 0, 12]))


PROGRAMS = {
    "smallest": (smallest, (4, 6)),
    "penalty of the largest": (penalty(pooled), (5, 6)),
    "penalty of the smallest": (penalty(smallest), (5, 6)),
    "penalty with ties": (penalty(lambda x: pooled(nn.relu(x))), (5, 6)),
    "tangents of the largest": (
        lambda x: jax.jvp(lambda x: jnp.sin(pooled(x, "VALID")), (x,), (x,))[1],
        (5, 6),
    ),
    "groups of the batch": (grouped, (300,), (24,)),
    "penalty of groups of channels": (penalty(depthwise), (24,), (300,)),
    "experts": (experts, (300,), (90,)),
    "penalty of experts": (penalty(experts), (300,), (90,)),
}
"""Functions of arrays, and the arrays' shapes."""


@pytest.mark.parametrize("factor", [1.0, 1.001], ids=["right", "wrong"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_windows_and_groups(name: str, factor: float) -> None:
    """Every gradient is proven where the derivatives are right, and refuted where one is not."""
    function, *shapes = PROGRAMS[name]
    new = models.drawn()
    arrays = [new(*shape) for shape in shapes]

    def loss(arrays: Any) -> Any:
        first, *rest = arrays
        return jnp.sum(models.scaled(jnp.tanh, factor)(function(jnp.sin(first), *rest)))

    certificate = bj.certify(loss, arrays, jit=False)

    assert [str(one.place) for one in certificate.unknown] == []
    assert certificate.holds == (factor == 1), certificate
    assert (certificate.refuted is None) == (factor == 1)
