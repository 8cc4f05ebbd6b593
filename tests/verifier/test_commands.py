"""Adapters that are commands: the one in C is right, and hostile ones cost no other its verdict."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backproof.adapters.commanded import Commanded
from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.reference.article.figures import Article
from backproof.reference.network import Network
from backproof.reference.networks import mlp
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.passes import certify
from backproof.running.certificates import in_precision
from backproof.running.implementations import Implementations
from tests.verifier.sandbox import ROOT, Sandbox

SOURCE = ROOT / "docs" / "examples" / "mlp.c"

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
    command = [compiler, "-O1", "-Wall", "-Werror", "-o", "mlp", "mlp.c", "-lm"]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603 our own program
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
