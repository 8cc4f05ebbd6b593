"""Files of a derivative inside of a program that do not fit the program are refused, or refuted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from backproof.programs.from_file import TraceError, certify_trace
from tests.verifier.lazy import Lazy

torch, bt = map(Lazy, ("torch", "backproof.torch"))

NUMBERS = "numbers-1.safetensors"

Change = Callable[[dict[str, Any], dict[str, Any]], object]
"""Changes an inner pass as JSON, and the arrays of the trace."""


def record(folder: Path) -> None:
    """Record a penalty: the slope of tanh along a seed."""
    torch.manual_seed(0)
    w, x, v = (torch.randn(shape) for shape in ((3, 2), (4, 3), (4, 2)))
    w.requires_grad_()

    def loss() -> Any:
        h = x @ w
        (d,) = torch.autograd.grad(h.tanh(), h, v * w.sum(), create_graph=True)
        return d.square().sum() + h.tanh().sum()

    bt.record(loss, {"w": w}, folder)


def changed(folder: Path, change: Change) -> None:
    """Change a trace. Checksums are left out."""
    program, arrays = json.loads((folder / "program.json").read_text()), load_file(folder / NUMBERS)
    change(program["inner"][-1], arrays)
    del program["checksums"]
    (folder / "program.json").write_text(json.dumps(program))
    save_file({k: np.asarray(a, order="C") for k, a in arrays.items()}, folder / NUMBERS)


def other(name: str) -> Change:
    """Return what halves an array."""

    def halve(_: Any, arrays: dict[str, Any]) -> None:
        arrays[name] = arrays[name] / 2

    return halve


def renamed(inner: dict[str, Any], _: Any) -> None:
    """Take a result for another one's."""
    ((_, of),) = inner["results"].items()
    inner["results"] = {"matmul": of}


REFUSED: dict[str, tuple[Change, str]] = {
    "a node that is not judged": (
        lambda inner, _: inner["reached"].remove("tanh"),
        "inner 2: reached: tanh depends on an input, and is not there",
    ),
    "a value that is not judged": (
        lambda inner, _: inner["added"].append("tanh"),
        "inner 2: added: tanh: only the ops multiply, sum, add may be added",
    ),
    "an added node in the program": (
        lambda inner, _: inner["added"].remove(inner["nodes"][-1]["name"]),
        "is not added",
    ),
    "a value that is there twice": (
        lambda _, arrays: arrays.update({"inner 2/value/tanh": arrays["value/tanh"]}),
        "inner 2: value/tanh: the program has it already",
    ),
    "another result": (renamed, "inner 2: results: matmul has other numbers in the program"),
    "a seed that is not there": (
        lambda inner, _: inner["seeds"].update(nothing="matmul"),
        "inner 2: seeds: 'nothing' is no leaf",
    ),
    "a result that is not there": (
        lambda inner, _: inner["results"].update(matmul="nothing"),
        "inner 2: results: 'nothing' is no leaf or node",
    ),
    "a constant that is not there": (
        lambda inner, _: inner["constant"].append("nothing"),
        "inner 2: the program: constant: 'nothing' is no result",
    ),
    "another seed": (
        lambda inner, _: inner["seeds"].update({next(iter(inner["seeds"])): "matmul"}),
        "inner 2: seeds: matmul has other numbers in the program",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused(what: str, tmp_path: Path) -> None:
    """The message says in which pass, and what."""
    change, message = REFUSED[what]
    record(tmp_path / "trace")
    changed(tmp_path / "trace", change)

    with pytest.raises(TraceError, match="inner 2") as refused:
        certify_trace(tmp_path / "trace")

    assert message in str(refused.value)


REFUTED: dict[str, Change] = {
    "another op of the same name": lambda inner, _: [
        node.update(op="sin") for node in inner["nodes"] if node["name"] == "tanh"
    ],
    "half a cotangent": other("inner 2/cotangent/tanh"),
}


@pytest.mark.parametrize("what", REFUTED)
def test_what_is_wrong_is_refuted(what: str, tmp_path: Path) -> None:
    """What is judged in the program is not taken for something else of the same name."""
    record(tmp_path / "trace")
    assert certify_trace(tmp_path / "trace").holds
    changed(tmp_path / "trace", REFUTED[what])

    certificate = certify_trace(tmp_path / "trace")

    assert not certificate.holds
    assert certificate.inner[-1].refuted is not None
