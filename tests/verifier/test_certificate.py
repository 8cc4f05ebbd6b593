"""A certificate refutes a wrong trace at the link where it is wrong, and names the link."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import Trace, backprop
from backproof.reference.network import Network
from backproof.reference.networks import mlp
from backproof.reference.numbers.precision import FLOAT16, PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.passes import certify
from backproof.running.certificates import digits_of
from tests.verifier.networks import shared

NETWORKS = {
    "unequal": mlp((3, 5, 4, 2), "tanh", "mean_squared_error", batch=3, seed=1),
    "classes": mlp((4, 6, 3), "relu", "softmax_cross_entropy", batch=5, seed=2),
    "shared": shared(),
}
ARRAYS = [
    (network, kind, name)
    for network, built in NETWORKS.items()
    for kind, names in (
        ("values", [node.name for node in built.nodes]),
        ("cotangents", [node.name for node in built.nodes]),
        ("gradients", [*built.inputs, *built.parameters]),
    )
    for name in names
]
FLOATS = ["float64", "float32"]


def passed(network: Network, dtype: str) -> tuple[dict[str, Any], Trace]:
    """Return leaves and the reference's own trace, posing as a framework's."""
    leaves = network.leaves(lambda a: np.asarray(a).astype(dtype))
    trace = backprop(network, leaves)
    fresh = {k: {n: np.array(a) for n, a in getattr(trace, k).items()} for k in trace.__slots__}
    return leaves, Trace(**fresh)


def certificate(network: Network, dtype: str, change: Callable[[Trace], None]) -> Certificate:
    """Return the certificate of a changed trace."""
    leaves, trace = passed(network, dtype)
    change(trace)
    return certify(network, leaves, trace, dtype)


def link_of(kind: str, name: str) -> str:
    """Return the name of the link that makes an array."""
    return name if kind == "values" else f"dE/d{name}"


@pytest.mark.parametrize(
    ("one", "other", "digits"), [(np.inf, np.inf, 0), (np.nan, 1, 0), (1, 1.001, 3)]
)
def test_digits_to_which_two_agree(one: float, other: float, digits: int) -> None:
    """Two frameworks that overflow alike agree to no digit, and raise nothing."""
    a, b = np.array([one]), np.array([other])

    assert round(digits_of(a, b, "float32")) == digits


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_right_trace_is_inside(network: str, dtype: str) -> None:
    """Every link and every entry of the reference's own trace is inside."""
    found = certificate(NETWORKS[network], dtype, lambda _: None)
    built = NETWORKS[network]
    links = 2 * len(built.nodes) + len(built.inputs) + len(built.parameters)

    assert found.refuted is None
    assert not found.degraded
    assert links == found.inside == len(found.links)
    assert 0 <= found.share <= 1
    assert not found.properties


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("network", "kind", "name"), ARRAYS, ids=lambda value: value)
def test_a_wrong_entry_is_refuted_at_its_link(
    network: str, kind: str, name: str, dtype: str
) -> None:
    """With one entry off by a thousandth, the first link not inside is the one that made it."""
    rng = np.random.default_rng(4)

    def change(trace: Trace) -> None:
        array = getattr(trace, kind)[name]
        index = tuple(rng.integers(size) for size in array.shape)
        array[index] = array[index] * 1.001 + (array[index] == 0)
        trace.values["where"] = index  # read back below

    leaves, trace = passed(NETWORKS[network], dtype)
    change(trace)
    index = trace.values.pop("where")
    found = certify(NETWORKS[network], leaves, trace, dtype)
    worse = [link for link in found.links if link.verdict != "inside"]

    assert worse[0].name == link_of(kind, name)
    if worse[0].verdict == "refuted":
        assert worse[0].index == index
    if kind == "gradients":
        assert len(worse) == 1


@pytest.mark.parametrize(
    ("dtype", "lower", "effective"),
    [
        ("float64", "float32", ["float32"]),
        ("float64", "float16", ["tf32"]),
        ("float64", "bfloat16", ["tf32", "bfloat16"]),  # tf32's ball may hold a bfloat16 sum
        ("float32", "float16", ["tf32"]),
        ("float32", "bfloat16", ["tf32", "bfloat16"]),
    ],
)
@pytest.mark.parametrize("link", ["net1", "dE/dout1", "dE/dW2"])
def test_a_lower_precision_is_named(
    dtype: str, lower: str, effective: list[str], link: str
) -> None:
    """A link computed in a lower precision is degraded, and that precision is named."""
    network = mlp((6, 8, 4), "tanh", "mean_squared_error", batch=3, seed=5)

    def change(trace: Trace) -> None:
        kind = "values" if link == "net1" else "gradients" if link == "dE/dW2" else "cotangents"
        arrays = getattr(trace, kind)
        name = link.removeprefix("dE/d")
        arrays[name] = arrays[name].astype(lower).astype(dtype)

    degraded = certificate(network, dtype, change).degraded

    assert degraded[0].name == link
    assert degraded[0].precision in effective
    assert f"degraded: {degraded[0].outside} of {degraded[0].entries} entries" in str(degraded[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: np.where(a == a[0, 0], np.nan, a), "expected a finite number, found nan"),
        (lambda a: np.where(a == a[0, 0], np.inf, a), "expected a finite number, found inf"),
        (lambda a: a.T, "expected shape (3, 5), found (5, 3)"),
        (lambda a: a.astype("float32"), "expected dtype float64, found float32"),
        (lambda a: a.tolist(), "expected a NumPy array, found list"),
        (lambda _: None, "is missing"),
    ],
)
@pytest.mark.parametrize(
    ("kind", "name"), [("values", "net1"), ("cotangents", "out1"), ("gradients", "W1")]
)
def test_what_is_no_number(kind: str, name: str, change: Any, message: str) -> None:
    """NaN, infinity, a wrong shape or dtype, a missing array: refuted before any comparison."""

    def spoil(trace: Trace) -> None:
        arrays = getattr(trace, kind)
        arrays[name] = change(arrays[name])

    refuted = certificate(NETWORKS["unequal"], "float64", spoil).refuted

    assert refuted is not None
    assert refuted.name == link_of(kind, name)
    assert refuted.problem == message


def test_a_missing_array_is_missing() -> None:
    """An array that is not in the trace at all is refuted as missing too."""
    found = certificate(NETWORKS["unequal"], "float64", lambda t: t.gradients.pop("b2"))

    assert str(found.refuted) == "dE/db2: refuted: is missing"


def test_the_message_names_everything() -> None:
    """A message names the link, the entry, both numbers, the ball and the distance."""

    def change(trace: Trace) -> None:
        trace.gradients["W2"][3, 1] = 42.0

    found = certificate(NETWORKS["unequal"], "float64", change).refuted
    text = str(found)

    assert text.startswith("dE/dW2[3, 1]: refuted: 1 of 20 entries outside; expected ")
    assert "+-" in text
    assert "(float64), found 42.0, " in text
    assert text.endswith(" radii off")


@pytest.mark.parametrize("first", [True, False])
def test_fan_out_adds(first: bool) -> None:  # noqa: FBT001 which of the consumers is counted
    """A node with two consumers receives from both; the part of one alone is refuted there."""
    network = NETWORKS["shared"]
    leaves, trace = passed(network, "float64")
    loss_part = -(leaves["x"] * 0 + trace.values["out1"] - trace.values["out2"]) * -1
    through_net2 = trace.cotangents["net2"] @ leaves["W"].T

    assert np.allclose(loss_part + through_net2, trace.cotangents["out1"])
    trace.cotangents["out1"] = loss_part if first else through_net2
    refuted = certify(network, leaves, trace, "float64").refuted

    assert refuted is not None
    assert refuted.name == "dE/dout1"


def test_the_seed_is_one() -> None:
    """A gradient of twice the loss is refuted at the loss's own cotangent, not further down."""

    def change(trace: Trace) -> None:
        for arrays in (trace.cotangents, trace.gradients):
            for name in arrays:
                arrays[name] = arrays[name] * 2

    refuted = certificate(NETWORKS["unequal"], "float64", change).refuted

    assert refuted is not None
    assert refuted.name == "dE/dE"


def test_gradients_without_probes_are_held_too() -> None:
    """A gradient that is right with probes and wrong without is refuted."""
    network = NETWORKS["unequal"]
    leaves, trace = passed(network, "float64")
    right = certify(network, leaves, trace, "float64", replace(trace, cotangents={}))
    wrong = {**trace.gradients, "W2": trace.gradients["W2"] * 2}
    plain = Trace(trace.values, {}, wrong)
    found = certify(network, leaves, trace, "float64", plain)

    assert right.holds
    assert len(right.links) == len(found.links)
    assert [link.name for link in found.wrong] == ["dE/dW2 without probes"]


def flushed(rows: Array) -> Certificate:
    """Return the certificate of a trace without subnormals; rows: factors of the inputs."""
    tiny = mlp((2, 3, 1), batch=2)
    parameters = {
        k: np.asarray(a) * 2.0**-70 if k == "W2" else a for k, a in tiny.parameters.items()
    }
    network = replace(tiny, parameters=parameters)
    leaves = network.leaves(lambda a: np.asarray(a).astype("float32"))
    leaves["x"] = leaves["x"] * rows
    trace = backprop(network, leaves)
    minimum = PRECISIONS["float32"].minimum
    for name, a in trace.gradients.items():
        trace.gradients[name] = np.where(np.abs(a) < minimum, np.float32(0), a)
    return certify(network, leaves, trace, "float32")


def test_flushing_is_a_property() -> None:
    """A trace whose subnormal gradients are set to zero is inside, and has the property."""
    found = flushed(np.array([1, 2.0**-60], np.float32))

    assert found.holds
    assert found.properties == ("flushes subnormals to zero",)


def test_what_underflows_is_undecided() -> None:
    """Where all true numbers are subnormal, zeros are neither right nor wrong: nothing is green."""
    found = flushed(np.full(2, 2.0**-60, np.float32))

    assert found.refuted is None
    assert [link.name for link in found.undecided] == ["dE/dW1"]
    assert not found.holds


def test_zeros_of_many_small_terms_are_refuted() -> None:
    """In float16 the terms of a sum may be subnormal, and the sum is not zero for that."""
    network = mlp((4, 200, 1), "tanh", "mean_squared_error", batch=2, seed=3)
    weights = {name: np.abs(np.asarray(a)) / 64 for name, a in network.parameters.items()}
    trace, leaves = in_float16(replace(network, parameters=weights))
    assert np.all(np.abs(trace.gradients["x"]) > 4 * FLOAT16.minimum)
    trace.gradients["x"] = np.zeros_like(trace.gradients["x"])
    links = certify(network, leaves, trace, "float16").links

    assert [(ln.name, ln.verdict) for ln in links if ln.verdict != "inside"] == [
        ("dE/dx", "refuted")
    ]


def in_float16(network: Network) -> tuple[Trace, dict[str, Any]]:
    """Return the reference's trace rounded to float16, and the leaves."""
    leaves = network.leaves(lambda a: np.asarray(a).astype("float16"))
    exactly = backprop(network, {name: a.astype(float) for name, a in leaves.items()})
    rounded = {
        kind: {name: np.asarray(a).astype("float16") for name, a in getattr(exactly, kind).items()}
        for kind in exactly.__slots__
    }
    return Trace(**rounded), leaves


def test_zeros_are_refuted() -> None:
    """A framework that returns zeros is refuted wherever a gradient is not zero."""

    def change(trace: Trace) -> None:
        for arrays in (trace.cotangents, trace.gradients):
            for name in arrays:
                arrays[name] = np.zeros_like(arrays[name])

    found = certificate(NETWORKS["unequal"], "float32", change)

    assert found.refuted is not None
    assert found.refuted.name == "dE/dE"


def test_a_ball_without_bound_proves_nothing() -> None:
    """Beyond 256 terms a bfloat16 accumulator has no bound, and so excuses no wrong number."""
    network = mlp((300, 2), loss="mean_squared_error", batch=1)
    leaves = network.leaves(lambda a: np.asarray(a).astype("bfloat16"))
    exactly = backprop(
        network, network.leaves(lambda a: np.asarray(a).astype("bfloat16").astype(float))
    )
    rounded = {
        kind: {name: np.asarray(a).astype("bfloat16") for name, a in getattr(exactly, kind).items()}
        for kind in exactly.__slots__
    }
    trace = Trace(**rounded)
    trace.values["net1"] = (trace.values["net1"] * 64).astype("bfloat16")
    refuted = certify(network, leaves, trace, "bfloat16").refuted

    assert refuted is not None
    assert refuted.name == "net1"
