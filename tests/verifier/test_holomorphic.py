"""Ops of complex numbers: values, derivatives and balls, each proven without the chain rule."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.complex import Complex
from backproof.reference.numbers.exact import exact
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, gamma
from backproof.reference.numbers.terms import Terms
from backproof.reference.ops import OPS, Op
from backproof.reference.own import OWN
from tests.verifier.difference import close, gradient, on_paper
from tests.verifier.proven import outside

A, B = (2, 3), (3,)
M = {"mask": np.array([[True, False, True]])}

CASES: dict[str, tuple[str, tuple[tuple[int, ...], ...], dict[str, Any]]] = {
    "sum of both": ("add", (A, B), {}),
    "difference": ("subtract", (A, B), {}),
    "product of both": ("multiply", (A, B), {}),
    "quotient": ("divide", (A, B), {}),
    "negative": ("negative", (A,), {}),
    "scale": ("scale", (A,), {"factor": 3}),
    "reciprocal": ("reciprocal", (A,), {}),
    "between": ("between", (A, A, B), {}),
    "sum": ("sum", (A,), {"axis": 1}),
    "mean": ("mean", (A,), {"axis": 0}),
    "cumsum": ("cumsum", (A,), {"axis": 1}),
    "product": ("product", (A,), {"axis": 1}),
    "cumprod": ("cumprod", (A,), {"axis": 1}),
    "matrices": ("matmul", (A, (3, 2)), {}),
    "matrix and vector": ("matmul", (A, B), {}),
    "solve": ("solve", ((3, 3), (3, 2)), {}),
    "einsum": ("einsum", (A, A), {"equation": "ij,kj->ki"}),
    "addmm": ("addmm", ((2,), A, (3, 2)), {"alpha": 2, "beta": 3}),
    "dense": ("dense", (A, (3, 2), (2,)), {}),
    "linear": ("linear", (A, (2, 3), (2,)), {}),
    "conv": ("conv", ((1, 2, 3), (2, 2, 2), (2,)), {"padding": 1}),
    "conv_transpose": ("conv_transpose", ((1, 2, 3), (2, 1, 2), (1,)), {}),
    "reshape": ("reshape", (A,), {"shape": (3, 2)}),
    "transpose": ("transpose", (A,), {"axes": (1, 0)}),
    "slice": ("slice", (A,), {"index": (slice(None), [0, 0, 2])}),
    "pad": ("pad", (A,), {"width": ((0, 1), (1, 0)), "value": 2}),
    "stack": ("stack", (A, A), {"axis": 1}),
    "concatenate": ("concatenate", (A, A), {"axis": -1}),
    "expand": ("expand", (B,), {"shape": A}),
    "add_at": ("add_at", (A, B), {"index": 1}),
    "put": ("put", (A, B), {"index": 1}),
    "masked_fill": ("masked_fill", (A,), {**M, "value": 2}),
    "where": ("where", (A, A), {"condition": M["mask"]}),
    "cast": ("cast", (A,), {}),
    "exp": ("exp", (A,), {}),
    "expm1": ("expm1", (A,), {}),
    "log": ("log", (A,), {}),
    "log1p": ("log1p", (A,), {}),
    "sqrt": ("sqrt", (A,), {}),
    "rsqrt": ("rsqrt", (A,), {}),
    "sin": ("sin", (A,), {}),
    "cos": ("cos", (A,), {}),
    "tanh": ("tanh", (A,), {}),
    "power of 0": ("power", (A,), {"exponent": 0}),
    "square": ("power", (A,), {"exponent": 2}),
    "cube": ("power", (A,), {"exponent": 3}),
    "power of -2": ("power", (A,), {"exponent": -2}),
    "power of 5/2": ("power", (A,), {"exponent": 2.5}),
}
"""Name -> the op of real numbers, the shapes of its complex inputs, its options."""


def case(name: str, kind: Any = np.asarray) -> tuple[Op, Op, list[Any], dict[str, Any]]:
    """Return the op of real and that of complex numbers, all inputs, and the options."""
    op, shapes, options = CASES[name]
    rng = np.random.default_rng(len(name))
    z = [kind(rng.standard_normal((*shape, 2))) for shape in shapes]
    return {**OWN, **OPS}[op], OWN[f"complex {op}"], z, options


def test_every_op_is_tested() -> None:
    """Every op of complex numbers has a case."""
    assert {name for name in OWN if name.startswith("complex ")} == {
        f"complex {op}" for op, _, _ in CASES.values()
    }


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_proven(name: str) -> None:
    """What each part of each input receives is the difference quotient, in every form."""
    with on_paper():
        _, op, z, options = case(name, exact)
        y = op.forward(*z, **options)
        dy = exact(np.random.default_rng(1).standard_normal(y.shape))
        for form in (op, *op.forms.values()):
            assert close(y, form.forward(*z, **options))
            handed_on = form.backward(dy, y, *z, **options)
            for i, found in enumerate(handed_on):

                def moved(a: Any, i: int = i, dy: Any = dy) -> Any:
                    return np.sum(dy * op.forward(*z[:i], a, *z[i + 1 :], **options))

                assert close(found, gradient(moved, z[i])), i


WRONG: dict[str, Any] = {
    "no conjugates": lambda op, *z: [
        Complex.parts(d) for d in op.backward(*map(Complex.of_parts, z))
    ],
    "the real part alone": lambda _, *z: [
        d * np.array([1, 0]) for d in OWN["complex divide"].backward(*z)
    ],
}
"""What is wrong with the derivative of a quotient: (op of real numbers, dy, y, z, w) -> dz, dw."""


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_derivative_is_seen(wrong: str) -> None:
    """A quotient whose derivative lacks its conjugates, or a part, is not the quotient."""
    with on_paper():
        real, op, z, _ = case("quotient", exact)
        y = op.forward(*z)
        dy = exact(np.random.default_rng(1).standard_normal(y.shape))
        found = WRONG[wrong](real, dy, y, *z)[0]

        assert not close(found, gradient(lambda a: np.sum(dy * op.forward(a, z[1])), z[0]))


@pytest.mark.parametrize("p", [FLOAT32, FLOAT64], ids=lambda p: p.name)
@pytest.mark.parametrize("name", CASES)
def test_balls_hold_what_is_exact(name: str, p: Any) -> None:
    """The exact results lie inside, and so do NumPy's own, whose numbers are complex."""
    real, op, z, options = case(name)
    z = [a.astype(p.dtype) for a in z]
    y = op.forward(*(a.astype(float) for a in z), **options)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(p.dtype)
    y = y.astype(p.dtype)
    for form in (op, *op.forms.values()):
        balls = both(form, partial(Ball.exact, precision=p), dy, y, z, options)
        with on_paper():
            for ball, value in zip(balls, both(form, widely, dy, y, z, options), strict=True):
                assert list(outside(ball, value)) == []
    with np.errstate(all="ignore"):
        own = real.forward(*(a[..., 0] + a.dtype.type(1) * 1j * a[..., 1] for a in z), **options)
    found = np.stack([own.real, own.imag], -1).astype(p.dtype)
    forms = [
        form.forward(*(Ball.exact(a, p) for a in z), **options) for form in (op, *op.forms.values())
    ]
    assert any(ball.contains(found).all() for ball in forms)


def widely(a: Any) -> Any:
    """Return numbers as Arb's."""
    return exact(np.asarray(a, float))


def both(op: Op, kind: Any, dy: Any, y: Any, z: Any, options: Any) -> list[Any]:
    """Return the value and what is handed on, over one kind of number."""
    operands = [*map(kind, z)]
    return [op.forward(*operands, **options), *op.backward(kind(dy), kind(y), *operands, **options)]


STEPS = 100
"""No number of these cases is rounded so often."""


@pytest.mark.parametrize("name", CASES)
def test_terms_are_counted(name: str) -> None:
    """No number has fewer terms than its size."""
    _, op, z, options = case(name, Terms.of)
    y = op.forward(*z, **options)
    for found in (y, *op.backward(y, y, *z, **options)):
        assert (found.magnitude >= abs(found.mid) * (1 - gamma(STEPS, FLOAT64.u))).all()


ROOTS = [(4.0, 0.0), (-4.0, 0.0), (-4.0, -0.0), (-3.0, 4.0), (-3.0, -4.0), (0.0, 2.0), (1e-3, -7.0)]


@pytest.mark.parametrize("z", ROOTS, ids=str)
def test_a_root_is_on_the_side_of_its_number(z: tuple[float, float]) -> None:
    """The principal root has the sign of the imaginary part, of zero as well."""
    found = OWN["complex sqrt"].forward(Ball.exact(np.array(z), FLOAT64))
    expected = np.sqrt(complex(*z))

    assert found.contains([expected.real, expected.imag]).all()


def test_what_is_widened_hands_on_its_real_part() -> None:
    """Real numbers among complex ones have an imaginary part of zero, which does not move."""
    x, dy = np.array([1.0, 2.0]), np.array([[3.0, 4.0], [5.0, 6.0]])

    assert OWN["complex"].forward(x).tolist() == [[1, 0], [2, 0]]
    assert OWN["complex"].backward(dy, None, x)[0].tolist() == [3, 5]
    assert OWN["conjugate"].backward(dy, None, dy)[0].tolist() == [[3, -4], [5, -6]]


def test_a_power_of_zero_is_one() -> None:
    """NumPy's function of complex numbers says so, too, whatever the number is."""
    z = np.array([[2.0, 3.0], [0.0, 0.0]])

    assert np.power(Complex.of_parts(z), 0).parts().tolist() == [[1, 0], [1, 0]]
