"""Custom functions: one node each, held to the derivative of its own forward pass.

The calls of the forward pass are recorded in a graph of their own, of which one op is composed. A
function whose calls nobody sees, such as a kernel, is held to its definition: a function that is
given for it, and computes the same by calls that are seen.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import torch

from backproof.adapters.recording import GIVE, Place
from backproof.adapters.torch_calls import described
from backproof.adapters.torch_constants import Constants
from backproof.adapters.torch_functions import Call, Seen, as_given, name_of, own_key
from backproof.adapters.torch_functions.calls import over
from backproof.adapters.torch_graph import Graph, of_numbers, tensors_of
from backproof.adapters.torch_history import version_of
from backproof.adapters.torch_hooks import of_module
from backproof.adapters.torch_masks import ahead
from backproof.adapters.torch_places import Places
from backproof.adapters.torch_seen import run, unseen
from backproof.adapters.torch_views import base_of
from backproof.reference.composed import composed
from backproof.reference.ops import Op
from backproof.reference.ops.cast import cast

Tensor = Any

FEWER = "the function that is given for it returns fewer results"
"""Why a result is not known that its definition does not have."""

STOPS = ("detach", "data")
"""What makes a constant of what a definition has computed, as a straight-through estimator does."""

HIDDEN = "its result is a constant to autograd, which does not see tensors in lists"
"""Why a custom function is not known that takes such tensors, as in other containers."""


class CustomFunctions(Places):
    """The part of the recorder that sees custom functions, which no mode does.

    It is made of the model, and of function -> what is given for it: an op, or a definition.

    graph: where calls are recorded. is_inside: whether a custom function is running.
    readers: function -> what reads its calls as the op that is given.
    definitions: function -> what computes the same by calls that are seen.
    running: the call that is running. is_read: whether it is known, so that its inside is not.
    defines: whether a definition is running.
    arguments: of a custom function that is running, where they are differentiated.
    hidden: what it uses beside them, and could hand a gradient by a backward pass of its own.
    constants: the tensors that are known to be constants inside of it.
    turned: where it turns what is differentiated into numbers.
    unseen: where a custom function takes what autograd does not see.
    otherwise: whether a call was made of others, which may round otherwise.
    """

    graph: Graph

    def __init__(self, model: Any, known: Mapping[Any, Any]) -> None:
        """Run no function yet."""
        super().__init__(model)
        keys = {own_key(one): given for one, given in known.items()}
        ops = {one: given for one, given in keys.items() if isinstance(given, Op)}
        self.readers = {one: as_given(described(one), op) for one, op in ops.items()}
        self.definitions = {one: given for one, given in keys.items() if one not in ops}
        self.is_inside = self.is_read = self.defines = False
        self.running: Any = None
        self.arguments: list[Tensor] = []
        self.hidden: list[Tensor] = []
        self.constants = Constants([])
        self.turned: list[Place] = []
        self.unseen: list[Place] = []
        self.otherwise = False

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
        raise NotImplementedError

    def is_recorded(self, function: Any) -> bool:
        """Return whether the calls of a function are recorded that take what is differentiated."""
        if self.defines:
            return torch.is_grad_enabled() and name_of(function) not in STOPS
        return torch.is_grad_enabled() or self.is_inside

    @contextmanager
    def inside(self, function: Any, *, is_read: bool) -> Iterator[None]:
        """Know which call is running: an op that somebody has registered may apply a function."""
        outer = self.running, self.is_read
        self.running, self.is_read = function, is_read
        try:
            yield
        finally:
            self.running, self.is_read = outer

    @contextmanager
    def in_custom_functions(self) -> Iterator[None]:
        """See the custom functions that are applied: no mode does.

        Every `apply`, also one that a program has kept, calls the method of this base class.
        """
        functions: Any = torch.autograd.function._SingleLevelFunction  # noqa: SLF001

        def applied(function: Any, *arguments: Any, **named: Any) -> Any:
            apply = super(functions, function).apply  # type: ignore[misc]
            return self.applied(function, apply, arguments, named)

        functions.apply = classmethod(applied)
        try:
            yield
        finally:
            del functions.apply

    def name_unseen(self, function: Any, operands: Iterable[Tensor]) -> None:
        """Name the operands inside of a custom function that may depend on its arguments."""
        for t in operands:
            known, *_ = self.graph.known.get(id(t), (None,))
            if known is not t and t not in self.constants:
                place = self.place(function)
                place = replace(place, function=f"an operand of {place.function}")
                self.graph.unknown(t, self.arguments, place)
                if t.requires_grad:
                    self.hidden.append(t)

    @unseen()
    def applied(self, function: Any, apply: Any, args: Any, named: Any) -> Any:
        """Apply a custom function, whose forward pass becomes one node for each of its results."""
        operands = [t for t in tensors_of(args, named) if of_numbers(t)]
        outer, tracked = self.graph, [t for t in operands if self.graph.tracks(t)]
        if self.is_inside:
            return self.applied_inside(apply, args, named)
        if not tracked or self.is_read or not torch.is_grad_enabled():
            return run(apply, args, named)
        if function is torch.utils.checkpoint.CheckpointFunction:
            self.otherwise = True  # it runs back inside of the program's own backward pass
            body, _, *values = args
            return run(body, values)
        place = replace(self.place(function), reason=of_module(function))
        if self.running:  # an op that somebody has registered
            place = replace(place, function=described(self.running))
        names = {id(t): outer.name(t, place) for t in tracked}
        if reader := self.readers.get(function):
            result = run(apply, args, named)
            self.record(Seen(function, result), reader, args, named, names, place)
            return result
        definition = self.definitions.get(function)
        return self.by_definition(apply, definition, args, named, names, place)

    def applied_inside(self, apply: Any, args: Any, named: Any) -> Any:
        """Apply a custom function inside of another or of a definition: no node of its own."""
        outer, self.defines = self.defines, False
        try:
            return run(apply, args, named)
        finally:
            self.defines = outer

    def by_definition(
        self,
        function: Any,
        definition: Any,
        args: Any,
        named: Mapping[str, Any],
        names: dict[int, str],
        place: Place,
    ) -> Any:
        """Call a function, and add one node for each of its results, held to its definition.

        definition: what computes the same by calls that are seen; None: the function itself.
        names: of the operands that are differentiated.
        """
        operands = [t for t in tensors_of(args, named) if of_numbers(t)]
        outer, tracked = self.graph, [t for t in operands if id(t) in names]
        inner = Graph({**names}, lambda t: id(t) in inner.known, around=outer)
        self.defines = definition is not None
        own = {id(t): t.detach().clone() if self.defines else t for t in tensors_of(args, named)}
        self.arguments, self.hidden = [own[id(t)] for t in tracked], []
        for t in tracked:
            inner.keep(own[id(t)], names[id(t)])
        self.graph, self.is_inside, self.turned = inner, True, []
        there = (own[id(t)] for t in operands)
        self.constants.there |= {id(t): t for t in there if not inner.tracks(t)}
        try:
            with self if self.running or definition else nullcontext():
                if definition is None:
                    result = defined = run(function, args, named)
                else:  # it may write over what it is given
                    copies = over(lambda t: own.get(id(t), t), (args, {**named}))
                    with ahead(tracked[0]), torch.enable_grad():
                        defined = run(definition, *copies)
        finally:
            self.graph, self.is_inside, self.defines = outer, False, False
        if definition is not None:
            result = run(function, args, named)
        given = {id(t) for t in (*args, *named.values())}
        is_hidden = any(id(t) not in given for t in tracked)
        if is_hidden and any(of_numbers(t) and not t.requires_grad for t in tensors_of(result)):
            self.unseen.append(replace(place, reason=HIDDEN))
        # The function may have written over its operands.
        both = zip_longest(tensors_of(result), tensors_of(defined))
        with outer.before(names):
            for t, by in both:
                if t is not None and t.requires_grad and of_numbers(t):
                    self.node_of(t, by, inner, tracked, place)
        return result

    def node_of(self, t: Tensor, by: Any, inner: Graph, tracked: Any, place: Place) -> None:
        """Add the node of a custom function's result, held to its recorded forward pass.

        by: the result of the calls that were recorded.
        """
        title = place.function
        _, version, last = inner.known.get(id(by), (None, -1, ""))
        own = {inner.own[id(t)]: t for t in tracked}
        if by is not t and last in own:  # a definition returns what it was given
            self.graph.add(t, Call("cast", (own[last],), own=cast), place)
            return
        nodes = inner.reaching(last)
        if by is t and any(t is one for one in tracked) and base_of(t) is None:
            version += 1  # of an operand that it has marked as written to, autograd counts one more
        known = nodes and version == version_of(by) and all(node.is_known for node in nodes)
        if known and not self.turned:
            network = inner.in_its_precisions(title, last)
            leaves = (*network.inputs, *network.parameters)
            operands = tuple(own.get(leaf, inner.values[leaf]) for leaf in leaves)
            call = Call(title, operands, own=composed(network))
            if len(nodes) == 1:
                (node,) = nodes
                of = dict(zip(leaves, operands, strict=True))
                call = Call(node.op, tuple(of[i] for i in node.inputs), node.options, node.own)
            self.graph.add(t, call, place)
        else:
            places = [inner.places[n.name] for n in nodes if not n.is_known]
            reasons = [*map(str, (*places, *self.turned))]
            reason = (
                f"in its forward pass {reasons[0]} is not known: {GIVE}"
                if reasons
                else FEWER
                if by is None
                else f"its forward pass was not seen: {GIVE}"
            )
            where = replace(place, reason=reason)
            self.graph.unknown(t, [*tracked, *self.hidden], where)
