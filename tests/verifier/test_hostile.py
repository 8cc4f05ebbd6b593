"""Hostile adapters: each gets one finding with its own text, and costs no other its verdict."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.reference.article.figures import Article
from backproof.reference.networks import mlp
from backproof.running.certificates import in_precision, traced
from backproof.running.implementations import Implementations
from backproof.running.options import REFERENCE
from tests.verifier.complex_step import adapter as right
from tests.verifier.sandbox import COMPLEX_STEP, ROOT, Sandbox

HOSTILE = """
import locale, os, random, signal, sys, time
from dataclasses import replace
import numpy as np
from backproof import Unsupported
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
    "seeds NumPy": ("np.random.seed(0)", "changed NumPy's random state"),
    "sets the environment": ("os.environ['OWN'] = '1'", "changed the environment's OWN"),
    "handles signals": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "changed the handler of SIGTERM",
    ),
    "sets the umask": ("os.umask(0o777)", "changed the umask"),
    "sets the locale": ("locale.setlocale(locale.LC_ALL, 'C.UTF-8')", "changed the locale"),
    "sets the recursion limit": (
        "sys.setrecursionlimit(2000 + sys.getrecursionlimit())",
        "changed the recursion limit",
    ),
    "writes into the clone": (
        f"\n    try: os.rmdir({str(ROOT / 'docs')!r})\n    except OSError: pass",
        f"wrote to {ROOT / 'docs'}",
    ),
    "raises what has no text": (
        "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()",
        "raised Mute: its text cannot be read: ZeroDivisionError (bad.py:",
    ),
    "says too much": ("raise ValueError('x\\n' * 5_000_000)", "raised ValueError: x x x x x x "),
    "is inconstant": (
        "calls.append(1); z = z * (1 + len(calls) * 2.0**-20)",
        "answered differently the second time",
    ),
    "raises Unsupported": (
        "raise Unsupported('later')",
        "ops['sigmoid'] at node out_h: raised Unsupported in the middle of a pass; declare it",
    ),
    "returns None": (
        "return None",
        "ops['sigmoid'] at node out_h: expected a tensor with a `shape`, found NoneType",
    ),
    "returns an object": (
        "return object()",
        "ops['sigmoid'] at node out_h: expected a tensor with a `shape`, found object",
    ),
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
        assert len(str(caught.value)) < 500
        assert "\n" not in str(caught.value)


REDUCED = """
import os
from dataclasses import replace
import numpy as np
from tests.verifier.complex_step import adapter as right

class Bomb:
    def __reduce__(self):
        return os._exit, (0,)

BOMB = Bomb()

class Array(np.ndarray):
    def __reduce__(self):
        return os._exit, (0,)

def bomb(t):
    return {answer}

adapter = replace(right, {field}=bomb)
"""
"""An adapter whose answer, unpickled, ends the process with exit status 0."""


@pytest.mark.parametrize(
    ("field", "answer", "message"),
    [
        ("numpy", "Bomb()", "expected a NumPy array, found Bomb"),
        ("numpy", "np.array(BOMB)", "expected a NumPy array, found ndarray of object"),
        ("numpy", "np.longdouble(right.numpy(t))", "expected a NumPy array, found ndarray of "),
        ("numpy", "right.numpy(t) + 0j", "expected a NumPy array, found ndarray of complex128"),
        ("numpy", "right.numpy(t).astype(object)", "expected a NumPy array, found float"),
        ("numpy", "right.numpy(t).view(Array)", ""),
    ],
)
def test_nothing_of_an_answer_is_run(
    article: Article, tmp_path: Path, field: str, answer: str, message: str
) -> None:
    """An object whose `__reduce__` would end this process is sent as the name of its type."""
    path = tmp_path / "bad.py"
    path.write_text(REDUCED.format(field=field, answer=answer), encoding="utf-8")
    implementations = Implementations(article, {"bad": path}, LIMIT)

    if message:
        with pytest.raises(AdapterError, match=message):
            implementations.value("bad", "float64", 1, "E")
    else:  # its numbers are right
        assert implementations.value("bad", "float64", 1, "E") > 0


def test_an_answer_that_is_no_message(article: Article, tmp_path: Path) -> None:
    """Bytes that are no message, such as a pickle, are refused, whatever is in them."""
    body = (
        "import gc, pickle; from multiprocessing.connection import Connection; "
        "[c.send_bytes(pickle.dumps(1)) for c in gc.get_objects() if isinstance(c, Connection)]"
    )
    path = written(tmp_path / "bad.py", body)

    with pytest.raises(AdapterError, match="answered in no form that can be read"):
        Implementations(article, {"bad": path}, LIMIT).value("bad", "float64", 1, "E")


LATE = "raised Unsupported in the middle of a pass; declare it under `unsupported`: later"


@pytest.mark.parametrize("field", ["value_and_grad", "array", "numpy", "state"])
def test_unsupported_is_declared_before_a_run(article: Article, tmp_path: Path, field: str) -> None:
    """Unsupported, raised anywhere in a run, is an error: it would skip what it should fail."""
    path = written(tmp_path / "bad.py", "pass")
    late = f"\ndef late(*_): raise Unsupported('later')\nadapter = replace(right, {field}=late)\n"
    path.write_text(path.read_text(encoding="utf-8") + late, encoding="utf-8")

    with pytest.raises(AdapterError, match=LATE):
        Implementations(article, {"bad": path}).value("bad", "float64", 1, "E")


METHODS = ("trace", "plain", "along", "examples", "update", "differentiated")


@pytest.mark.parametrize("method", METHODS)
def test_no_method_lets_unsupported_out(method: str) -> None:
    """Every method of an adapter that runs its code turns a late Unsupported into an error."""

    def late(*_: Any) -> Any:
        raise Unsupported("later")

    def call() -> None:
        found = getattr(bad, method)(*given[method])
        found({})  # what `differentiated` returned

    network = mlp((2, 1))
    leaves = network.leaves(lambda a: np.asarray(a, float))
    shapes = {node.name: (1, 1) for node in network.nodes}
    bad = replace(
        right, array=late, value_and_grad=late, per_example=late, forward_mode={"jvp": late}
    )
    given: dict[str, Any] = {
        "trace": (network, leaves, shapes),
        "plain": (network, leaves),
        "along": ("jvp", network, leaves, [leaves], shapes),
        "examples": (network, leaves, shapes, ("x",)),
        "update": (np.ones(1), np.ones(1), 0.5),
        "differentiated": (network, leaves),
    }

    with pytest.raises(AdapterError, match=LATE):
        call()


PLAIN = """
from dataclasses import replace
from tests.verifier.complex_step import adapter as right

def value_and_grad(loss, tensors):
    values, found = right.value_and_grad(loss, tensors)
    if "E" not in tensors:  # there are no probes
        {change}
    return values, found

adapter = replace(right, value_and_grad=value_and_grad)
"""


@pytest.mark.parametrize(
    ("change", "values", "gradients"),
    [
        ("pass", {}, {}),
        ("values['E'] = values['E'] - 1e6", {"E": -1e6}, {}),
        ("values.pop('E')", {"E": None}, {}),
        ("found.pop('W_o')", {}, {"W_o": None}),
        ("found['W_o'] = None", {}, {"W_o": None}),
        ("found.clear()", {}, dict.fromkeys(["x", "t", "W_h", "W_o", "b_h", "b_o"])),
    ],
)
def test_a_pass_without_probes_is_handed_over(
    article: Article, tmp_path: Path, change: str, values: Any, gradients: Any
) -> None:
    """All values and gradients of the pass without probes arrive, and what is missing is missing.

    values, gradients: name -> what is added to the right array; None where there must be none.
    """
    path = tmp_path / "bad.py"
    path.write_text(PLAIN.format(change=change), encoding="utf-8")
    network = article.network
    leaves, shapes = in_precision(network, "float64")
    implementations = Implementations(article, {"bad": path})
    trace, plain = traced(implementations, Column("bad"), network, leaves, shapes, 1.0)

    def changed(arrays: dict[str, Any], by: dict[str, Any]) -> dict[str, Any]:
        left = {k: a for k, a in arrays.items() if by.get(k, 0) is not None}
        return {k: np.asarray(a + by.get(k, 0)).tolist() for k, a in left.items()}

    assert plain is not None
    assert plain.cotangents == {}
    assert changed(plain.values, {}) == changed(trace.values, values)
    assert changed(plain.gradients, {}) == changed(trace.gradients, gradients)


def test_the_reference_has_no_pass_without_probes(article: Article) -> None:
    """The reference has no probes, and so no other pass: None, which no adapter can return."""
    leaves, shapes = in_precision(article.network, "float64")
    implementations = Implementations(article, {})

    _, plain = traced(
        implementations, Column(REFERENCE), article.network, leaves, shapes, scale=1.0
    )
    assert plain is None


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
        ("import os; os.fork()\nimport tests.verifier.complex_step as c; adapter = c.adapter",
         "adapter bad: forks its process when it is imported"),
        ("import tests.verifier.complex_step as c; adapter = c.adapter; variants = 1",
         "bad.py: expected `variants = {...}`, names -> adapters, found 1"),
        ("import tests.verifier.complex_step as c; adapter = c.adapter; variants = {'a.b': c}",
         "bad.py: expected variants: a name -> an Adapter, found 'a.b': <module"),
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
    assert "hangs: hangs, float64, article: ran longer" not in beside.text  # said once, in short
    assert "hangs: ran longer than" in beside.text
    assert took < LIMIT * sum(cell["adapter"] == "hangs" for cell in hostile)  # once, not per cell


HANGS_AT_ONE_OP = """
import os
from dataclasses import replace
from tests.verifier.complex_step import adapter as right

def gone(z):
    os._exit(3)

adapter = replace(right, ops={**right.ops, "tanh": gone})
"""


def test_a_process_that_ends_is_started_again(tmp_path: Path, article: Article) -> None:
    """An op that ends the process costs no other its verdict, up to several times."""
    path = tmp_path / "bad.py"
    path.write_text(HANGS_AT_ONE_OP, encoding="utf-8")
    adapter = Implementations(article, {"bad": path}, LIMIT).adapter(Column("bad"))

    def outcome(activation: str) -> str:
        network = mlp((2, 2, 2), activation, seed=0)
        leaves, shapes = in_precision(network, "float64")
        try:
            adapter.trace(network, leaves, shapes)
        except AdapterError as error:
            return str(error)
        return "traced"

    found = [outcome(name) for name in ("sigmoid", "tanh", "sigmoid", "tanh", "tanh", "tanh")]
    assert found == [
        *("traced", "ended its process (exit status 3)", "traced"),
        *["ended its process (exit status 3)"] * 3,
    ]
    assert outcome("sigmoid") == "ended its process (exit status 3)"
