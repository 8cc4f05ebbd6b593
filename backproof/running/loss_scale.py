"""The loss scale: the power of two by which the loss is multiplied where float16 is certified.

float16's normal numbers reach from 2^-14 to 2^16, and a network's cotangents are mostly small: many
of them underflow. So float16 is trained under a loss scale (Micikevicius et al., Mixed Precision
Training, ICLR 2018, sec. 3.2). By the chain rule it multiplies every cotangent and gradient, and a
power of two changes none of their digits. bfloat16 has float32's exponents, and needs none.
"""

from collections.abc import Mapping
from math import frexp

import numpy as np

from backproof.reference.backprop import backprop
from backproof.reference.network import Network
from backproof.reference.numbers.precision import FLOAT32, PRECISIONS
from backproof.reference.ops import Array


def loss_scale(network: Network, leaves: Mapping[str, Array]) -> float:
    """Return the loss scale of a pass; 1 in every precision but float16.

    leaves: every input and parameter, in the precision of the pass.

    Let m be the largest cotangent or gradient of the float64 reference on the same leaves, apart
    from the cotangent of the loss, 2^(e-1) <= |m| < 2^e; let 2^T be the largest power of two of
    the precision, T = 15.

    1. s = 2^(ceil(T/2) - e) brings m just below 2^8, the square root of the largest number: the
       range above it is left to the sums and products inside of ops.
    2. A scale below 1 would only lose small numbers, so s is at least 1, unless m overflows
       without it: then s = 2^(T - e) brings m just below 2^T.
    3. The cotangent of the loss is s itself, so s is at most 2^T.
    """
    p = PRECISIONS[next(iter(leaves.values())).dtype.name]
    if p.exponent <= FLOAT32.exponent:
        return 1.0
    top = 1 - p.exponent  # IEEE 754, sec. 3.3: emin = 1 - emax
    _, e = frexp(_largest(network, leaves))
    least = min(0, top - e)
    return 2.0 ** min(max((top + 1) // 2 - e, least), top)


def _largest(network: Network, leaves: Mapping[str, Array]) -> float:
    """Return the largest finite cotangent or gradient, in absolute value."""
    with np.errstate(all="ignore"):
        trace = backprop(network, {name: np.asarray(a, float) for name, a in leaves.items()})
    found = {**trace.cotangents, **trace.gradients}
    sizes = [np.abs(a) for name, a in found.items() if name != network.loss]
    return max(float(np.max(a, where=np.isfinite(a), initial=0)) for a in sizes)
