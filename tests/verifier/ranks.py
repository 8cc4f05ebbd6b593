"""Data parallel training of a small transformer by two ranks: `python -m` this runs the second.

Both compute the loss of one half of the batch each, whose gradients are the mean over ranks.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from tests.verifier.models import GPT


@contextmanager
def rank(number: int, file: str) -> Iterator[None]:
    """Be one of two ranks, which meet by way of a file, on the loopback."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo" if sys.platform == "linux" else "lo0"
    limit = timedelta(seconds=60)
    distributed.init_process_group("gloo", f"file://{file}", limit, world_size=2, rank=number)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def program() -> tuple[Any, Any, Any]:
    """Return a model, the loss of a batch, and that of this rank's half, all ranks' the same.

    The loss of a half has `mean`: whether gradients become the mean over ranks. Its `static` is a
    layer of its own whose graph is static, so that they always do.
    """
    torch.manual_seed(0)
    model, (ids, targets) = GPT(), torch.randint(0, 11, (2, 2, 6))
    parallel, own = DistributedDataParallel(model), slice(distributed.get_rank(), None, 2)

    def half(*, mean: bool) -> Any:
        with nullcontext() if mean else parallel.no_sync():
            return parallel(ids[own], targets[own])

    half.parallel = parallel  # type: ignore[attr-defined]
    static = DistributedDataParallel(torch.nn.Linear(2, 1), static_graph=True)
    half.static = static  # type: ignore[attr-defined]
    return model, lambda: model(ids, targets), half


if __name__ == "__main__":
    with rank(1, sys.argv[1]):
        _, _, half = program()
        for mean in (True, False):
            half(mean=mean).backward()
