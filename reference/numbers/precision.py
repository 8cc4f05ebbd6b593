"""What a floating-point precision promises of one operation.

Model: fl(a op b) = (a op b)(1 + d) + e, |d| <= u, with e only where the result underflows
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sec. 2.2).

Two things are left to an implementation, and are properties to report, not errors:

- Underflow. Subnormals keep e below the smallest subnormal; flushing them to zero, as XLA does
  on CPUs, makes it the smallest normal number, and reads subnormal operands as zero. Units that
  flush compute in float32 and float64, where subnormals of float16 are normal numbers: there only
  the operands and the result of a whole op may be flushed, not its steps.
- The accumulator. Sums and inner products of bfloat16 and float16 are mostly accumulated in
  float32 and rounded once at the end, but may be accumulated in the precision itself. Likewise an
  op of several steps (a norm, a softmax) may run in float32 and be rounded once at the end, or be
  rounded after every step.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Optional

import ml_dtypes  # noqa: F401 registers bfloat16 with NumPy
import numpy as np

SINGLE = -126
"""The exponent of the smallest normal number of float32, the narrowest that units compute in."""

NEVER = 2 * -1022
"""The exponent of a smallest normal number that is zero even in float64: nothing underflows."""


@dataclass(frozen=True, slots=True)
class Precision:
    """One binary floating-point format, round to nearest.

    name:        such as "float64"; it is the name of NumPy's dtype, if arrays can have it.
    digits:      bits of the significand, the leading one included.
    exponent:    of the smallest normal number, 2^exponent.
    accumulator: the precision of sums and inner products, if it is wider.
    products:    the precision that matrix products round their operands to, if it is a lower one.
    flushes:     whether subnormals may become zero, as operands and as results of ops.
    zeroes:      whether all subnormal operands are read as zero.
    in_parts:    whether sums are made of partial sums that are rounded.
    in_blocks:   whether sums of n terms are made of the sums of blocks of sqrt n.
    stored:      the name of the precision that arrays are stored in, if ops compute in a wider one.
    u:           the unit roundoff, 2^-digits: the largest relative error of one rounding.
    minimum:     the smallest normal number.
    underflow:   the largest error of a step whose result underflows.

    The ulp limits of elementary functions are those of The OpenCL C Specification 3.0, sec. 7.4,
    table of single precision built-in math functions: a published standard to hold a framework
    to. It has no inverse of erf: that limit is the CUDA C++ Programming Guide's, of double
    precision, appendix Mathematical Functions.
    """

    name: str
    digits: int
    exponent: int
    accumulator: Optional["Precision"] = None
    products: Optional["Precision"] = None
    flushes: bool = False
    zeroes: bool = False
    in_parts: bool = False
    in_blocks: bool = False
    stored: str = ""
    divide_ulp: float = 2.5
    exp_ulp: float = 3
    expm1_ulp: float = 3
    log_ulp: float = 3
    log1p_ulp: float = 2
    arctan_ulp: float = 5
    arcsinh_ulp: float = 4
    sqrt_ulp: float = 3
    tanh_ulp: float = 5
    atan2_ulp: float = 6
    erf_ulp: float = 16
    erfc_ulp: float = 16
    erf_inv_ulp: float = 5
    tgamma_ulp: float = 16
    sin_ulp: float = 4
    cos_ulp: float = 4
    pow_ulp: float = 16
    u: float = field(init=False, repr=False, compare=False)
    minimum: float = field(init=False, repr=False, compare=False)
    underflow: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute what is asked for at every step."""
        own = partial(object.__setattr__, self)
        own("u", 2.0**-self.digits)
        own("minimum", 2.0**self.exponent)
        own("underflow", self.minimum if self.flushes_steps else self.minimum * 2 * self.u)

    def __hash__(self) -> int:
        """Return a hash of what tells most precisions apart: it is asked for at every step."""
        return hash(
            (self.name, self.accumulator is None, self.flushes, self.zeroes, self.in_blocks)
        )

    @property
    def flushes_steps(self) -> bool:
        """Whether subnormals may become zero in every step of an op, not only around it."""
        return self.flushes and self.exponent <= SINGLE

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of this format."""
        return np.dtype(self.name)

    @property
    def largest(self) -> float:
        """The largest finite number, (2 - 2u) 2^e, where 2^(1 - e) is the smallest normal one."""
        return (2 - 2 * self.u) * 2.0 ** (1 - self.exponent)

    def ulps(self, n: float) -> float:
        """Return n units in the last place as a relative error: one ulp of y is at most 2u|y|."""
        return 2 * n * self.u

    def flushing(self) -> "Precision":
        """Return this precision without subnormals, in its accumulator too."""
        wider = replace(self.accumulator, flushes=True) if self.accumulator else None
        return replace(self, flushes=True, accumulator=wider)

    def zeroing(self) -> "Precision":
        """Return this precision without subnormals; all subnormal operands are read as zero."""
        return replace(self.flushing(), zeroes=True)

    def unbounded(self) -> "Precision":
        """Return this precision with numbers of any size, in which nothing underflows."""
        wider = self.accumulator.unbounded() if self.accumulator else None
        return replace(self, exponent=NEVER, flushes=False, zeroes=False, accumulator=wider)

    @property
    def steps(self) -> "Precision":
        """The precision of the steps inside an op: the accumulator's, where there is one."""
        return replace(self.accumulator, stored=self.name) if self.accumulator else self

    def summing_in_parts(self) -> "Precision":
        """Return this precision with partial sums that are rounded to it, as threads hand them on.

        A sum of n terms is made of log2 n layers of partial sums at most.
        """
        return replace(self, in_parts=True)

    def summing_in_blocks(self) -> "Precision":
        """Return this precision with sums of n terms made of the sums of blocks of sqrt n terms.

        No term goes through more than 2 sqrt n roundings then (Higham, sec. 4.2).
        """
        return replace(self, in_blocks=True)

    def narrow(self) -> "Precision":
        """Return this precision with itself as the accumulator."""
        return replace(self, accumulator=None)


FLOAT64 = Precision("float64", digits=53, exponent=-1022)
FLOAT32 = Precision("float32", digits=24, exponent=SINGLE)
TF32 = Precision("tf32", digits=11, exponent=SINGLE, accumulator=FLOAT32)
BFLOAT16 = Precision("bfloat16", digits=8, exponent=SINGLE, accumulator=FLOAT32)
FLOAT16 = Precision("float16", digits=11, exponent=-14, accumulator=FLOAT32)

PRECISIONS = {p.name: p for p in (FLOAT64, FLOAT32, BFLOAT16, FLOAT16)}
"""The precisions that are verified, by the name of their dtype."""

LOWER = {
    "float64": (FLOAT32, TF32, BFLOAT16),
    "float32": (TF32, BFLOAT16),
    "bfloat16": (),
    "float16": (BFLOAT16,),
}
"""The lower precisions that a framework may have used instead, from the best to the worst."""


def gamma(n: Any, unit: float) -> Any:
    """Return gamma_n = n u / (1 - n u), the relative error of n roundings (Higham, sec. 3.1).

    n: a number, or an array. Infinite where n u reaches 1: nothing is known then.
    """
    nu = n * unit
    if isinstance(nu, np.ndarray):
        with np.errstate(divide="ignore"):
            return np.where(nu < 1, nu / (1 - nu), np.inf)
    return nu / (1 - nu) if nu < 1 else np.inf
