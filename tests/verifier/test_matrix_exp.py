"""The exponential of matrices: its value, its derivative, its balls, and wrong ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.exact import exact
from backproof.reference.numbers.precision import FLOAT32, FLOAT64
from backproof.reference.numbers.spectral_rules import EIGEN
from backproof.reference.ops.functions import matrix_exp
from backproof.reference.ops.matrix_exp import along
from backproof.reference.own import OWN
from tests.verifier.difference import close, gradient, on_paper
from tests.verifier.lazy import Lazy
from tests.verifier.proven import outside

torch, bt = map(Lazy, ("torch", "backproof.torch"))
jnp, jsl, bj = map(Lazy, ("jax.numpy", "jax.scipy.linalg", "backproof.jax"))

OP = OWN["matrix_exp"]
SIZES = [1e-9, 1e-3, 0.1, 1.0, 3.0, 20.0]


def drawn(size: float, n: int = 3, seed: int = 0) -> Any:
    """Return a random matrix of numbers of a size."""
    return np.random.default_rng(seed).standard_normal((n, n)) * size


def test_its_logarithms_are_eigenvalues() -> None:
    """Of a symmetric matrix it is V e^w V^T; of an antisymmetric one, a turn by its angle.

    What is found are the eigenvalues and vectors of A + E, |E| <= EIGEN n ulp |A|, so that e^A
    moves by |E| e^|A|.
    """
    A = drawn(1.0)
    A = A + A.T
    w, V = np.linalg.eigh(A)
    moved = EIGEN * len(A) * 2 * FLOAT64.u * np.abs(w).max() * np.exp(np.abs(w).max())

    found = OP.forward(Ball.exact(A, FLOAT64))
    assert (np.abs(V * np.exp(w) @ V.T - found.mid) <= found.rad + moved).all()
    c, s = np.cos(0.5), np.sin(0.5)
    turn = OP.forward(Ball.exact(np.array([[0, -0.5], [0.5, 0]]), FLOAT64))
    assert turn.contains([[c, -s], [s, c]]).all()


@pytest.mark.parametrize("size", [0.1, 1.0, 3.0])
def test_the_derivative_is_proven(size: float) -> None:
    """What is handed on is the difference quotient, and so is the tangent."""
    with on_paper():
        A, dY = exact(drawn(size)), exact(drawn(1.0, seed=1))
        (found,) = OP.backward(dY, OP.forward(A), A)
        expected = gradient(lambda a: np.sum(dY * OP.forward(a)), A)
        moved = OP.forward(Dual(A, dY)).tangent
        step = exact(np.array(2.0**-80))[()]

        assert close(found, expected)
        assert close(moved, (OP.forward(A + step * dY) - OP.forward(A - step * dY)) / (2 * step))
        assert not close(along(A, dY), expected)  # A^T is forgotten


@pytest.mark.parametrize("p", [FLOAT32, FLOAT64], ids=lambda p: p.name)
@pytest.mark.parametrize("size", SIZES)
def test_balls_hold_what_is_exact(size: float, p: Any) -> None:
    """The exact numbers lie inside, of a matrix that is known exactly or up to a radius."""
    A = drawn(size).astype(p.dtype).astype(float)
    wide = Ball(A, np.abs(A) / 2**12, p)
    with on_paper(bits=400):
        for moved in (0, 1, -1):
            value = matrix_exp(exact(A + moved * np.abs(A) / 2**12))
            assert list(outside(matrix_exp(wide), value)) == []
        assert list(outside(matrix_exp(Ball.exact(A, p)), matrix_exp(exact(A)))) == []


def test_what_is_not_finite_is_not_known() -> None:
    """Nothing is known of the exponential of a matrix of which nothing is known."""
    ball = matrix_exp(Ball(np.ones((2, 2)), np.full((2, 2), np.inf), FLOAT32))

    assert np.isinf(ball.rad).all()


def test_zeros_below_the_diagonal_stay_exact() -> None:
    """The exponential of a triangle is one."""
    ball = matrix_exp(Ball.exact(np.triu(drawn(3.0)), FLOAT32))

    assert (np.tril(ball.mid, -1) == 0).all()
    assert (np.tril(ball.rad, -1) == 0).all()


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "matrix": lambda w: torch.matrix_exp(w) * 1,
    "small": lambda w: torch.matrix_exp(w / 2**12),
    "tiny": lambda w: torch.linalg.matrix_exp(w / 2**30),
    "large": lambda w: torch.matrix_exp(6 * w),
    "antisymmetric": lambda w: torch.matrix_exp(4 * (w - w.mT)),
    "triangle": lambda w: torch.matrix_exp(w.triu()),
    "batch": lambda w: torch.matrix_exp(torch.stack([w / 8, w, 3 * w, w * 2**-9])),
    "small gradient": lambda w: torch.matrix_exp(w) / 2**20,
}


def certified(program: Callable[[Any], Any], dtype: str, seed: int = 0, **options: Any) -> Any:
    """Return the certificate of a program of a matrix (4, 4)."""
    torch.manual_seed(seed)
    w = torch.randn(4, 4, dtype=getattr(torch, dtype), requires_grad=True)
    return bt.certify(lambda: torch.sin(program(w)).sum(), {"w": w}, **options)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_hold(name: str, dtype: str) -> None:
    """What PyTorch computes lies inside, whatever the size of the matrix; a few draws each."""
    for seed in range(5):
        certificate = certified(PROGRAMS[name], dtype, seed)

        assert certificate.holds, str(certificate)


def test_second_derivatives_hold() -> None:
    """The tangents are those of the exponential, too."""
    certificate = certified(PROGRAMS["matrix"], "float64", second=True)

    assert certificate.holds, str(certificate)


WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "as if matrices commuted": lambda dy, of: dy @ of[1].mT,
    "no transpose": lambda dy, of: right(dy, of[0].mT),
    "twice": lambda dy, of: 2 * right(dy, of[0]),
    "0.001 too much": lambda dy, of: 1.001 * right(dy, of[0]),
    "entry by entry": lambda dy, of: dy * of[1],
}
"""What is handed on instead: (dY, A and Y) -> dA."""


def right(dy: Any, a: Any) -> Any:
    """Return what the matrix receives."""
    n = a.shape[-1]
    zeros = torch.zeros_like(a)
    rows = torch.cat([a.mT, dy], -1), torch.cat([zeros, a.mT], -1)
    return torch.matrix_exp(torch.cat(rows, -2))[..., :n, n:]


@pytest.mark.parametrize("wrong", [None, *WRONG])
def test_a_wrong_derivative_is_refuted(wrong: str | None) -> None:
    """A gradient of another formula is refuted; of the right one, it holds."""

    class Exponential(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """e^A, with a derivative that may be wrong."""

        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            y = torch.matrix_exp(a)
            ctx.save_for_backward(a, y)
            return y

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            saved = ctx.saved_tensors
            return WRONG[wrong](dy, saved) if wrong else right(dy, saved[0])

    certificate = certified(Exponential.apply, "float32")

    assert certificate.holds == (wrong is None), str(certificate)
    assert wrong is None or certificate.refuted is not None


@pytest.mark.parametrize("size", [0.1, 1.0, 8.0])
def test_jaxs_own_holds(size: float) -> None:
    """JAX's exponential is a program of solutions and products, each of which is certified."""
    A = jnp.asarray(drawn(size), jnp.float32)
    certificate = bj.certify(lambda a: jnp.sum(jnp.sin(jsl.expm(a))), A)

    assert certificate.holds, str(certificate)
