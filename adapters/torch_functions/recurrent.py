"""Recurrent cells: each result is one op, which is composed of the cell's equations.

Source: torch.nn.LSTMCell's, GRUCell's and RNNCell's documentation.
"""

from collections.abc import Callable, Sequence
from functools import partial

from backproof.adapters.torch_functions.autocast import refuse_hidden_casts
from backproof.adapters.torch_functions.calls import Call, Parts, Seen, Tensor, name_of, reads
from backproof.reference.own import LINEAR

Weights = Sequence[str]
"""W_x and W_h, and their biases where they have any."""


def linear(parts: Parts, x: str, W: str, *bias: str) -> str:
    """Return x W^T + b."""
    return parts.add("linear", x, W, *bias, own=LINEAR)


def gates(parts: Parts, x: str, h: str, weights: Weights) -> tuple[str, str]:
    """Return what the inputs and what the state give to all gates."""
    W_x, W_h, *biases = weights
    return linear(parts, x, W_x, *biases[:1]), linear(parts, h, W_h, *biases[1:])


def part(parts: Parts, z: str, i: int, n: int) -> str:
    """Return the i-th part of n entries."""
    return parts.add("slice", z, index=(..., slice(i * n, (i + 1) * n)))


def gru(parts: Parts, x: str, h: str, weights: Weights, n: int) -> str:
    a, b = gates(parts, x, h, weights)
    r, u = (
        parts.add("sigmoid", parts.add("add", part(parts, a, k, n), part(parts, b, k, n)))
        for k in (0, 1)
    )
    new = parts.add("multiply", r, part(parts, b, 2, n))
    new = parts.add("tanh", parts.add("add", part(parts, a, 2, n), new))
    kept = parts.add("multiply", u, parts.add("subtract", h, new))  # (1 - u) new + u h
    return parts.add("add", new, kept)


def simple(parts: Parts, x: str, h: str, weights: Weights, n: int, *, op: str) -> str:
    return parts.add(op, parts.add("add", *gates(parts, x, h, weights)))


CELLS: dict[str, Callable[..., str]] = {
    "gru_cell": gru,
    "rnn_tanh_cell": partial(simple, op="tanh"),
    "rnn_relu_cell": partial(simple, op="relu"),
}


def operands(*tensors: Tensor) -> tuple[Parts, list[str]]:
    """Return the parts of a cell, and the names of the operands that there are.

    Raises NotKnown where autocast rounds products on the way.
    """
    refuse_hidden_casts(tensors)
    parts = Parts(tuple(t for t in tensors if t is not None))
    return parts, [parts.leaf(i) for i in range(len(parts.tensors))]


@reads(*CELLS)
def cell(
    seen: Seen,
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor = None,
    b_hh: Tensor = None,
) -> Call:
    """Read it as the next state."""
    parts, (x, h, *weights) = operands(input, hx, w_ih, w_hh, b_ih, b_hh)
    title = name_of(seen.function)
    return parts.call(title, CELLS[title](parts, x, h, weights, hx.shape[-1]))


@reads("lstm_cell")
def lstm_cell(
    seen: Seen,
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor = None,
    b_hh: Tensor = None,
) -> list[Call]:
    """Read it as the next h, which is computed from the next c as it is returned, and that c."""
    parts, (x, h, c, *weights) = operands(input, *hx, w_ih, w_hh, b_ih, b_hh)
    n = hx[0].shape[-1]
    z = parts.add("add", *gates(parts, x, h, weights))
    i, f, o = (parts.add("sigmoid", part(parts, z, k, n)) for k in (0, 1, 3))
    g = parts.add("tanh", part(parts, z, 2, n))
    c = parts.add("add", parts.add("multiply", f, c), parts.add("multiply", i, g))
    parts.tensors = (*parts.tensors, seen.result[1])
    h = parts.add("multiply", o, parts.add("tanh", parts.leaf(len(parts.tensors) - 1)))
    return [parts.call("lstm_cell", name) for name in (h, c)]
