"""JAX's own functions where a branch or a tie chooses the derivative: right ones hold."""

from typing import Any

import numpy as np
import pytest

from tests.verifier.lazy import Lazy

jax, jnp, lax, nn = map(Lazy, ("jax", "jax.numpy", "jax.lax", "jax.nn"))
special = Lazy("jax.scipy.special")
bj, models = map(Lazy, ("backproof.jax", "tests.verifier.jax_models"))


@pytest.fixture(autouse=True)
def _installed() -> None:
    """Skip the tests where JAX is not installed."""
    pytest.importorskip("jax")


P, Q = (np.array(a, np.float32) for a in ([0.0, 0.3, -0.0, 0.7], [0.2, 0.3, 0.1, 0.4]))


@pytest.mark.parametrize("factor", [1.0, 1.01], ids=["right", "wrong"])
@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_zero_times_a_logarithm(name: str, factor: float) -> None:
    """Its slope by the zero is the logarithm, though the forward pass branches there."""

    def loss(p: Any, q: Any) -> Any:
        return jnp.sum(models.scaled(lambda p: getattr(special, name)(p, q), factor)(p))

    certificate = bj.certify(loss, P, Q)

    assert certificate.holds == (factor == 1), certificate
    assert (certificate.refuted is None) == (factor == 1)


def test_subnormal_numbers_may_be_a_tie() -> None:
    """JAX reads them as zero: what it hands on to the largest of them underflows in no way."""
    certificate = bj.certify(lambda x: jnp.sum(jnp.max(x)), np.float32([4e-39, 2e-39]))

    assert certificate.refuted is None, certificate
    assert not certificate.holds  # the largest number itself underflows


LARGE = np.array([30.1, -30.3, 70.0, 5.5, 1.1, 0.3, 0.0], np.float32)


@pytest.mark.parametrize("factor", [1.0, 1.0001], ids=["right", "wrong"])
@pytest.mark.parametrize("name", ["sinh", "cosh", "logaddexp", "logaddexp2"])
def test_large_arguments(name: str, factor: float) -> None:
    """JAX computes e^(x - log 2) for e^x / 2, and slopes of log(e^a + e^b) from its result."""
    function = {
        "sinh": lambda x: jnp.sinh(x) * 1e-25,
        "cosh": lambda x: jnp.cosh(x) * 1e-25,
        "logaddexp": lambda x: jnp.logaddexp(x, x[::-1] * 0.8 + 0.05),
        "logaddexp2": lambda x: jnp.logaddexp2(x, x[::-1] * 0.8 + 0.05),
    }[name]
    certificate = bj.certify(lambda x: jnp.sum(models.scaled(function, factor)(x)), LARGE)

    assert certificate.holds == (factor == 1), certificate
    assert (certificate.refuted is None) == (factor == 1)


@pytest.mark.parametrize("name", ["sinh", "cosh"])
def test_large_arguments_alone(name: str) -> None:
    """The same where the function is a link of its own."""
    certificate = bj.certify(lambda x: jnp.sum(getattr(jnp, name)(x)) * 1e-25, LARGE)

    assert certificate.holds, certificate


@pytest.mark.parametrize("factor", [1.0, 1.01], ids=["right", "wrong"])
@pytest.mark.parametrize("name", ["cummax", "cummin"])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_equal_entries_of_a_running_extreme(name: str, n: int, factor: float) -> None:
    """They share what they receive pair by pair, as the scan pairs them."""
    x, c = np.float32([1, 1, 0, 1, 2, 2, 2, -1]), np.linspace(0.3, 1.7, 8, dtype=np.float32)

    def function(x: Any) -> Any:
        first, last = (getattr(lax, name)(x, reverse=reverse) for reverse in (False, True))
        return first + 2 * last

    certificate = bj.certify(lambda x: jnp.sum(c[:n] * models.scaled(function, factor)(x)), x[:n])

    assert certificate.holds == (factor == 1), certificate


FAR_OUT = np.array([30.0, -30.0, 0.3, 5.0, -2.0])

SECOND = {
    "logaddexp": lambda x: jnp.logaddexp(x, x[::-1] - 25),
    "logaddexp2": lambda x: jnp.logaddexp2(x, x[::-1] - 25),
    "log_sigmoid": lambda x: nn.log_sigmoid(x + 1),
    "log_ndtr": lambda x: special.log_ndtr(x / 3),
}
"""Functions of large arguments whose slopes JAX computes from their rounded results."""


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-9], ids=["right", "wrong"])
@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_far_out(name: str, factor: float) -> None:
    """The slopes of their slopes take the rounded result as well, and may cancel."""

    def loss(x: Any) -> Any:
        gradient = jax.grad(lambda x: jnp.sum(jnp.square(SECOND[name](x))))(x)
        return jnp.sum(models.scaled(jnp.sin, factor)(gradient))

    with jax.enable_x64(True):  # noqa: FBT003
        certificate = bj.certify(loss, FAR_OUT, jit=False)

    assert certificate.holds == (factor == 1), certificate


NEAR_ONE = np.array([0.9999, -0.9999, 0.999999, 0.3, -0.99], np.float32)


@pytest.mark.parametrize("factor", [1.0, 1.1], ids=["right", "wrong"])
@pytest.mark.parametrize("name", ["arcsin", "arccos"])
def test_inverse_functions_near_one(name: str, factor: float) -> None:
    """JAX computes their slopes from x^2, which cancels there."""
    function = models.scaled(getattr(jnp, name), factor)
    certificate = bj.certify(lambda x: jnp.sum(function(x) * x), NEAR_ONE, jit=False)

    assert certificate.holds == (factor == 1), certificate
    assert (certificate.refuted is None) == (factor == 1)


@pytest.mark.parametrize("name", ["arcsin", "arccos"])
def test_inverse_functions_near_one_alone(name: str) -> None:
    """The same where the function is a link of its own."""
    certificate = bj.certify(lambda x: jnp.sum(getattr(jnp, name)(x) * x), NEAR_ONE, jit=False)

    assert certificate.holds, certificate


ZEROS = {"gammaln": [1.0, 2.0], "digamma": [1.4616321]}
"""Functions, and where they are zero."""


@pytest.mark.parametrize("factor", [1.0, 1.1], ids=["right", "wrong"])
@pytest.mark.parametrize("name", ZEROS)
def test_zeros_of_logarithms_of_gamma(name: str, factor: float) -> None:
    """Their terms cancel: what JAX returns is rounding noise."""
    function = models.scaled(getattr(special, name), factor)
    certificate = bj.certify(lambda x: jnp.sum(jnp.cos(1 + function(x))), np.float32(ZEROS[name]))

    assert certificate.holds == (factor == 1), certificate
    assert (certificate.refuted is None) == (factor == 1)
