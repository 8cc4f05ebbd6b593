"""Bad input of every kind gets one error that names the problem, its place and what is expected."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.reference.article.audit import recorded
from backproof.reference.article.figures import Article, load
from backproof.reference.article.golden import HEADER, file, read
from backproof.reference.fixtures import FIXTURES, FixtureError
from backproof.running.implementations import Implementations
from tests.verifier.sandbox import COMPLEX_STEP, ROOT, Sandbox

FIGURE = 'id = "1.1-exp", at = "out_h1, line 3", quantity = "exp(-net_h1)", printed = "0.68566"'
LINE = 'line = "exp(-0.3775)"'
THREE = "\N{ARABIC-INDIC DIGIT THREE}"
FIFTH = "article.toml: step 2: figures 5"
WHERE = "article.toml: step 1.1: figure 5"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[network]\n", "[network\n", "article.toml: not TOML: "),
        ('title = "', 'titel = "', "article.toml: 'title' is a required property"),
        ('eta = "0.50"\n', "", "article.toml: network: given: lacks 'eta'"),
        ('w5 = "0.40"\n', "", "article.toml: network: given: lacks ['w5'], which W_o holds"),
        ('x = [["x1", "x2"]]', 'x = ["x1", "x2"]', "article.toml: network: node net_h: symbols of shape (1, 2), not (2,)"),
        ('w5 = "0.40"', 'w5 = "0,40"', "network: given: w5: '0,40': expected a number as a string of digits, as printed"),
        ('w5 = "0.40"', "w5 = 0.40", "network: given: w5: 0.4: expected a number as a string of digits, as printed"),
        ('[["w5"], ["w6"]]', '[["w5"], []]', "W_o = [['w5'], []]: expected rows of equal length"),
        ('trained = ["W_h", "W_o"]', 'trained = ["W_h", ["W_o"]]', "network: trained 2: ['W_o'] is not of type 'string'"),
        ('trained = ["W_h", "W_o"]', 'trained = ["W_h", "W_p"]', "network article: trained names no parameter: ['W_p']"),
        ('W_o = [["w5"], ["w6"]]', 'W_o = [["w5", "w6"]]', "network: its pass raises ValueError: matmul: "),
        ('W_o = [["w5"], ["w6"]]', 'W_o = [["w5"], ["w5"]]', "network: symbols ['w5'] stand in two places"),
        ('symbols = [["out_o1"]]', 'symbols = [["out o1"]]', "network: symbols ['out o1']: expected names, as of variables"),
        ('symbols = [["out_o1"]]', 'symbols = [["eta"]]', "network: symbols ['eta']: expected names, as of variables"),
        ('op = "half_squared_error", inputs = ["out_o", "t"], symbols = "E"', 'op = "subtract", inputs = ["out_o", "t"]', "network: node E: expected a number, found shape (1, 1)"),
        ('quantities = ["E", "out_o1"]', 'quantities = ["E", "out_o3"]', "trajectory: no quantities ['out_o3'] in the trace"),
        ("updates = 10000", "updates = 10000000", "trajectory: updates: 10000000 is greater than the maximum of 100000"),
        ('op = "sigmoid", inputs = ["net_o"]', 'op = "sine", inputs = ["net_o"]', "node out_o: unknown op 'sine'"),
        ('inputs = ["net_o"]', 'inputs = ["net_p"]', "node out_o: inputs ['net_p'] are no leaves"),
        (FIGURE, FIGURE.replace('printed = "0.68566"', 'printed = "0.6856x"'), f"{FIFTH}: printed: '0.6856x': expected a number as a string of digits, as printed"),
        (FIGURE, FIGURE.replace('printed = "0.68566"', "printed = 0.68566"), f"{FIFTH}: printed: 0.68566: expected a number as a string of digits"),
        (FIGURE, FIGURE.replace(', printed = "0.68566"', ""), f"{FIFTH}: 'printed' is a required property"),
        (FIGURE, FIGURE + ", pritned = 1", f"{FIFTH}: Additional properties are not allowed ('pritned' was unexpected)"),
        (FIGURE, FIGURE.replace("1.1-exp", "1.1-b_h"), f"{WHERE} (1.1-b_h): this id is used twice"),
        (FIGURE, FIGURE.replace("net_h1)", "net_h7)"), f"{WHERE} (1.1-exp): quantity = 'exp(-net_h7)': no quantity ['net_h7'] in the trace"),
        (FIGURE, FIGURE.replace("exp(-net_h1)", "exp(-net_h1"), f"{WHERE} (1.1-exp): 'exp(-net_h1': not an expression"),
        (LINE, 'line = "exp(-net_h1)"', f"{WHERE} (1.1-exp): line = 'exp(-net_h1)': ['net_h1'] are no printed numbers"),
        (LINE, 'line = "exp(-0.3776)"', f"{WHERE} (1.1-exp): operand '-0.3775' does not stand in line"),
        (LINE, 'line = ""', f"{WHERE} (1.1-exp): '': not an expression"),
        (LINE, 'line = "exp(-0x1)"', f"{WHERE} (1.1-exp): 'exp(-0x1)': cannot read '0x1'"),
        (LINE, 'line = "exp(-True)"', f"{WHERE} (1.1-exp): 'exp(-True)': cannot read 'True'"),
        (LINE, 'line = "exp(-1e999)"', f"{WHERE} (1.1-exp): 'exp(-1e999)': cannot read '1e999'"),
        (LINE, 'line = "exp(-nan)"', f"{WHERE} (1.1-exp): line = 'exp(-nan)': ['nan'] are no printed numbers"),
        (LINE, f'line = "exp(-{THREE})"', f"{WHERE} (1.1-exp): 'exp(-{THREE})': not an expression (invalid character"),
        (LINE, 'line = "-0.3775 / 0"', f"{WHERE} (1.1-exp): line = '-0.3775 / 0': fmpq division by zero"),
        (LINE, 'line = "-0.3775 / (exp(0) - 1)"', f"{WHERE} (1.1-exp): line = '-0.3775 / (exp(0) - 1)': nan is not finite"),
        (LINE, 'line = "9 ** 9 ** 9"', f"{WHERE} (1.1-exp): '9 ** 9 ** 9': cannot read '9 ** 9 ** 9'"),
        (LINE, 'line = "-0.3775 ** 999999999"', f"{WHERE} (1.1-exp): line = '-0.3775 ** 999999999': ["),
        (LINE, f'line = "{"(" * 300}-0.3775{")" * 300}"', f"{WHERE} (1.1-exp): '(((((((((((((((((((('...: longer than 500 characters"),
        (LINE, f'line = "{"(" * 240}-0.3775{")" * 240}"', "not an expression (too many nested parentheses)"),
        (LINE, 'line = "exp(-0.3775) * 2"', f"{WHERE} (1.1-exp): line = 'exp(-0.3775) * 2': '2' is no operand and no constant"),
        (LINE, LINE + ', constants = ["2"]', f"{WHERE} (1.1-exp): operand '2' does not stand in line 'exp(-0.3775)'"),
        (LINE, LINE + ", program = true", f"{WHERE} (1.1-exp): has a line and program = true, expected one of them"),
        (FIGURE, FIGURE.replace("exp(-net_h1)", "sinh(net_h1)"), f"{WHERE} (1.1-exp): 'sinh(net_h1)': cannot read 'sinh(net_h1)'"),
        (FIGURE, FIGURE.replace("0.68566", THREE), f"{FIFTH}: printed: '{THREE}': expected a number as a string of digits"),
        (FIGURE, FIGURE.replace("0.68566", "9" * 5000), "expected a number as a string of digits, as printed"),
        ('{ "-0.3775" = "1.1-net_h1" }', '{ "-0.3775" = "9-net" }', f"{WHERE} (1.1-exp): operand '-0.3775' repeats '9-net', no earlier figure's id"),
        ('name = "1.1"\npart = "Part 1, forward pass"\niteration = 1', 'name = "1.1"\npart = "Part 1, forward pass"\niteration = 0', "article.toml: step 2: iteration: 0 is less than the minimum of 1"),
    ],
)  # fmt: skip
def test_article(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The error on a malformed article.toml names file, place and expectation."""
    text = (FIXTURES / "articles" / "article.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "article.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")

    with pytest.raises(FixtureError) as caught:
        load(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_article(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(FixtureError, match=r"gone\.toml: cannot be read: No such file"):
        load(tmp_path / "gone.toml")


def test_program_output_is_counted(tmp_path: Path) -> None:
    """If a figure of the program's output is lacking, that is found as the article is loaded."""
    text = (FIXTURES / "articles" / "article.toml").read_text(encoding="utf-8")
    path = tmp_path / "article.toml"
    path.write_text(text.replace(", program = true", "", 1), encoding="utf-8")

    with pytest.raises(FixtureError, match=r"12 figures have program = true, but the .* prints 13"):
        load(path)


def _set(content: Any, *keys: Any, value: Any) -> None:
    for key in keys[:-1]:
        content = content[key]
    if value is None:
        del content[keys[-1]]
    else:
        content[keys[-1]] = value


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["header"], None, "article.json: 'header' is a required property"),
        (["header", "version"], 0, "article.json: header: expected {'generator'"),
        (["iterations"], None, "article.json: 'iterations' is a required property"),
        (["iterations"], [], "article.json: iterations: [] is not of type 'object'"),
        (["iterations", "2"], None, "article.json: iterations: lacks ['2']"),
        (["iterations", "2", "dE_dw5"], None, "article.json: iterations: 2: lacks ['dE_dw5']"),
        (["iterations", "1", "dE_dw9"], "1", "iterations: 1: unknown keys ['dE_dw9']"),
        (["iterations", "1", "E"], 0.27, "iterations: 1: E: 0.27: expected a decimal number as a"),
        (["iterations", "1", "E"], "nan", "iterations: 1: E: 'nan': expected a decimal number"),
        (["trajectory", "100"], None, "article.json: trajectory: lacks ['100']"),
        (["trajectory", "100", "E"], "x", "trajectory: 100: E: 'x': expected a decimal number"),
    ],
)
def test_golden(
    article: Article, tmp_path: Path, keys: list[Any], value: Any, message: str
) -> None:
    """The error on a golden file names file, place, expectation and the command that rewrites it."""
    content = json.loads(file(article).read_text(encoding="utf-8"))
    _set(content, *keys, value=value)
    path = tmp_path / "article.json"
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(FixtureError) as caught:
        read(article, path)
    assert message in str(caught.value)
    assert f"`{HEADER['command']}` rewrites the file" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_golden_is_no_json(article: Article, tmp_path: Path, text: str) -> None:
    """A golden file, or a record of the audit, that is nothing of the kind is refused."""
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(FixtureError, match=r"file\.json: .*rewrites the file"):
        read(article, path)
    with pytest.raises(FixtureError, match=r"file\.json: .*rewrites the file"):
        recorded(path)


def test_a_bad_fixture_ends_the_run(tmp_path: Path) -> None:
    """Pytest ends with that one error, before any test."""
    sandbox = Sandbox(tmp_path)
    sandbox.edit("fixtures/articles/article.toml", 'w5 = "0.40"', 'w5 = "four tenths"')
    outcome = sandbox.run()

    assert outcome.status == pytest.ExitCode.USAGE_ERROR
    assert outcome.text.strip().startswith("ERROR: ")
    assert (
        "article.toml: network: given: w5: 'four tenths': expected a number as a string of digits"
        in outcome.text
    )


WRAPPED = """
import math
from dataclasses import replace
import numpy as np
from backproof import Adapter
from tests.verifier.complex_step import adapter as right

def gradients(change):
    def value_and_grad(loss, tensors):
        values, found = right.value_and_grad(loss, tensors)
        change(found)
        return values, found
    return replace(right, value_and_grad=value_and_grad)

def entry(x):
    def change(found):
        found["W_o"][1, 0] = x
    return change

adapter = {adapter}
"""


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ("Adapter(version='1', ops={}, array=np.array, numpy=np.array)",
         "adapter bad: its module raised TypeError: Adapter.__init__() missing 1 required"),
        ("None", "adapter bad: {path}: expected `adapter = Adapter(...)` (backproof.Adapter), found None"),
        ("1 / 0", "adapter bad: its module raised ZeroDivisionError"),
        ("replace(right, ops={**right.ops, 'sigmoidd': abs})", "adapter bad: its module raised ValueError: ops: unknown ['sigmoidd']; known: dense, "),
        ("replace(right, unsupported={'flaot16': 'no'})", "adapter bad: its module raised ValueError: unsupported: unknown ['flaot16']; known: dense, "),
        ("replace(right, unsupported={'sigmoid flaot16': 'no'})", "adapter bad: its module raised ValueError: unsupported: unknown ['sigmoid flaot16']; known: dense, "),
        ("replace(right, unsupported={'softplus thresold': 'no'})", "adapter bad: its module raised ValueError: unsupported: unknown ['softplus thresold']; known: dense, "),
        ("replace(right, unsupported={'sigmoid jvp': 'no'})", "adapter bad: its module raised ValueError: unsupported: unknown ['sigmoid jvp']; known: dense, "),
        ("replace(right, ops={**right.ops, 'sigmoid': lambda z: 1 / 0})", "raised ZeroDivisionError: division by zero (bad.py:20)"),
        ("replace(right, numpy=None)", "bad, float64, article: raised TypeError: 'NoneType' object is not callable"),
        ("replace(right, ops={})", "bad, float64, article: ops: lacks ['dense', 'half_squared_error', 'sigmoid'], and does not declare"),
        ("replace(right, ops={**right.ops, 'sigmoid': lambda z: z[0]})",
         "bad, float64, article: ops['sigmoid'] at node out_h: expected shape (1, 2), found (2,)"),
        ("replace(right, ops={**right.ops, 'sigmoid': lambda z: 1 / 0})", "bad, float64, article: ops['sigmoid'] at node out_h: raised ZeroDivisionError"),
        ("replace(right, ops={**right.ops, 'sigmoid': lambda z: None})",
         "bad, float64, article: ops['sigmoid'] at node out_h: expected a tensor with a `shape`, found NoneType"),
        ("replace(right, array=lambda a: [a])", "bad, float64, article: array: expected a tensor with a `shape`, found list"),
        ("replace(right, array=lambda a: a.astype('float32'))",
         "bad, float64, article: array, then numpy: expected dtype float64, found float32; declare float64 in `unsupported` if there is none"),
        ("replace(right, value_and_grad=lambda loss, tensors: None)", "bad, float64, article: raised TypeError"),
        ("replace(right, value_and_grad=lambda loss, tensors: ([], {}))", "value_and_grad: expected a dict of tensors, found list"),
        ("replace(right, array=lambda a: a.__setitem__(..., 0))", "bad, float64, article: raised ValueError: assignment destination is read-only"),
        ("gradients(lambda found: found.update(W_9=1))", "value_and_grad: returned unknown names ['W_9']"),
        ("gradients(lambda found: found.pop('W_o'))", "bad, float64, iteration 1, W_o: gradients lacks it"),
        ("gradients(lambda found: found.update(W_o=None))", "bad, float64, iteration 1, W_o: gradients lacks it"),
        ("gradients(lambda found: found.update(W_o=found['W_o'].T))",
         "bad, float64, iteration 1, W_o, gradients: expected shape (2, 1), found (1, 2)"),
        ("gradients(lambda found: found.update(W_o=found['W_o'].astype('complex64')))",
         "bad, float64, iteration 1, W_o, gradients: expected dtype float64, found float32"),
        ("replace(right, numpy=lambda t: np.real(t).tolist())",
         "bad, float64, iteration 1, W_o, gradients: expected a NumPy array, found list"),
        ("gradients(entry(math.nan))", "bad, float64, iteration 1, W_o[1, 0], gradients: expected a finite number, found nan"),
        ("gradients(entry(math.inf))", "bad, float64, iteration 1, W_o[1, 0], gradients: expected a finite number, found inf"),
    ],
)  # fmt: skip
def test_adapter(article: Article, tmp_path: Path, adapter: str, message: str) -> None:
    """The error names the bad adapter, the place, what was expected there and what was found."""
    path = tmp_path / "bad.py"
    path.write_text(WRAPPED.replace("{adapter}", adapter), encoding="utf-8")

    with pytest.raises(AdapterError) as caught:
        Implementations(article, {"bad": path}).value("bad", "float64", 1, "dE_dw6")
    assert str(caught.value).startswith(message.format(path=path)) or message in str(caught.value)


@pytest.mark.parametrize("entry", ["nan", "inf"])
def test_one_bad_entry_is_one_bad_number(article: Article, tmp_path: Path, entry: str) -> None:
    """NaN or infinity costs no other quantity its verdict, not even one of the same array."""
    path = tmp_path / "bad.py"
    text = WRAPPED.replace("{adapter}", f"gradients(entry(math.{entry}))")
    path.write_text(text, encoding="utf-8")
    implementations = Implementations(article, {"bad": path})

    assert implementations.value("bad", "float64", 1, "dE_dw5") == pytest.approx(
        0.08217, abs=0.00001
    )
    with pytest.raises(AdapterError, match="finite"):
        implementations.value("bad", "float64", 1, "dE_dw6")


@pytest.mark.parametrize("what", ["float32", "sigmoid", "sigmoid float32"])
def test_declared_unsupported(article: Article, tmp_path: Path, what: str) -> None:
    """What an adapter declares unsupported is not compared, and the reason is given.

    That is a precision, an op, or an op in a precision.
    """
    path = tmp_path / "bad.py"
    text = WRAPPED.replace("{adapter}", f"replace(right, unsupported={{'{what}': 'no such unit'}})")
    path.write_text(text, encoding="utf-8")

    with pytest.raises(Unsupported, match=f"{what}: no such unit"):
        Implementations(article, {"bad": path}).value("bad", "float32", 1, "E")


@pytest.mark.parametrize("what", ["float32", "sigmoid float32", "tanh", "softplus beta"])
def test_nothing_else_is_unsupported(article: Article, tmp_path: Path, what: str) -> None:
    """What is declared unsupported elsewhere is compared here."""
    path = tmp_path / "bad.py"
    text = WRAPPED.replace("{adapter}", f"replace(right, unsupported={{'{what}': 'no such unit'}})")
    path.write_text(text, encoding="utf-8")
    found = Implementations(article, {"bad": path}).value("bad", "float64", 1, "E")

    assert found == pytest.approx(0.27481, abs=0.00001)


SPOILT = {
    "missing": "found.pop('W_o')",
    "none": "found.update(W_o=None)",
    "transposed": "found.update(W_o=found['W_o'].T)",
    "lists": "found.update(W_o=found['W_o'].astype(object))",
    "without": "found.clear()",
}


def test_what_is_missing_costs_no_other_its_verdict(tmp_path: Path) -> None:
    """The certificate of a right adapter does not depend on the gradients of those before it."""
    sandbox = Sandbox(tmp_path)
    test = "tests/verification/test_networks.py"
    shutil.copy(ROOT / test, sandbox.path(test))
    sandbox.write("tests/verifier/__init__.py", "")
    sandbox.write("tests/verifier/complex_step.py", COMPLEX_STEP.read_text(encoding="utf-8"))
    options: list[str | Path] = ["--frameworks", "reference", "-k", "certified and article"]
    for name, change in SPOILT.items():
        adapter = f"gradients(lambda found: {change})"
        path = sandbox.write(f"{name}.py", WRAPPED.replace("{adapter}", adapter))
        options += ["--adapter", path]
    options += ["--adapter", sandbox.write("right.py", WRAPPED.replace("{adapter}", "right"))]
    outcome = sandbox.run("test_networks.py", *options)
    verdicts = {c["adapter"]: c["verdict"] for c in outcome.cells if c["precision"] == "float64"}

    assert verdicts == {
        "reference": "agrees",
        **dict.fromkeys(SPOILT, "refuted"),
        "right": "agrees",
    }
    assert "Traceback" not in outcome.text
    assert "missing, article, float64, seed 0: dE/dW_o: refuted: is missing" in outcome.text
    assert "none, article, float64, seed 0: dE/dW_o: refuted: is missing" in outcome.text


def test_a_bad_adapter_costs_no_other_its_verdict(tmp_path: Path) -> None:
    """Adapters that raise, declare something unsupported or are right get verdicts side by side."""
    sandbox = Sandbox(tmp_path)
    sandbox.write("tests/verifier/__init__.py", "")
    sandbox.write("tests/verifier/complex_step.py", COMPLEX_STEP.read_text(encoding="utf-8"))
    bad = {
        "raising": "replace(right, ops={**right.ops, 'dense': lambda x, W, b: 1 / 0})",
        "declaring": "replace(right, unsupported={'float32': 'no such unit'})",
        "right": "right",
    }
    options: list[str | Path] = ["--frameworks", "reference", "-k", "in_ball"]
    for name, adapter in bad.items():
        path = sandbox.write(f"{name}.py", WRAPPED.replace("{adapter}", adapter))
        options += ["--adapter", path]
    outcome = sandbox.run(*options)
    verdicts: dict[str, set[str]] = {}
    for cell in outcome.cells:
        verdicts.setdefault(f"{cell['adapter']} {cell['precision']}", set()).add(cell["verdict"])

    assert verdicts == {
        "reference float64": {"agrees"},
        "reference float32": {"agrees"},
        "raising float64": {"refuted"},
        "raising float32": {"refuted"},
        "declaring float64": {"agrees"},
        "declaring float32": {"unsupported"},
        "right float64": {"agrees"},
        "right float32": {"agrees"},
    }
    assert (
        "raising, float64, article: ops['dense'] at node net_h: raised ZeroDivisionError: division"
        in outcome.text
    )
    assert "declaring float32: declared unsupported: float32: no such unit" in outcome.text
    assert "Traceback" not in outcome.text
