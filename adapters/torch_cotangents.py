"""The cotangents of a PyTorch program: what hooks on its values see while a pass runs back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_bodies import is_batched
from backproof.adapters.torch_graph import array
from backproof.reference.ops import Array

Tensor = Any


class Cotangents:
    """The cotangents of one backward pass.

    found: node -> its cotangent, once the pass has run back.
    backward: the number that autograd gives the pass, once it runs.
    """

    def __init__(self) -> None:
        """Know of no pass yet."""
        self.found: dict[str, Array] = {}
        self.backward: int | None = None

    def forget(self) -> None:
        """Forget all backward passes that have run."""
        self.found.clear()
        self.backward = None

    @contextmanager
    def of_another_pass(self) -> Iterator[dict[str, Array]]:
        """Find those of a pass that the program itself runs back, apart from the program's own."""
        outer = self.found, self.backward
        self.found, self.backward = {}, None
        try:
            yield self.found
        finally:
            self.found, self.backward = outer

    def hook(self, t: Tensor, name: str) -> None:
        """Keep the cotangent of a node: a copy, since whoever receives it may overwrite it.

        Where a derivative is known to be zero, autograd hands on None. A backward pass inside of
        the program's, as a custom function may run, has cotangents of its own: they are a node's
        only where the node was made inside, as a checkpoint's are.
        """
        is_inside = running_pass() is not None

        def receive(cotangent: Tensor | None) -> None:
            self.backward = running_pass() if self.backward is None else self.backward
            if not is_inside and self.backward != running_pass():
                return
            if cotangent is not None and not is_batched(cotangent):
                self.found[name] = np.array(array(cotangent))

        watch(t, receive)


def running_pass() -> int | None:
    """Return which backward pass is running: the number that autograd gives it; None if none is."""
    number = torch._C._current_graph_task_id()  # noqa: SLF001 no other name
    return None if number < 0 else number


def watch(t: Tensor, receive: Callable[..., Any]) -> None:
    """Call a function with the cotangent of a tensor as it is now.

    A tensor that was transposed in place keeps its hooks, which see the cotangent of what it was,
    and PyTorch adds a new one to them: so the new one is added to none.
    """
    t._backward_hooks = None  # noqa: SLF001 autograd keeps those that there are
    t.register_hook(receive)
