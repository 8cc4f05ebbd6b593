"""The groups of cells, which are the rows of the matrix, and the order in which cells stand."""

from collections.abc import Iterable
from typing import Any

from backproof.reference.article.figures import Article
from backproof.reference.numbers.precision import PRECISIONS
from backproof.report.cells import CERTIFIED, PAIRS, RANDOM
from backproof.running.options import REFERENCE
from backproof.scenarios.networks import CASES, LARGE
from backproof.scenarios.op_cases import OPS_ALONE


def group(article: Article, quantity: str) -> str:
    """Return the row of the matrix in which a quantity of the trace stands."""
    at = article.addresses[quantity]
    if at.kind != "gradients":
        return {"values": "node values", "updated": "updated weights"}.get(at.kind, at.kind)
    if at.array in article.network.inputs:
        return "gradients of inputs"
    return f"gradients of {'weights' if at.array in article.network.trained else 'biases'}"


def order(article: Article, adapters: Iterable[str]) -> dict[str, list[Any]]:
    """Return field of a cell -> its values, first to last, as `in_order` takes them."""
    quantities = sorted(group(article, quantity) for quantity in article.addresses)
    parts = [figure.part for figure in article.figures]
    return {
        "adapter": [REFERENCE, *adapters],  # variants come after them, by name
        "precision": [*PRECISIONS, "any"],
        "group": [*quantities, *parts, PAIRS, *CERTIFIED],
        "network": [article.network.name, *OPS_ALONE, *CASES, *LARGE, RANDOM],
    }
