"""`backproof findings`: the recorded findings are printed as a table in Markdown."""

import argparse
from collections.abc import Sequence

from backproof.commands.endings import refuse
from backproof.reference.findings import load
from backproof.reference.findings_table import to_markdown
from backproof.reference.fixtures import FixtureError


def run(arguments: Sequence[str]) -> int:
    """Print the findings."""
    argparse.ArgumentParser(
        prog="backproof findings", description="Print what releases get wrong, as Markdown."
    ).parse_args(arguments)
    try:
        print(to_markdown(load()))
    except FixtureError as error:
        return refuse(error)
    return 0
