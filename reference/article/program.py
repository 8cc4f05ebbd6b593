"""The output of the article's program: our own program of its algorithm, in NumPy alone.

It shares nothing with the reference's ops, so that neither can hide a fault of the other. The
numbers that it prints, and how NumPy formats them, are what the article's "expected output" is
held to.
"""

import re
from collections.abc import Iterator

import numpy as np

from backproof.reference.ops import Array


def printed_numbers(
    x: Array, t: float, eta: float, W_h: Array, b_h: float, W_o: Array, b_o: float
) -> list[str]:
    """Return every number that the program prints, in order, as printed.

    x: (I,). W_h: (I, H). W_o: (H,). Everything else is a scalar. All float64.
    """
    text = "\n".join(output(x, t, eta, W_h, b_h, W_o, b_o))
    return re.findall(r"-?\d+\.\d+", text)


def output(
    x: Array, t: float, eta: float, W_h: Array, b_h: float, W_o: Array, b_o: float
) -> Iterator[str]:
    """Yield the program's output, block by block: two passes, one update between them."""
    for iteration in (1, 2):
        net_h = x @ W_h + b_h
        out_h = _sigmoid(net_h)
        net_o = out_h @ W_o + b_o
        out_o = _sigmoid(net_o)
        if iteration == 1:
            yield f"out_h : {out_h}"
        yield f"out_o : {out_o:.5f}"
        yield f"Loss : {0.5 * (t - out_o) ** 2:.5f}"
        if iteration == 1:
            delta_o = -(t - out_o) * _sigmoid_derivative(net_o)
            delta_h = delta_o * W_o * _sigmoid_derivative(net_h)
            W_o = W_o - eta * delta_o * out_h
            W_h = W_h - eta * np.outer(x, delta_h)
            yield f"delta_o: {delta_o:.5f}"
            yield f"New output weights : {W_o}"
            yield f"New hidden weights :\n{W_h}"


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _sigmoid_derivative(z: Array) -> Array:
    return _sigmoid(z) * (1 - _sigmoid(z))
