"""Hostile adapters: each gets one finding with its own text, and costs no other its verdict."""

import time
from pathlib import Path
from typing import Any

import pytest

from backproof.adapters.protocol import AdapterError
from backproof.reference.article.figures import Article
from backproof.running.implementations import Implementations
from tests.verifier.sandbox import COMPLEX_STEP, Sandbox

HOSTILE = """
import os, random, signal, sys, time
from dataclasses import replace
import numpy as np
from tests.verifier.complex_step import adapter as right

calls = []

def hostile(z):
    {body}
    return right.ops["sigmoid"](z)

adapter = replace(right, ops={{**right.ops, "sigmoid": hostile}})
"""
LIMIT = 3.0

BODIES = {
    "raises": ("raise KeyError('no')", "ops['sigmoid'] at node out_h: raised KeyError: 'no'"),
    "runs out of memory": ("raise MemoryError('full')", "raised MemoryError: full"),
    "hangs": ("time.sleep(1000)", f"ran longer than {LIMIT:g} s (--time-limit)"),
    "exits": ("os._exit(3)", "ended its process (exit status 3)"),
    "exits quietly": ("os._exit(0)", "ended its process (exit status 0)"),
    "leaves by sys.exit": ("sys.exit(4)", "ended its process (exit status 4)"),
    "is killed": ("os.kill(os.getpid(), signal.SIGKILL)", "ended its process (signal SIGKILL)"),
    "aborts": ("os.abort()", "ended its process (signal SIGABRT)"),
    "prints": ("print('hello')", "printed to standard output: 'hello"),
    "prints below Python": ("os.write(1, b'hello')", "printed to standard output: 'hello"),
    "changes directory": ("os.chdir('/')", "changed the working directory"),
    "changes NumPy's errors": ("np.seterr(all='ignore')", "changed NumPy's error state"),
    "draws random numbers": ("random.random()", "changed Python's random state"),
    "draws in NumPy": ("np.random.rand()", "changed NumPy's random state"),
    "is inconstant": (
        "calls.append(1); z = z * (1 + len(calls) * 2.0**-20)",
        "answered differently the second time",
    ),
    "returns None": ("return None", "ops['sigmoid'] at node out_h: raised AttributeError"),
    "returns an object": ("return object()", "ops['sigmoid'] at node out_h: raised AttributeError"),
}


def written(path: Path, body: str) -> Path:
    """Write a hostile adapter."""
    path.write_text(HOSTILE.format(body=body), encoding="utf-8")
    return path


@pytest.mark.parametrize(("body", "message"), BODIES.values(), ids=BODIES)
def test_hostile(article: Article, tmp_path: Path, body: str, message: str) -> None:
    """The error says what the adapter did, on the first call and on any later one."""
    implementations = Implementations(article, {"bad": written(tmp_path / "bad.py", body)}, LIMIT)

    for precision in ("float64", "float32"):
        with pytest.raises(AdapterError) as caught:
            implementations.value("bad", precision, 1, "E")
        assert str(caught.value).startswith(f"bad, {precision}, article: ")
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import time; time.sleep(1000)", f"adapter bad: ran longer than {LIMIT:g} s"),
        ("import os; os._exit(3)", "adapter bad: ended its process (exit status 3)"),
        ("raise SystemExit(5)", "adapter bad: ended its process (exit status 5)"),
        ("print('hello')\nimport tests.verifier.complex_step as c; adapter = c.adapter",
         "adapter bad: printed to standard output: 'hello"),
        ("import os; os.chdir('/')\nimport tests.verifier.complex_step as c; adapter = c.adapter",
         "adapter bad: changed the working directory"),
        ("1 +", "adapter bad: its module raised SyntaxError"),
    ],
)  # fmt: skip
def test_hostile_module(article: Article, tmp_path: Path, text: str, message: str) -> None:
    """The error says what a module did that is hostile when it is imported."""
    path = tmp_path / "bad.py"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(AdapterError) as caught:
        Implementations(article, {"bad": path}, LIMIT).value("bad", "float64", 1, "E")
    assert message in str(caught.value)


def test_inputs_are_not_changed(article: Article, tmp_path: Path) -> None:
    """An adapter that makes its inputs writeable again and changes them is refused."""
    path = tmp_path / "bad.py"
    text = HOSTILE.format(body="pass") + (
        "\ndef array(a):\n    a.flags.writeable = True\n    a[...] = 2 * a\n"
        "    return right.array(a)\nadapter = replace(right, array=array)\n"
    )
    path.write_text(text, encoding="utf-8")

    with pytest.raises(AdapterError, match="changed its inputs in place"):
        Implementations(article, {"bad": path}, LIMIT).value("bad", "float64", 1, "E")


@pytest.mark.parametrize(
    ("module", "change", "message"),
    [
        (
            "pytorch_autograd",
            "import torch; torch.set_default_dtype(torch.float64)",
            "changed PyTorch's defaults",
        ),
        (
            "jax_grad",
            "import jax; jax.config.update('jax_debug_nans', True)",
            "changed JAX's configuration",
        ),
    ],
)
def test_framework_defaults_are_not_changed(
    article: Article, tmp_path: Path, module: str, change: str, message: str
) -> None:
    """An adapter that changes its framework's defaults is refused."""
    path = tmp_path / "bad.py"
    path.write_text(
        "from dataclasses import replace\n"
        f"from backproof.adapters.{module} import adapter as right\n"
        f"def array(a):\n    {change}\n    return right.array(a)\n"
        "adapter = replace(right, array=array)\n",
        encoding="utf-8",
    )

    with pytest.raises(AdapterError, match=message):
        Implementations(article, {"bad": path}).value("bad", "float64", 1, "E")


def test_no_other_cell_changes(tmp_path: Path) -> None:
    """Adapters that hang, die or print do not change the verdicts of the others."""
    sandbox = Sandbox(tmp_path)
    sandbox.write("tests/verifier/__init__.py", "")
    sandbox.write("tests/verifier/complex_step.py", COMPLEX_STEP.read_text(encoding="utf-8"))
    right = sandbox.write("right.py", "from tests.verifier.complex_step import adapter\n")
    options: list[str | Path] = ["--frameworks", "reference", "--adapter", right, "-k", "in_ball"]
    alone = sandbox.run(*options)
    for name in ("hangs", "exits", "is killed", "prints"):
        path = written(sandbox.folder / f"{name.replace(' ', '_')}.py", BODIES[name][0])
        options += ["--adapter", path]
    start = time.monotonic()
    beside = sandbox.run(*options, "--time-limit", str(LIMIT))
    took = time.monotonic() - start

    def of_others(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [cell for cell in cells if cell["adapter"] in ("reference", "right")]

    hostile = [cell for cell in beside.cells if cell not in of_others(beside.cells)]

    assert alone.cells == of_others(beside.cells)
    assert {cell["verdict"] for cell in alone.cells} == {"agrees"}
    assert {cell["verdict"] for cell in hostile} == {"refuted"}
    assert "could not be judged" in beside.text
    assert took < LIMIT * sum(cell["adapter"] == "hangs" for cell in hostile)  # once, not per cell
