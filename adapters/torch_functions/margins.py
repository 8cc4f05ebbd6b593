"""PyTorch's losses of margins, max(0, margin + distance), read as ops."""

import numpy as np

from backproof.adapters.torch_functions.calls import Call, Seen, Tensor, array, steps
from backproof.adapters.torch_functions.distances import distance
from backproof.adapters.torch_functions.lengths import order
from backproof.adapters.torch_functions.losses import loss, reduction_of
from backproof.adapters.torch_functions.numbers import as_batches


@loss("margin_ranking_loss")
def margin_ranking_loss(
    _: Seen, a: Tensor, b: Tensor, t: Tensor, margin: float, *, reduction: str
) -> Call:
    return steps(
        "margin_ranking_loss",
        {"a": a, "b": b, "t": t, "margin": margin},
        ("sign", "negative", "t"),
        ("lead", "subtract", "a b"),
        ("behind", "multiply", "sign lead"),
        ("wanting", "add", "behind margin"),
        ("losses", "clamp", "wanting", {"low": 0.0}),
        *reduction_of(reduction, "losses"),
    )


@loss("hinge_embedding_loss")
def hinge_embedding_loss(_: Seen, y: Tensor, t: Tensor, margin: float, *, reduction: str) -> Call:
    """Read it as y where t is 1, max(0, margin - y) where it is -1; both elsewhere."""
    return steps(
        "hinge_embedding_loss",
        {"y": y, "margin": margin, "zero": 0.0},
        ("wanting", "subtract", "margin y"),
        ("hinge", "clamp", "wanting", {"low": 0.0}),
        ("far", "where", "zero hinge", {"condition": array(t == 1)}),
        ("near", "where", "zero y", {"condition": array(t == -1)}),
        ("losses", "add", "far near"),
        *reduction_of(reduction, "losses"),
    )


@loss("multi_margin_loss")
@as_batches
def multi_margin_loss(
    _: Seen,
    y: Tensor,
    target: Tensor,
    p: int,
    margin: float,
    weight: Tensor | None,
    *,
    reduction: str,
) -> Call:
    """Read it as the mean over all classes c but the target of w max(0, margin - y[t] + y[c])^p."""
    classes = array(target).reshape(-1)
    of_target = (np.arange(len(classes))[:, None], classes[:, None])
    others = np.arange(y.shape[1]) != classes[:, None]
    w = np.ones(1, np.float32) if weight is None else weight.detach()[target.reshape(-1)][:, None]
    return steps(
        "multi_margin_loss",
        {"y": y, "margin": margin, "w": w, "zero": 0.0},
        ("target", "slice", "y", {"index": of_target}),
        ("allowed", "subtract", "margin target"),
        ("wanting", "add", "allowed y"),
        ("hinge", "clamp", "wanting", {"low": 0.0}),
        ("power", "power", "hinge", {"exponent": p}),
        ("weighted", "multiply", "w power"),
        ("others", "where", "weighted zero", {"condition": others}),
        ("losses", "mean", "others", {"axis": 1}),
        *reduction_of(reduction, "losses"),
    )


@loss("multilabel_margin_loss")
@as_batches
def multilabel_margin_loss(_: Seen, y: Tensor, target: Tensor, *, reduction: str) -> Call:
    """Read it as the sum of max(0, 1 - y[t] + y[c]) / C over labels t and all classes c but these.

    A row of the target has its labels first, then, if there is place, -1.
    """
    labels = array(target)
    rows = [row[: [*row, -1].index(-1)] for row in labels.tolist()]
    C = y.shape[1]
    pairs = [(n, t, c) for n, row in enumerate(rows) for t in row for c in range(C) if c not in row]
    n, t, c = np.array(pairs, int).reshape(-1, 3).T
    return steps(
        "multilabel_margin_loss",
        {"y": y, "one": 1.0, "zeros": np.zeros(len(rows), np.float32), "classes": C},
        ("label", "slice", "y", {"index": (n, t)}),
        ("other", "slice", "y", {"index": (n, c)}),
        ("allowed", "subtract", "one label"),
        ("wanting", "add", "allowed other"),
        ("hinge", "clamp", "wanting", {"low": 0.0}),
        ("sum", "add_at", "zeros hinge", {"index": (n,)}),
        ("losses", "divide", "sum classes"),
        *reduction_of(reduction, "losses"),
    )


@loss("triplet_margin_loss")
def triplet_margin_loss(
    _: Seen,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float,
    p: float,
    eps: float,
    swap: bool,
    *,
    reduction: str,
) -> Call:
    """Read it as max(0, margin + ||a - p|| - ||a - n||); swap: ||p - n|| where that is less."""
    p = order(p, anchor.detach() - positive.detach() + eps, -1)
    found = [*distance("near", "a", "p", p), *distance("far", "a", "n", p)]
    if swap:
        found += [*distance("other", "p", "n", p), ("least", "minimum", "far other")]
    found += [
        ("allowed", "add", "margin near"),
        ("wanting", "subtract", "allowed least" if swap else "allowed far"),
        ("losses", "clamp", "wanting", {"low": 0.0}),
        *reduction_of(reduction, "losses"),
    ]
    operands = {"a": anchor, "p": positive, "n": negative, "margin": margin, "eps": eps}
    return steps("triplet_margin_loss", operands, *found)
