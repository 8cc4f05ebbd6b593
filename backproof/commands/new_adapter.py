"""`backproof new-adapter`: the skeleton of an adapter is written into a new file."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from backproof.adapters.skeleton import skeleton
from backproof.commands.endings import refuse


def run(arguments: Sequence[str]) -> int:
    """Write the skeleton, unless the file exists."""
    parser = argparse.ArgumentParser(
        prog="backproof new-adapter",
        description="Write the skeleton of an adapter, with every op as a comment.",
    )
    parser.add_argument("file", type=Path, help="the Python file to write: mylib.py")
    path: Path = parser.parse_args(arguments).file
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(skeleton())
    except OSError as error:
        return refuse(f"{path}: {error.strerror}")
    print(f"{path}: verify it with: backproof verify --adapter {path}")
    return 0
