"""What the readers of JAX's primitives do not know is named with the reason, and not refuted."""

from typing import Any

import numpy as np
import pytest

from tests.verifier.lazy import Lazy

jax, jnp, lax = map(Lazy, ("jax", "jax.numpy", "jax.lax"))
linalg = Lazy("jax.lax.linalg")
bj = Lazy("backproof.jax")


W = np.array([[0.7, -1.3, 0.4], [2.1, -0.2, 1.9], [0.3, 0.5, -0.8]], np.float32)
"""The parameter."""


def with_nan(w: Any) -> Any:
    """Return numbers of which one is NaN."""
    return jnp.where(w[0] > 0.5, jnp.nan, w[0])


def custom(w: Any, function: Any, derivative: Any) -> Any:
    """Return a function of w whose custom derivative is a factor of the cotangent."""
    made = jax.custom_vjp(function)
    made.defvjp(lambda x: (function(x), x), lambda x, dy: (dy * derivative(x),))
    return made(w)


def of_two_matrices(w: Any) -> Any:
    """Return what solves equations whose product is that of a matrix twice, as two operands."""
    half, other = w / 2, w * 0.5

    def solved(_: Any, b: Any) -> Any:
        return jnp.linalg.solve(half + other, b)

    return lax.custom_linear_solve(lambda x: half @ x + other @ x, w[0], solved, solved)


NOT_KNOWN = {
    "rounded to bits": (lambda w: lax.reduce_precision(w, 5, 10), "10 bits in an array of float32"),
    "a pole": (lambda w: lax.lgamma(w - w[0, 0]), "a pole of the gamma function"),
    "erf_inv at 1": (lambda w: lax.erf_inv(w / w[0, 0]), "not all between -1 and 1"),
    "a power of negative numbers": (lambda w: w ** (w * 0 + 2), "not all positive"),
    "acosh at 1": (lambda w: jnp.arccosh(w * w / w[0, 0] ** 2), "not all above 1"),
    "a long quotient": (lambda w: lax.rem(w * 1e10, w[0, 2]), "a quotient of too many digits"),
    "many axes": (
        lambda w: lax.dot_general(
            w[0].reshape(3, *[1] * 13), w[0].reshape(3, *[1] * 13), (((0,), (0,)), ((), ()))
        ),
        "more axes than letters",
    ),
    "a window with gaps": (
        lambda w: lax.reduce_window(w, 0.0, lax.add, (2, 1), (1, 1), "VALID", base_dilation=(2, 1)),
        "base_dilation",
    ),
    "the largest of NaN": (
        lambda w: jax.grad(
            lambda a: jnp.sum(lax.reduce_window(a, -jnp.inf, lax.max, (2,), (1,), "VALID") * a[1:])
        )(with_nan(w)),
        "a window without a largest entry",
    ),
    "groups of several products": (
        lambda w: jax.vmap(lax.ragged_dot)(
            jnp.stack([w, w]), jnp.stack([w, w])[:, None], jnp.array([[1], [2]])
        ),
        "groups of another kind than rows",
    ),
    "many factors": (lambda w: jnp.prod(jnp.tile(w, (8, 1))), "72 factors"),
    "many steps": (lambda w: lax.cumprod(jnp.tile(w, (25, 1))), "75 entries"),
    "NaN in order": (lambda w: jnp.sort(with_nan(w)), "an order that is not that of NumPy"),
    "NaN as the largest": (lambda w: lax.top_k(with_nan(w), 2)[0], "are not the largest"),
    "a bound": (lambda w: lax.clamp(-w * w, w, w * w), "gradients flow through an option"),
    "two matrices": (of_two_matrices, "a product with several operands"),
    "eigenvalues of any matrix": (
        lambda w: linalg.eigh(w, symmetrize_input=False)[1],
        "a matrix that is not symmetric",
    ),
    "eigenvalues in any order": (
        lambda w: linalg.eigh(w, sort_eigenvalues=False)[1],
        "eigenvalues that are not all, in order",
    ),
    "equal eigenvalues": (lambda w: linalg.eigh(w * 0 + jnp.eye(3))[1], "equal eigenvalues"),
    "equal singular values": (
        lambda w: linalg.svd(w * 0 + jnp.eye(3))[0],
        "singular values that are equal or zero",
    ),
    "a factor of any matrix": (
        lambda w: linalg.cholesky(w @ w.T + jnp.triu(w) + 3 * jnp.eye(3), symmetrize_input=False),
        "a matrix that is not symmetric",
    ),
    "a column of zeros": (lambda w: linalg.qr(w * jnp.arange(3))[1], "columns that depend"),
    "a singular matrix": (lambda w: linalg.lu(w * jnp.arange(3))[0], "a singular matrix"),
    "a long transform": (
        lambda w: jnp.abs(jnp.fft.fft(jnp.tile(w[0], 1000))),
        "a transform of more than",
    ),
    "a pivoted order": (lambda w: linalg.qr(w, pivoting=True)[1], "columns in another order"),
    "a step function": (
        lambda w: custom(w, lax.floor, jnp.ones_like),
        "its forward pass has a derivative of zero",
    ),
    "a function inside": (
        lambda w: custom(w, lambda x: lax.igamma(2.0 + x * 0, x * x), lambda x: x),
        "in its forward pass igamma",
    ),
}
"""Functions of the parameter, and why they are not known."""


@pytest.mark.parametrize("name", NOT_KNOWN)
def test_what_is_not_known_has_a_reason(name: str) -> None:
    """Such a function is not certified, whether its derivative is right or wrong."""
    function, reason = NOT_KNOWN[name]
    certificate = bj.certify(lambda w: jnp.sum(function(w)), jnp.asarray(W), jit=False)

    assert reason in str(certificate), certificate
    assert not certificate.holds
    assert [link for link in certificate.wrong if link.verdict == "refuted"] == []
