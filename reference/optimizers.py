"""Optimizers: from a parameter and its gradient to the parameter's next value."""

from typing import Any

from reference.ops import Array


def sgd(w: Array, gradient: Array, eta: Any) -> Array:
    """Return w - eta dE/dw, element by element (article, steps 3.3 and 4.3; formula row 8).

    w, gradient: two arrays of one shape, of any kind that can be scaled and subtracted, a
    framework's own included. eta: the learning rate, a scalar.
    """
    return w - eta * gradient
