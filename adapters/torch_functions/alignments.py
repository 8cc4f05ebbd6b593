"""The loss of sequences, of which nobody knows where each label is."""

from typing import Any

import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    array,
    steps,
)
from backproof.adapters.torch_functions.losses import loss, reduction_of
from backproof.reference.own import OWN


@loss("ctc_loss")
def ctc_loss(
    _: Seen,
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int,
    zero_infinity: bool,
    *,
    reduction: str,
) -> Call:
    """Read it as the loss of each sequence, by the length of its target where the mean is taken.

    PyTorch hands back what is right behind log_softmax alone: elsewhere it is refuted.
    """
    lp = log_probs
    times, lengths = (array(torch.as_tensor(n)) for n in (input_lengths, target_lengths))
    batch, times, lengths = times.shape, times.reshape(-1), lengths.reshape(-1)
    target = padded(array(targets), lengths)
    if (times < 1).any() or not torch.isfinite(lp).all():
        raise NotKnown("a sequence of no time, or a probability of zero")
    repeats = ((target[:, 1:] == target[:, :-1]) & (target[:, 1:] >= 0)).sum(axis=1)
    is_impossible = times < lengths + repeats
    if is_impossible.any() and not zero_infinity:
        raise NotKnown("a target that is too long for its sequence, whose loss is infinite")
    op = "ctc_of_log_softmax" if is_normalized(lp) else "ctc"
    options = {"target": target.clip(0), "times": times, "lengths": lengths, "blank": blank}
    found: list[Step] = [
        ("batch", "reshape", "lp", {"shape": (len(lp), len(times), lp.shape[-1])}),
        ("each", op, "batch", options, OWN[op]),
        ("finite", "masked_fill", "each", {"mask": is_impossible, "value": 0}),
    ]
    if reduction == "mean":
        found.append(("by-label", "divide", "finite lengths"))
    last = found[-1][0]
    shaped = ("losses", "reshape", last, {"shape": batch if lp.dim() == BATCH else ()})
    labels = torch.as_tensor(lengths.clip(1)).to(lp.dtype)
    operands = {"lp": lp, "lengths": labels}
    return steps("ctc_loss", operands, *found, *(reduction_of(reduction, last) or [shaped]))


BATCH = 3
"""The number of axes of a batch of sequences."""


def padded(targets: Any, lengths: Any) -> Any:
    """Return targets (N, S), -1 behind the end of each, of such or of all of them in a row."""
    if targets.ndim == 1:
        whole = [targets[end - n : end] for n, end in zip(lengths, lengths.cumsum(), strict=True)]
    else:
        whole = [row[:n] for row, n in zip(targets, lengths, strict=True)]
    found = array(torch.full((len(lengths), int(lengths.max(initial=0))), -1))
    for row, one in zip(found, whole, strict=True):
        row[: len(one)] = one
    return found


MOVES = {
    f"{name}Backward{i}"
    for name in (
        *("Cat", "Clone", "Expand", "Flip", "IndexSelect", "Permute", "Select", "Slice", "Squeeze"),
        *("Stack", "ToCopy", "Transpose", "UnsafeView", "Unsqueeze", "View"),
    )
    for i in range(3)
}
"""Autograd's names of functions that move entries, and round them at most."""


@torch.no_grad()
def is_normalized(lp: Tensor) -> bool:
    """Return whether log_softmax, or the logarithm of softmax, made rows that were moved alone.

    The derivatives of moves take the number of each class back to where it came from. A row that
    was moved to several places receives a multiple of these numbers, and constants receive nothing.
    """
    numbers = torch.arange(1, lp.shape[-1] + 1).to(lp)
    left = [(lp.grad_fn, numbers.expand(lp.shape))]
    while left:
        node, places = left.pop()
        if type(node).__name__ in MOVES:
            moved = node(places)
            pieces = moved if isinstance(moved, tuple) else (moved,)
            before = (function for function, _ in node.next_functions)
            left += [(f, piece) for f, piece in zip(before, pieces, strict=True) if f is not None]
        elif not has_rows(node, places, numbers):
            return False
    return True


def has_rows(node: Any, places: Tensor, numbers: Tensor) -> bool:
    """Return whether one of autograd's functions is of a softmax whose rows receive the numbers."""
    made = type(node).__name__
    if made == "LogBackward0":
        node = node.next_functions[0][0]
        made += type(node).__name__
    if made not in ("LogSoftmaxBackward0", "LogBackward0SoftmaxBackward0"):
        return False
    dim = (node._saved_dim + 2**63) % 2**64 - 2**63  # noqa: SLF001 autograd has it without a sign
    rows = places.movedim(dim, -1)
    return rows.shape[-1] == len(numbers) and bool((rows == rows[..., :1] * numbers.to(rows)).all())
