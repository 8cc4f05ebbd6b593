"""The recorder: a mode that sees every public call of a PyTorch program.

A call whose result requires a gradient becomes a node. Its cotangent is what a hook on the result
sees in the backward pass, so that the pass is the one that users run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from backproof.adapters.recording import GIVE, UNREAD, NotRecorded, Place, said_by
from backproof.adapters.torch_bodies import is_batched, is_part
from backproof.adapters.torch_calls import (
    MAKE,
    NUMBERS,
    UNWRITTEN,
    filled,
    is_made_of,
    is_transformed,
    operands_of,
    written_by,
)
from backproof.adapters.torch_cotangents import Cotangents
from backproof.adapters.torch_custom_functions import CustomFunctions
from backproof.adapters.torch_derivatives import Derivatives
from backproof.adapters.torch_functions import (
    Call,
    NotKnown,
    Seen,
    complex_reader_of,
    name_of,
    own_key,
    reader_of,
    writes,
)
from backproof.adapters.torch_functions.arguments import in_public_order, renamed
from backproof.adapters.torch_functions.autocast import (
    also_forgetting,
    is_lowered,
    lower_dtype,
    lowered,
    refuse_rounded,
)
from backproof.adapters.torch_functions.calls import all_read, as_before, registered
from backproof.adapters.torch_graph import Graph, of_numbers, tensors_of
from backproof.adapters.torch_hooks import name_hook
from backproof.adapters.torch_inner import Inner, one_by_one
from backproof.adapters.torch_masks import with_mask
from backproof.adapters.torch_opened import opened, writes_first
from backproof.adapters.torch_recurrent import CELLS
from backproof.adapters.torch_refusals import refuse_backward, refuse_compiled, refuse_duals
from backproof.adapters.torch_seen import as_overridden, is_overridden, run, unhooked, unseen
from backproof.adapters.torch_views import base_of, through
from backproof.reference.ops import Op

Tensor = Any


class Recorder(CustomFunctions):
    """Records the calls that are made while it is on.

    It is made of the model, of parameter -> its name, and of function -> the op that is given.

    graph: what was recorded. cotangents: of its nodes.
    bodies: the name of a function that is opened, too -> the calls that it is made of.
    open: the functions whose bodies are running.
    taken: the derivatives that the program takes itself.
    """

    derives = True
    """Whether derivatives may be a part of the program."""

    not_taken = "derivatives in several directions at once"
    """Why a derivative that the program takes is not known."""

    def __init__(self, model: Any, own: Mapping[int, str], known: Mapping[Any, Op]) -> None:
        """Record nothing yet."""
        super().__init__(model, known)
        self.graph = Graph(own, lambda t: t.requires_grad, self.hook)
        self.cotangents = Cotangents()
        self.open: list[Any] = []
        self.taken: list[Inner] = []
        self.bodies: Mapping[str, Callable[..., Any]] = {}

    @contextmanager
    def opening(self, function: Any) -> Iterator[None]:
        """Record the calls in a function's body; where it calls itself, that call is one of them.

        Some functions ask whether somebody overrides them in another function.
        """
        self.open.append(function)
        try:
            yield
        finally:
            self.open.pop()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record all calls: of modules, of custom functions, and of PyTorch's functions."""
        forgetting = also_forgetting(lambda: self.graph.casts.clear())
        with self.in_modules(), self.in_custom_functions(), forgetting, self:
            yield

    @unseen()
    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Make a call, and record it if its result is differentiated."""
        named = {k: v for k, v in (kwargs or {}).items() if k != "out" or v is not None}
        operands = [*operands_of(function, args, named)]
        if self.is_inside:
            self.name_unseen(function, operands)
        recorded = self.is_recorded(function) and any(map(self.graph.tracks, operands))
        self.look_at(function, args, named)
        if recorded and is_overridden(types):
            return self.overridden(function, types, args, named)
        names, before = self.about_to_be_written(function, args, named, recorded=recorded)
        if not recorded:
            return self.constant(function, args, named)
        reader = self.readers.get(own_key(function)) or reader_of(function)
        body = self.body_of(function, args, named, is_read=bool(reader))
        if body:
            with self, self.opening(function):
                return run(body, *in_public_order(function, body, args, named))
        if is_part(function, named) and self.derives:
            return self.derived(function, args, named)
        if is_lowered(function, args, named, operands):
            dtype, once = lower_dtype(operands), self.graph.casts
            args, named = lowered((args, named), dtype, self.cast, once)
        place = self.place(function)
        names |= self.names_of(operands_of(function, args, named), place)
        self.save(written_by(function, args, named))  # some have a name only now
        if definition := self.definitions.get(own_key(function)):
            with self.inside(function, is_read=True):
                return self.by_definition(function, definition, args, named, names, place)
        named_too = with_mask(function, args, named) if reader else named
        with self.inside(function, is_read=reader is not None):
            result = filled(function, self.call(function, args, named))
        if name_of(function) == "setitem":  # it returns nothing
            result = args[0]
        if self.is_inside and names and getattr(function, "__name__", "") in NUMBERS:
            self.turned.append(place)
        self.record(Seen(function, result, before), reader, args, named_too, names, place)
        return result

    def overridden(self, function: Any, types: Any, args: Any, named: Mapping[str, Any]) -> Any:
        """Make a call that a subclass overrides, and record the calls that it makes instead."""
        with self:
            result = as_overridden(function, types, args, named)
        for t in tensors_of(result):
            self.graph.know_again(t)
        return result

    def look_at(self, function: Any, args: Any, named: Mapping[str, Any]) -> None:
        """Raise NotRecorded for a call that hides derivatives, and note one that adds a hook."""
        operands = [*operands_of(function, args, named)]
        refuse_compiled(filter(self.graph.tracks, operands))
        refuse_duals(name_of(function), filter(self.graph.tracks, operands))
        if any(map(is_transformed, operands)):
            where = self.place(function)
            raise NotRecorded(f"transformations of torch.func are not certified: {where}")
        refuse_backward(function, named)
        if function is torch.Tensor.register_hook:
            name_hook(self.graph, args[0])

    def body_of(
        self, function: Any, args: Any, named: Mapping[str, Any], *, is_read: bool
    ) -> Callable[..., Any] | None:
        """Return the body of a function whose calls are recorded in its place, if there is one.

        is_read: whether there is an op for it.
        """
        name = name_of(function)
        body = self.bodies.get(name)
        if not is_read or writes_first(function, args, named):
            body = body or opened(function)
        if body is None or function in self.open:
            return None
        self.otherwise |= name in CELLS or name in self.bodies
        return body

    def constant(self, function: Any, args: Any, named: Mapping[str, Any]) -> Any:
        """Make a call of which nothing is differentiated."""
        result = filled(function, run(function, args, named))
        made = (result, *args[:1]) if writes(function, named) else result
        self.constants.add(function, made, is_inside=self.is_inside)
        return result

    def about_to_be_written(
        self, function: Any, args: Any, named: Mapping[str, Any], *, recorded: bool
    ) -> tuple[dict[int, str], list[tuple[Tensor, Tensor]]]:
        """Return the names of what a call writes over and, where it is recorded, copies of it."""
        written = [t for t in written_by(function, args, named) if not is_batched(t)]
        whole = [base for t in written if (base := base_of(t)) is not None]
        there = self.place(function)
        graph = self.graph
        names = {id(t): graph.name(t, there) for t in (*written, *whole) if recorded}
        self.save(written)
        return names, [(t, graph.values[names[id(t)]]) for t in written if recorded]

    def names_of(self, operands: Iterable[Tensor], place: Place) -> dict[int, str]:
        """Return the names of those operands that are differentiated, by their ids."""
        graph = self.graph
        return {id(t): graph.name(t, place) for t in operands if graph.tracks(t)}

    def save(self, written: Iterable[Tensor]) -> None:
        """Copy all values that a call is about to overwrite."""
        for t in written:
            self.graph.save(t)

    def derived(self, function: Any, args: Any, named: Mapping[str, Any]) -> Any:
        """Return a derivative that is a part of the program, and record what autograd calls."""
        if named.get("is_grads_batched"):
            with self:
                return run(one_by_one, args, named)
        place = self.place(function)
        self.otherwise = True  # beneath a mode, autograd may choose other formulas
        inner = Inner.of(self.graph, place, args, named)
        with (
            self.cotangents.of_another_pass() as inner.cotangents,
            Derivatives(self.graph, place, self.hook) as derivatives,
        ):
            result = run(function, args, named)
        derivatives.watch()
        for i, t in enumerate(result):
            if t is not None:
                name = derivatives.name(t) if t.requires_grad else self.graph.constant(t)
                inner.keep(name, i, t)
        self.taken.append(inner)
        return result

    def call(self, function: Any, args: Any, named: Mapping[str, Any]) -> Any:
        """Make a call that is recorded, and return its result."""
        return run(function, args, named)

    def record(
        self,
        seen: Seen,
        reader: Any,
        args: Any,
        named: Mapping[str, Any],
        names: Mapping[int, str],
        place: Place,
    ) -> None:
        """Add the nodes of a call's results. names: of its operands, as they were before."""
        if name_of(seen.function) in (*MAKE, *UNWRITTEN):
            others = tensors_of(args[1:], {k: v for k, v in named.items() if k != "input"})
            if not any(id(t) in names for t in others):
                self.constants.add(seen.function, seen.result, is_inside=self.is_inside)
                return
        results = [*tensors_of(seen.result)]
        new = [i for i in reversed(range(len(results))) if self.is_new(results[i])]
        if not new:
            return
        calls, reason = self.read(seen, reader, args, named, names)
        with self.graph.before(names):
            operands = [*tensors_of(args, named)]
            if seen.function is torch.autograd.grad:  # it depends on all that was computed
                operands, reason = [*self.graph.current()], self.not_taken
            each = calls if isinstance(calls, list) else [calls] * len(results)
            for i in sorted(new, key=lambda i: is_made_of(results, calls, i)):
                if (call := each[i]) is not None:
                    self.add(results[i], call, names, place)
                    continue
                self.graph.unknown(results[i], operands, replace(place, reason=reason))
                operands.append(results[i])  # others may be computed from it, as h is from c

    def read(
        self, seen: Seen, reader: Any, args: Any, named: Mapping[str, Any], names: Mapping[int, str]
    ) -> tuple[Any, str]:
        """Return a call as ops: one, or one for each result. None, and why, if it is not known."""
        if any(t.is_complex() for t in (*tensors_of(seen.result), *tensors_of(args, named))):
            reader = complex_reader_of(seen.function)
        if reader is None:
            return None, GIVE if registered(seen.function)[0] else ""
        try:
            given, named_so = in_public_order(seen.function, reader, args, named)
            named_so = renamed(seen.function, reader, named_so)
            with unhooked():
                calls = as_before(reader)(seen, *given, **named_so)
            operands = [t for t in tensors_of(args, named) if id(t) in names]
            all_read(calls, operands, name_of(seen.function))
            refuse_rounded(calls, seen, tensors_of(args, named))
        except (NotKnown, *UNREAD) as error:
            return None, said_by(error)
        return calls, ""

    def add(self, t: Tensor, call: Call, names: Mapping[int, str], place: Place) -> None:
        """Add the node of one result: of its base, where a view was written to."""
        base = base_of(t)
        if base is not None and {id(base), id(t)} <= names.keys():
            try:
                t, call = base, through(base, t, call)
            except NotKnown as error:
                place = replace(place, reason=str(error))
                self.graph.unknown(base, [base, *call.tensors], place)
                return
        self.graph.add(t, call, place)

    def is_new(self, t: Tensor) -> bool:
        """Return whether a result is a new number that is differentiated."""
        if not of_numbers(t) or self.graph.is_current(t):  # x.contiguous() may be x itself
            return False
        return bool((t.requires_grad and not t.is_leaf) or self.is_inside)

    def hook(self, t: Tensor, name: str) -> None:
        """Keep the cotangent of a node."""
        self.cotangents.hook(t, name)

    def cast(self, t: Tensor, dtype: Any) -> Tensor:
        """Return a tensor in another precision, by a call that is recorded."""
        with self:
            return run(t.to, (dtype,))
