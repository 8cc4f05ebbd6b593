"""What autograd's functions tell of a tensor that no recorded call made: where it came from."""

from collections.abc import Iterable
from typing import Any

Tensor = Any


def source_of(t: Tensor, sharing: Iterable[Tensor]) -> Tensor | None:
    """Return the tensor that a view was taken from: the nearest of those that share its memory.

    A leaf needs not be one of them. None where there is none.
    """
    known = {(one.grad_fn, one.output_nr): one for one in sharing}
    function = t.grad_fn
    while function is not None:
        edge, *others = function.next_functions or ((None, 0),)
        if others or edge in known:
            return known.get(edge)
        function, _ = edge
        leaf = getattr(function, "variable", None)
        if leaf is not None and share_memory(leaf, t):
            return leaf
    return None


def computed_from(t: Tensor, known: Iterable[Tensor]) -> list[Tensor]:
    """Return what a tensor was computed from: the nearest known tensors, and leaves."""
    made = {(one.grad_fn, one.output_nr): one for one in known if one.grad_fn is not None}
    found: dict[int, Tensor] = {}
    seen, left = {None}, [t.grad_fn]
    while left:
        function = left.pop()
        for edge in function.next_functions if function is not None else ():
            before, _ = edge
            operand = getattr(before, "variable", made.get(edge))
            if operand is not None:
                found[id(operand)] = operand
            elif before not in seen:
                seen.add(before)
                left.append(before)
    return [*found.values()]


def node_around(t: Tensor, functions: Iterable[Any]) -> Any:
    """Return the one of autograd's functions inside of whose call a tensor was made, or None.

    It may be another result of that function itself.
    """
    made = [*functions]
    if t.grad_fn in made:
        return t.grad_fn
    for first in made:
        seen, left = {None}, [first] if first is not None else []
        while left:
            for before, _ in left.pop().next_functions:
                if before is t.grad_fn:
                    return first
                if before not in made and before not in seen:
                    seen.add(before)
                    left.append(before)
    return None


def memory_of(t: Tensor) -> int:
    """Return where the memory of a tensor is, which its views share."""
    return int(t.untyped_storage().data_ptr())


def version_of(t: Tensor) -> int:
    """Return how often a tensor was written to: autograd counts what is written in place."""
    return int(t._version)  # noqa: SLF001 no other name


def share_memory(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors have the same memory, or parts of it."""
    return memory_of(a) == memory_of(b)
