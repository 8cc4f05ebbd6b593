"""The diagnosis of a refuted link: a fault's name, a simple relation, or that there is none."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import RIGHT, Rules, backprop, sum_of
from backproof.reference.network import Network
from backproof.reference.networks import mlp
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.optimizers import sgd
from backproof.reference.verdict.balls import Update
from backproof.reference.verdict.diagnosis import Diagnosis, diagnose
from backproof.reference.verdict.faults import Fault, catalogue
from backproof.reference.verdict.passes import certify
from backproof.reference.verdict.replay import Replay
from tests.verifier import small
from tests.verifier.networks import shared
from tests.verifier.planting import ETA, run

NETWORK = mlp((4, 5, 5, 2), "tanh", "mean_squared_error", batch=3, seed=1)


def diagnoses(
    changes: dict[str, Callable[[Any], Any]],
    network: Network = NETWORK,
    precision: str = "float64",
    faults: Iterable[Fault] = (),
) -> list[Diagnosis]:
    """Return the diagnoses of a trace whose gradients are changed.

    changes: leaf -> the change of its gradient; "E": of the loss itself. faults: those that are
    tried; the catalogue's where none are given.
    """
    leaves = network.leaves(lambda a: np.asarray(a).astype(float).astype(precision))
    trace, _ = run(network, leaves, precision)
    for name, change in changes.items():
        arrays = trace.gradients if name in trace.gradients else trace.values
        arrays[name] = np.asarray(change(arrays[name])).astype(precision)
    certificate = certify(network, leaves, trace, precision)
    replay = Replay(network, leaves, trace, PRECISIONS[precision])
    return list(diagnose(replay, certificate, list(faults) or catalogue(network).values()))


def shaken(g: Any) -> Any:
    """Return the gradient with noise of its own size."""
    return g + np.random.default_rng(0).standard_normal(g.shape)


def at_two(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the change of two entries of a gradient."""

    def changed(g: Any) -> Any:
        changed = g.copy()
        for index in ((1, 2), (3, 3)):
            changed[index] = change(g[index])
        return changed

    return changed


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("W2", lambda g: 3 * g, "dE/dW2 is 3 times what was expected: all 25 of 25 entries"),
        ("W2", lambda g: g / 4, "dE/dW2 is 0.25 times what was expected: all 25 of 25 entries"),
        ("W2", lambda g: -8 * g, "dE/dW2 is -8 times what was expected: all 25 of 25 entries"),
        ("W2", lambda g: 1.001 * g, "dE/dW2 is 1.001 times what was expected: all 25 of 25"),
        ("W2", lambda g: (1 + 1e-9) * g, "dE/dW2 is 1.000000001 times what was expected"),
        ("x", lambda g: -g, "dE/dx is what was expected, negated: all 12 of 12 entries"),
        ("W2", lambda g: g.T, "dE/dW2 is dz^T x, read as (I, O): all 25 of 25 entries"),
        ("x", lambda g: g[::-1], "dE/dx is what was expected, rows reversed"),
        (
            "x",
            lambda g: np.roll(g, 1, axis=0),
            "dE/dx is what was expected, in other places: all 12",
        ),
        ("W3", lambda g: g[:, ::-1], "dE/dW3 is what was expected, columns reversed"),
        ("W2", at_two(lambda _: 7.0), "only 2 of 25 entries are wrong, at [1, 2], [3, 3]: dE/dW2"),
        ("W2", at_two(lambda x: -x), "only 2 of 25 entries are wrong, at [1, 2]"),
        ("W2", at_two(lambda x: x * 1.01), "only 2 of 25 entries are wrong, at [1, 2], [3, 3]"),
        ("W2", shaken, "no simple relation explains it: dE/dW2"),
        ("W2", lambda g: g * np.where(g == g[0, 0], np.nan, 1), "expected a finite number"),
    ],
)
def test_relation(name: str, change: Callable[[Any], Any], said: str) -> None:
    """The evidence says how the numbers seen are related to the numbers expected."""
    (found,) = diagnoses({name: change})

    assert found.link.name == f"dE/d{name}"
    assert found.evidence.startswith(said)
    assert said.partition(":")[0] in str(found)


@pytest.mark.parametrize("factor", [-1, 4, 0.25, 1.001, 3])
def test_one_entry_has_no_relation(factor: float) -> None:
    """One number is a multiple of any other: the message shows both, and says no more."""
    (found,) = diagnoses({"E": lambda E: factor * E}, shared())

    assert found.evidence.startswith("no simple relation explains it: E: refuted: 1 of 1 entries")


def test_wrong_entries_are_counted() -> None:
    """A relation of an array that is partly right says how many of its entries were wrong."""
    x = [[1.0, 0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0]]
    network = mlp((4, 5, 2), "tanh", "mean_squared_error", seed=1, inputs=x)
    (found,) = diagnoses({"W1": lambda g: 3 * g}, network)

    assert found.evidence == (
        "dE/dW1 is 3 times what was expected: all 20 of 20 entries, of which 5 are wrong"
    )


def test_noise_is_no_multiple() -> None:
    """A number that is zero by cancellation has no multiples: its ball holds all of them."""
    g = small.builder(1)
    z = small.dense(g, "dense", g.input("x", g.rng.standard_normal((6, 4))), (4, 3))
    y = small.norm(g, "norm", "batch_norm", z, 3)
    g.node("E", "half_squared_error", y, g.input("t", g.rng.standard_normal((6, 3))))
    (found,) = diagnoses({"dense.b": lambda d: -1e9 * d}, g.network("cancels"))

    assert found.link.name == "dE/ddense.b"
    assert "times" not in found.evidence


SMALL: dict[str, tuple[str, dict[str, Callable[[Any], Any]]]] = {
    "dW times 1.001": ("dE/dW2", {"W2": lambda g: 1.001 * g}),
    "dW times 1 + 1e-9": ("dE/dW2", {"W2": lambda g: (1 + 1e-9) * g}),
    "db times 0.9999": ("dE/db1", {"b1": lambda g: 0.9999 * g}),
    "every gradient times 1.0001": (
        "dE/dW3", dict.fromkeys(("W1", "W2", "W3", "b1", "b2", "b3"), lambda g: 1.0001 * g),
    ),
    "one entry off by 1e-9": ("dE/dW3", {"W3": lambda g: g + 1e-9 * (g == g[1, 1])}),
    "two entries off by 1e-3": ("dE/dW2", {"W2": at_two(lambda x: 1.001 * x)}),
    "a decay of 1e-9": ("dE/dW2", {"W2": lambda g: g + 1e-9 * NETWORK.parameters["W2"]}),
    "noise of 1e-9": ("dE/dW2", {"W2": lambda g: g + 1e-9 * shaken(g)}),
    "noise of 1e-3": ("dE/dW2", {"W2": lambda g: g + 1e-3 * shaken(g)}),
    "a constant of 1e-6": ("dE/dW1", {"W1": lambda g: g + 1e-6}),
}  # fmt: skip
"""A small error -> the link that it is seen at, the changes of gradients."""


@pytest.mark.parametrize("error", SMALL)
def test_small_errors_are_given_no_name(error: str) -> None:
    """No fault of the catalogue explains a small error, and none is named."""
    link, changes = SMALL[error]
    found = diagnoses(changes)

    assert found[0].link.name == link
    assert [one.faults for one in found] == [()] * len(found)


def test_a_small_epsilon_is_given_no_name() -> None:
    """A layer norm of another epsilon is no rounding to bfloat16."""
    network = small.transformer("composed")
    nodes = [
        replace(n, options={"eps": 1e-6}) if n.op == "layer_norm" else n for n in network.nodes
    ]
    leaves = network.leaves(lambda a: np.asarray(a).astype(float))
    trace = backprop(replace(network, nodes=tuple(nodes)), leaves)
    certificate = certify(network, leaves, trace, "float64")
    replay = Replay(network, leaves, trace, PRECISIONS["float64"])
    found = list(diagnose(replay, certificate, catalogue(network).values()))

    assert found
    assert [one.faults for one in found] == [()] * len(found)


def test_a_small_decay_is_given_no_name() -> None:
    """An update with a decay of 1e-9 is not the catalogue's."""
    leaves = NETWORK.leaves(lambda a: np.asarray(a).astype(float))

    def update(w: Any, g: Any, eta: float) -> Any:
        return sgd(w, g + 1e-9 * w, eta)

    trace, updated = run(NETWORK, leaves, "float64", RIGHT, update)
    own = Update(updated, ETA)
    certificate = certify(NETWORK, leaves, trace, "float64", None, own)
    replay = Replay(NETWORK, leaves, trace, PRECISIONS["float64"], None, own)
    found = list(diagnose(replay, certificate, catalogue(NETWORK).values()))

    assert [one.link.name for one in found] == [
        f"{name} updated" for name in sorted(NETWORK.trained)
    ]
    assert [one.faults for one in found] == [()] * len(found)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_rounding_explains_its_own_numbers(name: str) -> None:
    """Gradients rounded to a lower precision are named; a number that it does not have is not."""

    def rounded(g: Any) -> Any:
        return g.astype(name).astype(float)

    def nearly(g: Any) -> Any:
        changed = rounded(g)
        changed[0, 0] += PRECISIONS[name].u * changed[0, 0] / 8
        return changed

    assert diagnoses({"W2": rounded})[0].faults == (f"gradient rounded to {name}",)
    assert diagnoses({"W2": nearly})[0].faults == ()


def test_a_lower_precision_without_a_fault() -> None:
    """Of numbers that no fault explains, the diagnosis says which precision has them."""
    (found,) = diagnoses({"x": lambda g: g.astype("float32").astype(float)})

    assert found.evidence.startswith("its numbers are float32's: dE/dx[")


def twice(name: str, rad: float) -> Fault:
    """Return the fault of a doubled gradient, whose own ball has a radius relative to it."""

    def receive(leaf: str, handed_on: list[Any]) -> Any:
        right = sum_of(handed_on)
        if leaf != "W2":
            return right
        return Ball(2 * right.mid, 2 * right.rad + rad * np.abs(right.mid), right.precision)

    rules = Rules(receive=receive)
    return Fault(name, "twice", "", lambda _, quantity: quantity.of == "W2", rules)


def test_the_sharpest_fault_comes_first() -> None:
    """Of faults that explain equally many links, the one whose own ball is narrowest is first.

    One whose ball proves no digit of the difference is none, and neither is one that would hold the
    right numbers as well.
    """
    faults = [twice(name, rad) for name, rad in (("wide", 0.05), ("sharp", 0.0), ("wider", 0.09))]
    others = [twice("a digit too few", 0.2), twice("holds the right ones too", 1.1)]
    (found,) = diagnoses({"W2": lambda g: 2 * g}, faults=[*others, *faults])

    assert found.faults == ("sharp", "wide", "wider")


def test_the_message() -> None:
    """The message names the link, the fault, its result, and how many entries it explains."""
    (found,) = diagnoses({"b1": lambda g: 2 * g, "b2": lambda g: 2 * g, "b3": lambda g: 2 * g})

    assert str(found) == (
        "dE/db3: dense: bias gradient added twice or gradient accumulated twice: "
        "dE/db3 is twice the sum of dz: all 2 of 2 entries, and likewise dE/db2, dE/db1"
    )


def test_two_faults_are_two_findings() -> None:
    """Links that the first fault does not explain get a finding of their own."""
    found = diagnoses({"W1": lambda g: g / 3, "b2": lambda g: 2 * g})

    assert [one.link.name for one in found] == ["dE/db2", "dE/dW1"]
    assert found[0].faults[0] == "dense: bias gradient added twice"
    assert found[1].faults[0] == "dense: mean for sum over the batch"


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_narrow_precisions(precision: str) -> None:
    """In bfloat16 and float16 gross faults are named too, and a factor of 1.3 is a relation."""
    lost = diagnoses({"W2": lambda g: 0 * g}, precision=precision)
    scaled = diagnoses({"W2": lambda g: g.astype(float) * 1.3}, precision=precision)

    assert lost[0].faults[0] in ("dense: weight gradient forgotten", "gradient of zeros")
    assert scaled[0].faults == ()
    assert scaled[0].evidence.startswith("dE/dW2 is 1.3 times what was expected")
