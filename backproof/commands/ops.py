"""`backproof ops`: the ops are printed as tables in Markdown."""

import argparse
from collections.abc import Sequence

from backproof.scenarios.ops_page import to_markdown


def run(arguments: Sequence[str]) -> int:
    """Print the ops."""
    argparse.ArgumentParser(
        prog="backproof ops", description="Print the ops that adapters name, as Markdown."
    ).parse_args(arguments)
    print(to_markdown())
    return 0
