"""A number is read as a vector of one entry, and one example as a batch of one."""

from collections.abc import Mapping
from dataclasses import replace
from functools import wraps
from typing import Any

import torch

from backproof.adapters.torch_functions.calls import Call, Reader, Seen, Tensor, made_of, over


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
            return in_shapes(found, numbers, first)
        return [in_shapes(call, numbers, t) for call, t in zip(found, seen.result, strict=True)]

    return read


def in_shapes(call: Call, views: Mapping[int, tuple[Tensor, Tensor]], result: Tensor) -> Call:
    """Return a call of views as one of what they are views of.

    views: id of a view -> the view, and what it is one of.
    """
    tensors = [views[id(t)][1] if id(t) in views else t for t in call.tensors]
    shaped = [i for i, t in enumerate(call.tensors) if id(t) in views]
    places = [shaped.index(i) - len(shaped) if i in shaped else i for i in range(len(tensors))]
    return made_of(
        *(call.op, tensors),
        *(("reshape", (i,), {"shape": tuple(call.tensors[i].shape)}) for i in shaped),
        (call.op, places, call.options, call.own),
        ("reshape", (-1,), {"shape": tuple(result.shape)}),
    )


def as_batches(reader: Reader) -> Reader:
    """Return a reader of losses of one example, too, from one of batches (N, C).

    A number is an example of one class, whose target is a number as well.
    """

    @wraps(reader)
    def read(seen: Seen, y: Tensor, target: Tensor, *rest: Any, **named: Any) -> Call:
        if y.dim() > 1:
            return reader(seen, y, target, *rest, **named)
        one = y.view(1, -1), target[None] if y.dim() else target.view(1, 1)
        views = {id(view): (view, t) for view, t in zip(one, (y, target), strict=True)}
        return in_shapes(reader(seen, *one, *rest, **named), views, seen.result)

    return read
