"""Eigenvalues, singular values, QR and LU: what is right holds, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import lu as scipy_lu

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, Precision
from backproof.reference.ops.eigen import eigenvalues, eigenvectors, eigenvectors_of_whole
from backproof.reference.ops.lu import lower_factor, lu, upper_factor
from backproof.reference.ops.pinv import pinv
from backproof.reference.ops.qr import orthogonal, triangle
from backproof.reference.ops.singular import left_vectors, right_vectors, singular_values
from tests.verifier.lazy import Lazy

torch, jax, jnp = map(Lazy, ("torch", "jax", "jax.numpy"))
bt, bj, models = map(Lazy, ("backproof.torch", "backproof.jax", "tests.verifier.models"))
jax_models = Lazy("tests.verifier.jax_models")
Program = Callable[[Any], Any]


def weighted(*results: Any) -> Any:
    """Return a number that depends on all entries of results, each in another way."""
    return sum(
        (one.sin() * (torch.arange(one.shape[-1]) + i + 1)).sum() for i, one in enumerate(results)
    )


def symmetric(w: Any) -> Any:
    """Return a symmetric matrix."""
    return (w + w.mT) / 2


def solution(A: Any, B: Any) -> Any:
    """Return the solution of least squares by a driver that gives the same numbers every time."""
    return torch.linalg.lstsq(A, B, driver="gels").solution


def solved(w: Any, **options: Any) -> Any:
    """Return the solution of equations by the factors of their matrix."""
    LU, pivots, _ = torch.linalg.lu_factor_ex(w)
    return torch.linalg.lu_solve(LU, pivots, w.cos(), **options)


PROGRAMS: dict[str, Program] = {
    "eigh": lambda w: weighted(*torch.linalg.eigh(symmetric(w))),
    "eigh of a triangle": lambda w: weighted(*torch.linalg.eigh(w, UPLO="U")),
    "values of eigh": lambda w: weighted(torch.linalg.eigh(symmetric(w)).eigenvalues),
    "vectors of eigh": lambda w: weighted(torch.linalg.eigh(symmetric(w)).eigenvectors),
    "eigvalsh": lambda w: weighted(torch.linalg.eigvalsh(symmetric(w))),
    "svd": lambda w: weighted(*torch.linalg.svd(w)),
    "svd of more rows": lambda w: weighted(*torch.linalg.svd(w[..., :3], full_matrices=False)),
    "svd of more columns": lambda w: weighted(*torch.svd(w[..., :3, :])),
    "svdvals": lambda w: weighted(torch.linalg.svdvals(w)),
    "qr": lambda w: weighted(*torch.linalg.qr(w)),
    "qr of more rows": lambda w: weighted(*torch.linalg.qr(w[..., :3])),
    "qr of more columns": lambda w: weighted(*torch.linalg.qr(w[..., :3, :])),
    "pinv": lambda w: weighted(torch.linalg.pinv(w)),
    "pinv of more rows": lambda w: weighted(torch.linalg.pinv(w[..., :2])),
    "pinv of more columns": lambda w: weighted(torch.pinverse(w[..., :2, :])),
    "least squares": lambda w: weighted(solution(w[..., :3, :1], w[..., :3, 1:])),
    "lu": lambda w: weighted(*torch.linalg.lu(w)[1:]),
    "lu of more rows": lambda w: weighted(*torch.linalg.lu(w[..., :3])[1:]),
    "lu of more columns": lambda w: weighted(torch.linalg.lu_factor_ex(w[..., :3, :]).LU),
    "lu unpacked": lambda w: weighted(*torch.lu_unpack(*torch.linalg.lu_factor_ex(w)[:2])[1:]),
    "lu_solve": lambda w: weighted(solved(w), solved(w, left=False)),
    "lu_solve of transposes": lambda w: weighted(
        solved(w, adjoint=True), solved(w, left=False, adjoint=True)
    ),
    "spectral norm": lambda w: torch.linalg.matrix_norm(w, 2).sum(),
    "nuclear norm": lambda w: torch.linalg.matrix_norm(w, "nuc").sum(),
    "condition": lambda w: torch.linalg.cond(w).log().sum(),
}

OTHERS = "qr", "pinv", "least", "lu", "lu_solve"
SPECTRAL = [name for name in PROGRAMS if name.partition(" ")[0] not in OTHERS]
"""The programs that depend on vectors."""

MATRICES: dict[str, Program] = {
    "random": lambda x: x,
    "definite": lambda x: x @ x.mT + torch.eye(x.shape[-1]) / 8,
    "nearly diagonal": lambda x: torch.diag_embed(x[..., 0, :]) + x / 2**14,
    "graded": lambda x: x * torch.logspace(3, -1.5, x.shape[-1])[:, None].to(x.dtype) ** 2,
    "singular": lambda x: x[..., :1] @ x[..., :1, :],
    "unit": lambda x: torch.eye(x.shape[-1], dtype=x.dtype).expand_as(x).clone(),
}


@pytest.fixture
def _torch() -> None:
    """Skip the tests where PyTorch is not installed."""


def certified(program: Program, kind: str = "random", shape: Any = (4, 4), **options: Any) -> Any:
    """Return the certificate of a program of matrices of a kind. options: seed and dtype."""
    torch.manual_seed(options.get("seed", 0))
    drawn = torch.randn(shape, dtype=getattr(torch, options.get("dtype", "float64")))
    w = MATRICES[kind](drawn).to(drawn.dtype).requires_grad_()
    return bt.certify(lambda: program(w), {"w": w}, second=options.get("second", False))


@pytest.mark.usefixtures("_torch")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(4, 4), (2, 5, 5)], ids=str)
@pytest.mark.parametrize("name", PROGRAMS)
def test_decompositions_are_certified(name: str, shape: tuple[int, ...], dtype: str) -> None:
    """Each decomposition of ordinary matrices holds."""
    certificate = certified(PROGRAMS[name], shape=shape, dtype=dtype)

    assert certificate.holds, str(certificate)


HALVED = {
    "linalg_eigvalsh": "eigvalsh",
    "linalg_svdvals": "svdvals",
    "linalg_cond": "condition",
    "linalg_pinv": "pinv",
    "linalg_lstsq": "least squares",
    "linalg_lu_factor_ex": "lu unpacked",
    "linalg_lu_solve": "lu_solve",
}
"""Function -> a program that calls it."""


@pytest.mark.usefixtures("_torch")
@pytest.mark.parametrize("function", HALVED)
def test_half_a_gradient_is_refuted(function: str) -> None:
    """What has one result that is differentiated is refuted if half of it is handed on."""

    def program(w: Any) -> Any:
        with models.Halving(function):
            return PROGRAMS[HALVED[function]](w)

    certificate = certified(program)
    link = certificate.refuted

    assert link is not None, str(certificate)
    assert certificate.place_of(link).function == "torch." + function.replace("_", ".", 1)


@pytest.mark.usefixtures("_torch")
@pytest.mark.parametrize("name", PROGRAMS)
def test_their_second_derivatives_are_certified(name: str) -> None:
    """The tangents of values, vectors and gradients hold, too."""
    certificate = certified(PROGRAMS[name], second=True)

    assert certificate.holds, str(certificate)


@pytest.mark.usefixtures("_torch")
@pytest.mark.parametrize("kind", MATRICES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_right_is_refuted(name: str, kind: str) -> None:
    """Whatever the matrices, right numbers are inside, or undecided."""
    shapes = (3, 3), (2, 4, 4), (9, 9)
    certificates = [
        certified(PROGRAMS[name], kind, shape, dtype=dtype, seed=seed)
        for seed, shape in enumerate(shapes)
        for dtype in ("float64", "float32")
    ]

    assert [str(one) for one in certificates if one.refuted] == []


@pytest.mark.usefixtures("_torch")
@pytest.mark.parametrize("name", SPECTRAL)
def test_vectors_of_equal_values_are_not_green(name: str) -> None:
    """Where values are equal their vectors are any, and what depends on them is undecided."""
    certificate = certified(PROGRAMS[name], "unit")

    assert not certificate.holds
    assert {link.verdict for link in certificate.wrong} == {"undecided"}


def right_of_eigh(values: Any, received: Any) -> Any:
    """Return what the matrix receives of its eigenvalues and vectors."""
    (w, V), (dw, dV) = values, received
    X = V.mT @ dV
    return V @ (torch.diag(dw) + (X - X.mT) / 2 / gaps(w)) @ V.mT


def right_of_svd(values: Any, received: Any) -> Any:
    """Return what a square matrix receives of its singular values and vectors."""
    (U, s, Vt), (dU, ds, dVt) = values, received
    X, Y = U.mT @ dU, Vt @ dVt.mT
    E = gaps(s * s)
    return U @ ((X - X.mT) / E * s + torch.diag(ds) + s[:, None] * (Y - Y.mT) / E) @ Vt


def right_of_qr(values: Any, received: Any) -> Any:
    """Return what a square matrix receives of its orthogonal factor and its triangle."""
    (Q, R), (dQ, dR) = values, received
    return (dQ + Q @ mirrored(dR @ R.mT - Q.mT @ dQ)) @ R.inverse().mT


def mirrored(X: Any) -> Any:
    """Return the symmetric matrix that has the upper triangle of X."""
    return X.triu() + X.triu(1).mT


def gaps(w: Any) -> Any:
    """Return w_j - w_i, and infinity on the diagonal."""
    return (w - w[:, None]).fill_diagonal_(torch.inf)


def without(*places: int) -> Callable[[Any, Any], Any]:
    """Return what forgets some of what is received."""
    return lambda received, i: received * 0 if i in places else received


def right_of_lu(values: Any, received: Any) -> Any:
    """Return what a square matrix receives of its triangular factors."""
    (P, L, U), (dL, dU) = values, received
    S = (L.mT @ dL).tril(-1) + (dU @ U.mT).triu()
    return P @ L.inverse().mT @ S @ U.inverse().mT


RIGHT = {
    "linalg_eigh": right_of_eigh,
    "linalg_svd": right_of_svd,
    "linalg_qr": right_of_qr,
    "linalg_lu": right_of_lu,
}

RECEIVED: dict[str, tuple[str, Any]] = {
    "eigenvectors are forgotten": ("linalg_eigh", without(1)),
    "eigenvalues are forgotten": ("linalg_eigh", without(0)),
    "twice the vectors' part": ("linalg_eigh", lambda d, i: (i + 1) * d),
    "one sign": ("linalg_eigh", lambda d, i: d * (1 - 2 * torch.eye(4)[0]) if i else d),
    "eigenvalues in reverse": ("linalg_eigh", lambda d, i: d if i else d.flip(0)),
    "left vectors are forgotten": ("linalg_svd", without(0)),
    "singular values are forgotten": ("linalg_svd", without(1)),
    "right vectors are forgotten": ("linalg_svd", without(2)),
    "half of the right vectors": ("linalg_svd", lambda d, i: d / 2 if i == 2 else d),
    "V for V^T": ("linalg_svd", lambda d, i: d.mT if i == 2 else d),
    "Q is forgotten": ("linalg_qr", without(0)),
    "R is forgotten": ("linalg_qr", without(1)),
    "R^T for R": ("linalg_qr", lambda d, i: d.mT if i else d),
    "L is forgotten": ("linalg_lu", without(0)),
    "U is forgotten": ("linalg_lu", without(1)),
}
"""Name -> the function, and how each of what it receives is changed: (array, place) -> array."""

FORMULAS: dict[str, tuple[str, Any]] = {
    "no symmetry": (
        "linalg_eigh",
        lambda of, d: of[1] @ (torch.diag(d[0]) + of[1].mT @ d[1] / gaps(of[0])) @ of[1].mT,
    ),
    "gaps of the other sign": (
        "linalg_eigh",
        lambda of, d: 2 * right_of_eigh(of, (d[0], d[1] * 0)) - right_of_eigh(of, d),
    ),
    "one triangle": ("linalg_eigh", lambda of, d: right_of_eigh(of, d).tril()),
    "V and V^T exchanged": (
        "linalg_eigh",
        lambda of, d: right_of_eigh((of[0], of[1].mT), (d[0], d[1].mT)),
    ),
    "a factor": ("linalg_svd", lambda of, d: right_of_svd(of, d) * 1.001),
    "transposed": ("linalg_svd", lambda of, d: right_of_svd(of, d).mT),
    "gaps without squares": (
        "linalg_svd",
        lambda of, d: right_of_svd((of[0], of[1].sqrt(), of[2]), d),
    ),
    "Q alone": ("linalg_qr", lambda of, d: d[0] @ of[1].inverse().mT),
    "the lower triangle": (
        "linalg_qr",
        lambda of, d: (
            (d[0] + of[0] @ mirrored((d[1] @ of[1].mT - of[0].mT @ d[0]).mT)) @ of[1].inverse().mT
        ),
    ),
    "another order of rows": (
        "linalg_lu",
        lambda of, d: right_of_lu((of[0].roll(1, 0), *of[1:]), d),
    ),
    "L with a diagonal": (
        "linalg_lu",
        lambda of, d: right_of_lu(of, d) + of[0] @ torch.eye(4, dtype=d[1].dtype) / 2**9,
    ),
    "R^-1 for R^-T": ("linalg_qr", lambda of, d: right_of_qr(of, d) @ of[1].mT @ of[1].inverse()),
}
"""Name -> the function, and what it hands on: (its results, what they receive) -> array."""


@pytest.mark.usefixtures("_torch")
@pytest.mark.parametrize("function", RIGHT)
def test_the_right_formula_holds(function: str) -> None:
    """What the faults below are made from is right."""

    def program(w: Any) -> Any:
        with models.Handing(function, RIGHT[function]):
            return PROGRAMS[function.removeprefix("linalg_")](w)

    certificate = certified(program)

    assert certificate.holds, str(certificate)


@pytest.mark.usefixtures("_torch")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [*RECEIVED, *FORMULAS])
def test_a_wrong_gradient_is_refuted(name: str, dtype: str) -> None:
    """A gradient that forgets a part, or has a wrong factor, sign or place, is located."""
    function, wrong = (RECEIVED | FORMULAS)[name]

    def changed(values: Any, received: Any) -> Any:
        if name in FORMULAS:
            return wrong(values, received)
        return RIGHT[function](values, [wrong(d, i) for i, d in enumerate(received)])

    def program(w: Any) -> Any:
        with models.Handing(function, changed):
            return PROGRAMS[function.removeprefix("linalg_")](w)

    certificate = certified(program, dtype=dtype)
    link = certificate.refuted

    assert link is not None, str(certificate)
    assert certificate.place_of(link).function == "torch." + function.replace("_", ".")


def exchanged(of: Any) -> None:
    """Exchange two vectors, and their values."""
    for one in of:
        one[..., [1, 2]] = one[..., [2, 1]]


VALUES: dict[str, tuple[str, Any]] = {
    "a pair is exchanged": ("eigh", exchanged),
    "two vectors are exchanged": ("eigh", lambda of: exchanged(of[1:])),
    "an entry": ("eigh", lambda of: of[1][1, 2].mul_(1.01)),
    "a value": ("eigh", lambda of: of[0][1].add_(0.01)),
    "a vector is not of length one": ("eigh", lambda of: of[1][:, 1].mul_(1.01)),
    "a vector is turned": ("eigh", lambda of: of[1][:, :2].copy_(of[1][:, :2] @ turn(of[1]))),
    "one of a pair has another sign": ("svd", lambda of: of[0][:, 1].neg_()),
    "the other one": ("svd", lambda of: of[2][1].neg_()),
    "a singular value is negative": ("svd", lambda of: of[1][-1].neg_()),
    "V for V^T": ("svd", lambda of: of[2].copy_(of[2].mT.clone())),
    "a column of Q has another sign": ("qr", lambda of: of[0][:, 1].neg_()),
    "another order of rows": ("lu", lambda of: of[1].copy_(of[1].flip(0))),
    "an entry of L": ("lu", lambda of: of[1][2, 1].mul_(1.001)),
    "an entry of U": ("lu", lambda of: of[2][1, 2].mul_(1.001)),
    "below the diagonal": ("qr", lambda of: of[1][2, 1].add_(1e-6)),
    "an entry of R": ("qr", lambda of: of[1][1, 2].mul_(1.01)),
    "a column of Q is not of length one": ("qr", lambda of: of[0][:, 1].mul_(1.01)),
}
"""Name -> the function, and what it does to its results."""


NAMES = {"qr": "linalg_qr", "lu": "linalg_lu"}
"""Function -> its name where autograd has another one than most."""


def turn(like: Any) -> Any:
    """Return a rotation by a small angle."""
    return torch.tensor([[0.9998, -0.02], [0.02, 0.9998]], dtype=like.dtype)


@pytest.mark.usefixtures("_torch")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", VALUES)
def test_a_wrong_decomposition_is_refuted(name: str, dtype: str) -> None:
    """A wrong value or vector is refuted where it is computed."""
    function, write = VALUES[name]

    def program(w: Any) -> Any:
        with models.Writing(NAMES.get(function, f"_linalg_{function}"), write):
            return PROGRAMS[function](w)

    certificate = certified(program, dtype=dtype)
    link = certificate.refuted

    assert link is not None, str(certificate)
    assert (link.quantity.kind, certificate.place_of(link).function) == (
        "value",
        f"torch.linalg.{function}",
    )


@pytest.mark.usefixtures("_torch")
@pytest.mark.parametrize("places", [(0, 1), (1, 2)], ids=str)
def test_vectors_that_nobody_uses_are_no_evidence(places: tuple[int, int]) -> None:
    """A gradient of eigenvalues that is computed from wrong vectors is refuted."""

    def write(of: Any) -> None:
        of[1][:, [*places]] = of[1][:, [*places[::-1]]]

    def program(w: Any) -> Any:
        with models.Writing("_linalg_eigh", write):
            return PROGRAMS["values of eigh"](w)

    certificate = certified(program)

    assert certificate.refuted is not None, str(certificate)
    assert certificate.refuted.quantity.kind == "derivative"


@pytest.mark.usefixtures("_torch")
def test_a_decomposition_from_its_files(tmp_path: Path) -> None:
    """The vectors that were seen are options, which are written and read."""
    from backproof.programs.from_file import certify_trace  # noqa: PLC0415 for this test alone

    w = torch.eye(3).add(torch.arange(9).view(3, 3) / 8).requires_grad_()
    bt.record(lambda: PROGRAMS["eigh"](w) + PROGRAMS["svd"](w), {"w": w}, tmp_path)

    assert certify_trace(tmp_path).holds


def many(w: Any, b: Any) -> Any:
    """Return a number that depends on every decomposition that JAX has of the kind."""
    found = [
        *jnp.linalg.eigh(w),
        jnp.linalg.eigvalsh(b),
        *jnp.linalg.svd(w),
        *jnp.linalg.qr(w),
        *jax.scipy.linalg.lu(w)[1:],
        *jax.scipy.linalg.lu_factor(b[:, :2])[:1],
        jax.scipy.linalg.lu_solve(jax.scipy.linalg.lu_factor(w[:, :2].T @ w[:, :2]), w[:2]),
        *jnp.linalg.qr(b[:, :2]),
        *jnp.linalg.qr(w[:, :2]),
        *jnp.linalg.svd(w[:, :2], full_matrices=False),
        *jnp.linalg.svd(b[:, :2], full_matrices=False),
        jnp.linalg.svdvals(w[:2]),
        jnp.linalg.pinv(w[:2]),
        jnp.linalg.norm(w, 2) * jnp.linalg.norm(w, "nuc") * jnp.linalg.cond(w),
        jnp.linalg.lstsq(w[:, :2], w[:, 2])[0],
    ]
    return sum(jnp.sum(jnp.sin(one) * (i + 1)) for i, one in enumerate(found))


@pytest.mark.parametrize("jit", [True, False], ids=["jit", "eager"])
def test_decompositions_in_jax(jit: bool) -> None:  # noqa: FBT001
    """Whatever is made of eigenvalues and singular values holds."""
    new = jax_models.drawn(1)
    certificate = bj.certify(many, new(4, 4), new(2, 3, 3), jit=jit)

    assert certificate.holds, certificate


@pytest.mark.parametrize("name", ["eigvalsh", "svdvals"])
def test_a_wrong_gradient_in_jax_is_refuted(name: str) -> None:
    """A factor too much is refuted."""
    wrong = jax_models.scaled(getattr(jnp.linalg, name), 1.01)
    certificate = bj.certify(lambda w: jnp.sum(jnp.sin(wrong(w))), jax_models.drawn()(4, 4))

    assert certificate.refuted is not None, certificate


def of_kind(kind: str, n: int) -> Any:
    """Return ten matrices (N, N) of a kind, in float64."""
    rng = np.random.default_rng(n)
    X, d = rng.standard_normal((10, n, n)), np.logspace(6, -3, n)
    matrices = {
        "random": X,
        "graded": X * np.sqrt(d[:, None] * d),
        "nearly diagonal": np.eye(n) * X[:, :1] + X / 2**14,
        "singular": X[:, :1].swapaxes(-1, -2) @ X[:, :1],
    }
    return matrices[kind]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("kind", ["random", "graded", "nearly diagonal", "singular"])
@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=lambda p: p.name)
def test_what_lapack_finds_is_inside(p: Precision, kind: str, n: int) -> None:
    """Eigenvalues and singular values lie inside, and so do vectors and Q R, up to their signs."""
    A = of_kind(kind, n)
    A = (A + A.swapaxes(-1, -2)).astype(p.dtype)
    w, V = np.linalg.eigh(A)
    U, s, Vt = np.linalg.svd(A)
    of_w, of_V = np.linalg.eigh(Ball.exact(A, p))
    of_U, of_s, of_Vt = np.linalg.svd(Ball.exact(A, p), full_matrices=False)

    assert of_w.contains(w).all()
    assert of_s.contains(s).all()
    Q, R = np.linalg.qr(A)
    of_Q, of_R = np.linalg.qr(Ball.exact(A, p))
    for ball, found in ((of_V, V), (of_U, U), (of_Vt, Vt), (of_Q, Q), (of_R, R)):
        assert (ball.contains(found) | ball.contains(-found) | np.isinf(ball.rad)).all()
    if kind == "random":
        assert np.mean(np.isfinite(of_V.rad)) > 0.75


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)], ids=str)
@pytest.mark.parametrize("kind", ["of a ball", "of its ends"])
def test_a_ball_of_matrices_holds_what_they_have(shape: tuple[int, ...], kind: str) -> None:
    """The values and vectors of every matrix in a ball lie in theirs."""
    rng = np.random.default_rng(0)
    A, rad = rng.standard_normal(shape), 1e-4 * rng.random(shape)
    moved = rng.uniform(-1, 1, (50, *shape))
    for D in np.sign(moved) if kind == "of its ends" else moved:
        balls = np.linalg.svd(Ball(A, rad, FLOAT64), full_matrices=False)
        U, s, Vt = np.linalg.svd(A + rad * D, full_matrices=False)
        sign = np.sign(np.sum(U * balls[0].mid, axis=0))

        assert balls[0].contains(U * sign).all()
        assert balls[1].contains(s).all()
        assert balls[2].contains(Vt * sign[:, None]).all()
        assert max(np.max(ball.rad) for ball in balls) < 0.1


def test_nothing_is_known_of_what_is_not_finite() -> None:
    """Of NaN nothing is known, and nothing is raised."""
    A = Ball.exact(np.full((2, 2), np.nan), FLOAT64)

    for ball in (*np.linalg.eigh(A), *np.linalg.svd(A, full_matrices=False)):
        assert np.isinf(ball.rad).all()
    assert np.isinf(np.linalg.qr(A)[0].rad).all()


@pytest.mark.parametrize("shape", [(4, 4), (7, 3), (3, 7)], ids=str)
@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=lambda p: p.name)
def test_pseudoinverses_are_inside(p: Precision, shape: tuple[int, ...]) -> None:
    """What NumPy finds lies inside, and so do those of matrices in a ball."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20, *shape)).astype(p.dtype)
    moved = A + 1e-3 * rng.uniform(-1, 1, A.shape).astype(p.dtype)
    around = np.linalg.pinv(Ball(A, np.full(A.shape, 1.0001e-3), p))

    assert np.linalg.pinv(Ball.exact(A, p)).contains(np.linalg.pinv(A)).all()
    assert np.mean(np.isfinite(around.rad)) > 0.75
    assert (around.contains(np.linalg.pinv(moved)) | np.isinf(around.rad)).all()


@pytest.mark.parametrize("shape", [(4, 4), (20, 20), (7, 3), (3, 7)], ids=str)
@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=lambda p: p.name)
def test_triangular_factors_are_inside(p: Precision, shape: tuple[int, ...]) -> None:
    """What LAPACK finds, in its order of rows, lies inside."""
    A = np.random.default_rng(0).standard_normal((10, *shape)).astype(p.dtype)
    P, L, U = scipy_lu(A)
    order = np.argmax(P, axis=-2)
    ball = lu.forward(Ball.exact(A, p), order=order)

    assert lower_factor.forward(ball).contains(L).all()
    assert upper_factor.forward(ball).contains(U).all()
    assert np.linalg.norm(ball.rad) < np.linalg.norm(ball.mid)


OPS = {
    "eigenvalues": (eigenvalues, (4, 4)),
    "eigenvectors": (eigenvectors, (4, 4)),
    "eigenvectors of a symmetric matrix": (eigenvectors_of_whole, (4, 4)),
    **{
        f"{name} {shape}": (op, shape)
        for name, op in (("s", singular_values), ("U", left_vectors), ("V", right_vectors))
        for shape in ((4, 4), (5, 3), (3, 5))
    },
    **{
        f"{name} {shape}": (op, shape)
        for name, op in (("Q", orthogonal), ("R", triangle), ("inverse", pinv), ("lu", lu))
        for shape in ((4, 4), (5, 3), (3, 5))
    },
}
"""Name -> an op, and the shape of its matrix."""


@pytest.mark.parametrize("name", OPS)
def test_the_derivatives_are_those_of_the_values(name: str) -> None:
    """Backward and tangent are the difference quotient, along a direction, in float64.

    The error of (f(A + hT) - f(A - hT)) / 2h is h^2 times a third derivative, and u / h times a
    value. The gaps and the least values of these matrices are 1/4 and more: a third derivative is
    inverse to their third power, with up to 3! terms, so below 2^9.
    """
    op, shape = OPS[name]
    rng, step = np.random.default_rng(0), 2.0**-17
    A, T = rng.standard_normal((2, 2, *shape))
    options: dict[str, Any] = {"seen": np.linalg.svd(A, full_matrices=False)}
    if name[0] in "il":
        order = np.broadcast_to([0, 2, 1, *range(3, shape[0])], (2, shape[0]))
        options = {"order": order} if name[0] == "l" else {}
    if name[0] in "QR":
        options = {"seen": np.linalg.qr(A)}
    if "eigen" in name:
        A, T = A + A.swapaxes(-1, -2), T + T.swapaxes(-1, -2)
        values, vectors = np.linalg.eigh(A)
        options = {"lower": True, "values": values, "vectors": vectors}
    y = op.forward(A, **options)
    dy = rng.standard_normal(y.shape)
    (dA,) = op.backward(dy, y, A, **options)
    ends = [op.forward(A + step * sign * T, **options) for sign in (1, -1)]
    quotient = (ends[0] - ends[1]) / (2 * step)

    error = 2.0**9 * (step**2 + FLOAT64.u / step)

    assert np.sum(dA * T) == pytest.approx(np.sum(dy * quotient), rel=error)
    assert op.forward(Dual(A, T), **options).tangent == pytest.approx(
        quotient, rel=error, abs=error
    )
