"""The documents are true, and their commands print the output that they show."""

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from backproof.command import COMMANDS as COMMANDS_OF
from backproof.command import run as run_command
from backproof.reference.article.audit import Finding, errata, file, recorded
from backproof.reference.article.figures import load, shipped
from backproof.reference.findings import load as known_findings
from backproof.reference.findings_table import to_markdown
from backproof.reference.ops import OPS
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.faults.examples import examples
from backproof.reference.verdict.faults.optimizers import optimizer_faults
from backproof.reference.verdict.faults.tangents import tangents
from backproof.running.implementations import Implementations
from backproof.running.options import OPTIONS
from tests.benchmarks import detection, faults
from tests.verifier.documents import DOCUMENTS, blocks, run, shows
from tests.verifier.planting import NETWORKS, plant_all
from tests.verifier.sandbox import ROOT

TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
PAGES = [name for name in DOCUMENTS if name == "README.md" or name.startswith("docs/")]
"""The documents for users, whose commands are run."""

BLOCKS = [block for name in PAGES for block in blocks(name)]

VERIFY = "backproof verify --frameworks torch,jax"
PART = f"{VERIFY} test_networks.py -k 'certified and article'"
"""The short run, and the part of it whose output README shows."""

ONE = "backproof verify test_networks.py --frameworks reference -k article"
"""Runs instead of a full verification, where no output is shown."""


def here(command: str, output: str) -> str:
    """Return the command that is run here: a part of it, if it takes minutes."""
    if command == VERIFY and output:
        return PART
    if command.startswith(("make", "pip")):
        return "true"  # what they install is checked below
    if command.startswith("backproof verify -"):
        return command.replace("-n auto ", "").replace("backproof verify", ONE, 1)
    if output or "verify" not in command:
        return command
    return f"{command} --frameworks reference --collect-only -q"


SHOWN = [block for block in BLOCKS if block.file or block.language == "console"]
RUN = list(dict.fromkeys(block.document for block in SHOWN if block.language == "console"))


@pytest.mark.parametrize("name", RUN)
def test_what_is_shown_is_seen(name: str, tmp_path: Path) -> None:
    """With a page's files written, its commands, run in order, print what the page shows."""
    folder = tmp_path
    for block in SHOWN:
        if block.document != name:
            continue
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        for command, output in block.commands:
            status, printed = run(here(command, output), folder)
            if output:
                assert shows(output, printed), f"$ {command}\n{printed}"
            else:
                assert status == 0, f"$ {command}\n{printed}"


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("article 208/208 - 0.95 14.8", True),
        ("article  208/208   -   0.95  14.8", True),
        ("article 208/208 - 0.95 14.9", True),  # rounded the other way
        ("article 208/208 - 0.95 15.0", False),
        ("article 208/208 - 0.10 14.8", True),  # another processor
        ("article 208/208 - 0.09 14.8", False),
        ("article 208/209 - 0.95 14.8", False),
        ("artikel 208/208 - 0.95 14.8", False),
        ("article 208/208 - 0.95 RED", False),
        ("article 208/208 - 0.95 14.8 RED", False),
    ],
)
def test_digits_that_are_proven_and_shares(printed: str, same: bool) -> None:  # noqa: FBT001
    """Digits are proven whatever the processor; a share of a ball is as large."""
    assert same == shows("article 208/208 - 0.95 14.8\n", f"{printed}\n")


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("cotangents 14/14 15.5", True),
        ("cotangents 14/14 14.6", True),
        ("cotangents 14/14 14.5", False),
        ("cotangents 14/14 16.5", False),
        ("cotangents 14/15 15.5", False),
        ("cotangents 14/14 RED", False),
    ],
)
def test_digits_of_agreement(printed: str, same: bool) -> None:  # noqa: FBT001
    """They depend on the processor, by less than a digit."""
    assert same == shows("cotangents 14/14 15.5\n", f"{printed}\n")


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a ... c\n", "a b b c\n", True),
        ("a ... c\n", "a b\nb c\n", False),
        ("a\n...\nc\n", "a\nb\nb\nc\n", True),
        ("a\n...\nc\n", "a\nc\n", True),
        ("a\n...\nc\n", "a\nb\n", False),
        ("a\n", "a\nb\n", False),
        ("16 links, 0.1 s\n", "16 links, 12.3 s\n", True),
        ("16 links, 0.1 s\n", "17 links, 0.1 s\n", False),
        ("the worst using 0.00 of it\n", "the worst using 0.01 of it\n", False),
    ],
)
def test_what_is_left_out(shown: str, printed: str, same: bool) -> None:  # noqa: FBT001
    """A line of dots stands for lines, dots for text within a line, and any time for a time."""
    assert same == shows(shown, printed)


@pytest.mark.parametrize(
    ("printed", "same"),
    [("0.00034751047496683896", True), ("0.00034761038755534760", False), ("0.00034751", False)],
)
def test_the_last_digits_depend_on_the_processor(printed: str, same: bool) -> None:  # noqa: FBT001
    """A number that is shown with all its digits is the same to four of them."""
    assert same == shows("found 0.0003475103876553476\n", f"found {printed}\n")


COMMANDS = [command for block in BLOCKS for command, _ in block.commands]
COMMANDS += re.findall(r"`((?:make|python -m|pytest|backproof) [^`]+)`", "".join(TEXTS.values()))


def test_what_is_made_is_a_target() -> None:
    """Every `make` is a target of the Makefile, and `make verify` runs what is said of it."""
    made = {command.split()[1] for command in COMMANDS if command.startswith("make ")}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    assert {"verify", "test"} <= made <= targets
    assert re.search(
        r"^verify: .*\n.* test_article.py\n\t\$\(BIN\)/backproof verify .* \$\(ON_ALL_CORES\) .*$",
        makefile,
        re.MULTILINE,
    )


def test_what_is_installed_exists() -> None:
    """Every `pip install` names extras, folders and files that exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installs = [
        one for text in TEXTS.values() for one in re.findall(r"pip install ([^\n`]+)", text)
    ]
    extras = {extra for one in installs for extra in re.findall(r"(?<=[\[,])[a-z]+(?=[\],])", one)}

    assert extras <= set(project["optional-dependencies"])
    assert any("-c constraints.txt" in one for one in installs)
    assert (ROOT / "constraints.txt").is_file()


def test_modules_that_are_run_exist() -> None:
    """Every `python -m` is a module of the repository that can be run."""
    modules = {c.split()[2] for c in COMMANDS if c.startswith("python -m ")} - {"pytest"}
    files = {name: ROOT / name.replace(".", "/") for name in modules}

    assert modules
    assert [
        name
        for name, path in files.items()
        if not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file())
    ] == []


def test_the_workflow_runs(tmp_path: Path) -> None:
    """The workflow's steps, in another repository, pass and write a summary."""
    (workflow,) = (block.text for block in BLOCKS if block.language == "yaml")
    files = {block.file: block.text for block in BLOCKS if block.file}
    (tmp_path / "gradients").mkdir()
    for name in ("mine.py", "squareplus.py", "test_squareplus.py"):
        (tmp_path / "gradients" / name).write_text(files[name], encoding="utf-8")
    own = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    step = r"- run: (?:>-\s+)?(.*?)(?=\n +- |\n +working-directory|\Z)"
    steps = re.findall(step, workflow, re.DOTALL)
    commands = [" ".join(step.partition(" #")[0].split()) for step in steps]
    summary = tmp_path / "summary.md"

    assert set(re.findall(r"uses: (\S+)", workflow)) <= set(re.findall(r"uses: (\S+)", own))
    assert [command.split()[0] for command in commands] == ["pip", "pip", "pytest", "backproof"]
    status, printed = run(commands[2], tmp_path)
    assert status == 0, printed
    status, printed = run(
        f"{commands[3]} -k article", tmp_path, {"GITHUB_STEP_SUMMARY": str(summary)}
    )
    assert status == 0, printed
    assert "Nothing refuted" in summary.read_text(encoding="utf-8")


def test_every_option_is_in_the_table() -> None:
    """The table has exactly the options that backproof adds."""
    rows = re.findall(r"^\| `(--[a-z-]+)", TEXTS["docs/verify.md"], re.MULTILINE)

    assert list(OPTIONS) == rows


def test_help_explains_every_option() -> None:
    """`backproof verify --help` and pytest's own help explain every option."""
    for command in ("backproof verify --help", "pytest -p backproof.plugin --help"):
        status, printed = run(command, ROOT)
        explained = dict(
            re.findall(r"^  (--[a-z-]+)[^\n]*?(?:  +|\n +)(\w[^\n]+)", printed, re.MULTILINE)
        )

        assert status == 0
        assert set(OPTIONS) <= set(explained)
        assert [flag for flag in OPTIONS if len(explained[flag].split()) < 4] == []


KINDS = ("html", "merge", "matrix")


@pytest.mark.parametrize(
    "of", [[name] for name in COMMANDS_OF] + [["report", kind] for kind in KINDS], ids=" ".join
)
def test_help_explains_every_argument(of: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The help of each command says what it does, and what each of its arguments is."""
    with suppress(SystemExit):  # of argparse, which `verify` does not need
        run_command([*of, "--help"])
    printed = capsys.readouterr().out
    usage, does, *others = printed.split("\n\n")
    arguments = "\n".join(one for one in others if not one.startswith("exit status: "))
    lines = re.findall(r"^  (\S[^\n]*(?:\n {3,}[^\n]*)*)", arguments, re.MULTILINE)
    explained = [re.search(r"(?: {2,}|\n +)\w+ \w+", line) for line in lines]

    assert usage.startswith(f"usage: backproof {' '.join(of)} ")
    assert does.endswith((".", "?"))
    assert [line for line, found in zip(lines, explained, strict=True) if not found] == []
    assert lines


def paths(text: str) -> list[str]:
    """Return the files and folders of the repository that a text names."""
    roots = r"(?:backproof|reference|adapters|fixtures|docs|tests|\.github|\.ci)/"
    top = r"(?:conftest\.py|pyproject\.toml|constraints\.txt|Makefile)"
    return re.findall(rf"[`(]({roots}[\w./-]*|{top})[`)]", text)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_are_named_exist(name: str) -> None:
    """Every file and folder that a document names exists; campaigns make their own folder."""
    named = {path for path in paths(TEXTS[name]) if path != "fixtures/campaign/"}

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    assert named or name == "CHANGELOG.md"


def test_the_picture_of_the_house_is_complete() -> None:
    """ARCHITECTURE's picture names only paths that exist, and every folder of the house."""
    picture = blocks("ARCHITECTURE.md")[0].text
    found: set[str] = set()
    top = ""
    for indent, name in re.findall(r"^( {0,2})([\w.]+(?:/|\.py))", picture, re.MULTILINE):
        top = top if indent else name
        found.add(top + name if indent else name)

    assert [path for path in sorted(found) if not (ROOT / path).exists()] == []
    assert {
        f"{p.parent.name}/{p.name}/" for p in ROOT.glob("[!.]*/*/") if (p / "__init__.py").exists()
    } <= found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    """Every link within the repository leads to a file, and to a heading that it has."""
    broken = []
    for target in re.findall(r"\]\((?!http)([^)\s]+)\)", TEXTS[name]):
        file, _, anchor = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        text = path.read_text(encoding="utf-8") if path.suffix == ".md" else ""
        if not path.exists() or (anchor and anchor not in anchors(text)):
            broken.append(target)

    assert broken == []


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives a document's headings."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_linked() -> None:
    """README links to every page of docs/."""
    linked = re.findall(r"\]\((docs/[\w-]+\.md)", TEXTS["README.md"])

    assert {*linked} == {name for name in DOCUMENTS if name.startswith("docs/")}


def test_readme_is_short() -> None:
    """README is read in a few minutes."""
    assert len(TEXTS["README.md"].encode()) < 6_000


def test_nothing_is_said_twice() -> None:
    """No sentence of a page for users stands in another place as well."""
    said = Counter(one for name in PAGES for one in sentences(TEXTS[name]))

    assert [one for one, count in said.items() if count > 1] == []


def sentences(text: str) -> list[str]:
    """Return the sentences of a document, without its blocks, tables and short introductions."""
    prose = re.sub(r"^```.*?^```$|^\|[^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.split(r"(?<=[.:])\s", prose)
    return [one.strip("- \n") for one in found if len(one.split()) > MANY]


MANY = 6
"""Words that a sentence has which is worth saying once."""


def test_contributing_has_its_recipes() -> None:
    """There is a recipe for each kind of thing that you may add."""
    wanted = [
        "An op",
        "An adapter",
        "A function of PyTorch",
        "A primitive of JAX",
        "A finding",
        "A variant",
        "A network",
        "An optimizer",
        "A schedule",
        "A fault",
    ]
    titles = re.findall(r"^## (.*)$", TEXTS["CONTRIBUTING.md"], re.MULTILINE)

    assert [*wanted, "A worked example"] == titles


def test_the_changelog_has_the_version() -> None:
    """The first entry is the version of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = re.findall(r"^## \[(.*?)\]", TEXTS["CHANGELOG.md"], re.MULTILINE)

    assert versions[0] == project["version"]


def row(values: Sequence[str]) -> str:
    """Return a line of a table, as `shows` reads it."""
    return " ".join(values)


def is_shown(name: str, values: Sequence[str]) -> bool:
    """Return whether a document shows a line of a table, whatever its column widths."""
    return row(values) in (" ".join(line.split()) for line in TEXTS[name].splitlines())


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # check_grads's, of wrong ones
def test_rows_of_the_benchmarks() -> None:
    """The first rows that the benchmarks of faults and of detection print are shown."""
    planted = plant_all("article")
    red = [one for one in planted if one.red]
    kills = [f"{sum(map(check, planted))}/{len(planted)}" for check in faults.CHECKS.values()]
    counts = [sum(one.is_located for one in red), sum(one.is_named for one in red)]
    implementations = Implementations(load(), {"torch": None})

    located = [f"{n}/{len(red)}" for n in counts]
    assert is_shown("docs/faults.md", ["article", *kills, *located])
    found = detection.row(implementations, "article", "float64")
    assert is_shown("docs/certificates.md", found)


def test_the_errata_are_counted(findings: dict[str, Finding]) -> None:
    """The counts in the texts and in the table of verdicts are the audit's."""
    wrong = errata(findings.values())

    for name in ("README.md", "CHANGELOG.md", "docs/worked-examples.md"):
        assert f"{len(wrong)} of its {len(findings)} figures are wrong" in TEXTS[name]
    for verdict in ("holds", "rounding", "carried", "slip"):
        count = sum(f.verdict == verdict for f in findings.values())
        counted = rf"^\| `{verdict}` .* \| {count} \|$"
        assert re.search(counted, TEXTS["docs/worked-examples.md"], re.MULTILINE)


@pytest.mark.parametrize(
    ("printed", "corrected", "ids"),
    [
        ("0.68566", "0.68557", ["1.1-exp"]),
        ("0.67530", "0.67537", ["1.2-exp"]),
        ("0.27482", "0.27481", ["2-E"]),
        ("0.13851", "0.13850", ["3.1-delta_o"]),
        ("0.24127", "0.24130", ["4.1-slope"]),
        ("0.24063", "0.24061", ["4.2-slope"]),
        ("0.0003", "0.0007, 0.0004, 0.0007", ["5-shift2", "5-shift3", "5-shift4"]),
        ("0.59315, 0.59676", "0.59325, 0.59686", ["6-out_h1", "6-out_h2"]),
        ("0.74217", "0.74209", ["6-out_o1"]),
        ("0.26804", "0.26798", ["6-E"]),
    ],
)
def test_the_errata_shown(
    findings: dict[str, Finding], printed: str, corrected: str, ids: list[str]
) -> None:
    """A row of the table of errata has the audit's figures, corrections and verdict."""
    found = [findings[id_] for id_ in ids]

    assert f"| {printed} | {corrected} | {found[0].verdict} |" in TEXTS["docs/worked-examples.md"]
    assert corrected.split(", ") == [f.corrected for f in found]
    assert {f.printed for f in found} == set(printed.split(", "))


@pytest.mark.parametrize("name", shipped())
def test_the_worked_examples_are_counted(name: str) -> None:
    """The table of shipped examples has the audit's counts, and Mazur's errata are the audit's."""
    found = recorded(file(name)).values()
    wrong = [f for f in found if f["verdict"] != "holds"]
    text = TEXTS["docs/worked-examples.md"]

    assert re.search(rf"^\| `{name}` .* \| {len(found)} \| {len(wrong)} \|$", text, re.MULTILINE)
    if name == "mazur":
        for f in wrong:
            assert f"| {f['place']} | {f['printed']} | {f['corrected']} | {f['why']} |" in text


def test_the_findings_shown() -> None:
    """The table of findings is what `backproof findings` prints: one row per reproducer."""
    shown = re.findall(r"^\|.*\|$", TEXTS["docs/findings.md"], re.MULTILINE)

    assert shown == to_markdown(known_findings()).splitlines()
    assert len(shown) - 2 == len({one.reproducer for one in known_findings()})


def test_the_faults_are_counted() -> None:
    """The counts are those of the catalogues; of passes, on all networks that are planted in."""
    names = {name for network in NETWORKS.values() for name in catalogue(network, {})}
    of_passes, of_examples = len(names), len([*examples([{"W": 1.0}])])
    of_optimizers, of_tangents = len([*optimizer_faults()]), len([*tangents()])

    assert (
        f"holds {of_passes} classical mistakes of passes, {of_examples} of per-example gradients, "
        f"{of_optimizers} of optimizers and {of_tangents} of tangents"
    ) in TEXTS["docs/faults.md"]


@pytest.mark.parametrize(
    ("name", "said"), [("README.md", "on {} ops"), ("CHANGELOG.md", "of {} ops")]
)
def test_the_ops_are_counted(name: str, said: str) -> None:
    """The documents' count is that of the table of ops."""
    assert said.format(len(OPS)) in TEXTS[name]
