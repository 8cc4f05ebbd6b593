"""An op of complex numbers: the op of real ones, which runs over `Complex`.

Arrays of complex numbers have their real and imaginary part along a last axis, (..., 2).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.numbers.complex import Complex
from backproof.reference.numbers.complex_functions import by_logarithm
from backproof.reference.ops import OPS, Array, Op


def holomorphic(op: Op) -> Op:
    """Return the op of complex numbers that an op of real numbers is, whose function has f'(z).

    What a number a + ib receives is dE/da + i dE/db. With dy = dE/du + i dE/dv, y = u + iv and
    f' = u_a + i v_a, the equations of Cauchy and Riemann, u_b = -v_a and v_b = u_a, make that
    dy times the conjugate of f' (DLMF 1.9.25). An op's backward function is linear in dy, so it is
    the conjugate of what this function makes of the conjugate of dy.
    """

    def forward(*z: Array, **options: Any) -> Array:
        return parts(op.forward(*map(Complex.of_parts, z), **options))

    def backward(dy: Array, y: Array, *z: Array, **options: Any) -> tuple[Array, ...]:
        received = Complex.of_parts(dy).conjugate()
        handed_on = op.backward(received, Complex.of_parts(y), *map(Complex.of_parts, z), **options)
        return tuple(parts(np.conjugate(dz)) for dz in handed_on)

    return Op(forward, backward, {name: holomorphic(form) for name, form in op.forms.items()})


def parts(z: Any) -> Array:
    """Return the parts of complex numbers, or of real ones."""
    return (z if isinstance(z, Complex) else Complex(z, np.zeros_like(z))).parts()


def widened_forward(x: Array) -> Array:
    """Return real numbers as complex ones, (..., 2)."""
    return parts(x)


def widened_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return the real part of dy: the imaginary part of y does not move."""
    return (dy[..., 0],)


def power_forward(z: Complex, *, exponent: float) -> Complex:
    """Return e^(n log z)."""
    return by_logarithm(z, exponent)


def power_backward(dy: Complex, y: Complex, z: Complex, *, exponent: float) -> tuple[Complex]:
    """Return dz = dy n z^(n - 1)."""
    return (dy * (exponent * by_logarithm(z, exponent - 1)),)


POWER = Op(
    OPS["power"].forward,
    OPS["power"].backward,
    {"a power by the logarithm": Op(power_forward, power_backward)},
)
"""The power, which is a product or e^(n log z)."""


def conjugate_forward(z: Array) -> Array:
    """Return a - ib, (..., 2)."""
    return parts(Complex.of_parts(z).conjugate())


def conjugate_backward(dy: Array, y: Array, z: Array) -> tuple[Array]:
    """Return the conjugate of dy: the imaginary part moves the other way."""
    return (conjugate_forward(dy),)


def tanh_forward(z: Complex) -> Complex:
    """Return tanh z."""
    return np.tanh(z)


def tanh_backward(dy: Complex, y: Complex, z: Complex) -> tuple[Complex]:
    """Return dz = dy (1 - t)(1 + t), t = tanh z (DLMF 4.34.8), computed again from z."""
    return tanh_backward_from_output(dy, np.tanh(z), z)


def tanh_backward_from_output(dy: Complex, y: Complex, z: Complex) -> tuple[Complex]:
    """Return dz = dy (1 - y)(1 + y)."""
    return (dy * ((1 - y) * (1 + y)),)


def tanh_backward_from_square(dy: Complex, y: Complex, z: Complex) -> tuple[Complex]:
    """Return dz = dy (1 - y^2), which cancels near 1 and -1."""
    return (dy * (1 - y * y),)


TANH = Op(
    tanh_forward,
    tanh_backward,
    {
        "tanh' from the output": Op(tanh_forward, tanh_backward_from_output),
        "tanh' from the output's square": Op(tanh_forward, tanh_backward_from_square),
    },
)
"""The tanh; that of real numbers has a derivative of their sizes."""

widened = Op(widened_forward, widened_backward)
conjugate = Op(conjugate_forward, conjugate_backward)


def by_three(op: Op) -> Op:
    """Return a product of complex numbers by three real ones: of a convolution f(x, W), f(x, W, b).

    1. With A = f(Re x, Re W, Re b), B = f(Im x, Im W) and C = f(Re x + Im x, Re W + Im W, Re b +
       Im b), it is A - B + i(C - A - B) (Higham, Accuracy and Stability, sec. 23.2.4).
    2. So A receives Re dy - Im dy, B receives -Re dy - Im dy, and C receives Im dy.
    """

    def operands(z: Sequence[Array]) -> tuple[list[Array], list[Array], list[Array]]:
        re, im = ([one[..., i] for one in z] for i in range(2))
        return re, im[:2], [a + b for a, b in zip(re, im, strict=True)]

    def forward(*z: Array, **options: Any) -> Array:
        A, B, C = (op.forward(*of, **options) for of in operands(z))
        return Complex(A - B, C - A - B).parts()

    def backward(dy: Array, y: Array, *z: Array, **options: Any) -> tuple[Array, ...]:
        re, im = dy[..., 0], dy[..., 1]
        received = re - im, -re - im, im
        of_A, of_B, of_C = (
            op.backward(d, None, *of, **options)
            for d, of in zip(received, operands(z), strict=True)
        )
        found = [Complex(a + c, b + c).parts() for a, b, c in zip(of_A, of_B, of_C, strict=False)]
        return (
            *found,
            *(Complex(a + c, c).parts() for a, c in zip(of_A[2:], of_C[2:], strict=True)),
        )

    return Op(forward, backward)


def with_three(op: Op) -> Op:
    """Return the op of complex numbers of a convolution, in all of its forms."""
    found = holomorphic(op)
    return replace(found, forms={**found.forms, "three real products": by_three(op)})
