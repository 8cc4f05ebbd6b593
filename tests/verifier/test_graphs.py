"""Campaigns of random networks: everything is drawn; failures are found, shrunk and kept."""

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from backproof.adapters.column import Column
from backproof.adapters.protocol import Unsupported
from backproof.campaign import campaign
from backproof.campaign.campaign import Campaign, Judged, aborts, columns, has_no_bound, leaves_in
from backproof.campaign.graphs import STEPS, graphs
from backproof.campaign.saved_graphs import Found, load, text
from backproof.campaign.script import script
from backproof.reference.article import figures as articles
from backproof.reference.backprop import forward
from backproof.reference.network import Network, Node
from backproof.reference.ops import OPS
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.link import Link, Quantity
from backproof.report.cells import NETWORKS, Cell
from backproof.running.certificates import traced
from backproof.running.implementations import Implementations
from backproof.scenarios.op_cases import OP_CASES, OP_OPTIONS
from tests.verifier.sandbox import ROOT, Sandbox

DRAWN = 800
FANNED_OUT, SHARED = DRAWN / 10, DRAWN / 20
"""The least numbers of graphs in which a value, and a leaf, has several uses."""


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Network, str]]:
    """Return DRAWN graphs, the same every time."""
    found = []

    @seed(0)
    @settings(
        max_examples=DRAWN,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(graphs())
    def keep(graph: tuple[Network, str]) -> None:
        found.append(graph)

    keep()
    return found


def test_every_op_and_option_is_drawn(drawn: list[tuple[Network, str]]) -> None:
    """Every op and every option occurs among the graphs drawn."""
    nodes = [node for network, _ in drawn for node in network.nodes]
    expected = {(one.op, option) for one in OP_OPTIONS.values() for option in one.options}

    assert OPS.keys() == STEPS.keys()
    assert OPS.keys() - {node.op for node in nodes} == set()
    assert expected - {(node.op, option) for node in nodes for option in node.options} == set()


def test_graphs_are_no_chains(drawn: list[tuple[Network, str]]) -> None:
    """Values fan out, leaves are shared, operands repeat, and every precision is drawn."""
    uses = [Counter(k for node in network.nodes for k in node.inputs) for network, _ in drawn]
    nodes = [{node.name for node in network.nodes} for network, _ in drawn]
    pairs = list(zip(uses, nodes, strict=True))

    fanned_out = sum(any(n > 1 and k in own for k, n in use.items()) for use, own in pairs)
    shared = sum(any(n > 1 and k not in own for k, n in use.items()) for use, own in pairs)
    assert fanned_out > FANNED_OUT
    assert shared > SHARED
    assert len({precision for _, precision in drawn}) == 4


@pytest.mark.parametrize("tried", columns(["torch", "jax"]), ids=str)
def test_a_round_draws_what_is_asked(tried: Column, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round draws a column's share of graphs, at least one, and each seed draws others."""
    seen: list[Network] = []

    def judge(_: Any, __: Column, network: Network, *___: Any) -> Judged:
        seen.append(network)
        replay: Any = None
        return Judged(Certificate("random", "float64", ()), (), (), (), replay)

    monkeypatch.setattr(campaign, "judge", judge)
    rounds = 5
    for n in range(rounds):
        cell = Cell("random", str(tried), "its own numbers", "1", "any", 0, "every link", NETWORKS)
        Campaign(Implementations(articles.load(), {}), tried, (), cell).round(n, 1)
    graphs = Counter(
        text(Found(tried, "", "float64", Quantity("value", one.loss), (0,), "", one))
        for one in seen
    )

    assert len(graphs) == rounds


RANDOM = "test_random_networks.py"
ADAPTER = "adapters/pytorch_autograd.py"
TORCH = ("--frameworks", "torch")

POOL = '"max_pool": F.max_pool2d'
ALL_TIES = (
    '"max_pool": lambda x, kernel_size, stride, padding=0: torch.nn.functional.pad('
    "x, [padding] * 4, value=-torch.inf).unfold(2, kernel_size, stride)"
    ".unfold(3, kernel_size, stride).amax((4, 5))"
)
"""The entry of the adapter's table, and a wrong one: equal maxima share the gradient."""


def test_a_wrong_adapter(tmp_path: Path) -> None:
    """A campaign refutes a wrong adapter, shrinks the graph and keeps it.

    The kept graph fails until the adapter is right. The script that is printed runs in the
    framework alone, and prints the number that was seen.
    """
    sandbox = Sandbox(tmp_path)
    verification = "tests/verification"
    shutil.copy(ROOT / verification / RANDOM, sandbox.path(verification) / RANDOM)
    sandbox.edit(ADAPTER, POOL, ALL_TIES)
    seen = sandbox.run(RANDOM, *TORCH, "-k", "0-torch and not compile", "--campaign", "30")
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
            trace, plain = traced(implementations, Column(framework), network, leaves, shapes)
        except Unsupported:
            continue
        given = network.leaves(lambda a: np.asarray(a).astype("float32").astype(float))
        same = Network(name, given, {}, network.nodes, frozenset())
        numbers = {Quantity("derivative", "x1"): plain["x1"]}
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


def test_what_is_kept_is_read_back(drawn: list[tuple[Network, str]], tmp_path: Path) -> None:
    """A file holds a graph's nodes, options and leaves to the last bit."""
    for network, precision in drawn[:100]:
        loss = Quantity("value", network.nodes[0].name)
        found = Found(Column("torch"), "2", precision, loss, (0,), "", network)
        (tmp_path / "one.json").write_text(text(found), encoding="utf-8")

        assert text(found) == text(load(tmp_path / "one.json"))


@pytest.mark.parametrize(
    ("rad", "problem", "undecided"),
    [(np.inf, None, True), (np.nan, None, True), (1.0, None, False), (np.nan, "is missing", False)],
)
def test_undecided_without_probes(rad: float, problem: str | None, *, undecided: bool) -> None:
    """An infinite or NaN bound on two passes decides nothing; a missing gradient is refuted."""
    link = Link(
        Quantity("derivative", "x", probes=False), "refuted", "float32", rad=rad, problem=problem
    )
    nothing: Any = SimpleNamespace(seen=lambda _: None)

    assert has_no_bound(nothing, link) == undecided


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
    nodes = (Node("z", "conv2d", ("x", "W"), options), Node("E", "sum", ("z",)))

    network = Network("n", {"x": x, "W": W}, {}, nodes, frozenset())

    assert bool(aborts(Column.parse(tried), network, rounded)) == expected
