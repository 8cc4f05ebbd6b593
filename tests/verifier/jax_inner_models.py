"""JAX programs in whose loss a derivative applies a custom rule.

Each takes the factor of this rule, which is right where it is 1.
"""

from functools import partial
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen
from jax import lax, nn

from tests.verifier.jax_models import drawn, scaled

Array = Any


def cube(factor: float) -> Any:
    """Return x^3 with a `custom_vjp`."""
    of = jax.custom_vjp(lambda x: x * x * x)
    of.defvjp(lambda x: (x * x * x, x), lambda x, dy: (factor * 3 * dy * x * x,))
    return of


def swish(factor: float) -> Any:
    """Return swish with a `custom_vjp`."""

    def back(x: Array, dy: Array) -> tuple[Array]:
        s = nn.sigmoid(x)
        return (factor * dy * (s + x * s * (1 - s)),)

    of = jax.custom_vjp(nn.silu)
    of.defvjp(lambda x: (nn.silu(x), x), back)
    return of


def perceptron(params: Any, x: Array, activation: Any) -> Array:
    """Return what some layers make of x."""
    for W, b in params[:-1]:
        x = activation(x @ W + b)
    W, b = params[-1]
    return (x @ W + b)[..., 0]


def layers(*sizes: int, dtype: str = "float32") -> Any:
    """Return the parameters of some layers."""
    new = drawn(0, dtype)
    return [(new(i, o), new(o)) for i, o in pairwise(sizes)]


def directional(f: Any, z: Array) -> Array:
    """Return the derivative of f along the first coordinate."""
    return jax.jvp(f, (z,), (jnp.eye(len(z), dtype=z.dtype)[0],))[1]


def twice_back(f: Any, z: Array) -> Array:
    """Return the derivative along the first coordinate by way of two in reverse mode."""
    _, back = jax.vjp(f, z)
    _, along = jax.vjp(lambda c: back(c)[0], jnp.ones((), z.dtype))
    return along(jnp.eye(len(z), dtype=z.dtype)[0])[0]


SAVES = jax.checkpoint_policies.everything_saveable

MANNERS = {
    "grad": (swish, lambda f, z: jnp.sum(jax.grad(f)(z))),
    "grad of a checkpoint": (swish, lambda f, z: jnp.sum(jax.grad(jax.checkpoint(f))(z))),
    "grad of a checkpoint that saves": (
        swish,
        lambda f, z: jnp.sum(jax.grad(jax.checkpoint(f, policy=SAVES))(z)),
    ),
    "jitted grad": (swish, lambda f, z: jnp.sum(jax.jit(jax.grad(jax.jit(f)))(z))),
    "jacrev twice": (swish, lambda f, z: jnp.trace(jax.jacrev(jax.jacrev(f))(z))),
    "vjp twice": (swish, twice_back),
    "grad of a jvp": (partial(scaled, jnp.tanh), lambda f, z: jnp.sum(jax.grad(f)(z))),
    "jvp": (partial(scaled, jnp.tanh), directional),
    "jvp twice": (partial(scaled, jnp.tanh), lambda f, z: directional(partial(directional, f), z)),
    "jacfwd": (partial(scaled, jnp.tanh), lambda f, z: jnp.sum(jax.jacfwd(f)(z))),
    "linearize": (partial(scaled, jnp.tanh), lambda f, z: jax.linearize(f, z)[1](z)),
    "hessian": (partial(scaled, jnp.tanh), lambda f, z: jnp.trace(jax.hessian(f)(z))),
}
"""How a derivative is taken -> the activation with a custom rule, and the derivative."""


def equation(manner: str, factor: float, dtype: str = "float32") -> tuple[Any, ...]:
    """Return a differential equation at six points as a loss."""
    of, derivative = MANNERS[manner]
    activation = of(factor)

    def loss(params: Any, points: Array) -> Array:
        def residual(z: Array) -> Array:
            u = partial(perceptron, params, activation=activation)
            return derivative(u, z) + u(z)

        return jnp.mean(jnp.square(jax.vmap(residual)(points)))

    return loss, layers(2, 5, 5, 1, dtype=dtype), drawn(1, dtype)(6, 2)


def cubes(factor: float) -> tuple[Any, ...]:
    """Return the squares of a derivative."""
    of = cube(factor)

    def loss(w: Array, x: Array) -> Array:
        return jnp.sum(jnp.square(jax.grad(lambda h: jnp.sum(of(h)))(w * x)))

    return loss, jnp.array([0.5, -2.0, 3.0]), jnp.ones(3)


def target(factor: float) -> tuple[Any, ...]:
    """Return a distance from a derivative that depends on no parameter."""
    of = cube(factor)

    def loss(w: Array, x: Array) -> Array:
        return jnp.sum(jnp.square(w - jax.jit(jax.grad(lambda x: jnp.sum(of(x))))(x)))

    return loss, jnp.ones(3), drawn()(3)


def closure(factor: float) -> tuple[Any, ...]:
    """Return the squares of a derivative whose function and rule close over an array."""

    def loss(w: Array, x: Array) -> Array:
        s = jnp.sum(x)
        wave = jax.custom_vjp(lambda h: jnp.sin(s * h))
        wave.defvjp(
            lambda h: (jnp.sin(s * h), h), lambda h, dy: (factor * dy * s * jnp.cos(s * h),)
        )
        return jnp.sum(jnp.square(jax.grad(lambda w: jnp.sum(wave(w)))(w)))

    return loss, drawn()(3), drawn(1)(3)


def constants(factor: float) -> tuple[Any, ...]:
    """Return a function of a tree, a mask that receives None, and a number that is static."""

    @partial(jax.custom_vjp, nondiff_argnums=(0,))
    def power(n: int, p: Any, mask: Array) -> Any:
        return {"y": p["a"] ** n * mask, "n": jnp.argmax(mask)}

    def back(n: int, kept: Any, dy: Any) -> Any:
        p, mask = kept
        return {"a": factor * n * p["a"] ** (n - 1) * mask * dy["y"]}, None

    power.defvjp(lambda n, p, mask: (power(n, p, mask), (p, mask)), back)

    def loss(w: Array, mask: Array) -> Array:
        return jnp.sum(jax.grad(lambda a: jnp.sum(power(3, {"a": a}, mask)["y"]))(w) ** 2)

    return loss, drawn()(3), drawn(1)(3)


def distance(factor: float) -> Any:
    """Return lengths, with a rule that is safe where there is no length."""

    @jax.custom_vjp
    def length(r: Array) -> Array:
        square = jnp.sum(r * r, axis=-1)
        return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)

    def back(r: Array, dy: Array) -> tuple[Array]:
        y = length(r)
        return (factor * r * jnp.where(y > 0, dy / jnp.where(y > 0, y, 1), 0)[..., None],)

    length.defvjp(lambda r: (length(r), r), back)
    return length


def forces(factor: float) -> tuple[Any, ...]:
    """Return forces from the distances of all places, of which some are zero."""
    length = distance(factor)

    def energy(params: Any, places: Array) -> Array:
        distances = length(places[:, None] - places[None])
        return jnp.sum(perceptron(params, distances[..., None], jnp.tanh))

    def loss(params: Any, places: Array, seen: Array) -> Array:
        return jnp.mean(jnp.square(-jax.grad(energy, 1)(params, places) - seen))

    return loss, layers(1, 6, 1), drawn(1)(3, 3), drawn(2)(3, 3)


def pairs(factor: float) -> tuple[Any, ...]:
    """Return forces from the distances of all pairs."""
    length = distance(factor)
    new = drawn(2)
    params, places, seen = [(new(1, 6), new(6)), (new(6, 1), new(1))], new(4, 3), new(4, 3)
    i, j = np.triu_indices(4, 1)

    def energy(params: Any, places: Array) -> Array:
        distances = length((places[:, None] - places[None])[i, j])
        return jnp.sum(perceptron(params, distances[:, None], jnp.tanh))

    def loss(params: Any, places: Array, seen: Array) -> Array:
        return jnp.mean(jnp.square(-jax.grad(energy, 1)(params, places) - seen))

    return loss, params, places, seen


def learned_to_learn(factor: float) -> tuple[Any, ...]:
    """Return the loss after three steps of descent, in a scan (MAML)."""
    of = swish(factor)

    def task(params: Any, x: Array, y: Array) -> Array:
        return jnp.mean(jnp.square(perceptron(params, x, of) - y))

    def loss(params: Any, x: Array, y: Array) -> Array:
        def descend(params: Any, _: None) -> tuple[Any, None]:
            slopes = jax.grad(task)(params, x, y)
            return jax.tree.map(lambda w, d: w - 0.1 * d, params, slopes), None

        return task(lax.scan(descend, params, None, length=3)[0], x, y)

    return loss, layers(2, 4, 1), drawn(1)(3, 2), drawn(2)(3)


def flow(factor: float) -> tuple[Any, ...]:
    """Return a continuous flow: of each point, and of the logarithm of its density."""
    of = scaled(jnp.tanh, factor)

    def velocity(params: Any, z: Array) -> Array:
        (W, b), (V, c) = params
        return of(z @ W + b) @ V + c

    def loss(params: Any, points: Array) -> Array:
        def step(carry: Any, _: None) -> tuple[Any, None]:
            z, density = carry
            trace = jnp.trace(jax.jacrev(velocity, 1)(params, z))
            return (z + 0.1 * velocity(params, z), density - 0.1 * trace), None

        def one(z: Array) -> Array:
            (z, density), _ = lax.scan(step, (z, jnp.zeros(())), None, length=3)
            return jnp.sum(z * z) / 2 - density

        return jnp.mean(jax.vmap(one)(points))

    return loss, layers(2, 4, 2), drawn(1)(3, 2)


def lagrangian(factor: float) -> tuple[Any, ...]:
    """Return accelerations by a Lagrangian that is learned."""
    of = scaled(jnp.tanh, factor)

    def L(params: Any, q: Array, v: Array) -> Array:
        return perceptron(params, jnp.concatenate([q, v]), of) + jnp.sum(v * v)

    def acceleration(params: Any, q: Array, v: Array) -> Array:
        mass = jax.hessian(L, 2)(params, q, v)
        turned = jax.jacfwd(jax.grad(L, 2), 1)(params, q, v) @ v
        return jnp.linalg.solve(mass, jax.grad(L, 1)(params, q, v) - turned)

    def loss(params: Any, q: Array, v: Array, seen: Array) -> Array:
        found = jax.vmap(acceleration, (None, 0, 0))(params, q, v)
        return jnp.mean(jnp.square(found - seen))

    return loss, layers(4, 5, 1), *(drawn(i)(3, 2) for i in (1, 2, 3))


def module(factor: float) -> tuple[Any, ...]:
    """Return a score of equinox, matched along directions, with its own `filter_custom_jvp`."""

    @eqx.filter_custom_jvp
    def wave(x: Array) -> Array:
        return jnp.sin(x)

    @wave.def_jvp
    def _(primals: Any, tangents: Any) -> Any:
        return wave(*primals), factor * jnp.cos(primals[0]) * tangents[0]

    def loss(score: Any, x: Array, v: Array) -> Array:
        def one(x: Array, v: Array) -> Array:
            y, along = jax.jvp(score, (x,), (v,))
            return v @ along + (v @ y) ** 2 / 2

        return jnp.mean(jax.vmap(one)(x, v))

    score = eqx.nn.MLP(2, 2, 5, 2, activation=wave, key=jax.random.key(0))
    return loss, score, drawn(1)(4, 2), drawn(2)(4, 2)


def penalty(factor: float) -> tuple[Any, ...]:
    """Return a critic of flax with a gradient penalty."""
    of = swish(factor)

    class Critic(linen.Module):
        @linen.compact
        def __call__(self, x: Array) -> Array:
            return linen.Dense(1)(of(linen.Dense(5)(x)))[0]

    critic = Critic()

    def loss(params: Any, x: Array) -> Array:
        slopes = jax.vmap(jax.grad(lambda x: critic.apply(params, x)))(x)
        return jnp.mean(jnp.square(jnp.linalg.norm(slopes, axis=-1) - 1))

    return loss, critic.init(jax.random.key(0), np.zeros(3, "float32")), drawn(1)(4, 3)


def custom_force(factor: float) -> tuple[Any, ...]:
    """Return a custom function whose own forward pass takes a derivative."""
    of = scaled(jnp.sin, factor)

    @jax.custom_jvp
    def force(w: Array, x: Array) -> Array:
        return jax.grad(lambda x: jnp.sum(of(w * x)))(x)

    force.defjvp(lambda of, along: jax.jvp(lambda w, x: factor * w * jnp.cos(w * x), of, along))
    return lambda w, x: jnp.sum(jnp.square(force(w, x))), drawn()(3), drawn(1)(3)


PROGRAMS = {
    one.__name__: one
    for one in (
        *(closure, constants, cubes, custom_force, flow, forces, lagrangian),
        *(learned_to_learn, module, pairs, penalty, target),
    )
}
