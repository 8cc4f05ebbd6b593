"""Recurrent layers: each result is one op, which is composed of the cells' equations.

Source: torch.nn.LSTM's, GRU's and RNN's documentation. Shapes: T time, B batch, I inputs, H hidden.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from backproof.adapters.torch_functions.calls import Call, NotKnown, Parts, Seen, Tensor, reads
from backproof.reference.own import LINEAR

State = tuple[str, ...]
Cell = Callable[[Parts, str, State, Sequence[str]], State]
"""(parts, x, the state before: h, and c if there is one, weights) -> the state after."""


def linear(parts: Parts, x: str, W: str, *bias: str) -> str:
    """Return x W^T + b."""
    return parts.add("linear", x, W, *bias, own=LINEAR)


def gates(parts: Parts, x: str, h: str, weights: Sequence[str]) -> tuple[str, str]:
    """Return what the inputs and what the state give to all gates."""
    W_x, W_h, *biases = weights
    return linear(parts, x, W_x, *biases[:1]), linear(parts, h, W_h, *biases[1:])


def part(parts: Parts, z: str, i: int, n: int) -> str:
    """Return the i-th part of n entries."""
    return parts.add("slice", z, index=(..., slice(i * n, (i + 1) * n)))


def lstm_gate_and_cell(
    parts: Parts, x: str, state: State, weights: Sequence[str], n: int
) -> tuple[str, str]:
    """Return the output gate and the cell state c."""
    h, c = state
    z = parts.add("add", *gates(parts, x, h, weights))
    i, f, o = (parts.add("sigmoid", part(parts, z, k, n)) for k in (0, 1, 3))
    g = parts.add("tanh", part(parts, z, 2, n))
    return o, parts.add("add", parts.add("multiply", f, c), parts.add("multiply", i, g))


def lstm_cell(parts: Parts, x: str, state: State, weights: Sequence[str], *, n: int) -> State:
    o, c = lstm_gate_and_cell(parts, x, state, weights, n)
    return parts.add("multiply", o, parts.add("tanh", c)), c


def gru_cell(parts: Parts, x: str, state: State, weights: Sequence[str], *, n: int) -> State:
    (h,) = state
    a, b = gates(parts, x, h, weights)
    r, u = (
        parts.add("sigmoid", parts.add("add", part(parts, a, k, n), part(parts, b, k, n)))
        for k in (0, 1)
    )
    new = parts.add("multiply", r, part(parts, b, 2, n))
    new = parts.add("tanh", parts.add("add", part(parts, a, 2, n), new))
    kept = parts.add("multiply", u, parts.add("subtract", h, new))  # (1 - u) new + u h
    return (parts.add("add", new, kept),)


def simple_cell(
    parts: Parts, x: str, state: State, weights: Sequence[str], *, n: int, op: str
) -> State:
    (h,) = state
    return (parts.add(op, parts.add("add", *gates(parts, x, h, weights))),)


def layers(
    cell: Any,
    title: str,
    input: Tensor,
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> list[Call]:
    """Return a call for each result: the states h of the last layer, (T, B, H), and the last ones.

    Raises NotKnown.
    """
    each, ways = 2 + 2 * has_biases, 1 + bidirectional
    if dropout and train and num_layers > 1:
        raise NotKnown("dropout between layers")
    if len(params) != each * num_layers * ways:
        raise NotKnown("a projection")
    parts, axis = Parts((input, *hx, *params)), 1 if batch_first else 0
    times = range(input.shape[axis])
    before = (slice(None),) * axis
    x = [parts.add("slice", parts.leaf(0), index=(*before, t)) for t in times]
    ends: list[State] = []
    for layer in range(num_layers):
        sides = []
        for way in range(ways):
            i = layer * ways + way
            state: State = tuple(
                parts.add("slice", parts.leaf(1 + k), index=i) for k in range(len(hx))
            )
            first = 1 + len(hx) + each * i
            weights = [parts.leaf(first + k) for k in range(each)]
            found = {}
            for t in reversed(times) if way else times:
                state = cell(parts, x[t], state, weights, n=hx[0].shape[-1])
                found[t] = state[0]
            sides.append(found)
            ends.append(state)
        x = [parts.add("concatenate", *(side[t] for side in sides), axis=-1) for t in times]
    last = (parts.add("stack", *states, axis=0) for states in zip(*ends, strict=True))
    return [parts.call(title, name) for name in (parts.add("stack", *x, axis=axis), *last)]


CELLS: dict[str, Any] = {
    "lstm": lstm_cell,
    "gru": gru_cell,
    "rnn_tanh": partial(simple_cell, op="tanh"),
    "rnn_relu": partial(simple_cell, op="relu"),
}


@reads("lstm", "gru", "rnn_tanh", "rnn_relu")
def recurrent(
    seen: Seen,
    input: Tensor,
    hx: Any,
    params: Any,
    has_biases: Any,
    num_layers: Any,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
) -> list[Call]:
    if not isinstance(has_biases, bool):
        raise NotKnown("a packed sequence")
    title = seen.function.__name__
    shape = has_biases, num_layers, dropout, train, bidirectional, batch_first
    return layers(CELLS[title], title, input, states_of(hx), params, *shape)


def states_of(hx: Any) -> tuple[Tensor, ...]:
    """Return the states: h, and c if there is one."""
    return (hx,) if isinstance(hx, torch.Tensor) else (*hx,)


@reads("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def cell(
    seen: Seen,
    input: Tensor,
    hx: Any,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor = None,
    b_hh: Tensor = None,
) -> Call | list[Call]:
    title, states = seen.function.__name__, states_of(hx)
    weights = [w for w in (w_ih, w_hh, b_ih, b_hh) if w is not None]
    parts = Parts((input, *states, *weights))
    x, *names = (parts.leaf(i) for i in range(len(parts.tensors)))
    state, own, n = (*names[: len(states)],), names[len(states) :], states[0].shape[-1]
    if title != "lstm_cell":
        (h,) = CELLS[title.removesuffix("_cell")](parts, x, state, own, n=n)
        return parts.call(title, h)
    # What is returned as c is what h is computed from.
    o, c = lstm_gate_and_cell(parts, x, state, own, n)
    parts.tensors = (*parts.tensors, seen.result[1])
    h = parts.add("multiply", o, parts.add("tanh", parts.leaf(len(parts.tensors) - 1)))
    return [parts.call(title, name) for name in (h, c)]
