"""The mistakes that certificates of variants must catch: each is planted and refuted."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backproof import adapters
from backproof.adapters.protocol import Adapter, AdapterError, Loss
from backproof.reference.backprop import backprop
from backproof.reference.network import Network, Node
from backproof.reference.networks import gpt, mlp
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.diagnosis import diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.passes import OTHERWISE, certify, certify_passes
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.sweep import Sweep
from backproof.running.certificates import in_precision
from backproof.running.examples import explained, replays_of, vectorized
from backproof.running.variants import halved

Passes = Callable[[Loss, dict[str, Any]], tuple[dict[str, Any], ...]]


@pytest.fixture(scope="module")
def network() -> Network:
    """A small network; its loss is a sum over examples."""
    return mlp((6, 5, 4), "tanh", batch=3)


@pytest.fixture(scope="module", params=["torch.func", "jax"])
def adapter(request: pytest.FixtureRequest) -> Adapter:
    """A right adapter that compiles nothing."""
    return adapters.load(request.param)


def certified(adapter: Adapter, network: Network, precision: str = "float64") -> Certificate:
    """Return the certificate of a pass."""
    leaves, shapes = in_precision(network, precision)
    return certify(network, leaves, adapter.trace(network, leaves, shapes), precision)


def first_refuted(adapter: Adapter, network: Network, passes: Passes) -> str | None:
    """Return the first refuted link of the adapter with other passes."""
    refuted = certified(replace(adapter, value_and_grad=passes), network).refuted
    return refuted.name if refuted else None


def test_right(adapter: Adapter, network: Network) -> None:
    """With nothing planted, nothing is refuted."""
    assert first_refuted(adapter, network, adapter.value_and_grad) is None


def test_stale_constant(adapter: Adapter, network: Network) -> None:
    """Old weights that were compiled in as constants are refuted, and the mistake is named."""

    def stale(loss: Loss, tensors: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        old = {name: tensors[name] / 2 for name in network.parameters}
        return adapter.value_and_grad(
            lambda t: loss({**t, **{k: w + 0 * t[k] for k, w in old.items()}}), tensors
        )

    assert first_refuted(adapter, network, stale) == "net1"
    leaves, shapes = in_precision(network, "float64")
    trace = replace(adapter, value_and_grad=stale).trace(network, leaves, shapes)
    replay = Replay(network, leaves, trace, PRECISIONS["float64"])
    faults = catalogue(network, halved(network, leaves)).values()
    certificate = replay.certificate()
    first, *others = diagnose(replay, certificate, faults)

    assert first.faults == ("stale constants",)
    assert {"net1", "net2", "dE/dout1", "dE/dW1"} <= {*first.explained}
    assert others == []


def test_a_compiler_that_keeps_a_bias(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant that compiled code keeps from its first run with gradients is refuted."""
    adapter = adapters.load("torch.compile")

    def keeps(loss: Loss, **_: Any) -> Loss:
        kept: dict[bool, Any] = {}  # another graph where no gradient is asked for

        def run(tensors: dict[str, Any]) -> Any:
            b1 = tensors["b1"]
            first = kept.setdefault(b1.requires_grad, b1.detach().clone())
            return loss({**tensors, "b1": first + 0 * b1})

        return run

    monkeypatch.setattr("torch.compile", keeps)
    refuted = certified(adapter, network).refuted

    assert refuted is not None
    assert refuted.name == "net1"


@pytest.mark.parametrize(("wrong", "variant"), [(0, "vmap_first"), (1, "vmap")])
@pytest.mark.parametrize(
    ("framework", "module"), [("torch", "pytorch_autograd"), ("jax", "jax_grad")]
)
def test_both_mapped_examples_are_certified(
    framework: str,
    module: str,
    wrong: int,
    variant: str,
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wrong gradients of either example of a mapped batch are refuted by one of the variants."""
    place = f"backproof.adapters.{module}.per_example"
    right = import_module(f"backproof.adapters.{module}").per_example
    stack = import_module({"torch": "torch", "jax": "jax.numpy"}[framework]).stack

    def twice(*arguments: Any) -> tuple[dict[str, Any], ...]:
        values, gradients = right(*arguments)
        for name, g in gradients.items():
            once = [0 * g[0], g[wrong]] if wrong else [g[wrong], 0 * g[1]]
            gradients[name] = g + stack(once)
        return values, gradients

    monkeypatch.setattr(place, twice)

    assert certified(adapters.load(f"{framework}.{variant}"), network).refuted is not None


def test_another_copy(adapter: Adapter, network: Network) -> None:
    """Gradients of another copy in the same mapped batch are refuted."""

    def leaks(loss: Loss, tensors: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        values, _ = adapter.value_and_grad(loss, tensors)
        return values, adapter.value_and_grad(loss, {k: t / 2 for k, t in tensors.items()})[1]

    assert first_refuted(adapter, network, leaks) == "dE/dnet2"


def test_gradient_of_a_recomputation(adapter: Adapter, network: Network) -> None:
    """A recomputation that does not give the same values again is refuted."""

    def drops(loss: Loss, tensors: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        again = {**tensors, "x": tensors["x"] * 2}  # as a random mask would, drawn anew
        return adapter.value_and_grad(loss, tensors)[0], adapter.value_and_grad(loss, again)[1]

    assert first_refuted(adapter, network, drops) == "dE/dnet2"


def test_swapped_layers() -> None:
    """A scan that takes its layers' weights in another order is refuted."""
    deep, jax = mlp((4, 4, 4, 4, 4)), adapters.load("jax.scan")

    def swapped(ops: Any, network: Network, leaves: Mapping[str, Any], probes: Any) -> Any:
        others = {**leaves, "W2": leaves["W3"], "W3": leaves["W2"]}
        return jax.walk(ops, network, others, probes)

    refuted = certified(replace(jax, walk=swapped), deep).refuted

    assert certified(jax, deep).refuted is None
    assert refuted is not None
    assert refuted.name == "net2"


EXAMPLES = {
    "gradients of examples summed": lambda g: g.sum(0) + 0 * g,
    "one example's gradient for each": lambda g: g[0] + 0 * g,
}


@pytest.mark.parametrize("fault", EXAMPLES)
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_examples(name: str, fault: str) -> None:
    """Gradients that are not each example's own are refuted, and the mistake is named."""
    right = adapters.load(name)
    whole, one = (mlp((6, 5, 4), "tanh", batch=n) for n in (3, 1))
    leaves, _ = in_precision(whole, "float64")
    rows = {**leaves, "x": leaves["x"][:, None], "t": leaves["t"][:, None]}
    shapes = in_precision(one, "float64")[1]

    def wrong(loss: Loss, tensors: dict[str, Any], batched: Collection[str]) -> Any:
        assert right.per_example is not None
        values, found = right.per_example(loss, tensors, batched)
        return values, {
            k: EXAMPLES[fault](g) if k in one.parameters else g for k, g in found.items()
        }

    def diagnosis(adapter: Adapter) -> str:
        found = adapter.examples(one, rows, shapes, ("x", "t"))
        replays = replays_of(found, leaves, one, "float64")
        found = explained(replays, [replay.certificate() for replay in replays])
        return "\n".join(map(str, found))

    assert diagnosis(right) == ""
    assert f"dE/dW2: {fault}: in example 2, " in diagnosis(replace(right, per_example=wrong))


SHAPES = {
    "gradients, W1: expected shape (7, 6, 5), found (6, 5)": lambda found: found.update(
        W1=found["W1"].sum(0)
    ),
    "gradients, W1: expected a NumPy array, found NoneType": lambda found: found.pop("W1"),
    "cotangents, net2: expected shape (7, 1, 4), found ()": lambda found: found.update(
        net2=found["net2"].sum()
    ),
}


@pytest.mark.parametrize("message", SHAPES)
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_examples_without_their_axis(name: str, message: str) -> None:
    """A gradient that is missing, or has no axis of examples, is an error that names it."""
    right = adapters.load(name)

    def wrong(loss: Loss, tensors: dict[str, Any], batched: Collection[str]) -> Any:
        assert right.per_example is not None
        values, found = right.per_example(loss, tensors, batched)
        SHAPES[message](found)
        return values, found

    adapter = replace(right, per_example=wrong)
    implementations: Any = SimpleNamespace(adapter=lambda _: adapter)

    with pytest.raises(AdapterError) as caught:
        vectorized(implementations, name, "float64")
    assert message in str(caught.value)


@pytest.fixture(scope="module")
def runs() -> Callable[[Callable[[Array], Array]], Certificate]:
    """Return a function that changes a gradient of the run without probes, and certifies sweep."""
    small = gpt(1, 2, 16, context=8, vocabulary=32)
    jit = adapters.load("jax.jit")
    leaves, shapes = in_precision(small, "float32")
    trace = jit.trace(small, leaves, shapes)
    right = jit.plain(small, leaves)

    def both(change: Callable[[Array], Array]) -> Certificate:
        name = "qkv1.weight"
        changed = {**right.gradients, name: change(right.gradients[name].copy())}
        plain = replace(right, gradients=changed)
        return certify_passes(Replay(small, leaves, trace, PRECISIONS["float32"], plain))

    return both


def one_entry(factor: float) -> Callable[[Array], Array]:
    """Return the change of the largest entry by a factor."""

    def change(a: Array) -> Array:
        a.flat[np.argmax(np.abs(a))] *= factor
        return a

    return change


def test_two_programs_agree(runs: Callable[..., Certificate]) -> None:
    """The passes with and without probes, compiled apart, are held to each other."""
    assert [link for link in runs(lambda a: a).links if link.verdict != "inside"] == []


def test_otherwise_rounded_is_inside(runs: Callable[..., Certificate]) -> None:
    """A difference that rounding explains is inside, and has the property that says so."""
    link = next(k for k in runs(one_entry(1 + 2.0**-14)).links if "qkv1.weight w" in k.name)

    assert (link.verdict, link.properties) == ("inside", (OTHERWISE,))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(one_entry(1.01), id="one entry by a hundredth"),
        pytest.param(one_entry(-1), id="a sign"),
        pytest.param(one_entry(0), id="zero"),
        pytest.param(one_entry(np.nan), id="nan"),
        pytest.param(lambda a: a * np.float32(1.002), id="all by two thousandths"),
        pytest.param(lambda a: -a, id="all signs"),
    ],
)
def test_wrong_without_probes(
    change: Callable[[Array], Array], runs: Callable[..., Certificate]
) -> None:
    """A gradient that is wrong only in the run without probes is refuted."""
    refuted = [link.name for link in runs(change).links if link.verdict == "refuted"]

    assert refuted == ["dE/dqkv1.weight without probes"]


def test_what_is_not_moved_has_no_part_in_the_bound() -> None:
    """The bound leaves out an infinite error of a cotangent that does not affect the gradient."""
    nodes = (
        Node("y", "multiply", ("x", "c")),
        Node("z", "multiply", ("t", "d")),
        *(Node(f"E{k}", "sum", (k,)) for k in "yz"),
        Node("E", "add", ("Ey", "Ez")),
    )
    one = Network("two", {k: np.ones(2) for k in "xctd"}, {}, nodes, frozenset())
    leaves, _ = in_precision(one, "float32")
    sweep = Sweep(Replay(one, leaves, backprop(one, leaves), PRECISIONS["float32"]))
    along = {k: np.full(2, float(k == "c")) for k in "xctd"}
    before = sweep.bound(along)
    sweep.received["z"] = np.full(2, np.inf)

    assert 0 < sweep.bound(along) == before
    assert sweep.bound({**along, "d": np.ones(2)}) == np.inf


@pytest.mark.parametrize("bound", [0.0, np.inf, np.nan])
def test_a_bound_that_says_nothing_holds_nothing(
    bound: float, runs: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a bound of zero, infinity or NaN, a gradient that differs is refuted."""
    monkeypatch.setattr(Sweep, "bound", lambda *_: bound)
    refuted = [ln.name for ln in runs(one_entry(1 + 2.0**-14)).links if ln.verdict == "refuted"]

    assert "dE/dqkv1.weight without probes" in refuted
