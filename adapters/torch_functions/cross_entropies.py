"""Cross-entropies of logits."""

from typing import Any

from backproof.adapters.torch_functions.calls import Call, NotKnown, Seen, Tensor, array, reads


@reads("cross_entropy")
def cross_entropy(
    _: Seen,
    y: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Call:
    if weight is not None or reduction != "mean" or y.dim() != len(("N", "C")):
        raise NotKnown("weight, a reduction other than the mean, or more than two axes")
    if target.is_floating_point():
        return Call("softmax_cross_entropy", (y, target), {"label_smoothing": label_smoothing})
    options = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
    return Call("cross_entropy", (y,), {"target": array(target), **options})


@reads("binary_cross_entropy_with_logits")
def bce_with_logits(
    _: Seen,
    y: Tensor,
    t: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Call:
    if (
        weight is not None
        or reduction != "mean"
        or (pos_weight is not None and pos_weight.numel() > 1)
    ):
        raise NotKnown("weight, a reduction other than the mean, or several pos_weight")
    options = {} if pos_weight is None else {"pos_weight": float(pos_weight)}
    return Call("bce_with_logits", (y, t), options)
