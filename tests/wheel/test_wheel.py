"""The wheel: installed in a new environment, used from an empty folder, without the clone."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from backproof.running.options import OPTIONS
from tests.verifier.sandbox import COMPLEX_STEP, PLACES, ROOT


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel in it, and an empty folder to use it from."""

    bin: Path
    site: Path
    empty: Path

    def run(self, *command: str | Path, status: int = 0) -> str:
        """Return what a command prints there; its exit status must be as expected."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        done = subprocess.run(  # noqa: S603 our own command
            [self.bin / str(command[0]), *map(str, command[1:])],
            cwd=self.empty,
            env={**environment, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git tracks: nothing that lies about in the clone helps it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for file in filter(None, listed.stdout.split("\0")):
        if (ROOT / file).is_file():
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, source / file)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", target, source]
    subprocess.run(command, check=True)  # noqa: S603 our own command
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel with its extras in a new environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    constraints = ["--constraint", ROOT / "constraints.txt"]
    install = [python, "-m", "pip", "install", "--quiet", f"{wheel}[torch,jax]", *constraints]
    subprocess.run(install, check=True)  # noqa: S603 our own command
    (site,) = folder.glob("lib/python*/site-packages")
    return Installed(folder / "bin", site, tmp_path_factory.mktemp("empty"))


def test_what_is_installed(installed: Installed) -> None:
    """Of backproof, site-packages gets one folder: all that its parts have in the clone."""
    record = next(installed.site.glob("backproof-*.dist-info")) / "RECORD"
    files = [line.partition(",")[0] for line in record.read_text(encoding="utf-8").splitlines()]
    compiled = re.compile(r"__pycache__|\.pyc$")
    found = {file for file in files if file.startswith("backproof/") and not compiled.search(file)}
    expected = {
        f"{place}/{path.relative_to(ROOT / part)}"
        for part, place in PLACES.items()
        for path in (ROOT / part).rglob("*")
        if path.is_file() and not compiled.search(str(path))
    }

    assert {file.partition("/")[0] for file in files if ".dist-info" not in file} <= {
        "backproof",
        "..",  # the command, in bin
    }
    assert expected == found


def test_pytest_is_left_alone(installed: Installed) -> None:
    """No entry point loads the plugin: a pytest run that does not ask for it is not slower."""
    entries = next(installed.site.glob("backproof-*.dist-info")) / "entry_points.txt"

    assert entries.read_text(encoding="utf-8").split() == [
        "[console_scripts]",
        *("backproof", "=", "backproof.command:main"),
    ]


def test_the_metadata_is_whole(installed: Installed) -> None:
    """What a registry shows of a project is there."""
    metadata = next(installed.site.glob("backproof-*.dist-info")) / "METADATA"
    head = metadata.read_text(encoding="utf-8").partition("\n\n")[0]
    keys = {line.partition(":")[0] for line in head.splitlines()}

    assert {"Author", "Classifier", "Keywords", "License-Expression", "Project-URL"} <= keys
    assert {"Name", "Requires-Python", "Summary", "Version"} <= keys


def test_names_are_loaded_lazily(installed: Installed) -> None:
    """`import backproof` imports nothing else; its names are there all the same."""
    code = (
        "import sys; before = set(sys.modules); import backproof; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(new - sys.stdlib_module_names)\n"
        "from backproof import certify_op, Adapter\n"
        "print(all(getattr(backproof, name) is not None for name in backproof.__all__))\n"
        "print({'pytest', 'hypothesis', 'jinja2', 'torch', 'jax'} & set(sys.modules))"
    )
    first, *others = installed.run("python", "-c", code).splitlines()

    assert set(re.findall(r"'(\w+)'", first)) <= {"backproof", "typing", "importlib"}
    assert others == ["True", "set()"]


@pytest.mark.parametrize("command", [["backproof"], ["python", "-m", "backproof"]])
def test_help_and_version(installed: Installed, command: list[str]) -> None:
    """The command and the module are the same, and each subcommand explains itself."""
    assert re.fullmatch(r"backproof \d+\.\d+\.\d+\n", installed.run(*command, "--version"))
    for sub in (
        ["verify"],
        ["record"],
        ["certify"],
        ["audit"],
        ["findings"],
        ["report"],
        ["report", "html"],
        ["compare"],
        [],
    ):
        assert "usage: backproof" in installed.run(*command, *sub, "--help")
    text = installed.run(*command, "verify", "--help")
    assert [flag for flag in OPTIONS if flag not in text] == []


def test_the_audit(installed: Installed) -> None:
    """The audit finds its article without the clone."""
    found = json.loads(installed.run("backproof", "audit", "--json"))

    assert sum(one["verdict"] == "holds" for one in found) == 79
    assert "131 figures: 79 holds, 21 rounding, 9 carried, 22 slip." in installed.run(
        "backproof", "audit"
    )


def test_frameworks(installed: Installed) -> None:
    """Frameworks are verified; the report is read, shown as a page and compared."""
    quick = ["-q", "-k", "iteration1 and dE_dw5 or certified and article or sigmoid and float32"]
    text = installed.run(
        "backproof", "verify", "--frameworks", "torch,jax", *quick, "--report-json", "one.json"
    )

    assert "torch f64" in text
    assert "jax f64" in text
    installed.run("backproof", "report", "html", "one.json", "page.html")
    assert "Nothing refuted" in (installed.empty / "page.html").read_text(encoding="utf-8")
    assert "nothing changed" in installed.run("backproof", "compare", "one.json", "one.json")
    installed.run("backproof", "compare", "one.json", "gone.json", status=2)


@pytest.mark.parametrize(
    "command",
    [
        ["backproof", "verify"],
        ["pytest", "-p", "backproof.plugin", "--pyargs", "backproof.verification"],
    ],
    ids=["command", "plugin"],
)
def test_your_own_adapter(installed: Installed, command: list[str]) -> None:
    """Your own adapter is a column, by the command and in your own pytest run."""
    (installed.empty / "mine.py").write_text(COMPLEX_STEP.read_text("utf-8"), encoding="utf-8")
    options = ["--frameworks", "reference", "--adapter", "mine.py", "-k", "article and float64"]
    text = installed.run(*command, *options)

    assert "mine f64" in text
    assert "article  43/43" in text


def test_reproduce(installed: Installed) -> None:
    """The command that a red run prints shows the same again, from the same folder."""
    wrong = COMPLEX_STEP.read_text("utf-8") + (
        "\nright = adapter.ops['sigmoid']\nadapter.ops['sigmoid'] = lambda z: right(z) * 1.001\n"
    )
    (installed.empty / "wrong.py").write_text(wrong, encoding="utf-8")
    options = ["--frameworks", "reference", "--adapter", "wrong.py", "-k", "certified and article"]
    text = installed.run("backproof", "verify", *options, status=1)
    first = re.findall(r"^ +reproduce +(.*)$", text, re.MULTILINE)[0]
    again = installed.run(*shlex.split(first), "-v", status=1)

    assert "wrong, article, float64, seed 0: out_h" in again
    assert "1 failed" in again
