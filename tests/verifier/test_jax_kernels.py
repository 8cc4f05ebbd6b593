"""Kernels of one's own in JAX: right ones hold, and the mistakes of their authors are refuted."""

from math import sqrt
from typing import Any

import numpy as np
import pytest

from tests.verifier.lazy import Lazy

jax, jnp, lax, pallas, bj = map(
    Lazy, ("jax", "jax.numpy", "jax.lax", "jax.experimental.pallas", "backproof.jax")
)

TILE = 4


def flash(mistake: str = "") -> Any:
    """Return causal attention in tiles of keys, whose number the tiles need not divide.

    Source: Dao et al., FlashAttention, 2022, algorithms 1 and 4.
    """

    def scores(q: Any, k: Any, start: Any) -> Any:
        seen = jnp.arange(len(q))[:, None] >= start + jnp.arange(len(k))[None]
        return jnp.where(seen, q @ k.T / sqrt(q.shape[-1]), -jnp.inf)

    def forward(q: Any, k: Any, v: Any) -> Any:
        q_, k_, v_ = (t.astype(jnp.float32) for t in (q, k, v))
        tiles = [jnp.pad(t, ((0, -len(q) % TILE), (0, 0))) for t in (k_, v_)]
        m = jnp.full((len(q), 1), -jnp.inf)

        def tile(state: Any, start: Any) -> Any:
            m, total, o = state
            k_, v_ = (lax.dynamic_slice_in_dim(t, start, TILE) for t in tiles)
            s = scores(q_, k_, start)
            larger = jnp.maximum(m, s.max(-1, keepdims=True))
            p, scale = jnp.exp(s - larger), jnp.exp(m - larger)
            return (larger, total * scale + p.sum(-1, keepdims=True), o * scale + p @ v_), None

        starts = jnp.arange(0, len(tiles[0]), TILE)
        (m, total, o), _ = lax.scan(tile, (m, jnp.zeros_like(m), jnp.zeros_like(q_)), starts)
        o = (o / total).astype(q.dtype)
        return o, (q, k, v, o, m + jnp.log(total))

    def backward(kept: Any, dy: Any) -> Any:
        q, k, v, o, lse = (t.astype(jnp.float32) for t in kept)
        dtype, dy = dy.dtype, dy.astype(jnp.float32)
        delta = 0 if mistake == "delta" else (dy * o).sum(-1, keepdims=True)
        p = jnp.exp(scores(q, k, 0) - lse)
        ds = p * (dy @ v.T - delta) / (1 if mistake == "scale" else sqrt(q.shape[-1]))
        return tuple(t.astype(dtype) for t in (ds @ k, ds.T @ q, p.T @ dy))

    function = jax.custom_vjp(lambda q, k, v: forward(q, k, v)[0])
    function.defvjp(forward, backward)
    return function


def attention(q: Any, k: Any, v: Any) -> Any:
    """Return causal attention in one piece."""
    seen = jnp.tril(jnp.ones((len(q), len(q)), bool))
    return jax.nn.softmax(jnp.where(seen, q @ k.T / sqrt(q.shape[-1]), -jnp.inf)) @ v


def certificate(function: Any, shape: tuple[int, ...], precision: str, **options: Any) -> Any:
    """Return the certificate of a function of random numbers."""
    w = jax.random.normal(jax.random.key(0), shape).astype(precision)

    def loss(w: Any) -> Any:
        return jnp.sum(jnp.square(function(*w).astype(jnp.float32)))

    return bj.certify(loss, w, **options)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_flash_attention(precision: str) -> None:
    """It holds, also against a definition; its backward pass reads its rounded result."""
    for by in (None, attention):
        function = flash()
        known = {function: by} if by else {}
        found = certificate(function, (3, 6, 4), precision, known=known)

        assert found.holds, found


@pytest.mark.parametrize("mistake", ["delta", "scale"])
def test_a_mistake_in_flash_attention_is_refuted(mistake: str) -> None:
    """It is found at the function, whose value is right."""
    function = flash(mistake)
    found = certificate(function, (3, 6, 4), "float32", known={function: attention})

    assert found.refuted.quantity.kind == "derivative"


def kernel(slope: float) -> Any:
    """Return x^2 by a kernel in Pallas, with a slope by hand: 2 is right."""

    def square(x: Any) -> Any:
        def body(x_ref: Any, y_ref: Any) -> None:
            y_ref[...] = x_ref[...] * x_ref[...]

        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return pallas.pallas_call(body, out_shape=shape, interpret=True)(x)

    function = jax.custom_vjp(lambda x: square(x))  # noqa: PLW0108 a custom function has a name
    function.defvjp(lambda x: (square(x), x), lambda x, dy: (slope * x * dy,))
    return function


def callback() -> Any:
    """Return sine and cosine by a callback, with a derivative by hand."""

    def both(x: Any) -> Any:
        shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype)] * 2
        return jax.pure_callback(lambda x: [np.sin(x), np.cos(x)], shapes, x)

    function = jax.custom_vjp(lambda x: both(x))  # noqa: PLW0108 as above
    function.defvjp(
        lambda x: (both(x), x), lambda x, dy: (dy[0] * jnp.cos(x) - dy[1] * jnp.sin(x),)
    )
    return function


def test_a_kernel_is_held_to_a_definition() -> None:
    """Nobody sees into a kernel; without a definition it says so, and what to do."""
    right, wrong = kernel(2.0), kernel(1.0)

    def given(function: Any, **options: Any) -> Any:
        return certificate(function, (1, 4), "float32", **options)

    assert "give a function that computes the same by `known=`" in str(given(right))
    assert given(right, known={right: jnp.square}).holds
    assert given(wrong, known={wrong: jnp.square}).refuted
    assert given(right, known={right: jnp.sin}).refuted
    assert "returns float32[], and not float32[4]" in str(given(right, known={right: jnp.sum}))


def test_a_definition_of_several_results() -> None:
    """Each result of a callback is held to its own."""
    function = callback()

    def stacked(x: Any) -> Any:
        return jnp.stack(function(x))

    def given(by: Any) -> Any:
        return certificate(stacked, (1, 4), "float32", known={function: by})

    assert given(lambda x: (jnp.sin(x), jnp.cos(x))).holds
    assert given(lambda x: (jnp.sin(x), jnp.sin(x))).refuted


def test_a_straight_through_estimator_is_what_its_author_says() -> None:
    """Rounding with the slope 1 is held to a function that stops the gradient of the rest."""
    function = jax.custom_vjp(lambda x: jnp.round(x))  # noqa: PLW0108 as above
    function.defvjp(lambda x: (jnp.round(x), None), lambda _, dy: (dy,))

    def by(x: Any) -> Any:
        return x + lax.stop_gradient(jnp.round(x) - x)

    assert "`known=`" in str(certificate(function, (1, 4), "float32"))
    assert certificate(function, (1, 4), "float32", known={function: by}).holds


def namesake(power: int) -> Any:
    """Return x^n by a kernel, in a function that has the name of one of JAX's own."""

    def sin(x: Any) -> Any:
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(lambda x: np.asarray(x**power), shape, x)

    function = jax.custom_vjp(sin)
    function.defvjp(lambda x: (sin(x), x), lambda x, dy: (power * x ** (power - 1) * dy,))
    return function


def test_a_function_is_not_its_namesake() -> None:
    """A definition is given for a function, and not for what JAX or others call alike."""
    function = namesake(3)

    @jax.custom_vjp
    def sin(x: Any) -> Any:
        return jnp.sin(x)

    sin.defvjp(lambda x: (jnp.sin(x), x), lambda x, dy: (dy * jnp.cos(x),))

    def loss(x: Any) -> Any:
        return function(x) + sin(x) + jnp.sin(x)

    def by(x: Any) -> Any:
        return x**3 + jnp.sin(x) - jnp.sin(x)

    assert certificate(loss, (1, 4), "float32", known={function: by}).holds


@pytest.mark.parametrize("powers", [(2, 3), (-1, -2)], ids=str)  # -1 and -2 have one hash
def test_functions_of_one_code_are_told_apart(powers: tuple[int, int]) -> None:
    """A definition is given for the function that closes over the same, made again or not."""
    one, other = map(namesake, powers)
    by_one, by_other = (lambda x, n=n: x**n for n in powers)

    def loss(x: Any) -> Any:
        return one(x) + other(x)

    def given(**known: Any) -> Any:
        return certificate(loss, (1, 4), "float32", **known)

    both = {one: by_one, other: by_other}
    again = dict(zip(map(namesake, powers), both.values(), strict=True))

    assert "pure_callback" in str(given(known={one: by_one}))
    assert given(known=both).holds
    assert given(known=again).holds
    assert given(known={"sin": by_one}).refuted
    with pytest.raises(bj.NotRecorded, match="nothing tells which of them is called"):
        given(known=again | {one: jnp.sin})


@pytest.mark.parametrize("factor", [1.0, 1.01], ids=["right", "wrong"])
def test_a_definition_may_call_what_it_defines(factor: float) -> None:
    """Within it the function is what it is by itself, also where two call each other."""
    alone = {"sin": lambda x: factor * jnp.sin(x)}
    together = {
        "sin": lambda x: factor * 2 * jnp.sin(x / 2) * jnp.cos(x / 2),
        "cos": lambda x: 1 - 2 * jnp.sin(x / 2) ** 2,
    }

    for known in (alone, together):
        assert certificate(jnp.sin, (1, 4), "float32", known=known).holds == (factor == 1)


def with_slope(slope: float) -> Any:
    """Return the identity, whose derivative is a slope."""
    function = jax.custom_vjp(lambda x: 1.0 * x)
    function.defvjp(lambda x: (1.0 * x, None), lambda _, dy: (slope * dy,))
    return function


@pytest.mark.parametrize("slope", [3.0, 4.0], ids=["right", "wrong"])
def test_functions_in_a_derivative_are_told_apart(slope: float) -> None:
    """Also where the loss applies their rules, and where their derivatives alone differ."""
    two, other = with_slope(2.0), with_slope(slope)

    def loss(x: Any) -> Any:
        return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(two(x)) + jnp.cos(other(x))))(x))

    def of(factor: float) -> Any:
        return lambda x: factor * x + lax.stop_gradient(x - factor * x)

    found = certificate(loss, (1, 4), "float32", known={two: of(2.0), other: of(3.0)})

    assert found.holds == (slope == 3), found
    assert (found.inner[0].refuted is None) == (slope == 3)
