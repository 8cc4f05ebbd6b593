"""Dual: a value and its tangent, the derivative along one direction.

Run over duals, an op's forward function gives forward mode (Griewank and Walther, Evaluating
Derivatives, 2nd ed. 2008, sec. 3.1), and its backward function Pearlmutter's R-operator (Fast
Exact Multiplication by the Hessian, Neural Computation 6(1), 1994): the tangents of cotangents
and gradients, a Hessian times a vector. Values and tangents are numbers of any of the other
kinds: float64 arrays, Arb balls in object arrays, or `Ball`.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from backproof.reference.numbers.methods import Methods, Rules
from backproof.reference.ops.functions import at_largest, chosen, near, rounding, stored


class Dual(Methods):
    """An array of dual numbers.

    value:   an array of any kind of number.
    tangent: an array of the same kind and shape; or the number 0.0, where nothing moves.
    """

    rank = 1
    rules: ClassVar[Rules] = {}

    def __init__(self, value: Any, tangent: Any) -> None:
        """Take both as they are; neither is copied."""
        self.value = value
        self.tangent = tangent
        if not is_zero(tangent) and np.shape(tangent) != np.shape(value):
            self.tangent = np.broadcast_to(tangent, np.shape(value))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return np.shape(self.value)

    @property
    def precision(self) -> Any:
        """The precision of balls."""
        return self.value.precision

    @property
    def T(self) -> "Dual":
        """The transpose."""
        return moved(np.transpose)(self)

    def reshape(self, *shape: Any) -> "Dual":
        """Return the same entries in another shape."""
        return moved(lambda a: a.reshape(*shape))(self)

    def stopped(self) -> "Dual":
        """Return the value as a constant."""
        return Dual(self.value, 0.0)

    def middle(self) -> "Dual":
        """Return constants near the value."""
        return Dual(near(self.value), 0.0)

    def at_largest(self) -> Any:
        """Return where the values are the largest along the last axis."""
        return at_largest(self.value)

    def moving_as(self, other: Any) -> "Dual":
        """Return the value with another's tangent."""
        return Dual(self.value, dual_of(other).tangent)

    def rounding(self) -> "Dual":
        """Return zero with the tangent zero; over `Ball`, with the errors of rounding both once."""
        return Dual(rounding(self.value), linear(rounding, self.tangent))

    def stored(self, precision: str = "") -> "Dual":
        """Return both as they are stored between two kernels."""
        tangent = linear(lambda x: stored(x, precision), self.tangent)
        return Dual(stored(self.value, precision), tangent)

    def by_rule(self, function: Callable[[Any], Any]) -> "Dual":
        """Return a function of the value, as a constant: whoever calls it adds its tangent."""
        return Dual(function(self.value), 0.0)

    def chosen(self, seen: Any) -> "Dual":
        """Return the value as it was seen, with its own tangent."""
        return Dual(chosen(self.value, seen), self.tangent)

    def whole_tangent(self) -> Any:
        """Return the tangent as an array, also where it is zero."""
        return np.zeros_like(self.value) if is_zero(self.tangent) else self.tangent

    def __getitem__(self, index: Any) -> "Dual":
        tangent = self.tangent if is_zero(self.tangent) else self.tangent[index]
        return Dual(self.value[index], tangent)

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write to an array that `np.zeros_like` has made; other arrays are shared."""
        dual = dual_of(values)
        self.value[index] = dual.value
        if not (is_zero(self.tangent) and is_zero(dual.tangent)):
            self.tangent = self.whole_tangent()
            self.tangent[index] = dual.tangent

    def __repr__(self) -> str:
        return f"Dual({self.value}, {self.tangent})"

    def by_entry(self, rule: Callable[..., Any], inputs: Iterable[Any]) -> Any:
        """Return what a rule makes of dual numbers, and of constants."""
        return rule(*map(dual_of, inputs))


def dual_of(x: Any) -> Dual:
    """Return x as a dual number: a constant's tangent is zero."""
    return x if isinstance(x, Dual) else Dual(x, 0.0)


def is_zero(tangent: Any) -> bool:
    """Return whether a tangent is the number 0.0: nothing moves."""
    return type(tangent) is float and tangent == 0  # NumPy's scalars are of a subclass


# The tangent of a result is a sum of operands' tangents times numbers; zero tangents are left out.


def plus(s: Any, t: Any) -> Any:
    """Return the sum of two tangents."""
    return t if is_zero(s) else s if is_zero(t) else s + t


def minus(s: Any, t: Any) -> Any:
    """Return the difference of two tangents."""
    return s if is_zero(t) else -t if is_zero(s) else s - t


def linear(f: Callable[..., Any], t: Any, *others: Any) -> Any:
    """Return f(t, *others), a linear function of the tangent t."""
    return t if is_zero(t) else f(t, *others)


def moved(move: Callable[..., Any]) -> Callable[..., Dual]:
    """Return the rule of a linear function of one array: moves, repeats and sums of entries."""

    def rule(a: Dual, *arguments: Any, **options: Any) -> Dual:
        tangent = linear(lambda t: move(t, *arguments, **options), a.tangent)
        return Dual(move(a.value, *arguments, **options), tangent)

    return rule
