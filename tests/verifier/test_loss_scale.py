"""The loss scale of float16: how it is chosen, and that every pass in float16 runs under it."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.protocol import Adapter
from backproof.campaign import campaign
from backproof.campaign.campaign import leaves_in
from backproof.campaign.saved_graphs import Found
from backproof.campaign.script import script
from backproof.reference.article.figures import Article
from backproof.reference.backprop import Trace, backprop
from backproof.reference.network import Network, Node
from backproof.reference.networks import gpt, mlp
from backproof.reference.numbers.precision import FLOAT16
from backproof.reference.ops import Array
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.passes import certify_passes
from backproof.reference.verdict.replay import Replay
from backproof.running import certificates
from backproof.running.certificates import Certificates, in_precision, replayed, traced
from backproof.running.implementations import Implementations
from backproof.running.loss_scale import loss_scale

FRAMEWORKS = ("torch", "jax")
SCALE = 2.0**11
NETWORK = mlp((6, 5, 4), "tanh", "softmax_cross_entropy", batch=3)


@pytest.fixture(params=FRAMEWORKS)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    """A framework's adapter."""
    return adapters.load(request.param)


def scaled(factor: float) -> Network:
    """Return x c summed, of which the largest gradient is `factor`, and the others are smaller."""
    x, c = np.array([1.0, -1.0, 0.25]), np.array([0.25, -1.0, 0.5])
    nodes = (Node("y", "multiply", ("x", "c")), Node("s", "sum", ("y",)))
    last = Node("E", "scale", ("s",), {"factor": factor})
    return Network("scaled", {"x": x, "c": c}, {}, (*nodes, last), frozenset())


@pytest.mark.parametrize(
    ("largest", "expected"),
    [
        (2.0**-30, 2.0**15),  # the scale itself must not overflow
        (2.0**-8, 2.0**15),
        (2.0**-7, 2.0**14),
        (0.75, 2.0**8),
        (1.0, 2.0**7),
        (2.0**7, 1.0),
        (2.0**14, 1.0),  # what does not overflow is not made smaller
        (2.0**15, 2.0**-1),
        (2.0**20, 2.0**-6),
    ],
)
def test_the_largest_gradient_decides(largest: float, expected: float) -> None:
    """The largest gradient is brought just below 2^8, by a scale from 1 to 2^15.

    Where it would overflow, the scale is smaller, and brings it just below 2^15.
    """
    network = scaled(largest)
    leaves = leaves_in(network, "float64")
    in_float16 = {name: a.astype("float16") for name, a in leaves.items()}

    assert loss_scale(network, in_float16) == expected


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_other_precisions_have_none(precision: str) -> None:
    """No other precision needs a scale: bfloat16 has float32's exponents."""
    assert loss_scale(NETWORK, leaves_in(NETWORK, precision)) == 1


def test_what_is_not_finite_decides_nothing() -> None:
    """A gradient that overflows even in float64 does not choose the scale."""
    network = scaled(np.inf)

    assert loss_scale(network, leaves_in(network, "float16")) == 2.0**8


def changed(of: Trace, change: Callable[[Array], Array]) -> dict[str, dict[str, Any]]:
    """Return a trace as lists, its cotangents and gradients changed."""
    return {
        "values": {k: a.tolist() for k, a in of.values.items()},
        "cotangents": {k: change(a).tolist() for k, a in of.cotangents.items()},
        "gradients": {k: change(a).tolist() for k, a in of.gradients.items()},
    }


def test_the_scale_multiplies_every_cotangent(adapter: Adapter) -> None:
    """Under a scale every cotangent and gradient is a power of two larger, and no value changes."""
    leaves, shapes = in_precision(NETWORK, "float64")
    one = adapter.trace(NETWORK, leaves, shapes), adapter.plain(NETWORK, leaves)
    other = adapter.trace(NETWORK, leaves, shapes, SCALE), adapter.plain(NETWORK, leaves, SCALE)

    for without, under in zip(one, other, strict=True):
        assert changed(without, lambda a: SCALE * a) == changed(under, lambda a: a)


def test_the_reference_has_the_same_scale() -> None:
    """So it is in the reference's own sweep."""
    leaves, _ = in_precision(NETWORK, "float64")
    without, under = backprop(NETWORK, leaves), backprop(NETWORK, leaves, scale=SCALE)

    assert changed(without, lambda a: SCALE * a) == changed(under, lambda a: a)


def test_the_scaled_loss_may_overflow(adapter: Adapter) -> None:
    """A loss that overflows when it is scaled has its right value, and finite gradients."""
    given = {"x": np.array([[30.0, 0.0]]), "t": np.array([[0.0, 1.0]])}
    last = Node("E", "softmax_cross_entropy", ("x", "t"))
    network = Network("confident", given, {}, (last,), frozenset())
    leaves, shapes = in_precision(network, "float16")
    trace = adapter.trace(network, leaves, shapes, 2.0**15)

    assert trace.values["E"] == 30
    assert float(np.finfo(np.float16).max) < 30 * 2.0**15
    assert trace.cotangents["E"] == 2.0**15
    assert trace.gradients["x"].tolist() == [[2.0**15, -(2.0**15)]]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_certificate_in_float16_is_scaled(framework: str, article: Article) -> None:
    """A case's passes with probes and without run under its scale, and the replay knows it."""
    certificates = Certificates(Implementations(article, {framework: None}))
    case = (framework, "softmax_cross_entropy/ordinary", "float16", 0)
    trace, plain = certificates.trace(*case)
    replay = certificates.replay(*case)
    scale = loss_scale(*certificates.network(*case[1:])[:2])

    assert scale > 1
    assert plain is not None
    assert trace.cotangents["E"] == scale == replay.scale
    assert 2.0**7 <= max(np.abs(a.astype(float)).max() for a in plain.gradients.values()) < 2.0**8
    assert certificates.of(*case).refuted is None


def test_a_campaign_is_scaled(article: Article, monkeypatch: pytest.MonkeyPatch) -> None:
    """So do the random networks of campaigns."""
    seen: list[Replay] = []

    def certify(replay: Replay, **_: Any) -> Any:
        seen.append(replay)
        return certify_passes(replay)

    monkeypatch.setattr(certificates, "certify_passes", certify)
    leaves = leaves_in(NETWORK, "float16")
    implementations = Implementations(article, {"torch": None})
    campaign.judge(implementations, Column("torch"), NETWORK, leaves, ())

    assert seen[0].scale == loss_scale(NETWORK, leaves) > 1
    assert seen[0].trace.cotangents["E"] == seen[0].scale


SCALES: dict[str, Callable[[float], float]] = {
    "none": lambda _: 1.0,
    "half": lambda scale: scale / 2,
    "twice": lambda scale: scale * 2,
}


@pytest.mark.parametrize("given", SCALES)
def test_another_scale_is_refuted(given: str, article: Article) -> None:
    """An adapter that does not scale, or by another number, is refuted at the cotangent of E."""
    leaves, shapes = in_precision(NETWORK, "float16")
    scale = loss_scale(NETWORK, leaves)
    implementations = Implementations(article, {"torch": None})
    found = traced(implementations, Column("torch"), NETWORK, leaves, shapes, SCALES[given](scale))
    refuted = replayed(NETWORK, leaves, *found, scale).certificate().refuted

    assert refuted is not None
    assert refuted.name == "dE/dE"


def test_gradients_that_underflow_are_seen() -> None:
    """Planted: a GPT whose dense layers hand zeros to their inputs is refuted.

    Without a scale it was not: cotangents as small as these may be flushed to zero.
    """
    network = gpt()
    leaves, shapes = in_precision(network, "float16")
    torch, scale = adapters.load("torch"), loss_scale(network, leaves)

    def cut(x: Any, W: Any, b: Any = None) -> Any:
        return torch.ops["dense"](x.detach() + 0 * x, W, b)

    wrong = replace(torch, ops={**torch.ops, "dense": cut})
    trace = wrong.trace(network, leaves, shapes, scale)
    refuted = replayed(network, leaves, trace, None, scale).certificate().refuted

    assert refuted is not None
    assert refuted.name == "dE/dnorm"


def test_the_bound_between_two_passes_is_scaled(article: Article) -> None:
    """A gradient without probes that rounding explains is inside under a scale as without one."""
    leaves, shapes = in_precision(NETWORK, "float16")
    implementations = Implementations(article, {"torch": None})

    def verdicts(scale: float) -> set[str]:
        found = traced(implementations, Column("torch"), NETWORK, leaves, shapes, scale)
        replay = replayed(NETWORK, leaves, *found, scale)
        assert replay.plain is not None
        gradients = replay.plain.gradients
        ten_units = 20 * FLOAT16.u  # in the last place
        moved = {k: (a * (1 + ten_units)).astype(a.dtype) for k, a in gradients.items()}
        links = certify_passes(replace_plain(replay, moved)).links
        return {ln.verdict for ln in links if ln.is_without_probes}

    assert verdicts(2.0**6) == verdicts(2.0**4) == {"inside"}


def replace_plain(replay: Replay, gradients: dict[str, Array]) -> Replay:
    """Return the replay with other gradients without probes."""
    assert replay.plain is not None
    return replace(replay, plain=replace(replay.plain, gradients=gradients))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_script_has_the_scale(framework: str, article: Article) -> None:
    """The script of a finding in float16 prints the number that was seen, under the scale."""
    network = scaled(2.0**-20)
    leaves, shapes = in_precision(network, "float16")
    scale = loss_scale(network, leaves)
    implementations = Implementations(article, {framework: None})
    trace, _ = traced(implementations, Column(framework), network, leaves, shapes, scale)
    quantity = Quantity("derivative", "x")
    given = network.leaves(lambda a: np.asarray(a, float))
    same = Network("scaled", given, {}, network.nodes, frozenset())
    code = script(Found(Column(framework), "", "float16", quantity, (1,), "", same))
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert float(done.stdout) == float(trace.gradients["x"][1])
    assert scale > 1
