"""PyTorch programs of complex numbers: their parts are certified, and wrong ones are refuted."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backproof.reference.numbers.precision import FLOAT64
from backproof.reference.ops.fourier import matrix
from tests.verifier.lazy import Lazy

torch, fft = Lazy("torch"), Lazy("torch.fft")
bt, models = Lazy("backproof.torch"), Lazy("tests.verifier.models")


pytestmark = pytest.mark.filterwarnings("ignore:The length of signal is shorter")


def of(w: Any) -> Any:
    """Return a real array (2, 3, 4) as complex numbers (2, 3, 2)."""
    return torch.view_as_complex(w.reshape(2, 3, 2, 2))


def dominant(z: Any) -> Any:
    """Return matrices with a large diagonal, whose equations lose few digits."""
    return z + 4 * torch.eye(z.shape[-1], dtype=z.dtype)


def rotary(w: Any, *_: Any) -> Any:
    """Return pairs of entries that are turned by an angle for each place, as Llama has them."""
    places, rates = torch.arange(3, dtype=w.dtype), torch.tensor([1, 0.1], dtype=w.dtype)
    angles = torch.outer(places, rates)
    turned = of(w) * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(2)


def spectral(w: Any, _: Any, W: Any) -> Any:
    """Return a layer of a Fourier neural operator: a product for each of the low frequencies."""
    found = fft.rfft2(w)
    made = torch.zeros(2, 3, 3, dtype=found.dtype)
    made[:, :2, :2] = torch.einsum("bxy,xo->boy", found[:, :, :2], W[:, :2])
    return fft.irfft2(made, s=(3, 4))


def spectrum(w: Any, *_: Any) -> Any:
    """Return the magnitudes of a signal's spectrum over time."""
    window = torch.hann_window(6, dtype=w.dtype)
    return torch.stft(w.reshape(-1), 8, 3, 6, window, return_complex=True).abs()


def written(z: Any, w: Any) -> Any:
    """Return z after it was written to, also by way of views."""
    z[0] *= w[0]
    z.view(-1)[3] = w[1, 1, 1]
    z[1, 0].mul_(2j)
    return z / 2


def transformed(x: Any, *, normalized: bool = False, **options: Any) -> Any:
    """Return the signal of a spectrum over time from which something was taken."""
    window = 0.5 + torch.hann_window(6, dtype=x.dtype)
    spectrum = torch.stft(x, 8, 3, 6, window, normalized=normalized, return_complex=True)
    return torch.istft(spectrum * (1 + 0.5j), 8, 3, 6, window, normalized=normalized, **options)


def learned(w: Any, v: Any, _: Any) -> Any:
    """Return a spectrum and a signal whose windows are learned."""
    window = v[0, 0].abs() + 1
    spectrum = torch.stft(w.reshape(-1), 4, 2, 4, window, return_complex=True)
    return torch.istft(spectrum, 4, 2, window=window)


PROGRAMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "rotary": rotary,
    "spectral": spectral,
    "product": lambda w, v, _: of(w) * of(v),
    "product with real numbers": lambda w, v, _: of(w) * v[..., :2],
    "product with numbers": lambda w, v, _: of(w) * 1j + of(v) * (1 + 2j) + of(w) * 2.5,
    "i times real numbers": lambda w, *_: torch.exp(1j * w),
    "sum": lambda w, v, _: of(w) + of(v),
    "difference": lambda w, v, _: of(w) - of(v) + 1.5,
    "sum with real numbers": lambda w, v, _: of(w) + v[..., :2],
    "difference from numbers": lambda w, v, _: (1 - of(w)) * (2j - of(v)),
    "difference from real numbers": lambda w, v, _: v[..., :2] - of(w),
    "real numbers and complex ones": lambda w, v, _: v[..., :2] + of(w),
    "quotient": lambda w, v, _: of(w) / (v[..., :2].square() + 1) / 3,
    "quotient of both": lambda w, v, _: of(w) / of(v) + 2j / of(w) + v[..., :2] / of(w),
    "quotient of small numbers": lambda w, v, _: (of(w) / 2**12) / (of(v) / 2**14),
    "reciprocal": lambda w, *_: of(w).reciprocal(),
    "power": lambda w, *_: of(w) ** 2 + of(w).square(),
    "powers": lambda w, *_: of(w) ** 3 + of(w) ** -1 + of(w) ** 7 + of(w) ** 0.5 + of(w) ** -2,
    "power of numbers": lambda w, v, _: of(w) ** (1 + 2j) + of(w) ** of(v) + 2 ** of(w),
    "logarithms": lambda w, *_: of(w).log() + of(w).log2() + of(w).log1p(),
    "roots": lambda w, *_: of(w).sqrt() + of(w).rsqrt(),
    "sine and cosine": lambda w, *_: of(w).sin() + of(w).cos() + of(w).tan(),
    "hyperbolic": lambda w, *_: of(w).sinh() + of(w).cosh() + of(w).tanh(),
    "sign": lambda w, *_: of(w).sgn(),
    "norms": lambda w, *_: torch.linalg.vector_norm(of(w), dim=1, keepdim=True),
    "scalar product": lambda w, v, _: torch.vdot(of(w).reshape(-1), of(v).reshape(-1)),
    "sums of products": lambda w, v, W: torch.linalg.vecdot(of(w), of(v)) + (W * W).sum(),
    "linear": lambda w, _, W: torch.nn.functional.linear(of(w).mT, W.mT, W[0]),
    "addmm": lambda w, _, W: torch.addmm(W[0], of(w)[0].mT, W, beta=2, alpha=1j),
    "convolution of complex numbers": lambda w, _, W: torch.nn.functional.conv1d(
        of(w), W[:, :3, None], W[0, :3], padding=1
    ),
    "products of all": lambda w, *_: (
        of(w).prod(1) + of(w).cumprod(1)[:, -1] + of(w).cumsum(1)[:, 1]
    ),
    "written": lambda w, v, _: written(of(w) * 1, of(v)),
    "masked": lambda w, v, _: torch.where(w[..., :2] > 0, of(w), of(v)).masked_fill(
        v[..., :2] > 1, 2
    ),
    "real numbers beside complex ones": lambda w, v, _: torch.cat([of(w), v[..., :2]], 1),
    "like complex ones": lambda w, v, _: v[..., :2].expand_as(of(w)) * of(w).abs(),
    "casts": lambda w, *_: w.to(torch.complex64 if w.dtype == torch.float32 else torch.complex128),
    "conjugate": lambda w, v, _: of(w).conj() * of(v),
    "adjoint": lambda _w, _v, W: W.mH @ W,
    "size": lambda w, *_: of(w).abs(),
    "angle": lambda w, *_: of(w).angle(),
    "parts": lambda w, v, _: of(w).real * of(v).imag,
    "exp": lambda w, *_: torch.exp(of(w)),
    "of polar coordinates": lambda w, v, _: torch.polar(w.abs(), v),
    "of parts": lambda w, v, _: torch.complex(w, v),
    "of parts that broadcast": lambda w, v, _: torch.complex(w, v[:1, :, :1]),
    "irfft of real numbers": lambda w, *_: fft.irfft(w) + fft.irfftn(w, (2, 6), (0, 2)).sum(),
    "sums": lambda w, *_: of(w).sum(1) + of(w).mean(),
    "einsum": lambda w, _, W: torch.einsum("bij,io->boj", of(w), W),
    "matmul": lambda w, _, W: of(w).mT @ W,
    "matrices side by side": lambda w, v, _: of(w).mT @ of(v),
    "solution": lambda *a: torch.linalg.solve(dominant(a[2][:, :3]), a[2][:, 3:]),
    "solutions": lambda w, v, _: torch.linalg.solve(dominant(of(w)[:, :2]), of(v)[:, 0, :, None]),
    "inverse": lambda *a: torch.linalg.inv(dominant(a[2][:, 2:])),
    "negative power": lambda *a: torch.linalg.matrix_power(dominant(a[2][:, :3]), -2),
    "vector": lambda w, _, W: of(w) @ W[0, :2],
    "moved": lambda w, v, _: torch.cat([of(w), of(v)], -1).reshape(-1).flip(0)[1:],
    "chunks": lambda w, v, _: torch.stack([*of(w).chunk(2, -1), *of(v).unbind(-1)[:0]]),
    "cast": lambda w, *_: of(w).to(torch.complex128),
    "fft": lambda w, *_: fft.fft(w),
    "fft along an axis": lambda w, *_: fft.fft(of(w), dim=1),
    "ifft of more": lambda w, *_: fft.ifft(of(w), n=5, dim=1, norm="ortho"),
    "rfft": lambda w, *_: fft.rfft(w, dim=1),
    "rfft of less": lambda w, *_: fft.rfft(w, n=3),
    "irfft": lambda w, *_: fft.irfft(of(w), dim=1),
    "irfft of an odd length": lambda w, *_: fft.irfft(of(w), n=5, dim=1, norm="forward"),
    "fft2": lambda w, *_: fft.fftshift(fft.fft2(w)),
    "fftn": lambda w, *_: fft.fftn(w).real,
    "rfftn": lambda w, *_: fft.rfftn(w, s=(2, 5), norm="ortho"),
    "irfftn": lambda w, *_: fft.irfftn(fft.rfftn(w)),
    "convolution": lambda w, v, _: fft.irfft(fft.rfft(w, n=8) * fft.rfft(v, n=8), n=8),
    "spectrum": spectrum,
    "spectrum of complex numbers": lambda w, *_: torch.stft(
        of(w).reshape(2, -1), 4, 1, window=torch.ones(4, dtype=w.dtype), return_complex=True
    ),
    "whole spectrum": lambda w, *_: torch.stft(
        w.reshape(-1), 4, window=torch.ones(4).to(w), onesided=False, return_complex=True
    ),
    "signal": lambda w, *_: transformed(w.reshape(-1)),
    "signals": lambda w, *_: transformed(w.reshape(2, -1), normalized=True, length=9),
    "longer signal": lambda w, *_: torch.istft(
        of(w).mT[0], 3, 1, window=torch.ones(3).to(w), length=6
    ),
    "learned windows": learned,
    "signal without a center": lambda w, *_: torch.istft(
        of(w).mT[0], 3, 1, center=False, window=torch.ones(3).to(w)
    ),
}
"""What is computed of two real arrays (2, 3, 4) and a complex matrix (3, 5)."""


def certified(program: Callable[..., Any], precision: str, *, second: bool = False) -> Any:
    """Return the certificate of the sum of squares of what a program computes."""
    torch.manual_seed(0)
    dtype = getattr(torch, precision)
    leaves = {k: torch.randn(2, 3, 4, dtype=dtype, requires_grad=True) for k in ("w", "v")}
    leaves["W"] = torch.randn(3, 5, dtype=dtype.to_complex(), requires_grad=True)

    def loss() -> Any:
        made = program(*leaves.values())
        return (torch.view_as_real(made) if made.is_complex() else made).square().sum()

    return bt.certify(loss, leaves, second=second)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_complex_programs_hold(name: str, precision: str) -> None:
    """Every part of every number is certified."""
    certificate = certified(PROGRAMS[name], precision)

    assert certificate.holds, certificate
    assert certificate.worst.digits > (3.5 if precision == "float32" else 11.5)


HALVED = {
    "div": "quotient of both",
    "pow": "powers",
    "log": "logarithms",
    "sqrt": "roots",
    "sin": "sine and cosine",
    "tanh": "hyperbolic",
    "matmul": "matmul",
    "conv1d": "convolution of complex numbers",
    "cumprod": "products of all",
    "where": "masked",
    "cat": "real numbers beside complex ones",
    "linalg_solve": "solution",
    "linalg_inv": "inverse",
    "stft": "spectrum",
    "istft": "signal",
}
"""Function -> a program that calls it."""


@pytest.mark.parametrize("function", HALVED)
def test_half_a_gradient_is_refuted(function: str) -> None:
    """What a function hands on is held to its op."""

    def program(*operands: Any) -> Any:
        with models.Halving(function):
            return PROGRAMS[HALVED[function]](*operands)

    certificate = certified(program, "float32")

    assert certificate.refuted is not None, str(certificate)


WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "no conjugate": lambda dy, w: dy * w,
    "real part alone": lambda dy, w: (dy * w.conj()).real + 0j * dy,
    "negative": lambda dy, w: -dy * w.conj(),
}
"""What is wrong with the derivative dy conj(w) of a product by its first factor."""


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_derivative_of_a_product_is_refuted(wrong: str) -> None:
    """A custom function's complex derivative is held to the one of its forward pass."""

    class Product(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """z w, with a wrong derivative by z."""

        @staticmethod
        def forward(ctx: Any, z: Any, w: Any) -> Any:
            ctx.save_for_backward(z, w)
            return z * w

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            z, w = ctx.saved_tensors
            return WRONG[wrong](dy, w), dy * z.conj()

    certificate = certified(lambda w, v, _: Product.apply(of(w), of(v)), "float32")

    assert [link.verdict for link in certificate.wrong] == ["refuted"]
    assert certificate.place_of(certificate.wrong[0]).function == "Product"


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 12])
def test_a_transform_is_numpys(name: str, n: int) -> None:
    """The matrix of a transform gives what NumPy's transform of each unit vector is."""
    size = n // 2 + 1 if name == "irfft" else n
    found = matrix("fft" if name == "rfft" else name, n, size)
    units = np.eye(size)
    expected = getattr(np.fft, name)(units, n=n) * (n if name.startswith("i") else 1)
    made = found[:, :, 0] if name == "irfft" else found[:, :, 0, 0] + 1j * found[:, :, 0, 1]
    kept = made[:, : n // 2 + 1] if name == "rfft" else made

    assert np.max(np.abs(kept - expected)) <= 4 * n * FLOAT64.u  # NumPy's own roundings


UNKNOWN: dict[str, tuple[Callable[[Any, Any, Any], Any], str]] = {
    "asin": (lambda w, *_: of(w).asin(), "complex numbers"),
    "power": (lambda w, *_: (of(w) * 0) ** of(w), "a power of zero"),
    "svd": (lambda *a: torch.linalg.svdvals(a[2]), "complex numbers"),
}
"""Function -> a program with a call that is not known, and the reason."""


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_named(name: str) -> None:
    """It is named, and nothing is refuted for it."""
    program, reason = UNKNOWN[name]
    certificate = certified(program, "float32")

    assert not certificate.holds
    assert [link for link in certificate.wrong if link.verdict == "refuted"] == []
    assert f"(test_complex.py:{program.__code__.co_firstlineno}): {reason}" in str(certificate)


@pytest.mark.parametrize("name", ["quotient of both", "powers", "roots", "hyperbolic", "matmul"])
def test_second_derivatives_of_complex_numbers_hold(name: str) -> None:
    """The tangents of complex values and cotangents are certified, too."""
    certificate = certified(PROGRAMS[name], "float64", second=True)

    assert certificate.holds, certificate


def test_a_complex_loss_is_refused() -> None:
    """A loss is a real number."""
    w = torch.ones(3, dtype=torch.complex64, requires_grad=True)

    with pytest.raises(bt.NotRecorded, match="expected a real number, found a complex one"):
        bt.certify(w.sum, {"w": w})
