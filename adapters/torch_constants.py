"""What counts as a constant inside of a custom function: only what is known to be one.

A custom function's forward pass runs without autograd, so nothing tells where a tensor is from. A
function that no mode sees, such as a scripted one or a kernel, may have made it of an operand.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch.overrides import TorchFunctionMode

from backproof.adapters.torch_functions import name_of
from backproof.adapters.torch_graph import of_numbers, tensors_of
from backproof.adapters.torch_history import memory_of, version_of

Tensor = Any

FRESH = (
    *("empty", "empty_like", "new_empty", "zeros", "zeros_like", "new_zeros"),
    *("ones", "ones_like", "new_ones", "full", "full_like", "new_full"),
)
"""The functions that make memory for a kernel to write into, which nobody sees."""


class Constants:
    """The tensors that are constants: what was there before, and what seen calls make of these.

    there: tensors that were there before the pass. made: results of calls, while they live.
    versions: memory that was made inside -> its version, which a write that nobody saw counts up.
    fresh: id of a tensor that was made for others to write into -> the tensor, and its numbers.
    """

    def __init__(self, there: Iterable[Tensor]) -> None:
        """Know those that were there."""
        self.there = {id(t): t for t in there}
        self.made: WeakValueDictionary[int, Tensor] = WeakValueDictionary()
        self.versions: dict[int, int] = {}
        self.fresh: dict[int, tuple[Tensor, Tensor]] = {}

    def add(self, function: Any, result: Any, *, is_inside: bool) -> None:
        """Know the results of a call whose operands are constants."""
        for t in filter(of_numbers, tensors_of(result)):
            self.made[id(t)] = t
            if is_inside:
                self.versions[memory_of(t)] = version_of(t)
                self.fresh.pop(id(t), None)
                if name_of(function) in FRESH:
                    self.fresh[id(t)] = t, t.clone()

    def __contains__(self, t: Any) -> bool:
        """Return whether a tensor is known to be a constant, as it is now."""
        if not of_numbers(t):  # it has no derivative
            return True
        is_made = self.made.get(id(t)) is t or self.there.get(id(t)) is t
        version = version_of(t)
        if t.requires_grad or not is_made or self.versions.get(memory_of(t), version) != version:
            return False
        known, numbers = self.fresh.get(id(t), (None, None))
        return known is not t or torch.equal(t, numbers)


class There(TorchFunctionMode):
    """Sees the tensors that a program uses without autograd, and that no call of it made.

    Another pass has others in the place of what the program makes, so that what both passes use was
    there before.
    """

    def __init__(self) -> None:
        """See nothing yet."""
        super().__init__()
        self.found: dict[int, Tensor] = {}
        self.made: WeakValueDictionary[int, Tensor] = WeakValueDictionary()

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Make a call."""
        if not torch.is_grad_enabled():
            for t in tensors_of(args, kwargs):
                if self.made.get(id(t)) is not t:
                    self.found[id(t)] = t
        result = function(*args, **(kwargs or {}))
        self.made.update({id(t): t for t in tensors_of(result)})
        return result
