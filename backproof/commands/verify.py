"""`backproof verify`: the verification tests are run by pytest, which takes all other options."""

import argparse
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from backproof.commands.endings import refuse
from backproof.running.options import OPTIONS

CONFIGURATION = Path(__file__).parents[1] / "pytest.toml"
TEST = re.compile(r"(test_\w+\.py)(::.*)?", re.DOTALL)
"""A file of the verification tests, or one of its tests."""

VALUED = ("-c", "-k", "-m", "-n", "-o", "-p", "-r", "-W")
"""pytest's options whose value is the next argument."""


def run(arguments: Sequence[str]) -> int:
    """Run the verification tests: all, or the named ones ("test_article.py")."""
    if {"-h", "--help"} & {*arguments}:
        parser().print_help()
        return 0
    valued = {*VALUED, *(flag for flag, one in OPTIONS.items() if "metavar" in one)}
    named: list[str] = []
    others: list[str] = []
    for before, one in zip(["", *arguments], arguments, strict=False):
        test = None if before in valued else TEST.fullmatch(one)
        if test and test[1] not in files():
            return refuse(f"no test file {test[1]}; there are {', '.join(files())}")
        (named if test else others).append(str(tests() / one) if test else one)
    settings = [f"--config-file={CONFIGURATION}", f"--rootdir={tests()}"]
    if "no:cacheprovider" not in arguments:
        settings += ["-o", f"cache_dir={Path.cwd() / '.pytest_cache'}"]
    folder = [] if named else [str(tests())]
    return int(pytest.main(["-p", "backproof.plugin", *settings, *folder, *named, *others]))


def parser() -> argparse.ArgumentParser:
    """Return the parser of what is not pytest's own."""
    found = argparse.ArgumentParser(
        prog="backproof verify",
        description="Run the verification tests: a short run, unless tests are named or selected. "
        "All of pytest's own options work too: -k, -x, -n.",
        epilog="exit status: 0 if nothing new is wrong, 1 if something is, 6 if only a report "
        "could not be written; else pytest's",
    )
    found.add_argument(
        "tests",
        nargs="*",
        metavar="TEST",
        help=f"a file of tests, or one test of it; default: a short run of {', '.join(files())}",
    )
    for flag, settings in OPTIONS.items():
        found.add_argument(flag, **settings)
    return found


def tests() -> Path:
    """Return the folder of the verification tests. Raises SystemExit where there is none."""
    spec = find_spec("backproof.verification")
    if spec is None or spec.origin is None:
        raise SystemExit("backproof: the verification tests are not installed; run `pip install .`")
    return Path(spec.origin).parent


def files() -> list[str]:
    """Return the names of the verification tests' files."""
    return sorted(path.name for path in tests().glob("test_*.py"))
