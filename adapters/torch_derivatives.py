"""Derivatives that are a part of a program: the calls that autograd makes for them are recorded.

`torch.autograd.grad(..., create_graph=True)` is how gradient penalties, forces and differential
equations enter a loss. What autograd then calls is a part of the program like any other call, but
no public one: a mode beneath autograd sees it.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from backproof.adapters.recording import UNREAD, Place, said_by
from backproof.adapters.torch_functions import (
    Call,
    NotKnown,
    Seen,
    aten_reader_of,
    backward,
    backward_moves,
    native,
)
from backproof.adapters.torch_functions.calls import all_read, made_of
from backproof.adapters.torch_graph import Graph, of_numbers, tensors_of
from backproof.adapters.torch_history import memory_of, version_of
from backproof.adapters.torch_views import base_of, taken, through
from backproof.reference.network import unknown_node

Tensor = Any

CONSTANT = ("detach", "ones_like", "zeros_like", "new_zeros", "full_like", "scalar_tensor")
"""What makes constants of operands that are differentiated."""


BENEATH = backward, backward_moves, native
"""The files of rows of functions beneath autograd, which register themselves."""


class Derivatives(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds the calls beneath autograd to a graph while it is on.

    Views have no nodes, since autograd keeps many that nobody sees: the op that a view enters takes
    it from the tensor that it is a view of.

    graph: of the program. place: of the call of `torch.autograd.grad`. hook: called with each
    tensor and its node's name, once autograd knows the tensor: after the call that returned it.
    new:   those tensors that it has not been called with.
    lost:  what autograd has kept of a call that is not found, and what was written to by way of a
           view, by their ids. written: what such writes went to, by its memory. They are kept alive
           so that no other tensor gets the id or the memory.
    """

    def __init__(self, graph: Graph, place: Place, hook: Callable[[Tensor, str], None]) -> None:
        """See nothing yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph, self.place, self.hook = graph, place, hook
        self.new: list[tuple[Tensor, str]] = []
        self.lost: dict[int, Tensor] = {}
        self.written: dict[int, Tensor] = {}

    def watch(self) -> None:
        """Watch what autograd has made of the results; it counts a write once it is done."""
        for t, name in self.new:
            if self.graph.known[id(t)][::2] == (t, name):
                self.graph.know(t, name)
                if name in self.graph.shown:
                    self.graph.shown[name] = t, version_of(t)
            if t.requires_grad:
                self.graph.functions[name] = t.grad_fn
                self.hook(t, name)
        self.new = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Make a call, and add the nodes of its results."""
        self.watch()
        named, name = kwargs or {}, aten_name(function)
        tracked = [t for t in tensors_of(args, named) if self.graph.tracks(t)]
        if not tracked or name in CONSTANT or is_view(function):
            return function(*args, **named)
        place = replace(self.place, function=f"aten.{name}")
        known = [t for t in tracked if self.is_known(t)]
        names = {id(t): self.graph.name(t, place) for t in known if id(t) not in self.lost}
        read, base = args, None
        if function._schema.is_mutable:  # noqa: SLF001
            base = self.base_written(args[0])
            if base is not None:
                names[id(base)] = self.graph.name(base, place)
            elif base_of(args[0]) is not None:
                self.written[memory_of(args[0])] = args[0]
            self.graph.save(args[0])
            if base is None and id(args[0]) not in names:
                read = (args[0].clone(), *args[1:])
        result = function(*args, **named)
        with self.graph.before(names):
            self.record(Seen(function, result), name, read, named, names, place, base)
        return result

    def base_written(self, t: Tensor) -> Tensor | None:
        """Return what a tensor that is about to be written to is a view of, if that is known."""
        base = base_of(t)
        if base is None or memory_of(t) in self.written or id(base) in self.lost:
            return None
        return base if self.graph.tracks(base) and self.graph.is_current(base) else None

    def is_known(self, t: Tensor) -> bool:
        """Return whether a tensor has a name; if not, it is a view, which is taken from its base.

        Autograd may keep a call's result as another object, of the same function and memory. What
        it keeps of the inside of a function is not known.
        """
        graph = self.graph
        if memory_of(t) in self.written:
            self.lost[id(t)] = t
        if id(t) in self.lost or graph.is_current(t):
            return True
        for name, other in reversed(graph.stored.get(memory_of(t), ())):
            same = other.grad_fn is t.grad_fn and other.output_nr == t.output_nr
            if same and t.grad_fn is not None:
                graph.know(t, name)
                return True
        if self.graph.source_of(t) is not None:
            return False
        if (base := base_of(t)) is not None:
            self.is_known(base)
            return False
        if not t.is_leaf:
            made = type(t.grad_fn).__name__
            place = replace(self.place, function=made, reason="autograd kept it of a function")
            if graph.inside(t, place) is None:
                self.lost[id(t)] = t
        return True

    def record(
        self,
        seen: Seen,
        name: str,
        args: Any,
        named: Mapping[str, Any],
        names: Mapping[int, str],
        place: Place,
        base: Tensor | None = None,
    ) -> None:
        """Add the nodes of a call's results, or of the base that it wrote to by way of a view.

        names: of the operands that have one.
        """
        calls: Any = []
        try:
            self.refuse(args, named, seen.result)
            if reader := aten_reader_of(name):
                calls = reader(seen, *args, **named)
                calls = [*calls] if isinstance(calls, list) else [calls]
                operands = filter(self.graph.tracks, tensors_of(args, named))
                all_read(calls, operands, name.strip("_"))
                calls = [call and self.from_sources(call) for call in calls]
                if base is not None:
                    calls = [through(base, args[0], *calls)]
        except (NotKnown, *UNREAD) as error:
            calls, place = [], replace(place, reason=said_by(error))
        made, self.graph.made = self.graph.made, lambda t, node: self.new.append((t, node))
        try:
            results = tensors_of(seen.result) if base is None else [base]
            for i, t in enumerate(filter(of_numbers, results)):
                if call := calls[i] if i < len(calls) else None:
                    self.graph.add(t, call, place)
                else:
                    self.unknown(t, place, names.values())
        finally:
            self.graph.made = made

    def unknown(self, t: Tensor, place: Place, others: Iterable[str] = ()) -> str:
        """Add a node that may depend on all that was computed, and return its name."""
        known = (name for one, _, name in self.graph.known.values() if self.graph.tracks(one))
        before = dict.fromkeys([*known, *(node.name for node in self.graph.nodes), *others])
        return self.graph.node(t, unknown_node("", place.function, before), place)

    def name(self, t: Tensor) -> str:
        """Return the name of a result that the program receives."""
        with suppress(NotKnown):
            if self.is_known(t) and id(t) not in self.lost:
                return self.graph.name(t, self.place)
            if (source := self.graph.source_of(t)) is not None:
                op, options = taken(source, t)
                return self.graph.add(t, Call(op, (source,), options), self.place)
        return self.unknown(t, replace(self.place, reason="autograd kept what nobody sees"))

    def refuse(self, *values: Any) -> None:
        """Raise NotKnown for operands and results of which nothing can be said."""
        for t in tensors_of(*values):
            if t.is_complex():
                raise NotKnown("complex numbers")
            if id(t) in self.lost:
                raise NotKnown("autograd kept what nobody sees")

    def from_sources(self, call: Call) -> Call:
        """Return a call that itself takes its views from their sources. Raises NotKnown."""
        views = [i for i, t in enumerate(call.tensors) if self.is_unseen(t)]
        if not views:
            return call
        tensors = [*call.tensors]
        for i in views:
            tensors[i] = self.graph.source_of(tensors[i])
        taking = []
        for i in views:
            op, options = taken(tensors[i], call.tensors[i])
            taking.append((op, (i,), options))
        places = [views.index(i) - len(views) if i in views else i for i in range(len(tensors))]
        return made_of(call.op, tensors, *taking, (call.op, places, call.options, call.own))

    def is_unseen(self, t: Any) -> bool:
        """Return whether an operand is a view that has no name."""
        is_tracked = isinstance(t, torch.Tensor) and self.graph.tracks(t)
        return is_tracked and not self.is_known(t)


def is_view(function: Any) -> bool:
    """Return whether a function returns views of its operands."""
    found = [one.alias_info for one in function._schema.returns]  # noqa: SLF001
    return any(one is not None and not one.is_write for one in found)


def aten_name(function: Any) -> str:
    """Return the name of a function beneath autograd, without its overload."""
    return str(function._schema.name.partition("::")[2])  # noqa: SLF001 no other name
