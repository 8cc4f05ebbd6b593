"""Recurrent layers, step by step: the public calls that a layer is made of.

A layer is one call, which hides what a step hands on to the next: the states of an LSTM, and every
cotangent of a state. What its rounding does to them grows from step to step, so that after a few
steps nothing could be said of its results. So a recorded pass calls the cell of each step instead,
and its gradients are those of the same function; the layer's own are held to them.

Source: torch.nn.LSTM's, GRU's and RNN's documentation. Shapes: T steps, B sequences, I inputs, H
hidden, P projected (H without a projection). At step t there are B_t rows, of the sequences that
are longer: x[t] is (B_t, I). Of a padded batch, all B_t are B.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from backproof.adapters.recording import NotRecorded

Tensor = Any
State = list[Tensor]
"""h (B_t, P), and c (B_t, H) in an LSTM."""

Step = Callable[[Tensor, State], State]
"""(x[t], the state before) -> the state after."""


def cell(function: Any, weights: Sequence[Tensor], x: Tensor, state: State) -> State:
    """Return the state after a step of a cell; h alone is its own state."""
    if function is torch.lstm_cell:
        return [*function(x, state, *weights)]
    return [function(x, *state, *weights)]


def projected(weights: Sequence[Tensor], x: Tensor, state: State) -> State:
    """Return the state after a step of an LSTM whose h is projected, h = W_hr (o tanh(c))."""
    (W_x, W_h, *biases, W_hr), (h, c) = weights, state
    z = F.linear(x, W_x, *biases[:1]) + F.linear(h, W_h, *biases[1:])
    i, f, g, o = z.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return [F.linear(o.sigmoid() * c.tanh(), W_hr), c]


CELLS: dict[str, Any] = {
    "lstm": torch.lstm_cell,
    "gru": torch.gru_cell,
    "rnn_tanh": torch.rnn_tanh_cell,
    "rnn_relu": torch.rnn_relu_cell,
}


class InSteps(TorchFunctionMode):
    """Runs recurrent layers in steps where nothing is recorded, as a checkpoint runs them again."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Make a call."""
        name = getattr(function, "__name__", "")
        body = in_steps(name) if name in CELLS and torch.is_grad_enabled() else function
        return body(*args, **(kwargs or {}))


def in_steps(name: str) -> Callable[..., Any]:
    """Return the body of a layer's function: of a padded batch, or of packed sequences."""

    def body(*args: Any, **named: Any) -> Any:
        is_padded = "has_biases" in named or isinstance(args[3], bool)
        return (padded if is_padded else packed)(CELLS[name], *args, **named)

    return body


def padded(
    function: Any,
    input: Tensor,
    hx: Any,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
) -> tuple[Tensor, ...]:
    """Return all h of the last layer, (T, B, D), and the last states of all layers.

    input: (T, B, I); the batch comes before the time where `batch_first`. D: P, twice if
    bidirectional. The other arguments are PyTorch's.
    """
    time = 1 if batch_first else 0
    of = has_biases, num_layers, dropout if train else 0.0, bidirectional
    x, ends = layers(function, [*input.unbind(time)], hx, params, *of)
    y = torch.stack(x)  # in the memory that a layer has it in: what is drawn next is in that order
    return y.transpose(0, 1) if batch_first else y, *ends


def packed(
    function: Any,
    data: Tensor,
    batch_sizes: Tensor,
    hx: Any,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, ...]:
    """Return all h of the last layer, one after another, and the last states of all layers.

    data: (B_1 + ... + B_T, I). batch_sizes: B_1 to B_T.
    """
    of = has_biases, num_layers, dropout if train else 0.0, bidirectional
    x, ends = layers(function, [*data.split(batch_sizes.tolist())], hx, params, *of)
    return torch.cat(x), *ends


def layers(
    function: Any,
    x: list[Tensor],
    hx: Any,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    bidirectional: bool,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return h of the last layer after each step, (B_t, D), and the last states of all layers.

    Raises NotRecorded for dropout on a GPU, which draws numbers of its own inside of the layer.
    """
    if dropout and num_layers > 1 and x[0].device.type != "cpu":
        raise NotRecorded(
            f"dropout between recurrent layers is certified on the CPU alone, found {x[0].device}: "
            "set it to 0, or move the program"
        )
    states = (hx,) if isinstance(hx, torch.Tensor) else hx
    ways = 1 + bidirectional
    each = len(params) // (num_layers * ways)
    ends = []
    for layer in range(num_layers):
        if layer and dropout:  # of all steps at once, in whose order the mask is drawn
            x = [*torch.split(F.dropout(torch.cat(x), dropout), [len(one) for one in x])]
        sides = []
        for i in range(layer * ways, (layer + 1) * ways):
            weights = params[i * each : (i + 1) * each]
            step = partial(cell, function, weights)
            if each > 2 + 2 * has_biases:
                step = partial(projected, weights)
            found, end = swept(step, x, [a[i] for a in states], backwards=i % ways == 1)
            sides.append(found)
            ends.append(end)
        x = [torch.cat(both, -1) for both in zip(*sides, strict=True)] if ways > 1 else sides[0]
    return x, [torch.stack(of_layers) for of_layers in zip(*ends, strict=True)]


def swept(
    step: Step, x: list[Tensor], start: State, *, backwards: bool
) -> tuple[list[Tensor], State]:
    """Return h after each step, in the order of time, and the last state of every sequence.

    A sequence that has ended keeps its state; backwards, it begins with its own first one.
    """
    found: list[Tensor] = []
    ended: list[State] = []
    state = [a[:0] for a in start] if backwards else start
    for one in reversed(x) if backwards else x:
        n, running = len(one), len(state[0])
        if n > running:
            more = (first[running:n] for first in start)
            state = [torch.cat(both) for both in zip(state, more, strict=True)]
        if n < running:
            ended.append([a[n:] for a in state])
            state = [a[:n] for a in state]
        state = step(one, state)
        found.append(state[0])
    parts = zip(state, *reversed(ended), strict=True)
    last = [torch.cat(rows) for rows in parts] if ended else state
    return found[::-1] if backwards else found, last
