"""Recurrent layers of PyTorch, as people use them: recorded step by step, and held as they are."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, nn, F, rnn, bt, checkpoints, models = map(
    Lazy,
    (
        *("torch", "torch.nn", "torch.nn.functional", "torch.nn.utils.rnn", "backproof.torch"),
        *("torch.utils.checkpoint", "tests.verifier.models"),
    ),
)

Case = tuple[Any, Callable[[], Any]]
"""A module, and its loss."""

DEEP = {"num_layers": 2, "bidirectional": True, "dropout": 0.3}


def layer(name: str, *sizes: int, dtype: str = "float32", **options: Any) -> Any:
    """Return a recurrent layer of nn."""
    torch.manual_seed(0)
    return getattr(nn, name)(*sizes, **options).to(getattr(torch, dtype))


def squares(found: Any) -> Any:
    """Return the mean square of a layer's results."""
    y, states = found
    states = states if isinstance(states, tuple) else (states,)
    return sum(one.float().square().mean() for one in (y, *states))


def long(name: str) -> Case:
    """A layer of 64 units over 30 steps, of which only the last state is used."""
    model = nn.ModuleList([layer(name, 32, 64, batch_first=True), nn.Linear(64, 3)])
    x, t = torch.randn(4, 30, 32), torch.tensor([0, 1, 2, 0])
    return model, lambda: F.cross_entropy(model[1](model[0](x)[0][:, -1]), t)


def deep(name: str, dtype: str = "float32") -> Case:
    """Two layers in both directions, with dropout between them."""
    model = layer(name, 4, 6, dtype=dtype, **DEEP)
    x = torch.randn(5, 3, 4, dtype=model.weight_hh_l0.dtype)
    return model, lambda: squares(model(x))


def packed(name: str, *lengths: int) -> Case:
    """Packed sequences of several lengths, with first states, padded again afterwards."""
    model = layer(name, 4, 6, **DEEP)
    x, h = torch.randn(6, len(lengths), 4), torch.randn(4, len(lengths), 6)

    def loss() -> Any:
        one = rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
        y, states = model(one, (h, h.sin()) if name == "LSTM" else h)
        return squares((rnn.pad_packed_sequence(y, padding_value=0.5, total_length=7)[0], states))

    return model, loss


def projected() -> Case:
    """An LSTM whose states are projected, without biases."""
    model = layer("LSTM", 4, 6, proj_size=3, num_layers=2, bias=False)
    x = torch.randn(5, 2, 4)
    return model, lambda: squares(model(x))


def checkpointed() -> Case:
    """A layer under a checkpoint, which runs it again in the backward pass."""
    model = layer("GRU", 4, 6)
    x = torch.randn(5, 2, 4)
    return model, lambda: squares(checkpoints.checkpoint(model, x, use_reentrant=False))


def truncated() -> Case:
    """A language model with tied weights, whose state is detached between parts of a text."""
    model = nn.ModuleList([nn.Embedding(11, 6), layer("LSTM", 6, 6, batch_first=True)])
    ids = torch.randint(0, 11, (2, 9))

    def loss() -> Any:
        state, total = None, 0.0
        for start in (0, 4):
            y, state = model[1](model[0](ids[:, start : start + 4]), state)
            state = tuple(one.detach() for one in state)
            logits = F.linear(y, model[0].weight)
            total += F.cross_entropy(logits.mT, ids[:, start + 1 : start + 5])
        return total

    return model, loss


def of_sequences() -> Case:
    """Sequences that are packed and padded by themselves, of which one is used alone."""
    model = nn.ModuleList([nn.Linear(4, 6), layer("LSTM", 6, 6)])
    x = [torch.randn(n, 4) for n in (5, 2)]

    def loss() -> Any:
        each = [model[0](one) for one in x]
        y, states = model[1](rnn.pack_sequence(each))
        short = rnn.unpack_sequence(y)[1]
        return squares((rnn.pad_sequence(each, padding_side="left"), states)) + short.sum()

    return model, loss


def normalized() -> Case:
    """An encoder of text to speech: convolutions, batch norm, whose statistics move, an LSTM."""
    model = nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.Flatten(2), nn.LSTM(5, 6))
    x = torch.randn(3, 4, 7)
    return model, lambda: squares(model(x))


def cells() -> Case:
    """Cells in a loop of the program's own."""
    model = nn.ModuleList([nn.LSTMCell(4, 6), nn.GRUCell(6, 6), nn.RNNCell(6, 3)])
    x = torch.randn(4, 2, 4)

    def loss() -> Any:
        state, h = None, None
        for one in x:
            state = model[0](one, state)
            h = model[1](state[0], h)
        return model[2](h).square().sum()

    return model, loss


CASES: dict[str, Callable[[], Case]] = {
    "a long LSTM": lambda: long("LSTM"),
    "a long GRU": lambda: long("GRU"),
    "a long RNN": lambda: long("RNN"),
    "dropout in an LSTM": lambda: deep("LSTM"),
    "dropout in a GRU": lambda: deep("GRU", "float64"),
    "dropout in an RNN, bfloat16": lambda: deep("RNN", "bfloat16"),
    "a packed LSTM": lambda: packed("LSTM", 3, 6, 1, 3),
    "a packed GRU": lambda: packed("GRU", 6, 4, 4),
    "a packed RNN": lambda: packed("RNN", 2, 2),
    "a projection": projected,
    "a checkpoint": checkpointed,
    "a truncated pass": truncated,
    "sequences": of_sequences,
    "a batch norm": normalized,
    "cells": cells,
}


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("name", CASES)
def test_recurrent_layers_hold(name: str) -> None:
    """Every gradient of a layer is proven, however many steps it has."""
    model, loss = CASES[name]()

    certificate = bt.certify(loss, model)

    assert certificate.holds, str(certificate)
    assert certificate.proven == tuple(dict(model.named_parameters()))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_the_layer_itself_is_held_to_its_steps(name: str) -> None:
    """Where the layer's own backward pass is wrong, its gradients are refuted, not its steps'."""
    model, loss = deep(name)

    with models.Halving({"LSTM": "lstm", "GRU": "gru", "RNN": "rnn_tanh"}[name]):
        certificate = bt.certify(loss, model)

    assert not certificate.holds
    assert certificate.refuted is None
    assert {one.of for one in certificate.twin} == {"as users run it"}
    assert "refuted" in {one.verdict for one in certificate.twin}


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_a_wrong_step_is_located(name: str) -> None:
    """Where a step's own backward pass is wrong, what its state receives is refuted."""
    model, loss = packed(name, 3, 6, 1)

    with models.Halving({"LSTM": "lstm_cell", "GRU": "gru_cell", "RNN": "rnn_tanh_cell"}[name]):
        certificate = bt.certify(loss, model)

    assert certificate.refuted is not None, str(certificate)
    assert "cell" in certificate.refuted.name
