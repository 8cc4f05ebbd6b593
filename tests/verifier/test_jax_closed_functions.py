"""Custom functions that close over arrays which the loss computes: certified like all others."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.verifier.lazy import Lazy

jax, jnp, lax, bj = map(Lazy, ("jax", "jax.numpy", "jax.lax", "backproof.jax"))

W, S = (np.array(a, np.float32) for a in ([0.3, -0.5, 1.2], [0.2, 0.7, -0.4]))
"""The parameter, and what the functions close over."""


@pytest.fixture(autouse=True)
def _installed() -> None:
    """Skip the tests where JAX is not installed."""
    pytest.importorskip("jax")


def with_cotangents(t: Any, factor: float) -> Any:
    """Return t sin x, with a factor in its cotangent."""
    function = jax.custom_vjp(lambda x: t * jnp.sin(x))
    function.defvjp(lambda x: (t * jnp.sin(x), x), lambda x, dy: (factor * dy * t * jnp.cos(x),))
    return function


def with_tangents(t: Any, factor: float) -> Any:
    """Return the same, with a factor in its tangent."""
    function = jax.custom_jvp(lambda x: t * jnp.sin(x))
    function.defjvp(lambda x, dx: (t * jnp.sin(x[0]), factor * dx[0] * t * jnp.cos(x[0])))
    return function


def calling_itself(t: Any, factor: float) -> Any:
    """Return the same, by a rule that calls the function itself."""
    function = jax.custom_jvp(lambda x: t * jnp.sin(x))
    function.defjvp(lambda x, dx: (function(*x), factor * dx[0] * function(x[0] + np.pi / 2)))
    return function


def with_a_static_argument(t: Any, factor: float) -> Any:
    """Return the same as a tree, of an argument that is no array, too."""

    def forward(name: str, x: Any) -> Any:
        return {"y": t * getattr(jnp, name)(x)}

    function = jax.custom_vjp(forward, nondiff_argnums=(0,))
    function.defvjp(
        lambda name, x: (forward(name, x), x), lambda _, x, dy: (factor * dy["y"] * t * jnp.cos(x),)
    )
    return lambda x: function("sin", x)["y"]


FUNCTIONS = (with_cotangents, with_tangents, with_a_static_argument)

LOSSES: dict[str, Callable[..., Any]] = {
    "an argument": lambda make, w, s: jnp.sum(make(s)(w)),
    "computed": lambda make, w, s: jnp.sum(make(jnp.exp(s))(w)),
    "a mask": lambda make, w, s: jnp.sum(make(s > 0)(w)),
    "a checkpoint": lambda make, w, s: jnp.sum(jax.checkpoint(make(jnp.exp(s)))(w)),
    "a derivative": lambda make, w, s: jnp.sum(
        jax.grad(lambda w: jnp.sum(jnp.square(make(jnp.exp(s))(w))))(w)
    ),
}
"""Losses of a parameter and of an array, over which a function closes that is made in the loss."""


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("make", FUNCTIONS, ids=lambda make: make.__name__)
def test_a_function_may_close_over_what_the_loss_computes(make: Any, name: str) -> None:
    """A right derivative holds, and one that is wrong by a percent is refuted."""

    def of(factor: float) -> Any:
        return bj.certify(lambda w, s: LOSSES[name](lambda t: make(t, factor), w, s), W, S)

    right, wrong = of(1.0), of(1.01)

    assert right.holds, right
    assert any(one.refuted is not None for one in (wrong, *wrong.inner)), wrong


def test_a_rule_may_call_its_own_function() -> None:
    """The function is closed once, and not once more in its rule."""
    right, wrong = (
        bj.certify(lambda w, s, k=k: LOSSES["computed"](lambda t: calling_itself(t, k), w, s), W, S)
        for k in (1.0, 1.01)
    )

    assert right.holds, right
    assert wrong.refuted is not None, wrong


def of_a_scan(w: Any, s: Any) -> Any:
    """Return a loss with a function that closes over an array of a scan's body."""
    return jnp.sum(lax.scan(lambda w, t: (with_cotangents(t, 1.0)(w), None), w, s)[0])


def of_a_rule(w: Any, s: Any) -> Any:
    """Return a loss of a derivative by a rule that calls its own function, which closes over s."""
    return LOSSES["a derivative"](lambda t: calling_itself(t, 1.0), w, s)


@pytest.mark.parametrize("loss", [of_a_scan, of_a_rule], ids=lambda loss: loss.__name__)
def test_what_cannot_be_called_again_is_refused(loss: Any) -> None:
    """The message says what to do. JAX itself does not differentiate the first one."""
    with pytest.raises(bj.NotRecorded, match="closes over an array that the loss computes: give"):
        bj.certify(loss, W, S)
