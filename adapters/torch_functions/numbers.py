"""A number is read as a vector of one entry, which is what PyTorch takes it for along an axis."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import torch

from backproof.adapters.torch_functions.calls import Call, Reader, Seen, Tensor, made_of

over: Callable[..., Any] = torch.utils._pytree.tree_map  # noqa: SLF001 what PyTorch itself uses


def as_vectors(reader: Reader) -> Reader:
    """Return a reader of calls whose tensors may be numbers, from one that takes an axis of each.

    The call is the reader's, between reshapes: to a vector of one entry, and to the result's shape.
    """

    @wraps(reader)
    def read(seen: Seen, *arguments: Any, **named: Any) -> Any:
        numbers: dict[int, tuple[Tensor, Tensor]] = {}

        def vector(t: Any) -> Any:
            if not isinstance(t, torch.Tensor) or t.dim():
                return t
            one = t.view(1)
            numbers[id(one)] = one, t
            return one

        each, by_name = over(vector, (arguments, named))
        if not numbers:
            return reader(seen, *arguments, **named)
        found = reader(replace(seen, result=over(vector, seen.result)), *each, **by_name)
        if isinstance(found, Call):
            first = seen.result if isinstance(seen.result, torch.Tensor) else seen.result[0]
            return of_numbers(found, numbers, first)
        return [of_numbers(call, numbers, t) for call, t in zip(found, seen.result, strict=True)]

    return read


def of_numbers(call: Call, numbers: Any, result: Tensor) -> Call:
    """Return a call of vectors as one of the numbers that they were made of."""
    tensors = [numbers[id(t)][1] if id(t) in numbers else t for t in call.tensors]
    vectors = [i for i, t in enumerate(call.tensors) if id(t) in numbers]
    places = [vectors.index(i) - len(vectors) if i in vectors else i for i in range(len(tensors))]
    return made_of(
        *(call.op, tensors),
        *(("reshape", (i,), {"shape": (1,)}) for i in vectors),
        (call.op, places, call.options, call.own),
        ("reshape", (-1,), {"shape": tuple(result.shape)}),
    )
