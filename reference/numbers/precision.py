"""What a floating-point precision promises of one operation.

Model: fl(a op b) = (a op b)(1 + d), |d| <= u, plus at most the smallest normal number where
the result underflows (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sec.
2.2). The smallest *normal* number, not the smallest subnormal: a framework may flush
subnormals to zero.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Precision:
    """One binary floating-point format, round to nearest.

    name:    of the dtype, "float64".
    digits:  bits of the significand, the leading one included.
    minimum: the smallest normal number.
    exp:     largest error of exp, in ulp.
    divide:  largest error of a quotient, in ulp.

    The ulp limits are those of The OpenCL C Specification 3.0, sec. 7.4, table "ULP values for
    single precision built-in math functions": a published standard to hold a framework to.
    """

    name: str
    digits: int
    minimum: float
    exp: float = 3
    divide: float = 2.5

    @property
    def u(self) -> float:
        """The unit roundoff, 2^-digits: the largest relative error of one rounding."""
        return 2.0**-self.digits

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of this format."""
        return np.dtype(self.name)

    def ulps(self, n: float) -> float:
        """Return n units in the last place as a relative error: one ulp of y is at most 2u|y|."""
        return 2 * n * self.u

    def gamma(self, n: int) -> float:
        """Return gamma_n = n u / (1 - n u), the relative error of n roundings (Higham, 3.1)."""
        if n * self.u >= 1:
            raise ValueError(f"{self.name}: gamma_{n} is unbounded: n u must be below 1")
        return n * self.u / (1 - n * self.u)


PRECISIONS = {
    p.name: p
    for p in (
        Precision("float64", digits=53, minimum=2.0**-1022),
        Precision("float32", digits=24, minimum=2.0**-126),
    )
}
FLOAT64 = PRECISIONS["float64"]
