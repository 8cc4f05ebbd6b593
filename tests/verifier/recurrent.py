"""Recurrent modules as people write them, and calls of them that are wrong in the backward pass."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

Tensor = Any
Program = tuple[nn.Module, Callable[[], Tensor]]

LENGTHS = (2, 4, 1)
"""Of sequences that are not in order."""


def tensors_of(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of results, of which a packed sequence has one of numbers."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, rnn.PackedSequence):
        yield value.data
    else:
        for one in value:
            yield from tensors_of(one)


def energy(value: Any) -> Tensor:
    """Return a number that depends on all tensors of results, on each of their entries otherwise.

    A padding may be infinite.
    """
    rows = [t.flatten()[torch.isfinite(t.flatten())] for t in tensors_of(value)]
    return sum((torch.sigmoid(t) * torch.linspace(1, 2, len(t)).to(t)).sum() for t in rows)


def sequences(lengths: tuple[int, ...] = LENGTHS) -> list[Tensor]:
    """Return sequences of vectors (3,)."""
    return [torch.randn(n, 3) for n in lengths]


def dense(kind: str, times: int = 4, **options: Any) -> Program:
    """Return a module over a batch (T, B, I)."""
    module, x = getattr(nn, kind)(3, 4, **options), torch.randn(times, 2, 3)
    return module, lambda: energy(module(x.to(module.weight_hh_l0)))


def wide(kind: str) -> Program:
    """Return a module of more than a few neurons."""
    module, x = getattr(nn, kind)(16, 32), torch.randn(6, 4, 16)
    return module, lambda: energy(module(x.to(module.weight_hh_l0)))


def packed(kind: str, lengths: tuple[int, ...] = LENGTHS, **options: Any) -> Program:
    """Return a module over a packed sequence, whose result is padded."""
    module, rows = getattr(nn, kind)(3, 4, **options), sequences(lengths)
    is_sorted = [*lengths] == sorted(lengths, reverse=True)

    def loss() -> Tensor:
        own = [one.to(module.weight_hh_l0) for one in rows]
        y, last = module(rnn.pack_sequence(own, enforce_sorted=is_sorted))
        return energy((rnn.pad_packed_sequence(y)[0], last))

    return module, loss


class Padded(nn.Module):
    """Rows that are mapped, packed, run over from states of their own, and padded again."""

    def __init__(self, kind: str, **padding: Any) -> None:
        """Draw the weights."""
        super().__init__()
        self.map, self.run = nn.Linear(3, 3), getattr(nn, kind)(3, 4, batch_first=True)
        states = 2 if kind == "LSTM" else 1
        self.start = nn.ParameterList(torch.randn(1, len(LENGTHS), 4) for _ in range(states))
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Return all results, of x (B, T, I)."""
        hx = (*self.start,) if len(self.start) > 1 else self.start[0]
        rows = rnn.pack_padded_sequence(
            self.map(x), torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False
        )
        y, last = self.run(rows, hx)
        return rnn.pad_packed_sequence(y, batch_first=True, **self.padding)[0], last


def padded(kind: str, **padding: Any) -> Program:
    """Return a module over a batch (B, T, I) of sequences that are padded."""
    module, x = Padded(kind, **padding), torch.randn(len(LENGTHS), 5, 3)
    return module, lambda: energy(module(x.to(module.map.weight)))


def lists(side: str = "right", value: float = 0.0) -> Program:
    """Return a map of sequences that are padded, packed, and taken apart again."""
    module, rows = nn.Linear(3, 2), sequences()

    def loss() -> Tensor:
        own = [module(one.to(module.weight)) for one in rows]
        whole = rnn.pad_sequence(own, padding_value=value, padding_side=side)
        apart = rnn.unpad_sequence(rnn.pad_sequence(own), torch.tensor(LENGTHS))
        again = rnn.unpack_sequence(rnn.pack_sequence(own, enforce_sorted=False))
        return energy((whole, *apart, *again))

    return module, loss


def frozen() -> Program:
    """Return layers some of whose weights are constants."""
    module, loss = dense("LSTM", num_layers=2, dropout=0.3)
    module.weight_hh_l0.requires_grad = False
    module.bias_ih_l1.requires_grad = False
    return module, loss


def checkpointed() -> Program:
    """Return layers that are computed again in the backward pass."""
    module, x = nn.LSTM(3, 4, 2, dropout=0.3), torch.randn(3, 2, 3)

    def loss() -> Tensor:
        return energy(checkpoint(module, x.to(module.weight_hh_l0), use_reentrant=False))

    return module, loss


def of_last() -> Program:
    """Return layers whose last states alone are used."""
    module, x = nn.GRU(3, 4, 2, dropout=0.3), torch.randn(3, 2, 3)
    return module, lambda: energy(module(x.to(module.weight_hh_l0))[1])


def cells() -> Program:
    """Return cells of each kind, one over another."""
    module, x = nn.ModuleList([nn.LSTMCell(3, 4), nn.GRUCell(4, 4), nn.RNNCell(4, 4)]), None
    x = torch.randn(3, 2, 3)

    def loss() -> Tensor:
        states, found = [None] * 3, []
        for step in x.to(module[0].weight_hh):
            y = step
            for i, cell in enumerate(module):
                states[i] = cell(y, states[i])
                y = states[i][0] if i == 0 else states[i]
            found.append(y)
        return energy(found)

    return module, loss


def truncated() -> Program:
    """Return a module over parts of a sequence, whose states are detached between them."""
    module, x = nn.LSTM(3, 4, 2, dropout=0.3), torch.randn(4, 2, 3)

    def loss() -> Tensor:
        found, states = [], None
        for part in x.to(module.weight_hh_l0).split(2):
            y, states = module(part, states)
            states = tuple(t.detach() for t in states)
            found.append(y)
        return energy(found)

    return module, loss


def long(kind: str) -> Program:
    """Return a layer of 64 units over 30 steps, of which only the last state is used."""
    layer, head = getattr(nn, kind)(32, 64, batch_first=True), nn.Linear(64, 3)
    x, t = torch.randn(4, 30, 32), torch.tensor([0, 1, 2, 0])

    def loss() -> Tensor:
        y, _ = layer(x.to(head.weight.dtype))
        return F.cross_entropy(head(y[:, -1]), t)

    return nn.ModuleList([layer, head]), loss


def normalized() -> Program:
    """Return an encoder of text to speech: convolutions, batch norm, and an LSTM."""
    model = nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.Flatten(2), nn.LSTM(5, 6))
    x = torch.randn(3, 4, 7)
    return model, lambda: model(x.to(model[0].weight.dtype))[0].square().mean()


class Language(nn.Module):
    """A language model whose last weights are those of its embedding."""

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        self.embed, self.drop = nn.Embedding(7, 4), nn.Dropout(0.2)
        self.run = nn.LSTM(4, 4, 2, dropout=0.3, batch_first=True)
        self.head = nn.Linear(4, 7)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits, (B, T, 7)."""
        return self.head(self.drop(self.run(self.drop(self.embed(ids)))[0]))


def language() -> Program:
    """Return a language model, and its loss."""
    model, ids = Language(), torch.randint(0, 7, (2, 4))
    return model, lambda: F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())


class Translator(nn.Module):
    """An encoder in two directions, and a decoder that attends to what it makes."""

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        self.embed = nn.Embedding(7, 3, padding_idx=0)
        self.encode = nn.GRU(3, 2, bidirectional=True, batch_first=True)
        self.first, self.ask = nn.Linear(4, 3), nn.Linear(3, 4, bias=False)
        self.decode, self.head = nn.GRUCell(3 + 4, 3), nn.Linear(3 + 4, 7)

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a target (B, T)."""
        rows = rnn.pack_padded_sequence(
            self.embed(source), lengths, batch_first=True, enforce_sorted=False
        )
        y, last = self.encode(rows)
        y, _ = rnn.pad_packed_sequence(y, batch_first=True)
        beyond = torch.arange(y.shape[1]) >= lengths[:, None]
        h, losses = torch.tanh(self.first(torch.cat([last[0], last[1]], 1))), []
        for now, then in zip(target.T, target.T[1:], strict=False):
            scores = torch.bmm(y, self.ask(h)[:, :, None])[:, :, 0]
            weights = scores.masked_fill(beyond, -torch.inf).softmax(-1)
            context = torch.bmm(weights[:, None], y)[:, 0]
            h = self.decode(torch.cat([self.embed(now), context], 1), h)
            logits = self.head(torch.cat([h, context], 1))
            losses.append(F.cross_entropy(logits, then, ignore_index=0))
        return sum(losses)


def translator() -> Program:
    """Return a translator, and its loss."""
    model, lengths = Translator(), torch.tensor(LENGTHS)
    source, target = torch.randint(1, 7, (3, 4)), torch.randint(1, 7, (3, 3))
    source[torch.arange(4) >= lengths[:, None]] = 0
    return model, lambda: model(source, lengths, target)


class Otherwise(TorchFunctionMode):
    """Calls a function as it is, and differentiates another one.

    name: the function's. other: (function, *arguments) -> results of which the gradients are taken.
    """

    def __init__(self, name: str, other: Callable[..., Any]) -> None:
        """Change nothing yet."""
        super().__init__()
        self.name, self.other = name, other

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return the right numbers, with the other function's graph."""
        right = function(*args, **(kwargs or {}))
        if getattr(function, "__name__", "") != self.name:
            return right
        with torch.random.fork_rng([]):
            other = self.other(function, *args, **(kwargs or {}))
        return tuple(r.detach() + (o - o.detach()) for r, o in zip(right, other, strict=True))


def another_mask(function: Any, *arguments: Any) -> Any:
    """Return the results with other masks: those that are drawn next."""
    return function(*arguments)


def without_a_step(function: Any, x: Tensor, hx: Any, params: Any, *options: Any) -> Any:
    """Return the results of which the weights do not receive what the first step hands on."""
    with torch.no_grad():
        y, *first = function(x[:1], hx, params, *options)
    rest, *last = function(x[1:], first if len(first) > 1 else first[0], params, *options)
    return torch.cat([y, rest]), *last


def without_a_projection(function: Any, x: Tensor, hx: Any, params: Any, *options: Any) -> Any:
    """Return the results of which the projection receives nothing."""
    return function(x, hx, [*params[:-1], params[-1].detach()], *options)


class WrongEnd(TorchFunctionMode):
    """Returns as the last state of packed sequences the one at the last time of all."""

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return the last states of the sequence that lasts longest."""
        found = function(*args, **(kwargs or {}))
        if getattr(function, "__name__", "") != "rnn_tanh":
            return found
        y, last = found
        return y, last[:, :1].expand_as(last).clone()


class AnotherProbability(TorchFunctionMode):
    """Drops between layers otherwise than dropout does."""

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call recurrent layers with half of the probability of dropout."""
        if getattr(function, "__name__", "") == "gru":
            args = (*args[:5], args[5] / 2, *args[6:])
        return function(*args, **(kwargs or {}))
