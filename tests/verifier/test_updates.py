"""Updates in files: a real optimizer's step holds, and a wrong one is refuted at its line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof import command
from backproof.adapters.recording import Recording, Updated
from backproof.programs.from_file import certify_trace
from backproof.reference.networks import mlp
from backproof.traces.writing import write
from tests.verifier.lazy import Lazy
from tests.verifier.test_traces import SCHEMA, recording_of

torch, nn, models, program = map(
    Lazy, ("torch", "torch.nn", "tests.verifier.models", "backproof.adapters.torch_program")
)

LR, BETA1, BETA2, EPS = 0.01, 0.9, 0.999, 1e-8


def by_adam(steps: int, **changed: Any) -> Recording:
    """Return a PyTorch program's pass, and Adam's step after it, the last of several."""
    torch.manual_seed(0)
    model, loss = models.mlp(nn.Tanh())
    named = dict(model.named_parameters())
    adam = torch.optim.Adam(model.parameters(), lr=LR)
    lines = {"m": "exp_avg", "v": "exp_avg_sq"}

    def copied(tensors: Any) -> dict[str, Any]:
        return {k: t.detach().numpy().copy() for k, t in tensors.items()}

    def states() -> dict[str, Any]:
        of = {
            line: {k: adam.state[p][key] for k, p in named.items()} for line, key in lines.items()
        }
        return {line: copied(tensors) for line, tensors in of.items()}

    for step in range(1, steps + 1):
        before = states() if step > 1 else {}
        recording = program.record(loss, model, "p")
        found = {k: np.array(a) for k, a in recording.leaves.items()}  # which the step writes to
        adam.zero_grad()
        loss().backward()
        adam.step()
    after = {**states(), "w": copied(named)}
    one = Updated("adam", {"lr": LR}, tuple(named), steps, narrow=False, before=before, after=after)
    return replace(recording, leaves=found, updates=(replace(one, **changed),))


@pytest.mark.parametrize("steps", [1, 3])
def test_a_step_of_adam(tmp_path: Path, steps: int) -> None:
    """PyTorch's Adam holds, line by line, from its states before the step."""
    recording = by_adam(steps)
    write(recording, tmp_path / "trace")
    certificate = certify_trace(tmp_path / "trace")

    SCHEMA.validate(json.loads((tmp_path / "trace" / "program.json").read_text("utf-8")))
    assert certificate.holds, str(certificate)
    assert [link.name for link in certificate.links if link.quantity.kind == "state"] == [
        f"{line} of {name}" for line in ("m", "v", "w") for name in recording.parameters
    ]


@pytest.mark.parametrize(
    ("changed", "line", "diagnosis"),
    [
        ({"options": {"lr": 2 * LR}}, "w", ""),
        ({"step": 2}, "w", "bias correction a step late"),
        ({"options": {"lr": LR, "beta1": 0.8}}, "m", ""),
        ({"options": {"lr": LR, "weight_decay": 0.1}}, "m", "decay forgotten"),
    ],
    ids=["another rate", "another step", "another beta", "no decay"],
)
def test_a_wrong_step(tmp_path: Path, changed: Any, line: str, diagnosis: str) -> None:
    """A step that is not the one that is claimed is refuted at the first wrong line."""
    write(by_adam(3, **changed), tmp_path / "trace")
    certificate = certify_trace(tmp_path / "trace")

    assert not certificate.holds
    assert (
        certificate.wrong[0].name == f"{line} of net.0.weight after step {changed.get('step', 3)}"
    )
    assert certificate.proven == certificate.parameters
    assert certificate.diagnosis == diagnosis


def by_hand(change: Callable[[Any], Any] = lambda _: None) -> Recording:
    """Return a pass, and a step of gradient descent by hand."""
    recording = recording_of(mlp((3, 2), "tanh", batch=2))
    w = {k: recording.leaves[k] - 0.5 * recording.trace.gradients[k] for k in ("W1", "b1")}
    change(w)
    one = Updated("sgd", {"lr": 0.5}, ("W1", "b1"), 1, narrow=False, before={}, after={"w": w})
    return replace(recording, updates=(one,))


def wrong_entry(w: Any) -> None:
    """Change one entry."""
    w["W1"][1, 0] += 1e-9


@pytest.mark.parametrize("right", [True, False])
def test_a_step_by_hand(tmp_path: Path, right: bool) -> None:  # noqa: FBT001
    """Gradient descent by hand holds, and one wrong entry is named."""
    write(by_hand() if right else by_hand(wrong_entry), tmp_path / "trace")
    certificate = certify_trace(tmp_path / "trace")

    assert certificate.holds == right
    if not right:
        assert "w of W1 after step 1[1, 0]: refuted" in str(certificate)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an optimizer": ({"optimizer": "adamant"}, "optimizer: 'adamant' is none of sgd, adagrad, "),
    "an option": (
        {"options": {"rate": 1}},
        "updates 1: sgd: got an unexpected keyword argument 'rate'; it takes lr=0.001, ",
    ),
    "a string": ({"options": {"lr": "0.5"}}, "updates 1: options: lr: '0.5' is not of type "),
    "no step": ({"step": 0}, "updates 1: step: 0 is less than the minimum of 1"),
    "no parameter": ({"parameters": []}, "updates 1: expected parameters, all of one dtype"),
    "a stranger": ({"parameters": ["W1", "b9"]}, "updates 1: W1, b9: not all of them are leaves"),
    "one twice": ({"parameters": ["W1", "W1"]}, "updates 1: W1, W1: not all of them are leaves"),
    "a node": ({"parameters": ["net1"]}, "no file has gradient/net1"),
    "no state": ({"optimizer": "adam", "step": 2}, "no file has after m/W1"),
    "no numbers": ({"parameters": ["x"]}, "no file has after w/x"),
    "no object": (3, "updates 1: 3 is not of type 'object'"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_bad_updates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any, message: str
) -> None:
    """Each is refused in one line that says what is wrong."""
    write(by_hand(), tmp_path / "trace")
    path = tmp_path / "trace" / "program.json"
    content = json.loads(path.read_text("utf-8"))
    (one,) = content["updates"]
    content["updates"] = [{**one, **change} if isinstance(change, dict) else change]
    path.write_text(json.dumps(content), "utf-8")

    assert command.run(["certify", str(tmp_path / "trace")]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_an_option_that_is_no_double(tmp_path: Path) -> None:
    """An optimizer that fails on its options judges nothing, and the certificate does not hold."""
    recording = by_hand()
    one = replace(recording.updates[0], options={"lr": 10**400})
    write(replace(recording, updates=(one,)), tmp_path / "trace")
    certificate = certify_trace(tmp_path / "trace")

    assert not certificate.holds
    assert "the reference's sgd fails: " in str(certificate)


def test_a_loss_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under a loss scale there are no updates: the gradients are not those of the step."""
    write(replace(by_hand(), scale=2.0), tmp_path / "trace")

    assert command.run(["certify", str(tmp_path / "trace")]) == 2
    assert "updates: there are none under a loss scale" in capsys.readouterr().err
