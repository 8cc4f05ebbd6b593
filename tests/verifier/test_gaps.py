"""What an adapter declares: ops, options and their values, precisions, inputs; and its skeleton."""

import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backproof.adapters import frameworks, load, skeleton, trial
from backproof.adapters.column import Column
from backproof.adapters.gaps import left_out
from backproof.adapters.isolation import Isolated
from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.campaign.campaign import judge
from backproof.campaign.script import by_ops
from backproof.reference.article.figures import load as article
from backproof.reference.backprop import forward
from backproof.reference.network import Network, Node
from backproof.reference.ops import OPS
from backproof.running.certificates import in_precision
from backproof.running.implementations import Implementations
from backproof.scenarios import derivatives, ops_page
from backproof.scenarios.op_cases import op_network
from tests.verifier.complex_step import adapter
from tests.verifier.sandbox import ROOT

TARGET = "labels are constants"


def test_lacks_is_the_reason_for_every_op_that_is_not_named() -> None:
    """`lacks` declares each op that `ops` does not name, and no other."""
    one = replace(adapter, ops={"dense": adapter.ops["dense"]}, unsupported={}, lacks="too new")

    assert {*OPS} - {*one.unsupported} == {"dense"}
    assert {*one.unsupported.values()} == {"too new"}


@pytest.mark.parametrize("case", ["layer_norm", "layer_norm-eps"])
def test_a_value_of_an_option_is_declared(case: str) -> None:
    """A large epsilon is declared unsupported, and the default one is not."""
    large = {"layer_norm eps": (lambda eps: eps > 1e-3, "eps is too large")}
    network = op_network(case, "ordinary", 0)
    leaves, shapes = in_precision(network, "float64")
    one = replace(adapter, ops={**adapter.ops, **layer_norm()}, unsupported=large)

    if case == "layer_norm":
        one.trace(network, leaves, shapes)
        return
    with pytest.raises(Unsupported, match="layer_norm eps: eps is too large"):
        one.trace(network, leaves, shapes)


def layer_norm() -> dict[str, object]:
    """Return a layer norm over the complex numbers of the adapter, and what weights it."""
    return {
        "layer_norm": lambda x, gamma, beta, eps=1e-5: OPS["layer_norm"].forward(
            x, gamma, beta, eps=eps
        ),
        "multiply": np.multiply,
        "sum": np.sum,
    }


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ((Node("E", "half_squared_error", ("y", "t")),), ["t"]),
        (
            (
                Node("u", "scale", ("t",), {"factor": 2}),
                Node("E", "half_squared_error", ("y", "u")),
            ),
            None,
        ),
        ((Node("u", "add", ("y", "t")), Node("E", "half_squared_error", ("u", "t"))), None),
        (
            (
                *(Node(f"sum{x}", "sum", (x,)) for x in ("y", "t")),
                Node("E", "add", ("sumy", "sumt")),
            ),
            None,
        ),
    ],
    ids=["input", "computed", "used elsewhere", "all of an op"],
)
def test_an_input_that_is_not_differentiated(
    nodes: tuple[Node, ...], expected: list[str] | None
) -> None:
    """A target is left out, and named, where it is an input that nothing else uses.

    Else it is refused; so is an op of which no input is left, whose derivative nothing would show.
    """
    one = replace(adapter, unsupported={"half_squared_error.t": TARGET, "sum.x": TARGET})
    network = Network("n", {"y": np.ones(2), "t": np.ones(2)}, {}, nodes, frozenset())
    leaves, shapes = in_precision(network, "float64")

    if expected:
        assert one.constants(network) == expected
        without = replace(network, constants=frozenset(expected))
        assert left_out(without) == ["half_squared_error.t is not differentiated"]
        return
    with pytest.raises(Unsupported, match=TARGET):
        one.trace(network, leaves, shapes)


def test_an_input_that_is_not_differentiated_is_left_out_of_campaigns() -> None:
    """A random graph is not refuted for the gradient of a target that is declared to have none."""
    right = load("torch")

    def value_and_grad(loss: Any, tensors: dict[str, Any]) -> tuple[Any, ...]:
        values, gradients = right.value_and_grad(loss, tensors)
        return values, {**gradients, "t": None}

    implementations = Implementations(article(), {"torch": None})
    network = Network(
        "n",
        {"y": np.ones(2), "t": np.zeros(2)},
        {},
        (Node("E", "half_squared_error", ("y", "t")),),
        frozenset(),
    )
    leaves, _ = in_precision(network, "float64")
    found = {}
    for unsupported in ({}, {"half_squared_error.t": TARGET}):
        one = replace(right, value_and_grad=value_and_grad, unsupported=unsupported)
        implementations.adapter = lambda _, one=one: one
        judged = judge(implementations, Column("torch"), network, leaves, ())
        found[len(unsupported)] = {link.quantity.of for link in judged.new}

    assert found == {0: {"t"}, 1: set()}


@pytest.mark.parametrize("key", ["convv", "conv.z", "conv kernel", "conv float128"])
def test_misspelt_keys_are_refused(key: str) -> None:
    """A key of `unsupported` that names nothing is refused, with its name."""
    with pytest.raises(ValueError, match=f"unsupported: unknown \\['{key}'\\]"):
        replace(adapter, unsupported={key: "no reason"})


def test_the_methods_of_your_own_adapter_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process says which methods its adapter has, and these become columns."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import replace\n"
        "from tests.verifier.complex_step import adapter as right\n"
        "adapter = replace(right, forward_mode={'jvp': None}, second_order={'twice': None},\n"
        "                  unsupported={'conv groups': (lambda n: n > 2, 'too many')})\n",
        encoding="utf-8",
    )
    own = Isolated("mine", path, 60)
    row = frameworks.Framework(module="", methods=dict.fromkeys(own.forward_mode, ()))
    monkeypatch.setitem(frameworks.OWN, "mine", row)
    columns = {str(one.values[0]) for one in derivatives.parameters(["mine"], large=False)}

    assert (own.forward_mode, own.second_order) == (["jvp"], ["twice"])
    assert own.unsupported == {"conv groups": "too many"}
    assert columns == {"mine.jvp"}


def test_the_skeleton_is_an_adapter_of_every_op(tmp_path: Path) -> None:
    """The skeleton can be loaded as it is; uncommented, it names each op with all parameters."""
    path = tmp_path / "mylib.py"
    path.write_text(skeleton.skeleton(), encoding="utf-8")
    whole = tmp_path / "whole.py"
    whole.write_text(skeleton.skeleton().replace('# "', '"'), encoding="utf-8")

    assert not load("mylib", path).ops
    assert {*load("whole", whole).ops} == {*OPS}


def test_the_page_of_ops_is_generated() -> None:
    """docs/ops.md ends with what `backproof ops` prints, which has every op in one place."""
    page = (ROOT / "docs" / "ops.md").read_text(encoding="utf-8")

    assert page.endswith(ops_page.to_markdown() + "\n")
    assert sorted(re.findall(r"^\| `(\w+)` ", page, re.MULTILINE)) == sorted(OPS)


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("import sys; sys.exit(7)", r"ends its process \(exit status 7\)"),
        ("import sys; sys.exit(0)", r"ends its process \(exit status 0\)"),
        ("import os; os._exit(0)", r"ends its process \(exit status 0\)"),
        ("import os; os.abort()", r"ends its process \(signal SIGABRT\)"),
        ("import time; time.sleep(1000)", "runs longer than 2 s"),
        ("raise KeyError('no')", "raised KeyError: 'no'"),
        ("raise ImportError('no')", "cannot be imported: no; install it, or leave it out$"),
    ],
)
def test_a_framework_that_is_hostile_when_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, how: str
) -> None:
    """It is one line about this framework: the run, and all others, go on."""
    module = f"hostile_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(trial, "LIMIT", 2.0)
    monkeypatch.setitem(frameworks.TABLE, "hostile", frameworks.Framework(module=module))

    with pytest.raises(AdapterError, match=f"adapter hostile: .*{how}"):
        load("hostile")


def test_an_import_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was imported once is not tried again: not here, and not in processes started here."""
    monkeypatch.setenv(trial.TRIED, "")
    tried = list[list[str]]()

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        tried.append(command)
        return SimpleNamespace(stdout=trial.DONE, returncode=0)

    monkeypatch.setattr(trial.subprocess, "run", run)
    for _ in range(2):
        assert trial.refusal.__wrapped__("one") is None

    assert (os.environ[trial.TRIED], len(tried)) == ("one", 1)


def test_a_graph_without_a_dialect_is_a_script() -> None:
    """A graph of your own adapter is shown as calls of its ops, which give the same numbers."""
    network = op_network("huber-delta", "ordinary", 0)
    leaves, _ = in_precision(network, "float64")
    ops = {"huber": OPS["huber"].forward, "multiply": np.multiply, "sum": np.sum}
    known: dict[str, Any] = {"ops": ops}
    exec("\n".join(by_ops(network, leaves)), known)  # noqa: S102 the script itself

    assert known["E"] == forward(network, leaves)["E"]
