"""The command `backproof`: verify, record, certify, audit, report, compare, and more."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from shutil import which
from typing import Any

import backproof

CONFIGURATION = Path(__file__).parent / "pytest.toml"
TEST = re.compile(r"(test_\w+\.py)(::.*)?", re.DOTALL)
"""A file of the verification tests, or one of its tests, as `verify` takes it."""

VALUED = ("-c", "-k", "-m", "-n", "-o", "-p", "-r", "-W")
"""pytest's options whose value is the next argument."""


def main() -> None:
    """Run the command line, and exit with its status."""
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit status.

    verify passes all its arguments to pytest, which has more options than the parser lists.
    """
    if arguments[:1] == ["verify"] and not {"-h", "--help"} & {*arguments}:
        return verify(arguments[1:])
    asked = parser().parse_args(arguments)
    status: int = asked.run(asked)
    return status


def verify(arguments: Sequence[str]) -> int:
    """Run the verification tests: all, or the named ones ("test_article.py")."""
    import pytest  # noqa: PLC0415 for this command alone

    from backproof.running.options import OPTIONS  # noqa: PLC0415 it imports NumPy

    valued = {*VALUED, *(flag for flag, one in OPTIONS.items() if "metavar" in one)}
    named: list[str] = []
    others: list[str] = []
    for before, one in zip(["", *arguments], arguments, strict=False):
        test = None if before in valued else TEST.fullmatch(one)
        if test and test[1] not in files():
            return _refuse(f"no test file {test[1]}; there are {', '.join(files())}")
        (named if test else others).append(str(tests() / one) if test else one)
    settings = [f"--config-file={CONFIGURATION}", f"--rootdir={tests()}"]
    if "no:cacheprovider" not in arguments:
        settings += ["-o", f"cache_dir={Path.cwd() / '.pytest_cache'}"]
    folder = [] if named else [str(tests())]
    return int(pytest.main(["-p", "backproof.plugin", *settings, *folder, *named, *others]))


def tests() -> Path:
    """Return the folder of the verification tests."""
    spec = find_spec("backproof.verification")
    if spec is None or spec.origin is None:
        raise SystemExit("backproof: the verification tests are not installed; run `pip install .`")
    return Path(spec.origin).parent


def files() -> list[str]:
    """Return the names of the verification tests' files."""
    return sorted(path.name for path in tests().glob("test_*.py"))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    from backproof.reference.article.figures import shipped  # noqa: PLC0415 it imports NumPy
    from backproof.running.options import OPTIONS  # noqa: PLC0415 likewise

    root = argparse.ArgumentParser(prog="backproof", description="Are these gradients right?")
    root.add_argument("--version", action="version", version=f"backproof {backproof.__version__}")
    commands = root.add_subparsers(metavar="COMMAND", required=True)

    one = commands.add_parser(
        "verify",
        help="verify frameworks, or your own adapter",
        description="Run the verification tests: a short run, unless tests are named or selected. "
        "All of pytest's own options work too: -k, -x, -n.",
        epilog="exit status: 0 if nothing new is wrong, 1 if something is; else pytest's",
    )
    one.add_argument(
        "tests", nargs="*", metavar="TEST", help=f"default: a short run of {', '.join(files())}"
    )
    for flag, settings in OPTIONS.items():
        one.add_argument(flag, **settings)
    one.set_defaults(run=lambda _: 2)

    _add_campaign(commands)

    one = commands.add_parser(
        "record",
        help="record one pass of a framework as the files of a trace",
        description="Record one pass over a case, with probes and without.",
        epilog="exit status: 0, or 2 if nothing was recorded",
    )
    one.add_argument("implementation", help="a framework, a variant of one, or an adapter")
    one.add_argument("case", help="a case of `verify`, a network or an op: article, gpt, conv")
    one.add_argument("trace", type=Path, help="a new or empty folder, or a new archive: a.zip")
    one.add_argument("--precision", default="float32", help="default: %(default)s")
    one.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    own = one.add_mutually_exclusive_group()
    own.add_argument(
        "--adapter", type=Path, metavar="FILE", help="the file of your own adapter, if it is one"
    )
    own.add_argument(
        "--adapter-command",
        type=_words,
        dest="adapter",
        metavar="COMMAND",
        help="the command of your own adapter, if it is one",
    )
    one.set_defaults(run=_record)

    one = commands.add_parser(
        "certify",
        help="certify a recorded trace, from its files alone",
        epilog="exit status: 0 if it holds, 1 if it does not, 2 if the files are not a trace",
    )
    one.add_argument("trace", type=Path, help="the folder of program.json, or the archive")
    one.add_argument("--workers", type=_count, metavar="N", help="judge the links in N processes")
    one.add_argument("--dask", metavar="ADDRESS", help="judge the links on a Dask cluster")
    one.add_argument(
        "--memory", type=_bytes, metavar="SIZE", help="what each process may use: 500M, 2G"
    )
    one.add_argument(
        "--report", type=Path, metavar="FILE", help="write a page: a table of all links"
    )
    one.add_argument("--json", type=Path, metavar="FILE", help="write all of it as JSON")
    one.set_defaults(run=_certify)

    one = commands.add_parser(
        "audit",
        help="audit every figure that a worked example prints",
        description="Audit a worked example of backpropagation: is each printed figure right?",
        epilog="exit status: 0, or 2 if the file is not a worked example",
    )
    one.add_argument(
        "example",
        nargs="?",
        default="article",
        help="your own file (docs/worked-examples.md), or the name of one that is shipped: "
        f"{', '.join(shipped())} (default: %(default)s)",
    )
    one.add_argument("--json", action="store_true", help="print JSON: an array of objects")
    one.add_argument(
        "--golden", type=Path, metavar="FILE", help="write all values, proven to 40 digits, as JSON"
    )
    one.set_defaults(run=_audit)

    one = commands.add_parser("findings", help="print what releases get wrong, in Markdown")
    one.set_defaults(run=_findings)

    one = commands.add_parser("ops", help="list the ops that adapters name, in Markdown")
    one.set_defaults(run=_ops)

    one = commands.add_parser("new-adapter", help="write the skeleton of an adapter, with every op")
    one.add_argument("file", type=Path, help="the Python file to write: mylib.py")
    one.set_defaults(run=_new_adapter)

    _add_reports(commands)
    return root


def _add_reports(commands: Any) -> None:
    """Add the commands that read JSON reports."""
    one = commands.add_parser("report", help="make a page of a JSON report, or one of several")
    kinds = one.add_subparsers(metavar="KIND", required=True)
    page = kinds.add_parser("html", help="make an HTML page of a JSON report")
    page.add_argument("report", type=Path, help="the JSON file that `verify --report-json` wrote")
    page.add_argument("page", type=Path, help="the HTML file to write")
    page.set_defaults(run=_page)
    merge = kinds.add_parser(
        "merge",
        help="make one JSON report of several",
        epilog="exit status: 0, or 1 if reports contradict each other, 2 if a file is not a report",
    )
    merge.add_argument("reports", type=Path, nargs="+", metavar="REPORT")
    merge.add_argument("--json", type=Path, metavar="FILE", required=True, help="the one to write")
    merge.set_defaults(run=_merge)
    matrix = kinds.add_parser(
        "matrix",
        help="print the matrix of a JSON report: what is right in each framework and precision",
        epilog="exit status: 0, or 1 if the report is not green, 2 if the file is not a report",
    )
    matrix.add_argument("report", type=Path)
    matrix.add_argument("--svg", type=Path, metavar="FILE", help="also write it as a picture")
    matrix.set_defaults(run=_matrix)

    one = commands.add_parser(
        "compare",
        help="show what changed from one JSON report to another",
        epilog="exit status: 0 if nothing got worse, 1 if something did, 2 if a file is not "
        "a report",
    )
    one.add_argument("old", type=Path)
    one.add_argument("new", type=Path)
    one.add_argument("--html", type=Path, metavar="FILE", help="also write a page")
    one.set_defaults(run=_compare)


def _add_campaign(commands: Any) -> None:
    """Add the command that certifies random networks."""
    one = commands.add_parser(
        "campaign",
        help="certify random networks of many seeds, here or on a cluster",
        epilog="exit status: 0 if nothing new was found, 1 if something was, 2 if it cannot run",
    )
    one.add_argument(
        "columns", nargs="+", metavar="COLUMN", help="a framework, or FRAMEWORK.VARIANT"
    )
    one.add_argument("--seeds", type=_count, default=20, metavar="N", help="default: %(default)s")
    one.add_argument(
        "--networks", type=_count, default=1000, metavar="N", help="of each; default: %(default)s"
    )
    one.add_argument("--workers", type=_count, metavar="N", help="share the seeds in N processes")
    one.add_argument("--dask", metavar="ADDRESS", help="share the seeds on a Dask cluster")
    one.set_defaults(run=_campaign, memory=None)


def _campaign(asked: argparse.Namespace) -> int:
    """Certify random networks; print each new finding as it comes, and the table of counts."""
    from backproof.adapters import TABLE  # noqa: PLC0415 it imports NumPy
    from backproof.adapters.protocol import AdapterError  # noqa: PLC0415 likewise
    from backproof.campaign.campaign import columns  # noqa: PLC0415 for this command alone
    from backproof.campaign.seeds import campaigns, to_text  # noqa: PLC0415 likewise
    from backproof.reference.fixtures import FixtureError  # noqa: PLC0415 likewise

    known = [*map(str, columns([*TABLE]))]
    if wrong := [name for name in asked.columns if name not in known]:
        return _refuse(f"no column {wrong[0]}; there are {', '.join(known)}")
    rows = []
    try:
        with _executor(asked) as executor:
            for row, texts in campaigns(asked.columns, asked.seeds, asked.networks, executor):
                rows.append(row)
                print(*texts, sep="\n\n", end="\n" * bool(texts), flush=True)
    except (AdapterError, FixtureError, OSError, BrokenExecutor) as error:
        return _refuse(error)
    print(to_text(rows))
    if idle := [row.column for row in rows if not row.links]:
        return _refuse(
            f"{idle[0]} certifies nothing: all of these networks are declared unsupported"
        )
    return 1 if any(row.new for row in rows) else 0


def _record(asked: argparse.Namespace) -> int:
    """Record one pass of an implementation."""
    from backproof.adapters.protocol import AdapterError, Unsupported  # noqa: PLC0415 NumPy
    from backproof.running.record import recorded  # noqa: PLC0415 for this command alone
    from backproof.traces.files import TraceError  # noqa: PLC0415 likewise
    from backproof.traces.writing import write  # noqa: PLC0415 likewise

    which = (asked.implementation, asked.case, asked.precision, asked.seed, asked.adapter)
    try:
        write(recorded(*which), asked.trace)
    except (AdapterError, TraceError, Unsupported, ValueError) as error:
        return _refuse(error)
    return 0


def _certify(asked: argparse.Namespace) -> int:
    """Print the certificate of a recorded trace, and write its reports."""
    from backproof.programs.from_file import TraceError, certify_trace  # noqa: PLC0415 NumPy
    from backproof.programs.memory import hold_to  # noqa: PLC0415 likewise

    try:
        with _executor(asked) as executor:
            hold_to(asked.memory)
            certificate = certify_trace(asked.trace, executor=executor, memory=asked.memory)
    except MemoryError as error:
        return _refuse(f"{asked.trace}: {error}")
    except (TraceError, OSError, BrokenExecutor) as error:
        return _refuse(error)
    print(certificate)
    status = 0 if certificate.holds else 1
    for path, text in ((asked.report, certificate.to_html), (asked.json, certificate.to_json)):
        if path:
            status = _written(path, text()) or status
    return status


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a command. Raises ArgumentTypeError."""
    words = (*shlex.split(text),)
    if not words or not which(words[0]):
        raise argparse.ArgumentTypeError(f"there is no program {text!r}")
    return words


def _count(text: str) -> int:
    """Return a number of processes. Raises ArgumentTypeError, ValueError."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return int(text)


def _bytes(text: str) -> int:
    """Return a number of bytes: "500M" is 500 million. Raises ArgumentTypeError."""
    found = re.fullmatch(r"([1-9]\d*)([KMG])B?", text.upper())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 500M or 2G")
    return int(found[1]) * 1000 ** (1 + "KMG".index(found[2]))


@contextmanager
def _executor(asked: argparse.Namespace) -> Iterator[Executor | None]:
    """Yield what judges the links: a Dask cluster, processes, or None. Raises OSError."""
    if asked.dask:
        try:
            distributed = import_module("distributed")
        except ImportError:
            raise OSError("--dask: not installed; `pip install 'backproof[dask]'`") from None
        with distributed.Client(asked.dask) as client, client.get_executor() as executor:
            yield executor
    elif asked.workers:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker's NumPy reads this
        from backproof.programs.memory import hold_to  # noqa: PLC0415 it imports NumPy

        processes = get_context("spawn")
        with ProcessPoolExecutor(asked.workers, processes, hold_to, (asked.memory,)) as executor:
            yield executor
    else:
        yield None


def _audit(asked: argparse.Namespace) -> int:
    """Print the audit of a worked example: every figure, the errata, the count of each verdict."""
    from backproof.reference.article import audit, figures, golden  # noqa: PLC0415 this command's
    from backproof.reference.files import FileError  # noqa: PLC0415 likewise

    try:
        article = figures.load(figures.shipped().get(asked.example, Path(asked.example)))
        findings = audit.audit(article)
        print(audit.to_json(findings) if asked.json else audit.to_text(findings))
        return _written(asked.golden, golden.generate(article)) if asked.golden else 0
    except FileError as error:
        return _refuse(error)


def _findings(_: argparse.Namespace) -> int:
    """Print the recorded findings as a table in Markdown."""
    from backproof.reference.findings import load  # noqa: PLC0415 for this command alone
    from backproof.reference.findings_table import to_markdown  # noqa: PLC0415 likewise
    from backproof.reference.fixtures import FixtureError  # noqa: PLC0415 likewise

    try:
        print(to_markdown(load()))
    except FixtureError as error:
        return _refuse(error)
    return 0


def _ops(_: argparse.Namespace) -> int:
    """Print the ops as tables in Markdown."""
    from backproof.scenarios.ops_page import to_markdown  # noqa: PLC0415 for this command alone

    print(to_markdown())
    return 0


def _new_adapter(asked: argparse.Namespace) -> int:
    """Write the skeleton of an adapter into a new file."""
    from backproof.adapters.skeleton import skeleton  # noqa: PLC0415 for this command alone

    try:
        with asked.file.open("x", encoding="utf-8") as file:
            file.write(skeleton())
    except OSError as error:
        return _refuse(f"{asked.file}: {error.strerror}")
    print(f"{asked.file}: verify it with: backproof verify --adapter {asked.file}")
    return 0


def _page(asked: argparse.Namespace) -> int:
    """Write the page of a JSON report."""
    from backproof.report.document import ReportError, shown  # noqa: PLC0415 for this command alone
    from backproof.report.page import page  # noqa: PLC0415 likewise

    if asked.page.resolve() == asked.report.resolve():
        return _refuse(f"{asked.page}: the page would replace the report; name another file")
    try:
        return _written(asked.page, shown(asked.report, page))
    except ReportError as error:
        return _refuse(error)


def _merge(asked: argparse.Namespace) -> int:
    """Write one report of several, and print what it says, and where they contradict each other."""
    from backproof.report.document import ReportError, headline, read, to_json  # noqa: PLC0415
    from backproof.report.merge import contradicted, merge  # noqa: PLC0415 for this command alone

    if asked.json.resolve() in [path.resolve() for path in asked.reports]:
        return _refuse(f"{asked.json}: would be replaced; name another file")
    try:
        merged, contradictions = merge({str(path): read(path) for path in asked.reports})
    except ReportError as error:
        return _refuse(error)
    print(headline(merged))
    if contradictions:
        print(contradicted(contradictions))
    return _written(asked.json, to_json(merged)) or (1 if contradictions else 0)


def _matrix(asked: argparse.Namespace) -> int:
    """Print the matrix of a report, and write its picture."""
    from backproof.report.document import ReportError, headline, shown  # noqa: PLC0415
    from backproof.report.matrix import matrix, to_svg, to_text  # noqa: PLC0415 for this command alone

    try:
        found, verdict, said = shown(
            asked.report, lambda report: (matrix(report), report["verdict"], headline(report))
        )
    except ReportError as error:
        return _refuse(error)
    print(to_text(found), said, sep="\n\n")
    status = _written(asked.svg, to_svg(found)) if asked.svg else 0
    return status or int(verdict != "green")


def _compare(asked: argparse.Namespace) -> int:
    """Print what changed from one JSON report to another."""
    from backproof.report.compare import WORSE, compare, said, whole  # noqa: PLC0415 this command's
    from backproof.report.document import ReportError, shown  # noqa: PLC0415 likewise

    try:
        old, new = shown(asked.old, whole), shown(asked.new, whole)
    except ReportError as error:
        return _refuse(error)
    changes = compare(old, new)
    print(said(old, new, changes))
    status = 1 if changes.keys() & set(WORSE) else 0
    if asked.html:
        from backproof.report.compare_page import compare_page  # noqa: PLC0415 jinja2

        status = _written(asked.html, compare_page(old, new, changes)) or status
    return status


def _written(path: Path, text: str) -> int:
    """Write a file, and return 0, or the exit status of a file that cannot be written."""
    from backproof.reference.files import UNWRITTEN, UnwrittenError, write  # noqa: PLC0415 likewise

    try:
        write(path, text)
    except UnwrittenError as error:
        _refuse(error)
        return UNWRITTEN
    return 0


def _refuse(error: object) -> int:
    """Print what is wrong with the input, and return the exit status of bad input."""
    sys.stderr.write(f"backproof: {error}\n")
    return 2
