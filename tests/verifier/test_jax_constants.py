"""Constants that a JAX program computes itself, which two passes of it may round otherwise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof.programs.from_file import certify_trace
from backproof.reference.numbers.precision import FLOAT16
from tests.verifier.lazy import Lazy

jax, jnp, lax = map(Lazy, ("jax", "jax.numpy", "jax.lax"))
bj, program = map(Lazy, ("backproof.jax", "backproof.adapters.jax_program"))
models, special = map(Lazy, ("tests.verifier.jax_models", "jax.scipy.special"))


W = np.array([0.3, -0.5, 1.2, 0.7, 0.9, -1.1], np.float32)


def near_one() -> Any:
    """Return numbers near 1, of which little is left without it."""
    return jnp.exp(jnp.linspace(0.0, 3.0, 6) / 7)


def scanned() -> Any:
    """Return powers of a number that is computed, by the steps of a scan."""
    rate = jnp.exp(jnp.float32(0.01))
    return lax.scan(lambda x, _: (x * rate, x), rate, None, length=6)[1]


CANCELLING = {
    "a table": lambda w: jnp.sum(w * (near_one() - 1)),
    "a loss of a table": lambda w: jnp.sum(w) * 1e-6 + jnp.sum(near_one() - 1),
    "percentile": lambda w: jnp.percentile(w, 30.0),
    "a stopped value": lambda w: jnp.sum(w * lax.stop_gradient(jnp.exp(w / 7) - 1)),
    "a scan": lambda w: jnp.sum(w * (scanned() - 1)),
    "a rounded table": lambda w: jnp.sum(w * (near_one() - jnp.floor(near_one()))),
}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", CANCELLING)
def test_constants_may_be_rounded_otherwise(name: str, jit: bool) -> None:  # noqa: FBT001
    """A right program holds, whose constants cancel and are not the same in both passes."""
    certificate = bj.certify(CANCELLING[name], W, jit=jit)

    assert certificate.holds, certificate


@pytest.mark.parametrize("name", CANCELLING)
def test_another_gradient_is_still_refuted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where users get half of a gradient, that is more than its constants explain."""
    plain = program.Run.plain

    def halved(run: Any) -> Any:
        value, gradients = plain(run)
        return value, {name: a / 2 for name, a in gradients.items()}

    monkeypatch.setattr("backproof.adapters.jax_program.Run.plain", halved)
    certificate = bj.certify(CANCELLING[name], W)

    assert [(one.name, one.verdict) for one in certificate.twin] == [("w", "refuted")]


@pytest.mark.parametrize("times", [1.0, 0.5])
def test_what_softmax_subtracts_moves_nothing(
    times: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest logit of many layers has no radius; what is computed again of it matters not."""
    plain = program.Run.plain

    def multiplied(run: Any) -> Any:
        value, gradients = plain(run)
        return value, {name: times * a for name, a in gradients.items()}

    monkeypatch.setattr("backproof.adapters.jax_program.Run.plain", multiplied)
    certificate = bj.certify(*models.mixed_mlp())
    wrong = {one.name for one in certificate.twin if one.verdict == "refuted"}

    assert certificate.holds == (times == 1), certificate
    assert ("params/head/b" in wrong) == (times != 1)


def test_the_files_of_a_trace_have_the_radii(tmp_path: Path) -> None:
    """The certificate from files is the same: it knows how far the constants may be off."""
    bj.record(CANCELLING["a table"], W, folder=tmp_path / "trace")
    certificate = certify_trace(tmp_path / "trace")

    assert certificate.holds, certificate


def test_radii_hold_what_is_computed_in_another_way() -> None:
    """A constant in float64 is within the radius of that of float32.

    No radius is as wide as what the next lower precision rounds, so that it excuses no cast.
    """

    def constants(dtype: str) -> Any:
        x = jnp.linspace(0.1, 2.0, 7, dtype=dtype)
        return jnp.stack([jnp.exp(x), x**3 / 7, jnp.sin(x) - 1, jnp.cumsum(x), jnp.arctan(x)])

    with jax.enable_x64(True):  # noqa: FBT003
        run = bj.running(lambda w: jnp.sum(w * constants("float32")), (W[0],), 0, jit=True)
        recording = program.record(run, {})
        exact = np.asarray(constants("float64"))
    ((name, rad),) = recording.radii.items()
    off = np.abs(recording.leaves[name] - exact)

    assert (off <= rad).all()
    assert (rad < FLOAT16.u * np.maximum(np.abs(exact), 1)).all()  # 1: sin(x) - 1 cancels
    assert (rad > 0).any()


def test_what_is_not_known_of_a_constant_refutes_nothing() -> None:
    """A constant of a function without an op has no radius: it is not known how far it is off."""

    def loss(w: Any) -> Any:
        return jnp.sum(w * lax.igamma(jnp.exp(jnp.linspace(0.0, 1.0, 6)), jnp.ones(6)))

    run = bj.running(loss, (W,), 0, jit=True)
    (rad,) = program.record(run, {}).radii.values()

    assert np.isinf(rad).all()
    assert bj.certify(loss, W).refuted is None


def of_small() -> Any:
    """Return the reciprocal of a number whose ball holds zero, in float32."""
    return 1e-6 / (jnp.exp(jnp.float32(3e-7)) - 1)


def test_the_radius_where_a_divisor_may_be_zero() -> None:
    """No ball holds such a quotient, but to first order it is known how far it may be off."""
    run = bj.running(lambda w: jnp.sum(w * of_small()), (W,), 0, jit=True)
    recording = program.record(run, {})
    ((name, rad),) = recording.radii.items()
    off = abs(recording.leaves[name] - 1e-6 / np.expm1(3e-7))

    assert off > np.abs(recording.leaves[name]) / 20
    assert off <= rad < np.inf


OF_NOISE = {"square": lambda c: c * c, "maximum": lambda c: jnp.maximum(-c, 0)}


@pytest.mark.parametrize("name", OF_NOISE)
def test_a_constant_that_is_made_of_noise_refutes_nothing(name: str) -> None:
    """The slope at zero does not say how far a function of noise about zero may be off."""

    def loss(w: Any) -> Any:
        twice = jax.nn.softmax(w) - jnp.exp(w) / jnp.sum(jnp.exp(w))
        return jnp.sum(w * OF_NOISE[name](lax.stop_gradient(twice)))

    certificate = bj.certify(loss, W)

    assert "refuted" not in {one.verdict for one in certificate.twin}, certificate


@pytest.mark.parametrize(("more", "holds"), [(3e-5, True), (0.1, False)], ids=["noise", "wrong"])
def test_a_gradient_that_cancels_beside_a_constant(
    more: float,
    holds: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Noise of a gradient that is zero on paper holds, however far off a constant may be.

    The keys' biases of a transformer were undecided, whose logits are taken off their largest.
    """

    def loss(w: Any, b: Any) -> Any:
        z, c = jnp.outer(jnp.arange(1.0, 5.0), w) + b, lax.stop_gradient(of_small())
        return jnp.sum(jnp.log(jnp.sum(jnp.exp(z - c), 1)) + c - z[:, 0])

    plain = program.Run.plain

    def otherwise(run: Any) -> Any:
        value, gradients = plain(run)
        return value, {**gradients, "b": gradients["b"] + np.float32(more)}

    monkeypatch.setattr("backproof.adapters.jax_program.Run.plain", otherwise)
    certificate = bj.certify(loss, W, np.float32(0.5), argnums=(0, 1))

    assert certificate.holds == holds, certificate
    assert ("refuted" in {one.verdict for one in certificate.twin}) != holds


@pytest.mark.parametrize("factor", [1.0, 1.001], ids=["right", "wrong"])
def test_a_constant_may_be_computed_again_in_a_kernel(factor: float) -> None:
    """A link that takes another rounding of a constant holds; a wrong derivative does not."""
    square = models.scaled(jnp.square, factor)

    def centred() -> Any:
        x = special.erf(jnp.linspace(0.1, 2.0, 4))
        return (x - jnp.mean(x)) / 3

    w = jnp.array([0.8762422, 0.25648564, -0.09482834, -0.25884807])
    certificate = bj.certify(lambda w: jnp.sum(square(w + centred())), w)

    assert certificate.holds == (factor == 1), certificate
    assert (certificate.refuted is None) == (factor == 1)


def times_table(table: Any, factor: float = 1.0) -> Any:
    """Return a function of x and t, x times a table of t, with a factor in its derivative."""
    product = jax.jit(lambda x, t: x * table(t))
    function = jax.custom_vjp(lambda x, t: product(x, t))  # noqa: PLW0108 it has a name of its own
    function.defvjp(
        lambda x, t: (product(x, t), t), lambda t, dy: (factor * dy * jax.jit(table)(t), None)
    )
    return function


def of_a_stopped_value(factor: float) -> Any:
    """Return a loss with a function that stops a gradient, with a factor in its derivative."""

    def times(x: Any) -> Any:
        return x * (lax.stop_gradient(jnp.exp(x / 7)) - 1)

    function = models.scaled(times, factor)
    return lambda w: jnp.sum(function(w * 3.3))


def of_a_table(factor: float) -> Any:
    """Return a loss with a function that computes a table from a constant of the loss."""
    function = times_table(lambda t: t / 3 - 1 / 3, factor)
    return lambda w: jnp.sum(function(w, near_one()))


def within_another(factor: float) -> Any:
    """Return a loss with a function within a function."""
    inner = times_table(lambda t: t / 3 - 1 / 3, factor)
    outer = models.scaled(lambda x: inner(x, near_one()), 1.0)
    return lambda w: jnp.sum(outer(w))


def of_a_derivative(factor: float) -> Any:
    """Return a loss of a derivative, whose rule computes a table by a compiled function."""
    function = times_table(lambda t: jnp.exp(t) - 0.99 * jnp.exp(1.0), factor)

    def energy(w: Any) -> Any:
        return jnp.sum(jnp.sin(function(w, near_one())))

    return lambda w: jnp.sum(jnp.square(jax.grad(energy)(w)))


INSIDE = (of_a_stopped_value, of_a_table, within_another, of_a_derivative)


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("make", INSIDE, ids=lambda make: make.__name__)
def test_constants_inside_of_a_function_are_not_seen(make: Any, jit: bool) -> None:  # noqa: FBT001
    """The function may round them otherwise; a derivative that is wrong by a percent is refuted."""
    right, wrong = (bj.certify(make(factor), W, jit=jit) for factor in (1.0, 1.01))

    assert right.holds, right
    assert wrong.refuted is not None or wrong.inner[0].refuted is not None, wrong


def test_the_files_of_a_trace_have_the_radii_inside_of_functions(tmp_path: Path) -> None:
    """The certificate from files is the same, also of the rules that the loss applies."""
    for make in INSIDE:
        bj.record(make(1.0), W, folder=tmp_path / make.__name__)
        certificate = certify_trace(tmp_path / make.__name__)

        assert certificate.holds, certificate
