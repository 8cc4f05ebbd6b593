"""JAX programs of complex numbers: their parts are certified, and wrong ones are refuted."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.verifier.lazy import Lazy

jax, jnp, lax = map(Lazy, ("jax", "jax.numpy", "jax.lax"))
fft, bj = Lazy("jax.numpy.fft"), Lazy("backproof.jax")
jax_models = Lazy("tests.verifier.jax_models")


def of(w: Any) -> Any:
    """Return a real array (2, 3, 4) as complex numbers (2, 3, 2)."""
    return lax.complex(w[..., :2], w[..., 2:])


def rotary(w: Any, *_: Any) -> Any:
    """Return pairs of entries that are turned by an angle for each place."""
    angles = jnp.outer(jnp.arange(3), jnp.array([1, 0.1])).astype(w.dtype)
    turned = of(w) * jnp.exp(1j * angles)
    return jnp.concatenate([turned.real, turned.imag], -1)


def spectral(w: Any, _: Any, W: Any) -> Any:
    """Return a layer of a Fourier neural operator."""
    found = fft.rfft2(w)
    low = jnp.einsum("bxy,xo->boy", found[:, :, :2], W[:, :2])
    made = jnp.zeros((2, 3, 3), found.dtype).at[:, :2, :2].set(low)
    return fft.irfft2(made, s=(3, 4))


def recurrence(w: Any, _: Any, W: Any) -> Any:
    """Return the states of a diagonal linear recurrence, as in S4 and LRU."""
    decay = jnp.exp(-jnp.abs(W[0, :2]) + 1j * jnp.angle(W[1, :2]))

    def step(h: Any, x: Any) -> tuple[Any, Any]:
        h = decay * h + x
        return h, h.real

    return lax.scan(step, jnp.zeros(2, decay.dtype), of(w)[0])[1]


PROGRAMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "rotary": rotary,
    "spectral": spectral,
    "recurrence": recurrence,
    "product": lambda w, v, _: of(w) * of(v),
    "quotient": lambda w, v, _: of(w) / of(v) + 1j / of(v) + w[..., :2] / of(v),
    "sums": lambda w, v, _: of(w).sum(1) + of(v).mean() - 2j,
    "powers": lambda w, *_: of(w) ** 2 + of(w) ** 3 + of(w) ** -1 + jnp.square(of(w)),
    "power of numbers": lambda w, v, _: of(w) ** of(v) + of(w) ** 1.5,
    "exponentials": lambda w, *_: jnp.exp(of(w)) + jnp.expm1(of(w)),
    "logarithms": lambda w, *_: jnp.log(of(w)) + jnp.log1p(of(w)),
    "roots": lambda w, *_: jnp.sqrt(of(w)) + lax.rsqrt(of(w)),
    "sine and cosine": lambda w, *_: jnp.sin(of(w)) + jnp.cos(of(w)) + jnp.tan(of(w)),
    "tanh": lambda w, *_: jnp.tanh(of(w)),
    "size": lambda w, *_: jnp.abs(of(w)),
    "angle": lambda w, *_: jnp.angle(of(w)),
    "parts": lambda w, v, _: of(w).real * of(v).imag,
    "conjugate": lambda w, v, _: of(w).conj() * of(v),
    "matmul": lambda w, _, W: of(w).mT @ W,
    "solution": lambda _w, _v, W: jnp.linalg.solve(W[:, :3], W[:, 3:]),
    "inverse": lambda _w, _v, W: jnp.linalg.inv(W[:, 2:]),
    "adjoint": lambda _w, _v, W: W.conj().T @ W,
    "scalar product": lambda w, v, _: jnp.vdot(of(w), of(v)),
    "convolution": lambda w, _, W: lax.conv_general_dilated(of(w), W[:, :3, None], (1,), [(1, 1)]),
    "moved": lambda w, v, _: jnp.concatenate([of(w), of(v)], -1).reshape(-1)[::-1][1:],
    "taken": lambda w, v, _: of(w)[jnp.array([0, 1, 0])] + jnp.where(v[0, :, :2] > 0, of(v)[0], 1),
    "written": lambda w, v, _: of(w).at[0].set(of(v)[1]).at[1, 1].add(2j),
    "padded": lambda w, *_: jnp.pad(of(w), ((0, 1), (1, 0), (0, 0)), constant_values=1),
    "cumulative": lambda w, *_: jnp.cumsum(of(w), 1) + jnp.prod(of(w), 1, keepdims=True),
    "one number as a part": lambda w, *_: lax.complex(w, w[0, 0, 0]) + lax.complex(0.5, w),
    "derivative of the real part": lambda w, *_: jax.grad(lambda x: jnp.exp(1j * x).real.sum())(
        jax.jvp(jnp.exp, (w,), (w,))[1]
    ),
    "real numbers beside complex ones": lambda w, v, _: jnp.stack([of(w), v[..., :2]]),
    "fft": lambda w, *_: fft.fft(w),
    "fft along an axis": lambda w, *_: fft.fftshift(fft.fft(of(w), axis=1)),
    "ifft": lambda w, *_: fft.ifft(of(w), n=5, axis=1, norm="ortho"),
    "rfft": lambda w, *_: fft.rfft(w, axis=1),
    "irfft": lambda w, *_: fft.irfft(of(w), n=5, axis=1),
    "fftn": lambda w, *_: fft.fftn(of(w)),
    "rfftn": lambda w, *_: fft.irfftn(fft.rfftn(w)),
}
"""What is computed of two real arrays (2, 3, 4) and a complex matrix (3, 5)."""


def certified(program: Callable[..., Any], *, jit: bool = True) -> Any:
    """Return the certificate of the sum of squares of what a program computes."""
    rng = np.random.default_rng(0)
    w, v = (jnp.asarray(rng.standard_normal((2, 3, 4)), jnp.float32) for _ in range(2))
    W = jnp.asarray(rng.standard_normal((3, 5)) + 1j * rng.standard_normal((3, 5)), jnp.complex64)

    def loss(params: Any) -> Any:
        made = program(*params)
        return jnp.sum(jnp.square(made.real)) + jnp.sum(jnp.square(made.imag))

    return bj.certify(loss, [w, v, W], jit=jit)


@pytest.mark.parametrize("jit", [False, True], ids=["step by step", "compiled"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_complex_programs_hold(name: str, jit: bool) -> None:  # noqa: FBT001 a parameter
    """Every part of every number is certified."""
    certificate = certified(PROGRAMS[name], jit=jit)

    assert certificate.holds, str(certificate)
    assert certificate.worst.digits > 3


WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "a conjugate": lambda dy, w: dy * jnp.conj(w),
    "real part alone": lambda dy, w: (dy * w).real + 0j * dy,
    "negative": lambda dy, w: -dy * w,
}
"""What is wrong with the derivative dy w of a product by its first factor, as JAX has it."""


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_derivative_of_a_product_is_refuted(wrong: str) -> None:
    """A custom function's complex derivative is held to the one of its forward pass."""

    @jax.custom_vjp
    def product(z: Any, w: Any) -> Any:
        return z * w

    product.defvjp(
        lambda z, w: (z * w, (z, w)), lambda zw, dy: (WRONG[wrong](dy, zw[1]), dy * zw[0])
    )
    certificate = certified(lambda w, v, _: product(of(w), of(v)))

    assert certificate.refuted is not None
    assert certificate.place_of(certificate.refuted).function == "product"


def test_the_right_derivative_of_a_product_holds() -> None:
    """What the faults above are made from is right."""

    @jax.custom_vjp
    def product(z: Any, w: Any) -> Any:
        return z * w

    product.defvjp(lambda z, w: (z * w, (z, w)), lambda zw, dy: (dy * zw[1], dy * zw[0]))
    certificate = certified(lambda w, v, _: product(of(w), of(v)))

    assert certificate.holds, str(certificate)


UNKNOWN: dict[str, tuple[Callable[[Any, Any, Any], Any], str]] = {
    "sign": (lambda w, *_: jnp.sign(of(w)), "which JAX takes for a constant"),
    "power": (lambda w, *_: (of(w) * 0) ** of(w), "a power of zero"),
    "asinh": (lambda w, *_: jnp.arcsinh(of(w)), "complex numbers"),
}
"""Function -> a program with a call that is not known, and the reason."""


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_named(name: str) -> None:
    """It is named, and nothing is refuted for it."""
    program, reason = UNKNOWN[name]
    certificate = certified(program)

    assert not certificate.holds
    assert certificate.refuted is None
    assert reason in str(certificate)
