"""Reports merged: nothing is lost, nothing counts twice, and contradictions are said."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from backproof import command
from backproof.reference.fixtures import FIXTURES
from backproof.report.cells import RANDOM, Cell
from backproof.report.document import ReportError, to_json
from backproof.report.merge import merge
from backproof.report.page import page
from tests.verifier import sample

SCHEMA = Draft202012Validator(json.loads((FIXTURES / "report.schema.json").read_text("utf-8")))
CELL = next(sample.certified(["torch"], "agrees"))
OTHER = replace(CELL, adapter="jax")
RED = replace(CELL, verdict="refuted", message="it is wrong")
DRAWN = replace(CELL, network=RANDOM, precision="any", chain=())


def merged(*several: Sequence[Cell], **changed: Any) -> tuple[dict[str, Any], Any]:
    """Return the merged report of the reports of some cells, the last of them changed."""
    reports = {f"{n}.json": sample.of(cells) for n, cells in enumerate(several)}
    name = [*reports][-1]
    reports[name] = reports[name] | changed
    return merge(reports)


def test_two_frameworks() -> None:
    """Reports of two frameworks are one of both, as if both had been verified in one run."""
    parts = [sample.report([name]) for name in ("torch", "jax")]
    found, contradictions = merge(dict(zip("ab", parts, strict=True)))

    SCHEMA.validate(json.loads(to_json(found)))
    assert not contradictions
    assert len(found["cells"]) == len(parts[0]["cells"]) + len(parts[1]["cells"])
    assert found["counts"]["agrees"] == len(found["cells"])
    assert found["verdict"] == "green"
    assert found["versions"] == {**parts[0]["versions"], **parts[1]["versions"]}
    assert found["networks"] == parts[0]["networks"]
    assert "jax" in page(found)


def test_what_several_runs_compared() -> None:
    """A cell of several reports counts once; a report merged with itself says the same."""
    found, contradictions = merged([CELL], [CELL, OTHER])
    assert [cell["adapter"] for cell in found["cells"]] == ["torch", "jax"]
    assert not contradictions

    report = sample.report()
    again, _ = merge({"a": report, "b": report})
    twice = {**report, "seconds": 2 * report["seconds"]}
    assert json.loads(to_json(again)) == json.loads(to_json(twice))


@pytest.mark.parametrize("order", [[CELL, RED], [RED, CELL]], ids=["later", "before"])
def test_contradictions(order: list[Cell]) -> None:
    """Of two cells that contradict each other, the worse one stays, and both are said."""
    found, contradictions = merged(*([cell] for cell in order))

    assert [cell["verdict"] for cell in found["cells"]] == ["refuted"]
    assert found["verdict"] == "red"
    assert [*contradictions.values()] == [
        {f"{n}.json": cell.verdict for n, cell in enumerate(order)}
    ]


def test_campaigns_of_several_seeds() -> None:
    """Campaigns draw other networks in each run: all of them stay, and none contradicts."""
    several = [DRAWN, replace(DRAWN, entries=1), replace(DRAWN, entries=2, verdict="refuted")]
    found, contradictions = merged(*([cell] for cell in several), [DRAWN])

    assert not contradictions
    assert [cell["iteration"] for cell in found["cells"]] == [0, 1, 2]
    assert [cell["entries"] for cell in found["cells"]] == [DRAWN.entries, 1, 2]
    assert found["verdict"] == "red"


def test_what_is_not_green() -> None:
    """A test that failed, or a run that was stopped, is not forgotten."""
    assert merged([CELL], [OTHER], failed=["a"])[0]["verdict"] == "red"
    assert merged([CELL], [OTHER], failed=["a"])[0]["failed"] == ["a"]
    assert merged([CELL], [OTHER], verdict="incomplete")[0]["verdict"] == "incomplete"


def test_machines() -> None:
    """The machines, the commands and the seeds of all reports are said."""
    own = sample.of([CELL])
    other = {**own["machine"], "processor": "abacus", "cores": 1000}
    found, _ = merged([CELL], [OTHER], machine=other, command="backproof verify -x", seeds=[0, 7])

    SCHEMA.validate(json.loads(to_json(found)))
    assert found["machine"]["processor"] == f"{own['machine']['processor']}, abacus"
    assert found["machine"]["cores"] is None
    assert found["command"] == "backproof verify; backproof verify -x"
    assert found["seeds"] == [0, 7]


def test_two_versions() -> None:
    """Runs of two releases are refused: they are compared, not merged."""
    with pytest.raises(ReportError, match=r"1.json: torch 1.1, but torch 1.0 in 0.json; use `comp"):
        merged([CELL], [CELL], versions={"torch": "1.1"})


def test_two_environments() -> None:
    """Of what a run uses beside the frameworks, all versions are said: environments differ."""
    found, _ = merged([CELL], [OTHER], versions={"jax": "1.0", "numpy": "9.9"})

    assert found["versions"]["numpy"] == f"{sample.of([CELL])['versions']['numpy']}, 9.9"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command writes the report, prints contradictions, and exits by them."""
    paths = [tmp_path / f"{name}.json" for name in ("a", "b", "c", "to")]
    for path, cell in zip(paths, [CELL, OTHER, RED], strict=False):
        path.write_text(to_json(sample.of([cell])), encoding="utf-8")
    a, b, c, to = map(str, paths)

    assert command.run(["report", "merge", a, b, "--json", to]) == 0
    assert capsys.readouterr().out == "✓ Nothing refuted: 2 of 2 cells agree\n"
    assert len(json.loads(paths[3].read_text("utf-8"))["cells"]) == 2

    assert command.run(["report", "merge", a, c, "--json", to]) == 1
    printed = capsys.readouterr().out
    assert "contradictory: 1\n" in printed
    assert f"agrees in {a}, refuted in {c}" in printed

    assert command.run(["report", "merge", a, to, "--json", to]) == 2
    assert "to.json: would be replaced; name another file" in capsys.readouterr().err
    paths[1].write_text("{}", encoding="utf-8")
    assert command.run(["report", "merge", a, b, "--json", to]) == 2
    assert capsys.readouterr().err.startswith(f"backproof: {b}: 'schema' is a required property")
