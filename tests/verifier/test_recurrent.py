"""Recurrent layers as people use them: right ones hold, wrong ones are refuted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backproof.programs.from_file import certify_trace
from tests.verifier.lazy import Lazy

torch = Lazy("torch")
bt, models = Lazy("backproof.torch"), Lazy("tests.verifier.models")
recurrent = Lazy("tests.verifier.recurrent")

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")

KINDS = ("LSTM", "GRU", "RNN")

PROGRAMS: dict[str, Callable[[], Any]] = {}
"""Name -> makes a model and its loss."""

for kind in KINDS:
    PROGRAMS |= {
        f"{kind} with dropout": lambda k=kind: recurrent.dense(k, num_layers=3, dropout=0.3),
        f"{kind} with dropout, in both directions": lambda k=kind: recurrent.dense(
            k, num_layers=2, dropout=0.5, bidirectional=True, batch_first=True, bias=False
        ),
        f"{kind}, packed": lambda k=kind: recurrent.packed(k),
        f"{kind}, packed in order": lambda k=kind: recurrent.packed(k, (4, 2, 2)),
        f"{kind}, packed with dropout, in both directions": lambda k=kind: recurrent.packed(
            k, num_layers=2, dropout=0.3, bidirectional=True
        ),
        f"{kind}, padded": lambda k=kind: recurrent.padded(k),
    }

PROGRAMS |= {
    **{f"a long {kind}": lambda k=kind: recurrent.long(k) for kind in KINDS},
    "a batch norm": lambda: recurrent.normalized(),  # noqa: PLW0108 likewise
    "a longer padding": lambda: recurrent.padded("GRU", total_length=6, padding_value=0.1),
    "an infinite padding": lambda: recurrent.padded("LSTM", padding_value=-torch.inf),
    "all dropped": lambda: recurrent.dense("RNN", num_layers=2, dropout=1.0, nonlinearity="relu"),
    "projections": lambda: recurrent.dense("LSTM", num_layers=2, proj_size=2, bidirectional=True),
    "projections of packed sequences": lambda: recurrent.packed(
        "LSTM", num_layers=2, proj_size=3, dropout=0.3, bias=False
    ),
    "lists": lambda: recurrent.lists(),  # noqa: PLW0108 imports nothing yet
    "lists, padded before": lambda: recurrent.lists("left", 0.1),
    "frozen weights": lambda: recurrent.frozen(),  # noqa: PLW0108 likewise
    "checkpointed": lambda: recurrent.checkpointed(),  # noqa: PLW0108 likewise
    "last states alone": lambda: recurrent.of_last(),  # noqa: PLW0108 likewise
    "cells": lambda: recurrent.cells(),  # noqa: PLW0108 likewise
    "truncated": lambda: recurrent.truncated(),  # noqa: PLW0108 likewise
    "language model": lambda: recurrent.language(),  # noqa: PLW0108 likewise
    "translator": lambda: recurrent.translator(),  # noqa: PLW0108 likewise
}


def drawn(make: Callable[[], Any], precision: str = "float32") -> Any:
    """Return a model, and its loss, in a precision."""
    torch.manual_seed(0)
    model, loss = make()
    return model.to(getattr(torch, precision)), loss


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_recurrent_program_holds(name: str, precision: str) -> None:
    """Every gradient is proven, whatever is between layers and however long sequences are."""
    model, loss = drawn(PROGRAMS[name], precision)
    certificate = bt.certify(loss, model)

    assert certificate.holds, str(certificate)


@pytest.mark.parametrize(
    "name", ["LSTM with dropout", "GRU, padded", "projections of packed sequences", "lists"]
)
def test_the_second_derivative_of_a_recurrent_program_holds(name: str) -> None:
    """The tangents of layers, and of sequences that are padded and packed, are certified too."""
    model, loss = drawn(PROGRAMS[name], "float64")
    certificate = bt.certify(loss, model, second=True)

    assert certificate.holds, str(certificate)
    assert certificate.second.proven == certificate.proven


SHORT: dict[str, Callable[[], Any]] = {
    "packed LSTM": lambda: recurrent.packed("LSTM", (1, 2)),
    "projection": lambda: recurrent.packed("LSTM", (1, 1), proj_size=2),
    "packed GRU": lambda: recurrent.packed("GRU", (1, 2)),
    "RNN with dropout": lambda: recurrent.dense("RNN", 1, num_layers=2, dropout=0.3),
    "lists": lambda: recurrent.lists("left", 0.1),
}
"""Programs in whose links bfloat16 has digits."""


@pytest.mark.parametrize("name", SHORT)
def test_a_short_recurrent_program_holds_in_bfloat16(name: str) -> None:
    """Nothing right is refuted in a low precision, and few steps have digits left."""
    model, loss = drawn(SHORT[name], "bfloat16")
    certificate = bt.certify(loss, model)

    assert certificate.holds, str(certificate)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_wide_steps_in_bfloat16_are_held_to_the_sharpest_ball(kind: str) -> None:
    """Where a cell rounds each step, no other freedom is asked for: nothing underflows here."""
    model, loss = drawn(lambda: recurrent.wide(kind), "bfloat16")
    certificate = bt.certify(loss, model)

    assert certificate.holds, str(certificate)
    assert [link for link in certificate.links if any("flush" in x for x in link.properties)] == []


def test_the_random_state_is_as_without_the_recorder() -> None:
    """Masks are drawn step by step as a layer draws them, and nothing else is drawn."""
    model, loss = drawn(PROGRAMS["LSTM with dropout"])
    numbers = []

    def seen() -> Any:
        found = loss() * torch.rand(())
        numbers.append(found.item())
        return found

    torch.manual_seed(1)
    bt.certify(seen, model)
    seen()

    unrecorded, _, again, afterwards = numbers
    assert [unrecorded, again] == [afterwards, afterwards]


WRONG: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "another mask": (
        lambda: recurrent.Otherwise("rnn_tanh", recurrent.another_mask),
        lambda: recurrent.dense("RNN", 1, num_layers=2, dropout=0.5),
    ),
    "without a step": (
        lambda: recurrent.Otherwise("rnn_tanh", recurrent.without_a_step),
        lambda: recurrent.dense("RNN", 2),
    ),
    "without a projection": (
        lambda: recurrent.Otherwise("lstm", recurrent.without_a_projection),
        lambda: recurrent.dense("LSTM", 1, proj_size=2),
    ),
    "the wrong end": (lambda: recurrent.WrongEnd(), lambda: recurrent.packed("RNN", (2, 1))),  # noqa: PLW0108 imports nothing yet
    **{
        f"half of a step of {name}": (
            lambda name=name: models.Halving(name),
            lambda kind=kind: recurrent.packed(kind),
        )
        for name, kind in (("lstm_cell", "LSTM"), ("gru_cell", "GRU"), ("rnn_tanh_cell", "RNN"))
    },
    "half of packed": (
        lambda: models.Halving("lstm"),
        lambda: recurrent.packed("LSTM", (1, 2), num_layers=2, dropout=0.3),
    ),
    "half of what is packed": (
        lambda: models.Halving("_pack_padded_sequence"),
        lambda: recurrent.padded("GRU"),
    ),
    "half of what is padded again": (
        lambda: models.Halving("_pad_packed_sequence"),
        lambda: recurrent.padded("GRU"),
    ),
    "half of what is padded": (
        lambda: models.Halving("pad_sequence"),
        lambda: recurrent.lists(),  # noqa: PLW0108 likewise
    ),
}
"""Name -> a mode in which a call is wrong, and a program."""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_recurrent_layer_is_refuted(name: str) -> None:
    """A wrong state or gradient is refuted: of a layer as users run it, or as a link."""
    fault, make = WRONG[name]
    model, loss = drawn(make)
    with fault():
        certificate = bt.certify(loss, model)
    of_layer = [one for one in certificate.twin if one.verdict == "refuted"]

    assert not certificate.holds
    assert certificate.refuted or of_layer, str(certificate)
    assert {one.of for one in of_layer} <= {"as users run it"}


def test_a_wrong_layer_is_not_wrong_again_in_second_order() -> None:
    """What is wrong with the pass as users run it is said of the pass alone."""
    fault, make = WRONG["half of packed"]
    model, loss = drawn(make)
    with fault():
        certificate = bt.certify(loss, model, second=True)

    assert certificate.twin
    assert certificate.second.twin == ()
    assert str(certificate).count("as users run it: dE/dweight_ih_l0: ") == 1


@pytest.mark.parametrize("name", ["LSTM with dropout", "cells"])
def test_steps_that_autocast_rounds_are_not_green(name: str) -> None:
    """A layer that is computed in two precisions is not known, and nothing is refuted."""
    model, loss = drawn(PROGRAMS[name])

    def lower() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return loss()

    certificate = bt.certify(lower, model)

    assert "steps that autocast rounds" in str(certificate)
    assert (certificate.proven, certificate.refuted) == ((), None)


@pytest.mark.parametrize("name", ["LSTM with dropout", "projections of packed sequences"])
def test_a_recurrent_program_from_its_files(name: str, tmp_path: Path) -> None:
    """A recorded pass is certified without PyTorch's functions."""
    model, loss = drawn(PROGRAMS[name])
    bt.record(loss, model, tmp_path / "trace")

    assert certify_trace(tmp_path / "trace").holds
