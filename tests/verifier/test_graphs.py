"""Campaigns of random networks: everything is drawn; failures are found, shrunk and kept."""

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.adapters.protocol import Unsupported
from backproof.campaign.campaign import aborts, has_no_bound, judge, leaves_in
from backproof.campaign.choices import Choices, reduced
from backproof.campaign.coverage import Coverage, options
from backproof.campaign.graphs import Graph, graph, graphs
from backproof.campaign.saved_graphs import Found, load, text
from backproof.campaign.script import script
from backproof.campaign.steps import steps
from backproof.reference.backprop import backprop, forward
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import OPS
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.replay import Replay
from backproof.running.certificates import traced
from backproof.running.implementations import Implementations
from backproof.scenarios.op_cases import OP_CASES
from backproof.scenarios.op_options import OP_OPTIONS
from tests.verifier.sandbox import ROOT, Sandbox

DRAWN = 100
FANNED_OUT, SHARED = DRAWN / 10, DRAWN / 20
"""The least numbers of graphs in which a value, and a leaf, has several uses."""


@pytest.fixture(scope="module")
def drawn() -> list[Graph]:
    """Return DRAWN graphs, the same every time."""
    return [*islice(graphs(0), DRAWN)]


def test_every_op_and_value_is_reached(drawn: list[Graph]) -> None:
    """The first graphs reach every op and every value of an option in the op cases."""
    reached = Coverage()
    for one in drawn:
        nodes = one.network.nodes
        reached.ops |= {node.op for node in nodes}
        reached.options |= {option for node in nodes for option in options(node)}

    assert OPS.keys() == steps().keys()
    assert reached.missing["ops"] == []
    assert reached.missing["options"] == []


def test_graphs_are_no_chains(drawn: list[Graph]) -> None:
    """Values fan out, leaves are shared, operands repeat, and every precision is drawn."""
    uses = [Counter(k for node in one.network.nodes for k in node.inputs) for one in drawn]
    nodes = [{node.name for node in one.network.nodes} for one in drawn]
    pairs = list(zip(uses, nodes, strict=True))

    fanned_out = sum(any(n > 1 and k in own for k, n in use.items()) for use, own in pairs)
    shared = sum(any(n > 1 and k not in own for k, n in use.items()) for use, own in pairs)
    assert fanned_out > FANNED_OUT
    assert shared > SHARED
    assert len({one.precision for one in drawn}) == 4


def written(one: Graph) -> str:
    """Return a graph as text, to the last bit."""
    loss = Quantity("value", one.network.loss)
    return text(Found(Column("torch"), "", one.precision, loss, (0,), "", one.network))


def test_graphs_are_drawn_from_their_seed(drawn: list[Graph]) -> None:
    """A seed gives the same graphs again, other seeds others, and a graph's places give it."""
    same, other = ([*map(written, islice(graphs(n), 10))] for n in (0, 1))
    again = [graph(Choices(given=one.places), one.precision) for one in drawn[:10]]

    assert same == [*map(written, drawn[:10])] == [written(one) for one in again if one]
    assert not {*same} & {*other}


def test_choices_are_reduced() -> None:
    """What is left of choices is the shortest list with the smallest places that shows the same."""
    shows: Any = lambda places: places if sum(n >= 3 for n in places) >= 2 else None  # noqa: E731

    assert reduced((5, 0, 1, 7, 2, 2, 9, 4), shows, 1000) == (3, 3)


RANDOM = "test_random_networks.py"
ADAPTER = "adapters/pytorch_autograd.py"
TORCH = ("--frameworks", "torch")

POOL = '"max_pool": max_pool'
ALL_TIES = (
    '"max_pool": lambda x, kernel_size, stride, padding=0, dilation=1: max_pool('
    "x, padding, kernel_size=kernel_size, stride=stride, dilation=dilation) if "
    "x.ndim != 4 or padding not in (0, 1) else (lambda w, m: m + "
    "torch.where(w == m[..., None, None], w - m[..., None, None], 0).sum((4, 5)))"
    "(*(lambda w: (w, w.amax((4, 5)).detach()))(torch.nn.functional.pad("
    "x, [padding] * 4, value=-torch.inf).unfold(2, dilation * (kernel_size - 1) + 1, stride)"
    ".unfold(3, dilation * (kernel_size - 1) + 1, stride)[..., ::dilation, ::dilation]))"
)
"""The entry of the adapter's table, and a wrong one: equal maxima receive the whole gradient."""
ANY_OP = "    unsupported={"
FEW = {"max_pool", "relu", "add", "multiply", "sum"}
FEW_OPS = f'{ANY_OP}\n        **dict.fromkeys({sorted({*OPS} - FEW)}, "not now"),'
"""Where the adapter declares what it does not support: that is, all but a few ops."""


def test_a_wrong_adapter(tmp_path: Path) -> None:
    """A campaign refutes a wrong adapter, shrinks the graph and keeps it.

    The kept graph fails until the adapter is right. The script that is printed runs in the
    framework alone, and prints the number that was seen.
    """
    sandbox = Sandbox(tmp_path)
    verification = "tests/verification"
    shutil.copy(ROOT / verification / RANDOM, sandbox.path(verification) / RANDOM)
    sandbox.edit(ADAPTER, POOL, ALL_TIES)
    sandbox.edit(ADAPTER, ANY_OP, FEW_OPS)
    seen = sandbox.run(RANDOM, *TORCH, "-k", "0-torch and not compile", "--campaign", "4")
    (path,) = (tmp_path / "fixtures/campaign").glob("*.json")
    kept = json.loads(path.read_text(encoding="utf-8"))
    lines = seen.text.partition("import ")[2].partition("\nkept: ")[0]
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-c", f"import {lines}"], capture_output=True, text=True, check=True
    )

    assert [node[1] for node in kept["nodes"]] == ["max_pool", "multiply", "sum"]
    assert repr(float(done.stdout)) in kept["says"]
    assert sandbox.run(RANDOM, *TORCH, "-k", "kept").red == [f"kept[{path.stem}]"]
    sandbox.edit(ADAPTER, ALL_TIES, POOL)
    assert sandbox.run(RANDOM, *TORCH, "-k", "kept").status == pytest.ExitCode.OK


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_scripts(framework: str, implementations: Implementations) -> None:
    """A script prints the adapter's gradient of every op, bit for bit.

    For some ops it prints the value and the cotangent too.
    """
    expected, scripts = [], []
    # JAX compiles each op for each script, so only some of its ops are tested.
    for i, name in enumerate([*OP_OPTIONS][:: 8 if framework == "jax" else 1]):
        network = OP_CASES[f"{name}/ordinary"].network()
        leaves = leaves_in(network, "float32")
        shapes = {k: a.shape for k, a in forward(network, leaves).items()}
        try:
            trace, plain = traced(implementations, Column(framework), network, leaves, shapes, 1.0)
        except Unsupported:
            continue
        given = network.leaves(lambda a: np.asarray(a).astype("float32").astype(float))
        same = Network(name, given, {}, network.nodes, frozenset())
        numbers = {Quantity("derivative", "x1"): plain.gradients["x1"]}
        if i % 8 == 0:
            numbers[Quantity("value", "y")] = trace.values["y"]
            numbers[Quantity("derivative", "y")] = trace.cotangents["y"]
        for link, seen in numbers.items():
            index = tuple(n // 2 for n in seen.shape)
            found = Found(Column(framework), "", "float32", link, index, "", same)
            scripts.append(script(found))
            expected.append(f"{name} {link} {float(seen[index])!r}")
    # One process runs all scripts, each in a namespace of its own.
    code = "\n".join(f"exec({text!r}, {{}})" for text in scripts)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-"],
        input=code,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line.rpartition(" ")[0] for line in expected]
    printed = [f"{k} {float(x)!r}" for k, x in zip(names, done.stdout.split(), strict=True)]

    assert expected == printed


def test_what_is_kept_is_read_back(drawn: list[Graph], tmp_path: Path) -> None:
    """A file holds a graph's nodes, options and leaves to the last bit."""
    for one in drawn:
        (tmp_path / "one.json").write_text(written(one), encoding="utf-8")

        assert written(one) == text(load(tmp_path / "one.json"))


def normalized(v: float) -> Network:
    """Return the sum of a normalized weight whose numbers are all v; of zeros it is 0/0."""
    nodes = (Node("w", "weight_norm", ("v", "g")), Node("E", "sum", ("w",)))
    leaves = {"v": np.full((2, 3), v), "g": np.ones((2, 1))}
    return Network("n", leaves, {}, nodes, frozenset())


@pytest.mark.parametrize(("v", "bounded"), [(0.0, False), (1.0, True)])
def test_what_has_no_number_is_undecided(v: float, *, bounded: bool) -> None:
    """A NaN is undecided where the reference gives no number, and refuted where it gives one."""
    network = normalized(v)
    leaves = leaves_in(network, "float32")
    with np.errstate(all="ignore"):
        trace = backprop(network, leaves)
        trace.values["w"] = np.full((2, 3), np.nan, np.float32)
        replay = Replay(network, leaves, trace, PRECISIONS["float32"])
        link = replay.certificate().links[0]

        assert link.verdict == ("refuted" if bounded else "undecided")
        assert has_no_bound(replay, link) is not bounded


def test_what_follows_from_no_number_is_undecided(implementations: Implementations) -> None:
    """Where the reference has no number either, neither a link nor what follows it is new."""
    network = normalized(0.0)
    judged = judge(implementations, Column("torch"), network, leaves_in(network, "float32"), ())

    assert judged.new == ()
    assert "w" in [link.name for link in judged.undecided]


@pytest.mark.parametrize(
    ("rad", "problem", "undecided"),
    [(np.inf, None, True), (np.nan, None, True), (1.0, None, False), (np.nan, "is missing", False)],
)
def test_undecided_without_probes(rad: float, problem: str | None, *, undecided: bool) -> None:
    """An infinite or NaN bound on two passes decides nothing; a missing gradient is refuted."""
    quantity = Quantity("derivative", "v", probes=False)
    link = Link(quantity, "refuted", "float32", rad=rad, problem=problem)
    network = normalized(1.0)
    leaves = leaves_in(network, "float32")
    trace = backprop(network, leaves)
    without = replace(trace, gradients={} if problem else trace.gradients)
    replay = Replay(network, leaves, trace, PRECISIONS["float32"], without)

    assert has_no_bound(replay, link) == undecided


XLA_ABORTS = """
import jax
conv = lambda x, w: jax.lax.conv_general_dilated(x, w, (2, 2), [(1, 1), (1, 1)]).sum()
jax.grad(conv)(jax.numpy.ones((1, 1, 4, 1)), jax.numpy.ones((1, 1, 2, 2)))
"""
TORCH_ENDS = """
import torch
x, W = (torch.ones(1, 1, side, 1, dtype=torch.float16) for side in (4, 2))
print(torch.cpu.get_capabilities().get("avx512_fp16"), flush=True)
torch.nn.functional.conv2d(x, W, stride=2, padding=1, dilation=2)
"""


def ended(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, and return the process once it has ended."""
    return subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )


def test_what_aborts_still_does() -> None:
    """The call that campaigns leave out because XLA aborts still aborts; else run it again."""
    done = ended(XLA_ABORTS)

    assert done.returncode == -signal.SIGABRT
    assert "Window dimensions do not match RHS shape" in done.stderr


def test_what_ends_torch_still_does() -> None:
    """The call still ends PyTorch's process on processors with AVX512-FP16, and on no others."""
    done = ended(TORCH_ENDS)

    assert done.returncode == (-signal.SIGSEGV if done.stdout == "True\n" else 0)


@pytest.mark.parametrize(
    ("tried", "rounded", "geometry", "expected"),
    [
        ("jax", "float32", (4, 1, 2, 2, {"stride": 2, "padding": 1}), True),
        ("jax.jit", "float32", (4, 4, 2, 2, {"stride": 2, "padding": 0}), False),
        ("torch", "float16", (4, 1, 2, 1, {"stride": 2, "padding": 1, "dilation": 2}), True),
        ("torch", "float16", (4, 2, 2, 1, {"stride": 3, "padding": 1, "dilation": 3}), True),
        ("torch", "float32", (4, 1, 2, 1, {"stride": 2, "padding": 1, "dilation": 2}), False),
        ("torch", "float16", (4, 2, 2, 1, {"stride": 2, "padding": 1, "dilation": 2}), False),
        ("torch", "float16", (4, 1, 2, 1, {"stride": 2, "padding": 1}), False),
        ("reference", "float64", (4, 1, 2, 2, {"stride": 2, "padding": 1}), False),
    ],
)
def test_what_is_not_run(
    tried: str, rounded: str, geometry: tuple[Any, ...], *, expected: bool
) -> None:
    """Networks that would end the process are left out, and no others."""
    *sides, options = geometry
    x, W = np.ones((1, 1, *sides[:2])), np.ones((1, 1, *sides[2:]))
    nodes = (Node("z", "conv", ("x", "W"), options), Node("E", "sum", ("z",)))

    network = Network("n", {"x": x, "W": W}, {}, nodes, frozenset())

    assert bool(aborts(Column.parse(tried), network, rounded)) == expected
