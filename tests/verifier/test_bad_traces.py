"""Files that are no trace get one line that says what is wrong and where, and exit status 2."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from backproof import command
from backproof.adapters import frameworks
from backproof.adapters.recording import Recording
from backproof.programs.certify import certify_recording
from backproof.reference.backprop import backprop
from backproof.reference.networks import mlp
from backproof.traces.files import TraceError
from backproof.traces.reading import read
from backproof.traces.writing import write

NUMBERS = "numbers-1.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The trace of a right pass."""
    network = mlp((3, 2), "tanh", batch=2)
    leaves = network.leaves(np.asarray)
    write(Recording(network, leaves, backprop(network, leaves), {}, ()), tmp_path / "trace")
    return tmp_path / "trace"


def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that the command prints, with exit status 2 and nothing else."""
    assert command.run(["certify", str(folder)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def program(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Return what changes program.json."""

    def changed(folder: Path) -> None:
        path = folder / "program.json"
        content = json.loads(path.read_text("utf-8"))
        change(content)
        path.write_text(json.dumps(content), "utf-8")

    return changed


unchecked = program(lambda p: p.pop("checksums"))
"""Leaves the checksums out, as a program may that writes a trace."""


def numbers(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Return what changes the arrays."""

    def changed(folder: Path) -> None:
        arrays = load_file(folder / NUMBERS)
        change(arrays)
        save_file(arrays, folder / NUMBERS)
        unchecked(folder)

    return changed


def cut(name: str, *, to: int) -> Callable[[Path], None]:
    """Return what cuts a file off."""

    def changed(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:to])
        if name == NUMBERS:
            unchecked(folder)

    return changed


def text(old: str, new: str) -> Callable[[Path], None]:
    """Return what changes the text of program.json."""

    def changed(folder: Path) -> None:
        path = folder / "program.json"
        before = path.read_text("utf-8")
        assert old in before
        path.write_text(before.replace(old, new, 1), "utf-8")

    return changed


def outside(folder: Path) -> None:
    """Lay a file of numbers outside, and a link to it in the folder."""
    (folder / NUMBERS).rename(folder.parent / NUMBERS)
    (folder / NUMBERS).symlink_to(folder.parent / NUMBERS)


def head(old: str, new: str) -> Callable[[Path], None]:
    """Return what changes the head of a file of numbers, where this stands first."""

    def changed(folder: Path) -> None:
        whole = (folder / NUMBERS).read_bytes()
        end = 8 + int.from_bytes(whole[:8], "little")
        text = whole[8:end].decode()
        assert old in text
        text = text.replace(old, new, 1)
        size = len(text).to_bytes(8, "little")
        (folder / NUMBERS).write_bytes(size + text.encode() + whole[end:])
        unchecked(folder)

    return changed


def huge(folder: Path) -> None:
    """Let a head be as large as no file is."""
    whole = (folder / NUMBERS).read_bytes()
    (folder / NUMBERS).write_bytes(b"\xff" * 8 + whole[8:])
    unchecked(folder)


def flip(folder: Path) -> None:
    """Change the last bit of the numbers."""
    whole = (folder / NUMBERS).read_bytes()
    (folder / NUMBERS).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))


def twice(folder: Path) -> None:
    """Lay the same numbers in two files."""
    (folder / "more.safetensors").write_bytes((folder / NUMBERS).read_bytes())
    program(lambda p: p["numbers"].append("more.safetensors"))(folder)


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (lambda folder: folder.rename(folder.parent / "other"), "cannot be read: No such file"),
    "no program": (lambda folder: (folder / "program.json").unlink(), "program.json: is not there"),
    "no JSON": (cut("program.json", to=100), "program.json: not JSON: "),
    "an empty program": (cut("program.json", to=0), "program.json: not JSON: "),
    "no UTF-8": (lambda folder: (folder / "program.json").write_bytes(b"\xff\xfe"), "program.json: not JSON: "),
    "another file": (lambda folder: (folder / "program.json").write_text("{}"), "program.json: no trace: its format must be 'backproof trace'"),
    "too new": (program(lambda p: p.update(version=2)), "program.json: a trace of version 2; this reads version 1"),
    "no version": (program(lambda p: p.pop("version")), "program.json: the program: lacks 'version', expected an integer"),
    "NaN": (text('"loss_scale": 1.0', '"loss_scale": NaN'), "program.json: not JSON: NaN is no number of JSON"),
    "a large number": (program(lambda p: p.update(loss_scale=10**400)), "program.json: int too large to convert to float"),
    "infinity": (text('"loss_scale": 1.0', '"loss_scale": 1e999'), "program.json: loss_scale: inf is not above zero"),
    "nested": (lambda folder: (folder / "program.json").write_text("[" * 10**5), "program.json: "),
    "nested options": (program(lambda p: p["nodes"][0].update(options={"a": nested(700)})), "program.json: "),
    "a leaf of no kind": (program(lambda p: p["leaves"][0].update(kind="weight")), "program.json: leaf x: kind: 'weight' is none of input, parameter, constant"),
    "a leaf of no shape": (program(lambda p: p["leaves"][0].update(shape=[2, -0.5])), "program.json: leaf x: shape: expected an array of integers"),
    "a radius of an input": (program(lambda p: p["leaves"][0].update(radius="value/x")), "program.json: leaf x: has a radius, and is no constant"),
    "a radius of another shape": (program(lambda p: p["leaves"][0].update(kind="constant", radius="value/E")), "program.json: leaf x: its radius is not float64 of shape (2, 3), >= 0"),
    "a radius below zero": (program(lambda p: p["leaves"][0].update(kind="constant", radius="value/x")), "program.json: leaf x: its radius is not float64 of shape (2, 3), >= 0"),
    "a radius that is not there": (program(lambda p: p["leaves"][0].update(kind="constant", radius="a")), "program.json: no file has a"),
    "a leaf twice": (program(lambda p: p["leaves"].append(p["leaves"][0])), "program.json: leaf x: this name is used twice"),
    "a dtype": (program(lambda p: p["nodes"][0].update(dtype="float8")), "program.json: node net1: dtype: 'float8' is none of float64, "),
    "no inputs": (program(lambda p: p["nodes"][0].pop("inputs")), "program.json: node net1: lacks 'inputs', expected an array of strings"),
    "an input": (program(lambda p: p["nodes"][0].update(inputs=["x", "y"])), "program.json: network 3-2, node net1: inputs ['y'] are no leaves, and no earlier nodes"),
    "an option": (program(lambda p: p["nodes"][0].update(options={"a": {"b": 1}})), "program.json: node net1: its options: cannot read an object of b"),
    "an option that is a string": (program(lambda p: p["nodes"][0].update(op="elu", inputs=["x"], options={"alpha": "0.3"})), "program.json: node net1: its options: the string '0.3': write it as a number"),
    "an option with a string in it": (program(lambda p: p["nodes"][0].update(options={"a": [1, {"list": ["1e-5"]}]})), "program.json: node net1: its options: the string '1e-5': write it as a number"),
    "a slice": (program(lambda p: p["nodes"][0].update(options={"a": {"slice": []}})), "program.json: node net1: its options: slice expected at least 1 argument"),
    "an option that an op does not have": (program(lambda p: p["nodes"][0].update(op="layer_norm", inputs=["x", "W1", "b1"], options={"epsilon": 1})), "program.json: network 3-2, node net1, op 'layer_norm': got an unexpected keyword argument 'epsilon'; it takes x, gamma, beta, eps=1e-05"),
    "an option's array, inline": (program(lambda p: p["nodes"][0].update(options={"a": {"array": [1]}})), "program.json: node net1: its options: no file has [1]"),
    "an option's array": (program(lambda p: p["nodes"][0].update(options={"a": {"array": "b"}})), "program.json: node net1: its options: no file has b"),
    "a form": (program(lambda p: p["nodes"][1].update(program={"leaves": ["a"], "nodes": [{"name": "b", "op": "tanh", "inputs": ["a"]}]}, op="t", forms=["c"])), "program.json: node E: forms: 'c' is none of "),
    "a loss of several numbers": (program(lambda p: p["nodes"].pop() and p["leaves"].pop(1)), "program.json: the loss, net1: expected one number, found shape (2, 2)"),
    "a field twice": (text('"version": 1', '"version": 1, "version": 1'), "program.json: not JSON: 'version' is there twice"),
    "a node of no kind": (program(lambda p: p["nodes"].append(3)), "program.json: a node: expected an object"),
    "a file that is not there": (program(lambda p: p.update(numbers=["a.safetensors"])), "program.json: numbers: 'a.safetensors' is not a file of this trace"),
    "a file cut off": (cut(NUMBERS, to=300), f"{NUMBERS}: cannot be read: it is cut off"),
    "numbers cut off": (cut(NUMBERS, to=-8), f"{NUMBERS}: cannot be read: value/x: its numbers are not in the file"),
    "an empty file": (cut(NUMBERS, to=0), f"{NUMBERS}: cannot be read: it is cut off"),
    "a header with NaN": (head('"data_offsets":[0,', '"data_offsets":[NaN,'), f"{NUMBERS}: cannot be read: NaN is no number of JSON"),
    "a header that is none": (head("{", "["), f"{NUMBERS}: cannot be read: Expecting "),
    "a header that is text": (head('{"', '"{'), f"{NUMBERS}: cannot be read: "),
    "a huge header": (huge, f"{NUMBERS}: cannot be read: it is cut off"),
    "an array twice in one file": (head('"value/W1"', '"value/x"'), f"{NUMBERS}: cannot be read: 'value/x' is there twice"),
    "numbers before the file": (head('"data_offsets":[0,8]', '"data_offsets":[-8,0]'), f"{NUMBERS}: cannot be read: cotangent/E: its numbers are not in the file"),
    "numbers of no shape": (head('"shape":[]', '"shape":[2]'), f"{NUMBERS}: cannot be read: cotangent/E: its numbers are not of its shape"),
    "a negative shape": (head('"shape":[3,2]', '"shape":[-3,-2]'), f"{NUMBERS}: cannot be read: gradient/W1: its numbers are not of its shape"),
    "numbers of no kind": (head('"F64"', '"F8"'), f"{NUMBERS}: cannot be read: cotangent/E: dtype: 'F8' is none of F64, "),
    "a checksum": (flip, f"{NUMBERS}: is not what was written: its checksum is another"),
    "a checksum of no kind": (program(lambda p: p.update(checksums={NUMBERS: 3})), f"program.json: the program: checksums: {NUMBERS}: expected a string"),
    "a checksum of no file": (program(lambda p: p["checksums"].update(a="0" * 64)), "program.json: checksums: 'a' is not one of the numbers"),
    "a path": (program(lambda p: p.update(numbers=[f"../trace/{NUMBERS}"])), f"program.json: numbers: '../trace/{NUMBERS}' is not a file of this trace"),
    "an absolute path": (program(lambda p: p.update(numbers=["/etc/passwd"])), "program.json: numbers: '/etc/passwd' is not a file of this trace"),
    "a link that leaves": (outside, f"program.json: numbers: '{NUMBERS}' is not a file of this trace"),
    "an array missing": (numbers(lambda a: a.pop("cotangent/net1")), "no file has cotangent/net1"),
    "a value missing": (program(lambda p: p["missing"].append("value/net1")) , ""),
    "another shape": (numbers(lambda a: a.update({"gradient/W1": np.zeros((2, 3))})), f"{NUMBERS}: gradient/W1: expected float64 of shape (3, 2), found float64 of shape (2, 3)"),
    "another dtype": (numbers(lambda a: a.update({"value/x": np.zeros((2, 3), "float32")})), f"{NUMBERS}: value/x: expected float64 of shape (2, 3), found float32 of shape (2, 3)"),
    "no tangents": (program(lambda p: p.update(tangents=True)), "no file has tangent of value/x"),
    "tangents of no kind": (program(lambda p: p.update(tangents="yes")), "program.json: the program: tangents: expected true or false"),
    "a parameter that is not there": (program(lambda p: p.update(parameters=["W1", "W2"])), "program.json: the program: parameters: 'W2' is no leaf, and neither stray nor unused"),
    "a node that is not there": (program(lambda p: p.update(once=["x"])), "program.json: the program: once: 'x' is no node"),
    "a field nobody reads": (program(lambda p: p.update(unsen=[{}])), "program.json: Additional properties are not allowed ('unsen' was unexpected)"),
    "a field of a node": (program(lambda p: p["nodes"][0].update(optoins={})), "program.json: nodes 1: Additional properties are not allowed ('optoins' was unexpected)"),
    "an array twice": (twice, "more.safetensors: "),
}  # fmt: skip


def nested(n: int) -> Any:
    """Return n arrays in each other."""
    found: Any = 1
    for _ in range(n):
        found = [found]
    return found


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_bad_files(
    folder: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], Any], message: str
) -> None:
    """Each is refused with its own line, which names the folder and the file."""
    change(folder)

    if message:
        assert refused(folder, capsys).startswith(f"backproof: {folder}: {message}")
    else:  # it is there all the same
        assert command.run(["certify", str(folder)]) == 0


def test_a_file_that_changes(folder: Path) -> None:
    """A file that is cut off after it was checked ends the certificate: it is no fault of an op."""
    recording = read(folder)
    cut(NUMBERS, to=-8)(folder)

    with pytest.raises(TraceError, match=f"{NUMBERS}: cannot be read"):
        certify_recording(recording, 0.0, progress=False)


def equation(folder: Path) -> None:
    """Compute the loss by an equation that is none."""
    change = {"op": "einsum", "options": {"equation": "three"}}
    program(lambda p: p["nodes"][1].update(change))(folder)


def cast(folder: Path) -> None:
    """Cast what the loss is computed from to a dtype that there is not."""

    def change(p: Any) -> None:
        first, loss = p["nodes"]
        one = {"name": "c", "op": "cast", "inputs": [first["name"]], "options": {"to": "float8"}}
        p["nodes"] = [first, {**first, **one}, {**loss, "inputs": ["c", "t"]}]

    program(change)(folder)
    kinds = ("value", "cotangent")
    numbers(lambda a: a.update({f"{kind}/c": a[f"{kind}/net1"] for kind in kinds}))(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (equation, "einsum at E: the reference's op fails: "),
        (cast, "cast at c: the reference's op fails: 'float8' is not known"),
    ],
    ids=["an equation", "a dtype"],
)
def test_options_that_an_op_does_not_take(
    folder: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], None], message: str
) -> None:
    """An op that fails on its options is named with the reason, and the certificate is red."""
    change(folder)

    assert command.run(["certify", str(folder)]) == 1
    assert message in capsys.readouterr().out


def test_a_framework_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, with what `record` can do about it: options of `verify` are not its own."""
    module = f"missing_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text("import not_installed", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(frameworks.TABLE, "jax", frameworks.Framework(module=module))

    assert command.run(["record", "jax", "article", str(tmp_path / "trace")]) == 2
    said = "No module named 'not_installed'; install it, or leave it out"
    assert capsys.readouterr().err == f"backproof: adapter jax: cannot be imported: {said}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["caffe", "article", "a"], "implementation: unknown 'caffe'; known: reference, torch, "),
        (["reference", "articel", "a"], "case: unknown 'articel'; nearest: article"),
        (
            ["reference", "conv", "a"],
            "case: unknown 'conv'; nearest: conv-used-twice, conv/ordinary, conv/special, ",
        ),
        (["reference", "article", "a", "--precision", "float8"], "precision: unknown 'float8'"),
        (["reference", "article", "."], ".: is there already"),
    ],
)
def test_bad_arguments(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """What cannot be recorded is refused, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()

    assert command.run(["record", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"backproof: {message}")
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]
