"""Certificates of JAX programs: right ones hold; wrong ones are located; nothing is left."""

from inspect import getfile
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof.reference.ops import Op
from backproof.reference.verdict.link import Quantity
from tests.verifier.lazy import Lazy

jax, jnp, lax, nn = map(Lazy, ("jax", "jax.numpy", "jax.lax", "jax.nn"))
ad_checkpoint, program = map(Lazy, ("jax.ad_checkpoint", "backproof.adapters.jax_program"))
bj, models = map(Lazy, ("backproof.jax", "tests.verifier.jax_models"))
certifying = Lazy("backproof.programs.certify")
special = Lazy("jax.scipy.special")
jax_calls = Lazy("backproof.adapters.jax_primitives.calls")


RIGHT = [
    ("mlp", "float32", "jitted"),
    ("mlp", "bfloat16", "eager"),
    ("conv net", "float32", "jitted"),
    ("conv net", "bfloat16", "jitted"),
    ("rnn", "float64", "jitted"),
    ("rnn", "bfloat16", "jitted"),
]


@pytest.mark.parametrize(("name", "dtype", "how"), RIGHT, ids=map("-".join, RIGHT))
def test_right_programs_hold(name: str, dtype: str, how: str) -> None:
    """Every gradient of a right program is proven, whatever the precision."""
    with jax.enable_x64(dtype == "float64"):
        loss, params, *batch = models.MODELS[name](0, dtype)
        certificate = bj.certify(loss, params, *batch, jit=how == "jitted")

    assert certificate.holds, certificate
    assert len(certificate.proven) == len(jax.tree.leaves(params))


@pytest.mark.parametrize("factor", [1.0, 1.5], ids=["right", "wrong"])
def test_several_precisions_in_one_program(factor: float) -> None:
    """A bfloat16 pass over float32 parameters, with products of float32, is held to each."""
    new = models.drawn()
    activation = models.scaled(jnp.tanh, factor)

    def loss(params: Any, x: Any) -> Any:
        low = x.astype(jnp.bfloat16), params["W"].astype(jnp.bfloat16)
        h = activation(lax.dot(*low, preferred_element_type=jnp.float32))
        with jax.default_matmul_precision("bfloat16"):
            return jnp.mean(jnp.square(h @ params["V"]))

    certificate = bj.certify(loss, {"W": new(6, 5), "V": new(5, 3)}, new(4, 6), jit=False)

    assert certificate.precision == "float32, bfloat16"
    assert certificate.holds == (factor == 1), certificate
    assert ("dE/ddot_general" in str(certificate)) == (factor != 1)


def test_a_transformer_holds() -> None:
    """A transformer holds as users run it: jitted; the certificate says what compiling took."""
    loss, params, *batch = models.transformer()
    certificate = bj.certify(loss, params, *batch)

    assert certificate.holds, certificate
    assert f"{certificate.compiling:.1f} s of it compiling" in str(certificate)
    assert 0 < certificate.compiling < certificate.seconds
    assert "params/block_0/attn/qkv" in certificate.proven
    assert len(certificate.proven) == len(jax.tree.leaves(params))


def test_biases_of_keys_hold_as_users_run_them() -> None:
    """Their gradients are rounding noise, and not the same with probes and without."""
    loss, params, ids = models.biased_keys()
    certificate = bj.certify(loss, params, ids)

    assert certificate.holds, certificate


def test_a_scan_is_certified_step_by_step() -> None:
    """Each step of a scan is links of its own, at the user's line."""
    certificate = bj.certify(*models.rnn())
    names = {node.name for node in certificate.program.nodes}
    place = certificate.places["scan[3]/tanh"]

    assert {"scan[0]/tanh", "scan[3]/dot_general", "stack"} <= names
    assert (place.module, place.file) == ("scan[3]", "jax_models.py")


def test_a_wrong_custom_derivative_is_located() -> None:
    """A custom_vjp is held to the derivative of its forward pass, and located if it is wrong."""
    w = jnp.array([0.5, -2.0, 3.0])
    certificate = bj.certify(lambda w: jnp.sum(models.square(jnp.sin(w))), w)
    link = certificate.refuted
    place = certificate.place_of(link)

    assert [(one.name, one.verdict) for one in certificate.wrong] == [("dE/dsin", "refuted")]
    assert certificate.proven == ()
    assert (place.function, place.file) == ("square", Path(__file__).name)
    assert certificate.diagnosis.startswith("only the first use counted")


@pytest.mark.parametrize("mistake", ["a factor too much", "a detached residual"])
def test_a_mistake_in_one_layer_is_located(mistake: str) -> None:
    """What is wrong in the second layer is refuted there, and what is before it is not proven."""
    factor = {"wrong": models.scaled(jnp.tanh, 2.0)}
    planted = factor if "factor" in mistake else {"add": models.detached}
    certificate = bj.certify(*models.residual(**planted))
    place = certificate.place_of(certificate.refuted)
    line = models.residual()[0].__code__.co_firstlineno + 2

    assert {link.verdict for link in certificate.wrong} == {"refuted"}
    assert certificate.unknown == ()
    assert (place.file, place.line) == ("jax_models.py", line)
    assert certificate.proven[-1:] == ("params/2/W",)
    assert "params/0/W" not in certificate.proven


def test_a_scan_that_loses_a_factor_at_one_step_is_located() -> None:
    """A carry whose derivative is wrong at one step is refuted at that step."""

    def loss(w: Any, xs: Any) -> Any:
        wrong = models.scaled(jnp.sin, 0.5)

        def step(h: Any, t: Any) -> tuple[Any, None]:
            return lax.cond(t == 1, wrong, jnp.sin, h * w), None

        return lax.scan(step, xs[0], jnp.arange(3))[0]

    certificate = bj.certify(loss, jnp.float32(0.7), jnp.ones(2))

    wrong = [(link.name, link.verdict) for link in certificate.wrong]
    assert wrong == [("dE/dscan[1]/mul", "refuted")]
    assert certificate.proven == ()
    assert certificate.place_of(certificate.refuted).module == "scan[1]/cond[1]"


@pytest.mark.parametrize("same", [True, False], ids=["checkpointed", "detached"])
def test_a_twin_is_the_same_or_another(same: bool) -> None:  # noqa: FBT001
    """A checkpointed twin has the same gradients; one that stops a residual's has others."""
    loss, *arguments = models.residual()
    stopped, *_ = models.residual(add=lambda x, y: lax.stop_gradient(x) + y)
    twin = jax.checkpoint(loss) if same else stopped
    certificate = bj.certify(loss, *arguments, against=twin)
    found = [one.verdict for one in certificate.twin]

    assert certificate.holds == same, certificate
    assert found == ["inside" if same else "refuted", "inside", "inside"]


def test_a_twin_may_call_its_arguments_otherwise() -> None:
    """The arguments of a twin are those of the loss, in their order, whatever their names."""
    certificate = bj.certify(
        lambda w, x: jnp.sum(w * x), jnp.ones(2), jnp.ones(2), against=jnp.vdot
    )

    assert certificate.holds, certificate


def test_a_twin_is_a_function() -> None:
    """Anything else is refused before the loss is traced, which may take minutes."""
    calls: list[int] = []

    def loss(w: Any) -> Any:
        calls.append(1)
        return jnp.sum(w)

    with pytest.raises(bj.NotRecorded, match="expected a function, found float"):
        bj.certify(loss, jnp.ones(2), against=1.0)
    assert calls == []


def test_a_loss_that_users_do_not_get() -> None:
    """Where the loss is another at each call, the figures say by how much, and what is allowed."""
    drawn = iter((1.0, 1.5, 1.5, 1.5))
    of = jax.ShapeDtypeStruct((), jnp.float32)

    def loss(w: Any) -> Any:
        return jnp.sum(w) * jax.pure_callback(lambda: np.float32(next(drawn)), of)

    certificate = bj.certify(loss, jnp.ones(3))
    (said,) = (one for one in certificate.twin if one.is_loss)

    assert f"{said.apart:.2f}" == "0.33"
    assert (said.verdict, said.allowed < said.apart) == ("refuted", True)


def test_a_wrong_cell_is_tried_in_as_many_ways_in_any_loop() -> None:
    """Steps that are alike have one form together, so that a longer loop costs no more for each."""

    @jax.custom_jvp
    def cell(*operands: Any) -> Any:
        h, w, x = operands
        return jnp.tanh(h @ w + x)

    cell.defjvp(lambda primals, tangents: jax.jvp(cell.fun, primals, tangents))

    def loss(w: Any, xs: Any) -> Any:
        return jnp.sum(lax.scan(lambda h, x: (cell(h, w, x), None), jnp.zeros(3), xs)[0])

    def ways(steps: int) -> int:
        new = models.drawn()
        run = bj.running(loss, (new(3, 3), new(steps, 3)), 0, jit=False)
        replay = certifying.replay_of(program.record(run, {}))
        return len(replay.rules(Quantity("derivative", "w")))

    assert ways(2) == ways(4)


def test_the_gradient_that_users_compute_is_held_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the function's own gradient is another one than that of its steps, it is refuted."""
    loss, *arguments = models.residual()
    plain = program.Run.plain

    def wrong(run: Any) -> Any:
        value, gradients = plain(run)
        return value, {**gradients, "params/1/W": 1.01 * gradients["params/1/W"]}

    monkeypatch.setattr("backproof.adapters.jax_program.Run.plain", wrong)
    certificate = bj.certify(loss, *arguments)

    assert certificate.wrong == ()
    assert [(one.name, one.verdict) for one in certificate.twin] == [("params/1/W", "refuted")]
    assert "\nas users run it: dE/dparams/1/W: 0.01 apart" in str(certificate)
    assert {*certificate.parameters} - {*certificate.proven} == {"params/1/W"}
    assert not certificate.holds


@pytest.mark.parametrize("lost", ["the gradient", "the loss"])
def test_what_users_compute_is_not_green_where_no_bound_decides(lost: str) -> None:
    """In many layers of bfloat16 a gradient of zeros, or a loss of zero, is still held to links."""
    new, traces = models.drawn(0, "bfloat16"), []

    def loss(params: Any, x: Any) -> Any:
        traces.append(1)
        is_first = len(traces) == 1  # that of the gradient as users compute it
        for w in params:
            used = lax.stop_gradient(w) if is_first and lost == "the gradient" else w
            x = jnp.tanh(x @ used)
        total = jnp.sum(x)
        return total - lax.stop_gradient(total) if is_first and lost == "the loss" else total

    certificate = bj.certify(loss, [2 * new(6, 6) for _ in range(12)], new(3, 6))

    assert certificate.wrong == ()
    assert not certificate.holds, certificate
    assert {one.is_loss for one in certificate.twin} == {lost == "the loss"}


def test_arguments_may_be_anything() -> None:
    """Random keys, functions and numbers are arguments too, and named residuals are the same."""

    def loss(w: Any, key: Any, rate: float, activation: Any) -> Any:
        kept = jax.random.bernoulli(key, 1 - rate, w.shape)
        named = ad_checkpoint.checkpoint_name(activation(w), "activation")
        return jnp.sum(jnp.where(kept, named / (1 - rate), 0))

    certificate = bj.certify(loss, jnp.arange(1.0, 5.0), jax.random.key(0), 0.5, nn.silu)

    assert certificate.holds, certificate


def test_several_arguments_may_hold_parameters() -> None:
    """With argnums, the parameters are those of several arguments."""
    certificate = bj.certify(
        lambda a, x, b: jnp.sum(jnp.sin(a * x) * b[0]),
        *(0.5, jnp.ones(2), [1.0]),
        argnums=(np.int64(0), -1),
    )

    assert certificate.holds, certificate
    assert certificate.proven == ("a", "b/0")


def test_a_cast_flushes_what_underflows() -> None:
    """A gradient that a cast makes smaller than normal numbers may become zero."""
    with jax.enable_x64(True):  # noqa: FBT003
        weights, x = jnp.array([1.0, 1e-44]), jnp.ones(2, jnp.float32)
        certificate = bj.certify(lambda x: jnp.sum(x.astype(jnp.float64) * weights), x)

    assert certificate.holds, certificate


def test_a_reader_that_fails_costs_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A primitive that cannot be read is not known, whatever its reader raises."""

    def divides(*_: Any) -> Any:
        return 1 // 0

    monkeypatch.setitem(jax_calls.READERS, "sin", divides)
    (unknown,) = bj.certify(lambda x: jnp.sum(jnp.sin(x)), jnp.ones(2)).unknown

    assert unknown.place.reason == "integer division or modulo by zero"


def test_a_reader_of_too_few_results_costs_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A primitive with more results, in another release of JAX, is not known."""
    monkeypatch.setitem(jax_calls.READERS, "split", lambda *_: [None])
    certificate = bj.certify(lambda x: jnp.sum(sum(jnp.split(x, 2))), jnp.ones(2), jit=False)

    assert "split" in str(certificate)
    assert "it has 2 results, and not 1" in str(certificate)
    assert not certificate.proven


def many(p: Any, x: Any) -> Any:
    """Return a number that most primitives have a part in."""
    a, b = p["a"], p["b"]  # (3, 4) and (4, 2)
    pieces = [
        jnp.tan(a) * jnp.sinh(a) / jnp.cosh(a) + jnp.exp2(a) - a**3 + jnp.abs(a) ** 1.5,
        lax.erfc(a) + lax.erf(a) * jnp.expm1(a) + jnp.log1p(jnp.square(a)),
        jnp.cumsum(a, axis=1) + jnp.flip(jnp.cumsum(jnp.flip(a, 1), axis=1), 1),
        lax.cumsum(a, axis=0, reverse=True) + jnp.sort(a, axis=1) + jnp.clip(a, -0.5, 0.5),
        jnp.maximum(a, 0.1) - jnp.minimum(a, jnp.roll(a, 1, axis=0)),
        jnp.tile(a, (2, 1))[1:4] + jnp.pad(a, ((1, 0), (0, 0)))[:3] + a.at[1].add(a[0]),
        a.at[jnp.array([2, 0])].set(2.0) + lax.dynamic_slice(x, (1, 0), (3, 4)) * a,
        lax.dynamic_update_slice(a, b.T * 2, (1, 0)) + jnp.stack([a[0], a[1], a[2]]),
        jnp.where(a > 0, jnp.sqrt(jnp.abs(a)), a) + lax.top_k(a, 4)[0],
        lax.reduce_window(a, 0.0, lax.add, (2, 2), (1, 1), "SAME") + jnp.sign(a) * a,
        lax.pad(a, 0.5, ((0, 0, 1), (-1, 0, 1)))[::2, ::2] ** 2 @ jnp.ones((3, 4)),
        jnp.broadcast_to(jnp.prod(a, axis=0) + jnp.max(a, axis=0) - a.min(), (3, 4)),
        jnp.arcsinh(a) + jnp.arccosh(a * a + 1.1) * jnp.arctanh(jnp.tanh(a)),
        jnp.arctan2(a, a[:1] + 4)
        + jnp.arctan(a)
        + lax.lgamma(lax.exp(a))
        + lax.digamma(a * a + 1)
        + lax.bessel_i0e(a) * lax.bessel_i1e(a)
        + lax.erfc(a),
        lax.erf_inv(jnp.tanh(a)) + jnp.arcsin(jnp.sin(a) / 2) + jnp.arccos(jnp.cos(a + 2) / 2),
        a.at[jnp.array([2, 0])].mul(a[:2], unique_indices=True) + a.at[1:].min(a[:2]),
        a.at[jnp.array([1, 2, 1, 7])].max(2 * x[:4]),
        lax.reshape(a, (3, 4), dimensions=(1, 0)),
        a.at[1, 2].mul(a[0, 0]) + jnp.power(a, jnp.arange(4)) + jnp.arctan2(jnp.zeros(4), a - 2),
        jax.vmap(lambda row: row - lax.pmean(row * row, "rows"), axis_name="rows")(a),
    ]
    image, kernel = a.reshape(1, 1, 3, 4), b.reshape(1, 1, 4, 2)
    up = lax.conv_transpose(
        image, kernel, (2, 2), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW")
    )
    product = lax.dot_general(a, b, (((1,), (0,)), ((), ())))
    split = jnp.split(a, [1], axis=1)
    total = jnp.sum(up) + jnp.sum(product * product) + jnp.sum(split[1] * split[1])
    return total + sum(jnp.sum(piece * (x[:3] + i)) for i, piece in enumerate(pieces))


def test_primitives_are_known() -> None:
    """Elementary functions, indices, windows, and all that moves entries hold."""
    new = models.drawn(3)
    certificate = bj.certify(many, {"a": new(3, 4), "b": new(4, 2)}, new(5, 4))

    assert [str(one.place) for one in certificate.unknown] == []
    assert certificate.holds, certificate


def equations(A: Any, b: Any) -> Any:
    """Return a number that depends on equations, solved in every manner that JAX has."""
    T, S = A[0], A[0] + A[0].T
    found = [
        jnp.linalg.solve(A[0], b[0, :, 0]) * jnp.linalg.solve(T, b[0])[:, 1],
        jnp.linalg.solve(A, b)[1, :, 0] + jnp.linalg.inv(T)[0],
        lax.linalg.triangular_solve(T, b[1].T, lower=True, transpose_a=True)[0],
        lax.linalg.triangular_solve(T, b[1], left_side=True, unit_diagonal=True)[:, 0],
        jnp.linalg.cholesky(S)[2] * b[1, :, 0],
    ]
    return sum(jnp.sum(jnp.sin(one) * (i + 1)) for i, one in enumerate(found))


def test_equations_are_known() -> None:
    """What solves equations is held to the equations that it solves."""
    new = models.drawn(4)
    certificate = bj.certify(equations, 2 * jnp.eye(3) + new(2, 3, 3) / 4, new(2, 3, 2))

    assert [str(one.place) for one in certificate.unknown] == []
    assert certificate.holds, certificate


def test_a_product_that_is_no_matrix_is_not_known() -> None:
    """Equations of anything else than a matrix that the product has are named."""

    def loss(w: Any, b: Any) -> Any:
        def product(x: Any) -> Any:
            return w @ x + x

        def solved(of: Any, b: Any) -> Any:
            return jnp.linalg.solve(jax.jacobian(of)(b), b)

        return jnp.sum(lax.custom_linear_solve(product, b, solved, solved))

    certificate = bj.certify(loss, jnp.eye(2), jnp.ones(2))

    assert not certificate.holds
    assert "a product that is not that of a matrix" in str(certificate)


def test_what_is_not_known_is_said() -> None:
    """A primitive without an op is named, with its line and the parameters it concerns."""

    def loss(p: Any) -> Any:
        return jnp.sum(lax.igamma(jnp.full(3, 2.0), p["a"]) * p["b"])

    certificate = bj.certify(loss, {"a": jnp.full(3, 1.5), "b": jnp.ones(3)})

    assert [link for link in certificate.wrong if link.verdict == "refuted"] == []
    assert certificate.proven == ("p/b",)
    assert f"not certified: igamma ({Path(__file__).name}:" in str(certificate)
    assert "reached by 1 of 2 parameters" in str(certificate)


def test_a_place_is_that_of_the_call_at_hand() -> None:
    """A function of JAX's that was traced for another line before is located at its own."""
    w = jnp.ones(2)
    certificates = [
        bj.certify(lambda w: jnp.sum(special.gammainc(2.0, w)), w, jit=False),
        bj.certify(lambda w: jnp.sum(special.gammainc(2.0, w)), w, jit=False),
    ]
    first, second = (certificate.unknown[0].place for certificate in certificates)

    assert (first.file, second.line - first.line) == (Path(__file__).name, 1)


OWN = {
    "right": (Op(lambda x: x * x, lambda dy, _, x: (dy * x,)), True),
    "wrong": (Op(lambda x: x * x, lambda dy, _, x: (2 * dy * x,)), False),
}


@pytest.mark.parametrize("name", OWN)
def test_an_op_of_your_own_makes_it_known(name: str) -> None:
    """A custom function is certified by the op that is given for it, and refuted by a wrong one."""
    op, holds = OWN[name]
    certificate = bj.certify(
        lambda w: jnp.sum(models.square(w)), jnp.ones(3), known={models.square: op}, jit=False
    )

    assert (certificate.holds, certificate.unknown) == (holds, ()), certificate
    assert (certificate.refuted is None) == holds


def test_long_scans_and_loops_are_not_green() -> None:
    """A scan that is too long is not known, and says so."""

    def loss(w: Any) -> Any:
        return lax.fori_loop(0, 257, lambda _, x: x * w, w)

    certificate = bj.certify(loss, jnp.float32(0.99))

    assert (certificate.proven, certificate.refuted) == ((), None)
    assert "it has 257 steps; unrolled are 1 to 256" in str(certificate)


def test_constants_are_not_judged() -> None:
    """What is stopped or an integer is a constant, and unused parameters are named."""

    def loss(p: Any, mask: Any) -> Any:
        x = p["a"] * 2
        return jnp.sum(x * lax.stop_gradient(x) * mask) + x[jnp.argmax(x)]

    p = {"a": jnp.arange(3.0), "unused": jnp.ones(2), "step": jnp.array(3)}
    certificate = bj.certify(loss, p, np.array([True, False, True]), jit=False)

    assert certificate.holds, certificate
    assert (certificate.proven, certificate.unused) == (("p/a",), ("p/unused",))


def test_the_tails_of_the_normal_distribution() -> None:
    """The logarithm of its distribution holds in both tails, in which no branch is lost."""
    points = jnp.array([-30.0, -12.0, -3.0, 0.5, 5.5, 12.0])
    certificate = bj.certify(lambda x: jnp.sum(jax.scipy.stats.norm.logcdf(x)), points)

    assert certificate.holds, certificate


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("factor", [1.0, 1.5], ids=["right", "wrong"])
def test_determinants(factor: float, n: int) -> None:
    """A determinant and its logarithm are ops of their own; a wrong gradient of them is refuted."""
    wrong = models.scaled(jnp.linalg.det, factor)

    def loss(A: Any) -> Any:
        sign, logarithm = jnp.linalg.slogdet(A)
        return wrong(A) * sign + logarithm

    A = models.drawn()(n, n) + 2 * jnp.eye(n)
    certificate = bj.certify(loss, A, jit=False)

    assert certificate.holds == (factor == 1), certificate
    assert certificate.unknown == ()


@pytest.mark.parametrize("jit", [False, True])
def test_constants_are_arrays_of_jax_where_a_rule_takes_them(jit: bool) -> None:  # noqa: FBT001
    """A rule is called as JAX calls it, also where an operand is a constant of the program."""

    @jax.custom_vjp
    def dotted(x: Any, t: Any) -> Any:
        return jnp.sum(x * t)

    def back(t: Any, dy: Any) -> Any:
        return dy * jnp.flip(t.at[0].set(3.0)), None

    dotted.defvjp(lambda x, t: (jnp.sum(x * t), t), back)
    certificate = bj.certify(lambda w: dotted(w, jnp.array([1.0, 2.0, 3.0])), jnp.ones(3), jit=jit)

    assert certificate.refuted is not None


def test_a_library_beside_jax_is_not_jax() -> None:
    """A function of a package "jax_more" is no function of JAX's, though it has the same name."""
    folder = Path(getfile(jax.custom_jvp)).parents[1]
    source = compile("def _det(A): return (A * A).sum()", f"{folder}_more/algebra.py", "exec")
    exec(source, found := dict[str, Any]())  # noqa: S102 code whose file is in another package
    det = jax.custom_jvp(found["_det"])
    det.defjvp(lambda primals, tangents: jax.jvp(found["_det"], primals, tangents))
    certificate = bj.certify(lambda A: det(A) + A[0, 0], jnp.arange(4.0).reshape(2, 2), jit=False)

    assert certificate.holds, certificate


def test_a_derivative_in_bits_is_not_known() -> None:
    """A right derivative that the forward pass does not show is named, and not refuted."""
    certificate = bj.certify(lambda w: jnp.sum(jnp.ldexp(w, 2)), jnp.ones(2))

    assert "its forward pass takes numbers for bits" in str(certificate)
    assert certificate.refuted is None


def test_overflow_is_not_a_fault() -> None:
    """Right code that overflows is undecided, and no mistake is named that gives infinity too."""
    certificate = bj.certify(lambda w: jnp.sum(jnp.exp(1e4 * w)), jnp.ones(3), jit=False)

    assert "is inf: the number is infinite, or too large for float64 too" in str(certificate)
    assert certificate.diagnosis == ""


def test_a_twin_that_overflows_with_the_program_is_undecided() -> None:
    """Where the program's own gradient is infinite, that of a twin is not to blame."""

    def loss(w: Any) -> Any:
        return jnp.sum(jnp.exp(1e4 * w))

    (one,) = bj.certify(loss, jnp.ones(3), against=loss, jit=False).twin

    assert one.verdict == "undecided"


def with_reference(w: Any) -> Any:
    """Return a sum of squares, of which one half is written to memory before."""
    written = jax.new_ref(jnp.zeros(3))
    written[...] = w
    return jnp.sum(w * w) + jnp.sum(written[...] ** 2)


BAD = {
    "a reference": (with_reference, r"with references \(jax.new_ref\) is not certified"),
    "several numbers": (lambda w: w * 2, r"expected one number, found shape \(3,\)"),
    "no array": (lambda _: "1", "expected an array, but the function returned a str"),
    "an output beside": (lambda w: (jnp.sum(w), w), "give a function that returns the loss alone"),
    "no gradient": (lambda w: jnp.sum(lax.stop_gradient(w)), "the last ones at stop_gradient"),
    "no function": (3.0, "expected a function, found float"),
    "a branch": (lambda w: w[0] if w[0] > 0 else w[1], "close over what chooses branches"),
    "complex": (lambda w: jnp.sum(jnp.fft.fft(w)), "expected a float, found complex64"),
}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_error(name: str, jit: bool) -> None:  # noqa: FBT001
    """What cannot be certified is refused with the reason."""
    loss, said = BAD[name]

    with pytest.raises(bj.NotRecorded, match=said):
        bj.certify(loss, jnp.ones(3), jit=jit)


def test_a_loss_that_is_a_parameter_is_refused() -> None:
    """Where nothing is computed there is nothing to certify, and it says so."""
    with pytest.raises(bj.NotRecorded, match="the loss is the parameter w itself"):
        bj.certify(lambda w: w, jnp.float32(2))


def with_key(w: Any, n: int) -> Any:
    """Return a sum over numbers of a random key that was made before the trace."""
    with jax.ensure_compile_time_eval():
        key = jax.random.key(n)
    return jnp.sum(w * jax.random.normal(key, 3))


def test_donated_memory_is_refused() -> None:
    """A training step that was given its parameters to overwrite has deleted them."""
    w, x = jnp.ones(3), jnp.ones((2, 3))
    jax.jit(lambda w: w + 1, donate_argnums=0)(w)

    with pytest.raises(bj.NotRecorded, match="w: its memory was donated to another call"):
        bj.certify(lambda w, x: jnp.sum(x @ w), w, x)


TABLES = np.ones(3), np.arange(3.0)

CHANGING = {
    "a factor": lambda w, n: jnp.sum(w * float(n)),
    "a mask": lambda w, n: jnp.sum(jnp.where(np.arange(3) == n % 3, w, 0)),
    "a key": with_key,
    "how many constants": lambda w, n: jnp.sum(w * np.arange(3) * TABLES[n % 2] * TABLES[1]),
    "the order of operands": lambda w, n: jnp.sum(w - w[0] if n % 2 else w[0] - w),
    "the result": lambda w, n: (jnp.sum(w), jnp.max(w))[n % 2],
    "a precision": lambda w, n: jnp.sum(w.astype((jnp.float16, jnp.bfloat16)[n % 2])),
}
"""Functions of a parameter that are others at their next call. n: counts the calls."""


@pytest.mark.parametrize("name", CHANGING)
def test_a_program_that_is_not_deterministic_is_refused(name: str) -> None:
    """A loss that is another one at each trace is an error that says so."""
    calls = count(1)

    with pytest.raises(bj.NotRecorded, match="not deterministic"):
        bj.certify(lambda w: CHANGING[name](w, next(calls)), jnp.ones(3), jit=False)


def test_bad_parameters_are_refused() -> None:
    """A parameter with NaN is named, an argument without a parameter, and a name of two."""
    with pytest.raises(bj.NotRecorded, match="parameter w: has numbers that are NaN"):
        bj.certify(lambda w: jnp.sum(w * 2), jnp.array([1.0, jnp.nan]))
    for integers in (3, np.int32(3), jnp.arange(3)):
        with pytest.raises(bj.NotRecorded, match="n: expected parameters, found no array of float"):
            bj.certify(lambda w, n: jnp.sum(w * n), 0.5, integers, argnums=(0, 1))
    with pytest.raises(bj.NotRecorded, match="2 arrays have the name p/a/b"):
        bj.certify(lambda p: p["a/b"] * p["a"]["b"], {"a/b": 0.5, "a": {"b": 2.0}})


@pytest.mark.parametrize("argnums", [2, -3, "w", None, (), (0, 2)], ids=str)
def test_an_argument_that_is_none_is_refused(argnums: Any) -> None:
    """Places that are not of arguments are refused: no other argument is certified instead."""
    with pytest.raises(bj.NotRecorded, match="argnums: expected places of the 2 arguments"):
        bj.certify(lambda w, x: jnp.sum(w * x), jnp.ones(2), jnp.ones(2), argnums=argnums)


def test_an_op_of_your_own_is_an_op() -> None:
    """What is given by `known` and is no op is refused, by name."""
    with pytest.raises(bj.NotRecorded, match="expected an Op, or a function, found str"):
        bj.certify(lambda w: jnp.sum(jnp.tanh(w)), jnp.ones(2), known={"tanh": "tanh"})


def test_numbers_of_numpy_may_be_parameters() -> None:
    """A single number of NumPy's, of any precision, is a parameter as a float is."""
    a, b = np.float32(0.5), np.float16(2)
    certificate = bj.certify(lambda a, b: a * b, a, b, argnums=(0, 1), jit=False)

    assert certificate.holds, certificate
    assert certificate.proven == ("a", "b")


def test_what_a_program_raises_comes_through() -> None:
    """JAX's own error about a loop that has no derivative is not hidden."""
    with pytest.raises(ValueError, match="Reverse-mode differentiation"):
        bj.certify(
            lambda w: lax.while_loop(lambda x: x < 9, lambda x: x * w, w), jnp.float32(2), jit=False
        )


def test_the_branch_of_a_tracked_number_holds() -> None:
    """A branch that is chosen by a number that the loss is made of too is certified."""

    def loss(w: Any) -> Any:
        s = jnp.sin(w)
        return lax.cond(s[0] > 0, lambda s: jnp.sum(s * 2), jnp.sum, s)

    certificate = bj.certify(loss, jnp.array([0.5, -2.0]), jit=False)

    assert certificate.holds, certificate
    assert [link.name for link in certificate.links if link.quantity.kind == "value"] == [
        "sin",
        "cond[1]/mul",
        "cond[1]/reduce_sum",
    ]


def test_an_op_that_is_given_has_one_result() -> None:
    """A custom function of two results is not known by an op, and it says so."""

    @jax.custom_jvp
    def both(x: Any) -> Any:
        return 2 * x, 3 * x

    both.defjvp(lambda x, dx: (both(*x), both(*dx)))
    op = Op(lambda x: 2 * x, lambda dy, *_: (2 * dy,))
    certificate = bj.certify(lambda w: sum(both(w)), jnp.float32(2), known={both: op}, jit=False)

    assert "an op has one result" in str(certificate)
    assert (certificate.proven, certificate.refuted) == ((), None)


@pytest.mark.parametrize("leak", [0.0, 1.0])
def test_what_a_custom_function_takes_from_constants_is_a_constant(leak: float) -> None:
    """As in equinox.error_if, which hands on several values: each depends on its own operand.

    leak: what the derivative hands on from one to the other, which is wrong.
    """

    @jax.custom_jvp
    def both(x: Any, y: Any) -> Any:
        return x, y

    def tangents(of: Any, moved: Any) -> Any:
        dx, _ = moved
        return both(*of), (dx, leak * dx)

    both.defjvp(tangents)

    def loss(w: Any, c: Any) -> Any:
        x, y = both(jnp.tanh(w), c)
        return jnp.sum(x * jnp.exp(y))

    certificate = bj.certify(loss, jnp.ones(3), jnp.arange(3.0))

    assert certificate.holds == (not leak), certificate
    assert [one.verdict for one in certificate.wrong] == (["refuted"] if leak else [])


def operand(a: Any) -> Any:
    """Return an array as an operand, through which gradients flow."""
    a = np.asarray(a)
    return jax_calls.Operand(0, a.shape, a.dtype, True, lambda: a)  # noqa: FBT003


def test_a_remainder_is_held_to_its_operands() -> None:
    """The quotient is that of the operands, whatever remainder the framework returned."""
    x, y = np.array([7.5, -7.5, 1.0]), np.array([2.0, 2.0, 3.0])
    wrong = operand(np.fmod(x, y) + y)
    seen = jax_calls.Seen("rem", {}, (wrong,), lambda *_: ())

    assert jax_calls.READERS["rem"](seen, operand(x), operand(y)).operands[2].tolist() == [3, -3, 0]


def test_an_entry_is_not_taken_twice() -> None:
    """Of equal entries, the largest two are two, and not the same one twice."""
    results = operand([1.0, 1.0]), operand([0, 0])
    seen = jax_calls.Seen("top_k", {"axis": 0}, results, lambda *_: ())

    with pytest.raises(jax_calls.NotKnown, match="names an entry twice"):
        jax_calls.READERS["top_k"](seen, operand(np.ones(3)))
