"""Adapters that are commands: the one in C is right, and hostile ones cost no other its verdict."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from backproof import command
from backproof.adapters.commanded import Commanded
from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.reference.article.figures import Article, load
from backproof.reference.network import Network, Node
from backproof.reference.networks import gpt, mlp
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.passes import certify
from backproof.running.certificates import in_precision
from backproof.running.implementations import Implementations
from backproof.scenarios.op_cases import OP_CASES
from tests.verifier.sandbox import ROOT, Sandbox

SOURCE = ROOT / "docs" / "examples" / "mlp.c"

TFJS = ROOT / "docs" / "examples" / "tfjs.mjs"

NETWORKS = {
    "relu": lambda: mlp((3, 4, 2), "relu", "half_squared_error", batch=5),
    "tanh": lambda: mlp((6, 5, 4, 1), "tanh", "half_squared_error", batch=1),
}


def built(folder: Path, old: str = "", new: str = "") -> Path:
    """Compile the example, with a piece of it replaced. Skips where there is no compiler."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    text = SOURCE.read_text(encoding="utf-8")
    assert text.count(old) == 1 or not old
    (folder / "mlp.c").write_text(text.replace(old, new) if old else text, encoding="utf-8")
    words = [compiler, "-O1", "-Wall", "-Werror", "-o", "mlp", "mlp.c", "-lm"]
    subprocess.run(words, cwd=folder, check=True)  # noqa: S603 our own program
    return folder / "mlp"


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in C, compiled."""
    return built(tmp_path_factory.mktemp("c"))


def certified(program: Path, network: Network, precision: str, scale: float = 1.0) -> Certificate:
    """Return the certificate of a pass of a command."""
    adapter = Commanded([str(program)], limit=30)
    leaves, shapes = in_precision(network, precision)
    trace = adapter.trace(network, leaves, shapes, scale)
    plain = adapter.plain(network, leaves, scale)
    return certify(network, leaves, trace, precision, plain, scale=scale)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", ["article", *NETWORKS])
def test_backpropagation_in_c(by_hand: Path, article: Article, name: str, precision: str) -> None:
    """The example is certified: on the article, and on networks with other shapes and ops."""
    network = article.network if name == "article" else NETWORKS[name]()
    certificate = certified(by_hand, network, precision, scale=4.0)

    assert certificate.holds, certificate
    assert certificate.end_to_end


@pytest.mark.parametrize(
    ("old", "new", "link"),
    [
        ("slope = s * (1 - s);", "slope = 1 - s;", "dE/dnet_o"),
        ("W->d[k * W->columns + c] += dz *", "W->d[k * W->columns + c] += 2 * dz *", "dE/dW_o"),
        ("kept(sum / 2)", "kept(sum)", "E"),
    ],
)
def test_a_lost_factor_is_found(
    tmp_path: Path, article: Article, old: str, new: str, link: str
) -> None:
    """A factor that is lost in the C source is refuted at its own link, the first of all."""
    refuted = certified(built(tmp_path, old, new), article.network, "float64").refuted

    assert refuted is not None
    assert refuted.name == link


def test_updates_and_figures(by_hand: Path, article: Article) -> None:
    """Updates are asked for as well, and the version is the first line."""
    implementations = Implementations(article, {"mlp": (str(by_hand),)})

    assert implementations.version("mlp") == "by hand in C, 1.0"
    found, expected = (
        implementations.value(name, "float64", 2, "w5") for name in ("mlp", "reference")
    )
    assert found == pytest.approx(expected, rel=1e-14)
    with pytest.raises(Unsupported, match="float16: C has no such type"):
        implementations.value("mlp", "float16", 1, "E")


def test_a_pass_in_c_is_recorded(
    tmp_path: Path, by_hand: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pass of a command is recorded, and certified from its files; what it lacks is said."""
    own = ["record", "--adapter-command", str(by_hand), "mlp"]

    assert command.run([*own, "article", str(tmp_path / "trace.zip")]) == 0
    assert command.run(["certify", str(tmp_path / "trace.zip")]) == 0
    assert "article, float32: holds: " in capsys.readouterr().out
    assert command.run([*own, "gpt", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("backproof: ")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--adapter-command", "./gone"], "there is no program './gone'"),
        (["--adapter-command", " "], "there is no program ' '"),
        (["--adapter-command", sys.executable, "--adapter", "a.py"], "not allowed with"),
    ],
)
def test_what_cannot_be_recorded(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    """A command that is not there, and two adapters, are refused."""
    with pytest.raises(SystemExit) as refused:
        command.run(["record", *options, "mlp", "article", "trace"])

    assert refused.value.code == 2
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def node() -> str:
    """The program node, with TensorFlow.js where the example looks for it."""
    program = shutil.which("node")
    if not program or not (TFJS.parent / "node_modules" / "@tensorflow").exists():
        pytest.skip("TensorFlow.js is not installed: npm install --prefix docs/examples")
    return program


@pytest.fixture(scope="module")
def tensorflow(node: str) -> Commanded:
    """The example of TensorFlow.js, in one process for all tests."""
    return Commanded([node, str(TFJS)], limit=120)


def passes(adapter: Commanded, network: Network) -> Certificate:
    """Return the certificate of the passes of an adapter in float32."""
    leaves, shapes = in_precision(network, "float32")
    trace, plain = adapter.trace(network, leaves, shapes), adapter.plain(network, leaves)
    return certify(network, leaves, trace, "float32", plain)


def of_op(case: str) -> Network:
    """Return the network of an op case: "tanh/ordinary"."""
    return OP_CASES[case].network(0)


SEEN_IN_TFJS: dict[str, Callable[[], Network]] = {
    "article": lambda: load().network,
    "gpt": gpt,
    "large": lambda: of_op("layer_norm/large"),
    **{
        name: partial(of_op, f"{name}/ordinary")
        for name in (
            *(
                "dense",
                "dense-no-bias",
                "embedding",
                "sigmoid",
                "tanh",
                "relu",
                "gelu",
                "gelu-tanh",
            ),
            *("softmax", "log_softmax", "layer_norm", "layer_norm-eps", "causal_mask"),
            *("matmul", "add", "subtract", "multiply", "divide", "negative", "scale", "exp"),
            "rsqrt",
            *("sum", "mean", "reshape", "transpose", "mean_squared_error", "cross_entropy"),
        )
    },
}


@pytest.mark.parametrize("make", SEEN_IN_TFJS.values(), ids=SEEN_IN_TFJS)
def test_tensorflow_js(tensorflow: Commanded, make: Callable[[], Network]) -> None:
    """TensorFlow.js is certified on the article, on a GPT, and on ops."""
    certificate = passes(tensorflow, make())

    assert tensorflow.version.startswith("tfjs 4.")
    assert certificate.holds, certificate
    assert certificate.end_to_end


def test_what_tensorflow_js_gets_wrong(tensorflow: Commanded) -> None:
    """Its softmax cross-entropy hands on to the targets what it hands on to the logits, negated.

    dE/dt is -log softmax(y), not t - softmax(y), each over the number of rows.
    """
    network = of_op("softmax_cross_entropy/ordinary")
    leaves, shapes = in_precision(network, "float32")
    trace = tensorflow.trace(network, leaves, shapes)
    (node,) = (one for one in network.nodes if one.op == "softmax_cross_entropy")
    y, t = node.inputs

    assert passes(tensorflow, network).refuted.name == f"dE/d{t}"  # type: ignore[union-attr]
    assert np.array_equal(trace.gradients[t], -trace.gradients[y])


def test_a_root_of_large_numbers_in_tensorflow_js(tensorflow: Commanded) -> None:
    """Its tf.rsqrt hands on -dy / (2 x^1.5): zero where x^1.5 overflows, from x = 4.9e25 on."""
    x = np.array([4.0, 1e20, 1e26], np.float32)
    c = np.array([1.0, 1e10, 1e20], np.float32)
    nodes = Node("y", "rsqrt", ("x",)), Node("w", "multiply", ("y", "c")), Node("E", "sum", ("w",))
    network = Network("rsqrt", {"x": x, "c": c}, {}, nodes, frozenset())
    trace = tensorflow.trace(network, *in_precision(network, "float32"))
    with np.errstate(over="ignore"):
        power = (x.astype(np.float64) ** 1.5).astype(np.float32)

    assert np.array_equal(trace.gradients["x"], -(c / (power * 2)))
    assert trace.gradients["x"][2] == 0


def test_a_layer_norm_of_large_numbers_in_javascript(tmp_path: Path, node: str) -> None:
    """Made of tf.rsqrt, it loses a part of its gradient; as the example has it, it does not."""
    root = {"div(tf.sqrt(variance.add(eps)))": "mul(tf.rsqrt(variance.add(eps)))"}
    adapter = Commanded([node, str(changed(tmp_path, root))], limit=120)
    refuted = passes(adapter, of_op("layer_norm/large")).refuted

    assert refuted is not None
    assert refuted.name == "dE/dx1"


def changed(folder: Path, lines: Mapping[str, str]) -> Path:
    """Return a copy of the example for TensorFlow.js with some of its text replaced."""
    text = TFJS.read_text(encoding="utf-8")
    for old, new in lines.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "tfjs.mjs").write_text(text, "utf-8")
    (folder / "node_modules").symlink_to(TFJS.parent / "node_modules")
    return folder / "tfjs.mjs"


def test_what_is_not_written_in_javascript(tensorflow: Commanded) -> None:
    """An op, an option and a precision that the example does not have are declared."""
    for case, precision, message in (
        ("conv/ordinary", "float32", "conv: it is not written yet"),
        ("softmax_cross_entropy-smoothed/ordinary", "float32", "label_smoothing"),
        ("tanh/ordinary", "float64", "float64: TensorFlow.js has float32"),
    ):
        network = of_op(case)
        with pytest.raises(Unsupported, match=message):
            tensorflow.trace(network, *in_precision(network, precision))


def test_a_lost_factor_is_found_in_javascript(tmp_path: Path, node: str) -> None:
    """A factor that is lost in its source is refuted at its own link, the first of all."""
    path = changed(tmp_path, {"tf.tanh(inner).add(1)).mul(0.5)": "tf.tanh(inner).add(1))"})
    adapter = Commanded([node, str(path)], limit=120)
    refuted = passes(adapter, of_op("gelu-tanh/ordinary")).refuted

    assert refuted is not None
    assert refuted.name == "y"


SERVED = """
import sys, os, time, shutil
import numpy as np
from safetensors.numpy import save_file
n = 0
print("1.0", flush=True)
for line in sys.stdin:
    asked, answer = line.rstrip("\\n").split("\\t")
    n += 1
    arrays = {{"value/w": np.zeros(2)}}
    reply = "ok"
    {body}
    save_file(arrays, answer + "/answer.safetensors")
    {late}
    print(reply, flush=True)
"""
LIMIT = 10.0

HOSTILE = {
    "right": ("pass", "pass", ""),
    "hangs": ("time.sleep(1000)", "pass", "ran longer than 10 s (--time-limit)"),
    "exits": ("os._exit(3)", "pass", "ended its process (exit status 3)"),
    "is killed": ("os.kill(os.getpid(), 9)", "pass", "ended its process (signal SIGKILL)"),
    "prints": ("print('hello world')", "pass", "printed to standard output: 'hello world'"),
    "fails": ("reply = 'error no'", "pass", "raised no"),
    "is inconstant": ("arrays['value/w'] += n", "pass", "answered differently the second time"),
    "answers nothing": ("pass", "os.remove(answer + '/answer.safetensors')", "cannot be read"),
    "answers something else": (
        "pass",
        "open(answer + '/answer.safetensors', 'wb').write(b'x' * 99)",
        "answer.safetensors: cannot be read: ",
    ),
    "changes its inputs": (
        "pass",
        "open(asked + '/program.json', 'a').write('x')",
        "changed its inputs in place",
    ),
}


@pytest.mark.parametrize(("body", "late", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_commands(tmp_path: Path, body: str, late: str, message: str) -> None:
    """The error says what the process did, and a process that is gone stays so."""
    path = tmp_path / "bad.py"
    path.write_text(SERVED.format(body=body, late=late), encoding="utf-8")
    adapter = Commanded([sys.executable, str(path)], 3.0 if "sleep" in body else LIMIT)

    if not message:
        assert adapter.update(np.ones(2), np.ones(2), 0.5).tolist() == [0.0, 0.0]
        return
    with pytest.raises(AdapterError) as caught:
        adapter.update(np.ones(2), np.ones(2), 0.5)
    assert message.replace("10 s", "3 s") in str(caught.value)
    if adapter.dead:
        with pytest.raises(AdapterError) as again:
            adapter.update(np.ones(2), np.ones(2), 0.5)
        assert str(again.value) == str(caught.value)


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    """A command that cannot be started is named, and no test runs."""
    outcome = Sandbox(tmp_path).run("--frameworks", "reference", "--adapter-command", "./gone a")

    assert outcome.status == 4
    assert "--adapter-command: there is no program './gone a'" in outcome.text
