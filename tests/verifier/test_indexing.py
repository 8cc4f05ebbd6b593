"""One op takes entries by any index, and every function that only moves entries is an index."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from backproof.reference.ops import OPS
from backproof.reference.ops.indexing import moved
from tests.verifier.lazy import Lazy

torch, bt = map(Lazy, ("torch", "backproof.torch"))

X = np.arange(24.0).reshape(2, 3, 4)

MOVES: dict[str, Callable[[Any], Any]] = {
    "roll": partial(np.roll, shift=(1, -2), axis=(0, 2)),
    "flip": partial(np.flip, axis=(0, 2)),
    "tile": partial(np.tile, reps=(2, 1, 3)),
    "repeat": partial(np.repeat, repeats=2, axis=1),
    "diagonal": partial(np.diagonal, axis1=1, axis2=2),
    "gather": partial(np.take_along_axis, indices=np.array([[[3, 0, 3]]]), axis=2),
    "take": partial(np.take, indices=[2, 0, 2], axis=1),
    "reflect": partial(np.pad, pad_width=((0, 0), (1, 2), (2, 0)), mode="reflect"),
    "replicate": partial(np.pad, pad_width=((0, 0), (0, 0), (2, 3)), mode="edge"),
    "circular": partial(np.pad, pad_width=((0, 0), (0, 0), (2, 3)), mode="wrap"),
    "windows": partial(np.lib.stride_tricks.sliding_window_view, window_shape=2, axis=2),
}
"""Functions that only move entries."""


@pytest.mark.parametrize("name", MOVES)
def test_a_move_is_an_index(name: str) -> None:
    """The index of a move takes what the move gives, and hands dy back to where it came from."""
    move, index = MOVES[name], moved(X.shape, MOVES[name])
    dy = np.random.default_rng(0).integers(9, size=move(X).shape)
    (dx,) = OPS["slice"].backward(dy, move(X), X, index=index)
    total = [np.sum(dy[move(X) == x]) for x in X.ravel()]

    assert np.array_equal(move(X), OPS["slice"].forward(X, index=index))
    assert total == dx.ravel().tolist()


INDICES: dict[str, tuple[Any, float]] = {
    "slices": ((slice(0, 2), slice(1, 3)), 1),
    "backwards": ((0, slice(None, None, -1)), 1),
    "mask": (X[0, :, 0] > 0, 1),
    "list": ([1, 1, 0], 2),
    "array": ((slice(None), np.array([2, 2, 1])), 2),
}
"""Indices, and how often they take an entry at most."""


@pytest.mark.parametrize("name", INDICES)
def test_entries_receive_as_often_as_they_are_taken(name: str) -> None:
    """With ones for dy, dx counts how often an entry was taken."""
    index, most = INDICES[name]
    x = X[0] if name == "mask" else X
    y = OPS["slice"].forward(x, index=index)
    (dx,) = OPS["slice"].backward(np.ones_like(y), y, x, index=index)

    assert most == np.max(dx)
    assert y.size == np.sum(dx)


def test_what_broadcasts_to_a_mask_receives_from_every_row() -> None:
    """A mask of more rows repeats x, whose entries receive from all rows where they are seen."""
    mask = np.array([[True, False], [False, False]])
    x, dy = np.ones(2), np.array([[1.0, 2.0], [4.0, 8.0]])
    y = OPS["masked_fill"].forward(x, mask=mask, value=0)
    (dx,) = OPS["masked_fill"].backward(dy, y, x, mask=mask, value=0)

    assert dx.tolist() == [4, 10]


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
@pytest.mark.parametrize("several", ["a slice", "tensors", "lists", "an ellipsis"])
def test_a_list_may_be_an_index_for_several_axes(several: str) -> None:
    """PyTorch takes some lists for tuples, and its own result is the one that is certified."""
    even = torch.tensor([0, 2])
    index = {
        "a slice": [slice(None), slice(1, None), even],
        "tensors": [torch.tensor([0, 1]), even],
        "lists": [[0, 1], [2, 1]],
        "an ellipsis": [None, ..., 1],
    }[several]
    w = torch.arange(24.0).reshape(2, 3, 4).requires_grad_()

    certificate = bt.certify(lambda: w[index].square().sum(), {"w": w})

    assert certificate.holds, certificate
