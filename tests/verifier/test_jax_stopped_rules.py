"""Custom rules that stop gradients, where the loss differentiates what they hand on."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

jax, jnp, lax, bj = map(Lazy, ("jax", "jax.numpy", "jax.lax", "backproof.jax"))

Function = Callable[..., Any]


def stopped(a: Any) -> Any:
    """Return an array that JAX takes for a constant."""
    return lax.stop_gradient(a)


def slope(x: Any, stop: Function) -> Any:
    """Return the derivative of tanh."""
    return stop(1 - jnp.tanh(x) ** 2)


def with_cotangents(stop: Function) -> Function:
    """Return tanh by a rule of cotangents."""
    of = jax.custom_vjp(jnp.tanh)
    of.defvjp(lambda x: (jnp.tanh(x), x), lambda x, dy: (dy * slope(x, stop),))
    return of  # type: ignore[no-any-return]


def with_tangents(stop: Function) -> Function:
    """Return tanh by a rule of tangents."""
    of = jax.custom_jvp(lambda x: jnp.tanh(x))  # noqa: PLW0108 a custom function has a name
    of.defjvp(lambda x, dx: (jnp.tanh(*x), dx[0] * slope(*x, stop)))
    return of  # type: ignore[no-any-return]


RULES = {"vjp": with_cotangents, "jvp": with_tangents}
"""How the rule is written."""


def total(of: Function, w: Any) -> Function:
    """Return the sum of a function of x w, as a function of x."""
    return lambda x: jnp.sum(of(x * w))


MANNERS: dict[str, Callable[[Function, Any, Any], Any]] = {
    "one layer": lambda of, w, x: jax.grad(total(of, w))(x),
    "two layers": lambda of, w, x: jax.grad(lambda x: jnp.sum(of(of(x * w) * w)))(x),
    "forward over reverse": lambda of, w, x: jax.hessian(total(of, w))(x) + w,
    "reverse over reverse": lambda of, w, x: jax.jacrev(jax.jacrev(total(of, w)))(x) + w,
    "forward over forward": lambda of, w, x: jax.jacfwd(jax.jacfwd(total(of, w)))(x) + w,
    "vectorized": lambda of, w, x: w + jax.vmap(jax.grad(jax.grad(lambda a: of(a))))(x * w),  # noqa: PLW0108
    "in a scan": lambda of, w, x: lax.scan(
        lambda a, _: (a + w * jax.grad(jax.grad(lambda a: of(a)))(a[0]), None),  # noqa: PLW0108
        x,
        length=2,
    )[0],
}
"""How the loss differentiates: (a function, w, x) -> numbers."""

PAIRS = [(m, r) for m in MANNERS for r in RULES if (m, r) != ("forward over forward", "vjp")]
"""Each manner with each rule; JAX takes no rule of cotangents in forward mode."""


@pytest.mark.parametrize("is_stopped", [False, True], ids=["right", "stopped"])
@pytest.mark.parametrize(("manner", "rule"), PAIRS)
def test_a_rule_that_stops_gradients(manner: str, rule: str, is_stopped: bool) -> None:  # noqa: FBT001
    """It is refuted, though its derivative is known to be zero, and no number is handed on."""
    of = RULES[rule](stopped if is_stopped else lambda a: a)

    def loss(w: Any, x: Any) -> Any:
        return jnp.sum(MANNERS[manner](of, w, x) ** 2)

    certificate = bj.certify(loss, jnp.array([1.3, 0.5, 0.8]), jnp.array([0.3, 0.5, -0.2]))
    (inner,) = certificate.inner

    assert certificate.holds != is_stopped, certificate
    assert (inner.refuted is not None) == is_stopped


def test_a_derivative_of_zero_is_right() -> None:
    """What is linear in pieces has no second derivative, and holds."""
    certificate = bj.certify(
        lambda w, x: jnp.sum(MANNERS["forward over reverse"](jax.nn.relu, w, x)),
        jnp.array([1.3, 0.5, 0.8]),
        jnp.array([0.3, 0.5, -0.2]),
    )

    assert certificate.holds, certificate
    assert certificate.inner


def test_a_compiler_may_compute_a_factor_again() -> None:
    """So a product in a fused kernel may have a factor that is rounded otherwise."""
    key, x = jax.random.key(0), jnp.linspace(0, 1, 7)[:, None]
    a, c = jax.random.normal(key, (1, 8)), jax.random.normal(key, (8, 1))

    def loss(w: Any, x: Any) -> Any:
        def u(x: Any) -> Any:
            return (jax.nn.gelu(x @ w[0] + 0.1) @ w[1])[0]

        bent = jax.vmap(lambda x: jnp.trace(jax.hessian(u)(x)))(x)
        return jnp.mean((bent + jax.vmap(u)(x)) ** 2)

    certificate = bj.certify(loss, (a, c), x)

    assert certificate.holds, certificate


def product(stop_w: Function, stop_dy: Function) -> Function:
    """Return tanh(x w) by a rule of both."""
    of = jax.custom_vjp(lambda x, w: jnp.tanh(x * w))

    def back(kept: Any, dy: Any) -> Any:
        x, w = kept
        d = stop_dy(dy) * (1 - jnp.tanh(x * w) ** 2)
        return d * stop_w(w), d * x

    of.defvjp(lambda x, w: (jnp.tanh(x * w), (x, w)), back)
    return of  # type: ignore[no-any-return]


STOPS: dict[str, tuple[Function, Function]] = {
    "nothing": (lambda a: a, lambda a: a),
    "an operand": (stopped, lambda a: a),
    "the cotangent": (lambda a: a, stopped),
}
"""What a rule takes for a constant: the operand w, the cotangent dy."""


@pytest.mark.parametrize("name", STOPS)
def test_operands_that_move_in_the_loss_alone(name: str) -> None:
    """What a rule hands on to x is also differentiated by w, and by the cotangent."""
    of = product(*STOPS[name])

    def loss(w: Any, x: Any) -> Any:
        return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(of(x, w)) * w))(x) ** 2)

    certificate = bj.certify(loss, jnp.array([1.3, 0.5, 0.8]), jnp.array([0.3, 0.5, -0.2]))

    assert certificate.holds == (name == "nothing"), certificate
    assert (certificate.inner[0].refuted is None) == (name == "nothing")
