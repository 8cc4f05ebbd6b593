"""Derivatives inside of a JAX loss: right custom rules hold, wrong ones are located."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof import certify_trace
from backproof.reference.ops import Op
from tests.verifier.lazy import Lazy

jax, jnp, lax = map(Lazy, ("jax", "jax.numpy", "jax.lax"))
extend, jax_models = Lazy("jax.extend.core"), Lazy("tests.verifier.jax_models")
backproof, bj = Lazy("backproof"), Lazy("backproof.jax")
models = Lazy("tests.verifier.jax_inner_models")

MANNERS = (
    *("grad", "grad of a checkpoint", "grad of a checkpoint that saves", "jitted grad"),
    *("jacrev twice", "vjp twice"),
    *("grad of a jvp", "jvp", "jvp twice", "jacfwd", "linearize", "hessian"),
)
PROGRAMS = (
    *("closure", "constants", "cubes", "custom_force", "flow", "forces", "lagrangian"),
    *("learned_to_learn", "module", "pairs", "penalty", "target"),
)


def test_no_program_is_forgotten() -> None:
    """The names above are those of all programs."""
    assert set(MANNERS) == {*models.MANNERS}
    assert set(PROGRAMS) == {*models.PROGRAMS}


def inner(certificate: Any) -> Any:
    """Return the certificate of the custom rules that a program applied."""
    (found,) = certificate.inner
    return found


def held(program: tuple[Any, ...], factor: float, *, jit: bool = True) -> Any:
    """Return the certificate of a program, which must hold with a right rule alone."""
    certificate = bj.certify(*program, jit=jit, progress=False)

    assert certificate.holds == (factor == 1), certificate
    assert inner(certificate).unknown == ()
    assert (inner(certificate).refuted is None) == (factor == 1), certificate
    assert bool(certificate.proven) == (factor == 1)
    return certificate


@pytest.mark.parametrize("factor", [1.0, 0.5], ids=["right", "wrong"])
@pytest.mark.parametrize("manner", MANNERS)
def test_a_rule_is_seen_in_each_manner_of_differentiating(manner: str, factor: float) -> None:
    """In reverse and in forward mode, in one through the other, and jitted."""
    held(models.equation(manner, factor), factor)


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-12], ids=["right", "wrong"])
@pytest.mark.parametrize("manner", ["grad", "jvp"])
def test_a_rule_is_held_to_float64(manner: str, factor: float) -> None:
    """An error of a millionth of a millionth is refuted, where primitives are compiled alone."""
    with jax.enable_x64(True):  # noqa: FBT003
        held(models.equation(manner, factor, "float64"), factor, jit=False)


@pytest.mark.parametrize("factor", [1.0, 0.5], ids=["right", "wrong"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str, factor: float) -> None:
    """Programs as people write them hold; with half a derivative inside, they do not."""
    held(models.PROGRAMS[name](factor), factor)


def test_a_wrong_rule_is_located() -> None:
    """The function is named with the line that calls it, and what explains the difference."""
    certificate = bj.certify(*models.cubes(2 / 3))
    wrong = inner(certificate).wrong[0]
    place = inner(certificate).place_of(wrong)
    line = models.cubes.__code__.co_firstlineno + 5

    assert certificate.wrong == ()
    assert str(place) == f"the rule of <lambda> (jax_inner_models.py:{line})"
    assert (wrong.quantity.kind, wrong.verdict) == ("value", "refuted")
    assert "is 0.6666667 times what was expected" in str(certificate)


def test_a_rule_that_hands_on_nothing_is_refuted() -> None:
    """None and zeros are derivatives too."""
    product = jax.custom_vjp(lambda x, y: x * y)
    product.defvjp(lambda x, y: (x * y, (x, y)), lambda kept, dy: (dy * kept[1], None))
    certificate = bj.certify(
        lambda w: jnp.sum(jax.grad(lambda a: jnp.sum(product(a, a * a)))(w) ** 2),
        jnp.arange(1, 4.0),
    )

    assert [link.quantity.of for link in inner(certificate).wrong][:1] == ["the rule of <lambda> 3"]


def test_the_results_of_a_rule_are_held_too() -> None:
    """A rule may compute another result than the function, which the loss then has."""
    cube = jax.custom_vjp(lambda x: x * x * x)
    cube.defvjp(lambda x: (2 * x * x * x, x), lambda x, dy: (3 * dy * x * x,))
    certificate = bj.certify(jax.grad(lambda w: cube(w) ** 2), jnp.float32(2))

    assert inner(certificate).refuted.quantity.kind == "value"


STOPPED = {"the rule": (False, True), "its forward pass": (True, False)}


@pytest.mark.parametrize("where", STOPPED)
def test_the_derivative_of_a_rule_is_held_too(where: str) -> None:
    """A rule that stops gradients is right, but not its derivative, which the loss has too."""
    forward, back = STOPPED[where]
    cube = jax.custom_vjp(lambda x: x * x * x)

    def values(x: Any) -> Any:
        return (lax.stop_gradient(x * x * x) if forward else cube(x)), x

    def cotangents(x: Any, dy: Any) -> Any:
        return (3 * dy * (lax.stop_gradient(x) if back else x) ** 2,)

    cube.defvjp(values, cotangents)
    slope = jax.grad(lambda w: jnp.sum(cube(w) ** 2))
    certificate = bj.certify(lambda w: jnp.sum(slope(w) ** 2), jnp.arange(1, 4.0))
    places = [*map(str, inner(certificate).places_of(inner(certificate).refuted))]

    assert [link.name for link in inner(certificate).wrong] == ["dE/doperand 0 of <lambda>"]
    assert {place.partition(" (")[0] for place in places} == {"the rule of <lambda>"}


def test_a_constant_derivative_has_no_derivative() -> None:
    """Where the loss does not differentiate what a rule hands on, the rule may stop gradients."""
    cube = jax.custom_vjp(lambda x: x * x * x)
    cube.defvjp(lambda x: (cube(x), lax.stop_gradient(x)), lambda x, dy: (3 * dy * x * x,))
    slope = jax.grad(lambda x: jnp.sum(cube(x)))
    certificate = bj.certify(lambda w, x: jnp.sum(w * slope(x)), jnp.ones(3), jnp.arange(3.0))

    assert certificate.holds, certificate
    assert certificate.inner


STOPS = {
    "operand": lambda stop, dy, x, v: (3 * dy * stop(x) ** 2 * v, dy * x**3),
    "other operand": lambda stop, dy, x, v: (3 * dy * x**2 * stop(v), dy * x**3),
    "cotangent": lambda stop, dy, x, v: (3 * stop(dy) * x**2 * v, dy * x**3),
}


@pytest.mark.parametrize("what", STOPS)
@pytest.mark.parametrize("end", ["right", "stopped"])
def test_what_a_rule_stops_is_held_where_a_parameter_reaches_it(what: str, end: str) -> None:
    """Also where all that the rule hands on is a constant, or its cotangent alone has moved."""
    stop = (lambda x: x) if end == "right" else lax.stop_gradient
    of = jax.custom_vjp(lambda x, v: x**3 * v)
    of.defvjp(lambda x, v: (x**3 * v, (x, v)), lambda kept, dy: STOPS[what](stop, dy, *kept))

    def loss(w: Any, x: Any) -> Any:
        move = {"operand": (w[0], x, x), "other operand": (x, w[0], x), "cotangent": (x, x, w[0])}
        at, v, dy = move[what]
        return jnp.sum(jax.vjp(lambda x: of(x, v), at)[1](dy)[0] ** 2) + jnp.sum(w)

    certificate = bj.certify(loss, jnp.ones((2, 3)), jnp.arange(1, 4.0))

    assert certificate.holds == (end == "right"), certificate
    assert (inner(certificate).refuted is None) == (end == "right")


def test_a_derivative_that_the_loss_takes_for_a_constant_has_no_derivative() -> None:
    """Where the loss stops the gradients of what a rule hands on, the rule may stop them too."""
    cube = jax.custom_vjp(lambda x: x * x * x)
    cube.defvjp(lambda x: (cube(x), lax.stop_gradient(x)), lambda x, dy: (3 * dy * x * x,))
    slope = jax.grad(lambda x: jnp.sum(cube(x)))
    certificate = bj.certify(lambda w: jnp.sum(w * lax.stop_gradient(slope(w))), jnp.ones(3))

    assert certificate.holds, certificate


def test_a_result_that_the_loss_does_not_differentiate() -> None:
    """A result whose derivative is dropped by design is held only where the loss needs it."""
    both = jax.custom_vjp(lambda x: (jnp.sin(x), x * x))
    both.defvjp(lambda x: (both(x), x), lambda x, dy: (jnp.cos(x) * dy[0],))

    def certificate(used: slice) -> Any:
        slope = jax.grad(lambda w: sum(map(jnp.sum, both(w)[used])))
        return bj.certify(lambda w: jnp.sum(slope(w) ** 2), jnp.arange(1, 4.0))

    assert certificate(slice(1)).holds
    assert inner(certificate(slice(2))).refuted is not None


def test_an_op_that_is_given_holds_inside_too() -> None:
    """The op of a function is that of its derivatives inside of the loss."""
    wrong = jax_models.scaled(jnp.tanh, 0.5)
    op = Op(np.tanh, lambda dy, y, _: (0.5 * dy * (1 - y * y),))

    def loss(w: Any) -> Any:
        return jnp.sum(jax.grad(lambda h: jnp.sum(wrong(h)))(w) ** 2)

    assert inner(bj.certify(loss, jnp.ones(3), known={wrong: op})).holds
    assert not inner(bj.certify(loss, jnp.ones(3))).holds


def test_a_loop_of_unknown_length_is_named() -> None:
    """A rule that is applied in a loop whose steps are not seen is never green."""
    of = models.swish(1.0)

    def loss(w: Any, x: Any) -> Any:
        def step(x: Any) -> Any:
            return x - 0.1 * jax.grad(lambda x: jnp.sum(of(x)))(x)

        return jnp.sum((w - lax.while_loop(lambda x: jnp.sum(x) > 1, step, x)) ** 2)

    certificate = bj.certify(loss, jnp.ones(3), jnp.ones(3))

    assert (certificate.holds, certificate.proven, certificate.inner) == (False, (), ())
    assert f"not certified: while ({Path(__file__).name}:" in str(certificate)
    assert "inside of it a derivative applies a custom rule" in str(certificate)


def test_a_function_that_was_traced_before_is_named() -> None:
    """A program of an earlier trace has rules that are not seen."""
    of = models.swish(0.5)
    earlier = jax.make_jaxpr(lambda h: jnp.sum(of(h)))(jnp.ones(3))
    slope = jax.grad(lambda h: extend.jaxpr_as_fun(earlier)(h)[0])
    certificate = bj.certify(lambda w: jnp.sum(slope(w) ** 2), jnp.ones(3))

    assert (certificate.holds, certificate.proven) == (False, ())
    assert "not certified: silu: it was traced before the loss was called" in str(certificate)


def test_a_rule_that_closes_over_what_is_computed_is_named() -> None:
    """Where its own function is called by a rule, its closure cannot be differentiated again."""

    def loss(w: Any, x: Any) -> Any:
        s = jnp.sum(x)
        wave = jax.custom_vjp(lambda h: jnp.sin(s * h))
        wave.defvjp(lambda h: (wave(h), h), lambda h, dy: (dy * s * jnp.cos(s * h),))
        return jnp.sum(jax.grad(lambda w: jnp.sum(wave(w)))(w) ** 2)

    certificate = bj.certify(loss, jnp.ones(3), jnp.ones(3))

    assert (certificate.holds, certificate.proven) == (False, ())
    assert inner(certificate).refuted is None
    assert "closes over an array which is computed in the loss" in str(certificate)


def test_a_function_that_was_jitted_before_is_seen() -> None:
    """What JAX keeps of an earlier call has no marks, and is traced again."""
    of = models.cube(0.5)
    slope = jax.jit(jax.grad(jax.jit(lambda h: jnp.sum(of(h)))))
    slope(jnp.ones(3))
    certificate = bj.certify(lambda w: jnp.sum(slope(w)), jnp.ones(3))

    assert inner(certificate).refuted is not None


def test_rules_are_certified_from_files(tmp_path: Path) -> None:
    """A recorded pass is certified without JAX, and its rules are, too."""
    bj.record(*models.cubes(0.5), folder=tmp_path / "wrong")
    bj.record(*models.cubes(1.0), folder=tmp_path / "right")

    assert inner(certify_trace(tmp_path / "wrong")).refuted is not None
    assert certify_trace(tmp_path / "right").holds


def test_the_program_as_users_run_it_has_no_marks() -> None:
    """Afterwards, JAX calls custom functions as before."""
    call = jax.custom_vjp.__call__
    loss, *arguments = models.cubes(1.0)
    before = str(jax.make_jaxpr(jax.grad(loss))(*arguments))
    bj.certify(loss, *arguments)

    assert jax.custom_vjp.__call__ is call
    assert str(jax.make_jaxpr(jax.grad(loss))(*arguments)) == before


@pytest.mark.parametrize("name", ["inv", "slogdet", "solve"])
def test_linear_algebra_inside(name: str) -> None:
    """What solves equations solves those of the transposed matrix in a derivative."""

    def energy(A: Any) -> Any:
        if name == "solve":
            return jnp.sum(jnp.linalg.solve(A, jnp.arange(3.0)) ** 2)
        return jnp.sum(jnp.linalg.inv(A) ** 2) if name == "inv" else jnp.linalg.slogdet(A)[1]

    A = jax_models.drawn()(3, 3) + 2 * jnp.eye(3)
    certificate = bj.certify(lambda A: jnp.sum(jax.grad(energy)(A) ** 2), A)

    assert certificate.unknown == ()
    assert certificate.holds, certificate


@pytest.mark.parametrize("factor", [1.0, 1.5], ids=["right", "wrong"])
def test_a_transposed_solver_is_held_to_its_equations(factor: float) -> None:
    """A program's own solver is used in derivatives, where it solves those of the transpose."""

    def loss(A: Any, b: Any) -> Any:
        def solved(b: Any) -> Any:
            return lax.custom_linear_solve(
                lambda x: A @ x,
                b,
                lambda _, b: jnp.linalg.inv(A) @ b,
                lambda _, b: factor * (jnp.linalg.inv(A).T @ b),
            )

        return jnp.sum(jax.grad(lambda b: jnp.sum(solved(b) ** 2))(b) ** 2)

    new = jax_models.drawn()
    certificate = bj.certify(loss, new(3, 3) + 2 * jnp.eye(3), new(3), argnums=1, jit=False)
    wrong = [link for link in certificate.wrong if link.verdict == "refuted"]

    assert certificate.holds == (factor == 1), certificate
    assert ("value" in {link.quantity.kind for link in wrong}) == (factor != 1)


def compiled_sine(kind: str, factor: float) -> Any:
    """Return a compiled sine with a factor in its custom derivative."""
    if kind == "custom_vjp":
        function = jax.custom_vjp(jnp.sin)
        function.defvjp(lambda x: (jnp.sin(x), x), lambda x, dy: (factor * dy * jnp.cos(x),))
    else:
        function = jax.custom_jvp(jnp.sin)
        function.defjvp(lambda x, dx: (jnp.sin(x[0]), factor * dx[0] * jnp.cos(x[0])))
    return jax.jit(function)


@pytest.mark.parametrize("factor", [1.0, 1.5], ids=["right", "wrong"])
@pytest.mark.parametrize("kind", ["custom_jvp", "custom_vjp"])
def test_what_jax_keeps_of_an_earlier_program_hides_no_rule(kind: str, factor: float) -> None:
    """A function that was certified outside of a derivative is certified inside of one as well."""
    function, x = compiled_sine(kind, factor), jnp.array([0.3, -0.2, 1.0])

    def energy(x: Any) -> Any:
        return jnp.sum(function(x))

    outside = bj.certify(energy, x)
    inside = bj.certify(lambda x: jnp.sum(jnp.square(jax.grad(energy)(x))), x)

    assert outside.holds == (factor == 1), outside
    assert inside.holds == (factor == 1), inside
    assert (inner(inside).refuted is None) == (factor == 1)
