"""Terms: a number, and the sum of the magnitudes of all terms that were added up for it.

The gradient of a bias before a batch norm is zero on paper, and rounding noise in fact: its terms
cancel. No relative bound holds for such a number, but its error is small beside its terms. That
tells it from a number of which nothing is known.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import special
from scipy.linalg import lu

from backproof.reference.numbers.exact_rules import MOVES
from backproof.reference.numbers.methods import Methods, Rules
from backproof.reference.numbers.special_rules import SHIFT
from backproof.reference.ops.functions import matrix_exp, root, solve_embedded, zeta

if TYPE_CHECKING:
    from backproof.reference.ops import Array


class Terms(Methods):
    """An array of numbers with their terms.

    mid:       float64 array, evaluated as NumPy does.
    magnitude: float64 array of the same shape: of each entry, the sum of the magnitudes of its
               terms. Unless terms cancel, it is about |mid|.

    A product has the products of both factors' terms. A function of one number has one term, its
    value.
    """

    rules: ClassVar[Rules] = {}

    def __init__(self, mid: Any, magnitude: Any) -> None:
        """Take the arrays as they are; none is copied."""
        self.mid: Array = np.asarray(mid, dtype=np.float64)
        self.magnitude: Array = np.asarray(magnitude, dtype=np.float64)

    @classmethod
    def of(cls, values: Any) -> "Terms":
        """Return numbers that are one term each."""
        return cls(values, np.abs(np.asarray(values, dtype=np.float64)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.mid.shape

    @property
    def T(self) -> "Terms":
        """The transpose."""
        return Terms(self.mid.T, self.magnitude.T)

    def reshape(self, *shape: Any) -> "Terms":
        """Return the same entries in another shape."""
        return Terms(self.mid.reshape(*shape), self.magnitude.reshape(*shape))

    def __getitem__(self, index: Any) -> "Terms":
        return Terms(self.mid[index], self.magnitude[index])

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write to an array that `np.zeros_like` has made; other arrays are shared."""
        terms = _terms(values)
        self.mid[index], self.magnitude[index] = terms.mid, terms.magnitude

    def __repr__(self) -> str:
        return f"Terms({self.mid}, of {self.magnitude})"

    def by_entry(self, rule: Callable[..., Any], inputs: Iterable[Any]) -> Any:
        """Return what a rule makes of numbers, and of constants of one term each."""
        with np.errstate(all="ignore"):
            return rule(*map(_terms, inputs))


def _terms(x: Any) -> Terms:
    return x if isinstance(x, Terms) else Terms.of(x)


def _divide(a: Terms, b: Terms) -> Terms:
    """a/b moves by da/b - a/b db/b: it has the terms of a over b, times those of b over b."""
    share = b.magnitude / np.abs(b.mid)
    return Terms(a.mid / b.mid, a.magnitude / np.abs(b.mid) * share)


def _function(f: Callable[..., Any]) -> Callable[..., Terms]:
    """Return the rule of a function of numbers, entry by entry."""
    return lambda *operands: Terms.of(f(*(a.mid for a in operands)))


def _where(mask: Any, a: Any, b: Any) -> Terms:
    a, b = _terms(a), _terms(b)
    return Terms(np.where(mask, a.mid, b.mid), np.where(mask, a.magnitude, b.magnitude))


def _max(a: Terms, axis: Any = None, *, keepdims: bool = False) -> Terms:
    """Return the largest entries; of equal ones, the one of most terms."""
    largest = a.mid == np.max(a.mid, axis=axis, keepdims=True)
    magnitude = np.max(np.where(largest, a.magnitude, 0), axis=axis, keepdims=keepdims)
    return Terms(np.max(a.mid, axis=axis, keepdims=keepdims), magnitude)


def _concatenate(parts: Sequence[Any], axis: int = 0) -> Terms:
    every = list(map(_terms, parts))
    return Terms(
        np.concatenate([terms.mid for terms in every], axis=axis),
        np.concatenate([terms.magnitude for terms in every], axis=axis),
    )


def _pad(a: Terms, width: Any, *, constant_values: float = 0) -> Terms:
    mid = np.pad(a.mid, width, constant_values=constant_values)
    return Terms(mid, np.pad(a.magnitude, width, constant_values=abs(constant_values)))


def _zeros_like(a: Terms, *, shape: tuple[int, ...] | None = None) -> Terms:
    return Terms.of(np.zeros(a.shape if shape is None else shape))


def _linear(f: Callable[..., Any]) -> Callable[..., Terms]:
    """Return the rule of a function that moves, repeats and adds up entries."""

    def rule(a: Terms, *arguments: Any, **options: Any) -> Terms:
        return Terms(f(a.mid, *arguments, **options), f(a.magnitude, *arguments, **options))

    return rule


def _add_at(target: Terms, index: Any, values: Any) -> None:
    terms = _terms(values)
    np.add.at(target.mid, index, terms.mid)
    np.add.at(target.magnitude, index, terms.magnitude)


def _log_det(a: Terms) -> tuple[Any, Terms]:
    """The terms are the logarithms of the pivots."""
    sign, mid = np.linalg.slogdet(a.mid)
    logs = np.log(np.abs(np.diagonal(lu(a.mid)[2], axis1=-2, axis2=-1)))
    return sign, Terms(mid, np.sum(np.abs(logs), axis=-1))


def _log_of_gamma(x: Terms) -> Terms:
    """It is a logarithm: a relative error of Gamma is one of 1 in it, also where it is zero."""
    mid = special.gammaln(x.mid)
    return Terms(mid, 1 + np.abs(mid))


def _by_recurrence(x: Terms) -> Terms:
    """The terms are those of the recurrence (`function_rules`), which cancel at the zero."""
    mid = special.psi(x.mid)
    return Terms(mid, 2 * np.log(x.mid + SHIFT) + 1 / SHIFT + np.abs(mid))


FUNCTIONS = (
    *(np.exp, np.expm1, np.log, np.log1p, np.arctan, np.arcsinh, np.logaddexp, np.sin, np.cos),
    *(np.sqrt, np.power, np.tanh, special.erf, special.erfinv, special.erfc, special.erfcx),
    *(special.i0e, special.i1e, np.arctan2),
)

Terms.rules |= {
    np.negative: lambda a: Terms(-a.mid, a.magnitude),
    np.absolute: lambda a: Terms(np.abs(a.mid), a.magnitude),
    np.maximum: lambda a, b: _where(a.mid >= b.mid, a, b),
    np.minimum: lambda a, b: _where(a.mid <= b.mid, a, b),
    np.greater: lambda a, b: a.mid > b.mid,
    np.less: lambda a, b: a.mid < b.mid,
    np.add: lambda a, b: Terms(a.mid + b.mid, a.magnitude + b.magnitude),
    np.subtract: lambda a, b: Terms(a.mid - b.mid, a.magnitude + b.magnitude),
    np.multiply: lambda a, b: Terms(a.mid * b.mid, a.magnitude * b.magnitude),
    np.matmul: lambda a, b: Terms(a.mid @ b.mid, a.magnitude @ b.magnitude),
    np.divide: _divide,
    np.add.at: _add_at,
    np.linalg.det: _function(np.linalg.det),
    np.linalg.slogdet: _log_det,
    np.linalg.solve: _function(np.linalg.solve),
    solve_embedded: _function(np.linalg.solve),
    np.linalg.eigh: lambda a: (*map(Terms.of, np.linalg.eigh(a.mid)),),
    np.linalg.pinv: _function(np.linalg.pinv),
    np.linalg.qr: lambda a: (*map(Terms.of, np.linalg.qr(a.mid)),),
    np.linalg.svd: lambda a, **thin: (*map(Terms.of, np.linalg.svd(a.mid, **thin)),),
    matrix_exp: lambda a: Terms(matrix_exp(a.mid), matrix_exp(a.magnitude)),
    zeta: lambda s, x: Terms.of(zeta(s, x.mid)),
    special.gammaln: _log_of_gamma,
    special.psi: _by_recurrence,
    root: _function(root),
    np.concatenate: _concatenate,
    np.sum: _linear(np.sum),
    np.cumsum: _linear(np.cumsum),
    np.max: _max,
    np.where: _where,
    np.ones_like: lambda a: Terms.of(np.ones(a.shape)),
    np.zeros_like: _zeros_like,
    np.argmax: lambda a, axis=None: np.argmax(a.mid, axis=axis),
    np.pad: _pad,
    np.ndim: lambda a: a.ndim,
    np.shape: lambda a: a.shape,
}
Terms.rules |= {f: _function(f) for f in FUNCTIONS}
Terms.rules |= {move: _linear(move) for move in MOVES}
