"""The graph of a PyTorch program while it is recorded: tensors by name, and their values."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import torch

from backproof.adapters.pytorch_autograd import numpy
from backproof.adapters.recording import NotRecorded, Place, floats
from backproof.adapters.torch_functions import Call, NotKnown
from backproof.adapters.torch_functions.calls import made_of
from backproof.adapters.torch_history import computed_from, memory_of, node_around, source_of
from backproof.adapters.torch_refusals import refuse
from backproof.adapters.torch_views import base_of, is_same, taken
from backproof.reference.mixed import with_casts
from backproof.reference.network import Network, Node, behind, unknown_node
from backproof.reference.ops import OPS, Array, Op

Tensor = Any


NOT_MADE = "no recorded call made it: compute it inside of the loss"
"""Why a tensor is not known that was there before the loss was called."""

UNSEEN = (
    "nobody sees a call of a function in C++: register it by TORCH_LIBRARY, or call it in a "
    "torch.autograd.Function"
)
"""Why a tensor is not known that a function in C++ has made, such as one of pybind11."""


@dataclass(slots=True)
class Graph:
    """Nodes and leaves, and the value of each as it was when it was computed or first used.

    own:    parameter -> its name.
    tracks: whether a tensor is a function of what is differentiated.
    made:   called with every tensor that a node made, and the node's name.
    known:  id of a tensor -> the tensor, which is kept alive so that no other gets its id; its
            version, which every write in place counts up; its name.
    leaves: the name of a leaf that requires a gradient -> the leaf.
    shown:  name -> the tensor whose memory is its value, and the version that this is of.
    mixed:  a leaf that was used, and written to afterwards -> so it is said.
    lost:   the nodes that are not known since something was overwritten: see `lose_overwritten`.
    functions: node -> autograd's function that made it.
    touched: the name of a tensor whose memory was written to -> what autograd had made it by.
    ops:    the name of an op -> the op, so that no two have one name.
    casts:  id of a leaf -> the leaf, and the cast of it that autocast makes once.
    around: the graph of the program that calls the custom function that this one is of.
    """

    own: Mapping[int, str]
    tracks: Callable[[Tensor], bool]
    made: Callable[[Tensor, str], None] = lambda *_: None
    known: dict[int, tuple[Tensor, int, str]] = field(default_factory=dict)
    leaves: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    stored: dict[int, list[tuple[str, Tensor]]] = field(default_factory=dict)
    shown: dict[str, tuple[Tensor, int]] = field(default_factory=dict)
    mixed: dict[str, str] = field(default_factory=dict)
    lost: dict[str, Node] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)
    functions: dict[str, Any] = field(default_factory=dict)
    touched: dict[str, Any] = field(default_factory=dict)
    names: Counter[str] = field(default_factory=Counter)
    ops: dict[str, Op] = field(default_factory=lambda: {**OPS})
    casts: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    around: "Graph | None" = None

    def __post_init__(self) -> None:
        self.names.update(self.own.values())

    def new_name(self, start: str) -> str:
        """Return a name that is not used yet: "mlp.gelu", "mlp.gelu 2"."""
        while True:
            self.names[start] += 1
            name = start if self.names[start] == 1 else f"{start} {self.names[start]}"
            if name == start or name not in self.names:
                self.names[name] += name != start
                return name

    def know(self, t: Tensor, name: str) -> None:
        """Know a tensor, as it is now, by a name."""
        self.known[id(t)] = t, t._version, name  # noqa: SLF001 the one way to see a write

    def know_again(self, t: Tensor) -> None:
        """Know what is a known tensor, as it is now, in another class, by the same name."""
        for name, other in self.stored.get(memory_of(t), ()):
            if self.is_current(other) and is_same(other, t):
                self.know(t, name)

    def keep(self, t: Any, name: str) -> str:
        """Keep the value of a tensor or array under a name, and return the name."""
        if isinstance(t, torch.Tensor):
            self.know(t, name)
            refuse(t, self.places.get(name, name))
            self.stored.setdefault(memory_of(t), []).append((name, t))
            self.shown[name] = t, t._version  # noqa: SLF001
            t = t.detach()
        self.values[name] = t
        return name

    def save(self, t: Tensor) -> None:
        """Copy all values that share memory with a tensor that is about to be overwritten."""
        for name, other in self.stored.pop(memory_of(t), ()):
            self.values[name] = self.values[name].clone()
            self.shown.pop(name, None)
            if self.known[id(other)][1:] == (other._version, name):  # noqa: SLF001
                self.touched[name] = other.grad_fn
        if self.around:
            self.around.save(t)

    def is_as_it_was(self, t: Tensor, name: str, version: int) -> bool:
        """Return whether a tensor has the numbers that it has under a name.

        Autograd counts what is written, but not by way of `t.data`. It does not see what is written
        by way of `t.detach()`: if such a write changed no number, nothing happened.
        """
        if name not in self.touched:
            return bool(name) and version == t._version  # noqa: SLF001
        same = t.grad_fn is self.touched[name] and torch.equal(t.detach(), self.values[name])
        if same:
            del self.touched[name]
            self.know(t, name)
            self.stored.setdefault(memory_of(t), []).append((name, t))
        return same

    def name(self, t: Any, place: Place) -> str:
        """Return the name of an operand, which becomes a leaf where no recorded call made it."""
        if not isinstance(t, torch.Tensor):
            return self.constant(t)
        _, version, name = self.known.get(id(t), (t, -1, ""))
        as_it_was = self.is_as_it_was(t, name, version)
        if as_it_was and (self.tracks(t) or name in self.constants):
            return name
        if not self.tracks(t):
            return self.constant(t)
        if t.is_leaf and t.requires_grad and not self.is_used(name):
            name = self.own.get(id(t)) or self.new_name("input")
            self.leaves[name] = t
            return self.keep(t, name)
        return self.changed(t, name, place)

    def changed(self, t: Tensor, name: str, place: Place) -> str:
        """Return the name of a tensor that no call made as it is. name: before it was changed."""
        source = self.source_of(t)
        source = base_of(t) if source is None else source
        if source is not None and (self.is_current(source) or source.is_leaf):
            with suppress(NotKnown):
                op, options = taken(source, t)
                return self.add(t, Call(op, (source,), options), place)
        if not name and (view := self.whole_view(t)) is not None:
            return self.beneath(t, view)
        made = type(t.grad_fn).__name__ if t.grad_fn is not None else name
        reason = UNSEEN if made == "CppFunction" else NOT_MADE
        place = replace(place, function=made, reason=reason)
        if not name:
            known = [one for one, *_ in self.known.values()]
            return self.unknown(t, computed_from(t, known), place)
        how = "it was used, and written to afterwards"
        if not t.is_leaf:
            how = "it was changed in place by way of another tensor"
        place = replace(place, reason=how)
        name = self.node(t, unknown_node("", made, self.sharing(t)), place)
        if t.is_leaf:
            self.mixed[name] = how
        return name

    def source_of(self, t: Tensor) -> Tensor | None:
        """Return the named tensor, or the leaf, that a view was taken from."""
        return source_of(t, [one for _, one in self.stored.get(memory_of(t), ())])

    def whole_view(self, base: Tensor) -> Tensor | None:
        """Return the first known view of all entries of a tensor that no call returned."""
        for t, version, name in self.known.values():
            is_whole = (t.numel(), t.dtype) == (base.numel(), base.dtype) and base_of(t) is base
            if is_whole and name in self.places and version == t._version:  # noqa: SLF001
                return t
        return None

    def beneath(self, base: Tensor, view: Tensor) -> str:
        """Return the name of what a function made, of which it returned a view: as einsum does.

        The node of the view becomes two: what the function made, and the view of that.
        """
        _, _, name = self.known[id(view)]
        at = next(i for i, node in enumerate(self.nodes) if node.name == name)
        node, place, later = self.nodes[at], self.places[name], self.nodes[at + 1 :]
        made = (node.op, range(len(node.inputs)), node.options, node.own)
        (back, order), (op, options) = taken(view, base), taken(base, view)
        call = made_of(f"{node.op} beneath a view", node.inputs, made, (back, (-1,), order))
        del self.nodes[at:]
        beneath = self.node(base, Node("", call.op, node.inputs, {}, call.own), place)
        self.nodes += [Node(name, op, (beneath,), options), *later]
        return beneath

    def is_used(self, name: str) -> bool:
        """Return whether a node was computed from a tensor. A leaf may be written to before."""
        return any(name in node.inputs for node in self.nodes)

    def is_current(self, t: Tensor) -> bool:
        """Return whether a tensor is known as it is now."""
        known, version, _ = self.known.get(id(t), (None, -1, ""))
        return known is t and version == t._version  # noqa: SLF001

    def current(self) -> list[Tensor]:
        """Return all tensors that are differentiated and known as they are now."""
        known = [t for t, *_ in self.known.values()]
        return [t for t in known if self.tracks(t) and self.is_current(t)]

    def sharing(self, t: Tensor) -> Iterator[str]:
        """Yield the names of all tensors that share memory with a tensor."""
        for other, _, name in self.known.values():
            if self.tracks(other) and memory_of(other) == memory_of(t):
                yield name

    @contextmanager
    def before(self, names: Mapping[int, str]) -> Iterator[None]:
        """Know the operands of a call by the names that they had before it wrote to them."""
        later = {key: self.known[key] for key in names}
        touched = {k: self.touched.pop(k) for k in {*names.values()} & self.touched.keys()}
        for key, (tensor, *_) in later.items():
            self.know(tensor, names[key])
        yield
        self.touched |= touched
        for key, one in later.items():
            if self.known[key][2] == one[2]:  # it is no result of the call
                self.known[key] = one

    def constant(self, t: Any) -> str:
        """Return the name of a new constant."""
        name = self.keep(t, self.new_name("constant"))
        self.constants.add(name)
        return name

    def add(self, t: Tensor, call: Call, place: Place) -> str:
        """Add the node that made a tensor, and return its name."""
        inputs = tuple(self.name(operand, place) for operand in call.tensors)
        op = call.op
        if call.own and self.ops.setdefault(op, call.own) is not call.own:
            op = self.new_name(f"op {op}")  # another op with the same name
        return self.node(t, Node("", op, inputs, call.options, call.own), place)

    def unknown(self, t: Tensor, operands: Iterable[Tensor], place: Place) -> str:
        """Add a node of which it is only known what it was computed from."""
        tracked = filter(self.tracks, tensors_of(*operands))
        inputs = tuple(self.name(one, place) for one in tracked)
        return self.node(t, unknown_node("", place.function, inputs), place)

    def inside(self, t: Tensor, place: Place) -> str | None:
        """Add a tensor that autograd has kept of the inside of a call, and return its name.

        The call is not known from then on: what enters it, and what it hands on, is seen in part.
        None where it is not found.
        """
        at = self.call_around(t)
        if at is None:
            return None
        call = self.nodes[at]
        name = self.new_name(f"{place.function} in {call.name}")
        self.places[name] = place
        self.places[call.name] = replace(
            self.places[call.name], reason="a derivative uses what autograd kept of it"
        )
        inside = unknown_node(name, place.function, call.inputs)
        around = unknown_node(call.name, call.op, (*call.inputs, name))
        self.nodes[at : at + 1] = [inside, around]
        self.functions[name] = t.grad_fn
        self.made(t, name)
        return self.keep(t, name)

    def call_around(self, t: Tensor) -> int | None:
        """Return the place of the node in whose call a tensor was made: see `functions`.

        It may be another result of the function of autograd that made the call's own.
        """
        made = {self.functions.get(node.name): i for i, node in enumerate(self.nodes)}
        around = node_around(t, made)
        return None if around is None else made[around]

    def node(self, t: Tensor, node: Node, place: Place) -> str:
        """Add a node under a new name."""
        function = place.function.rpartition(".")[2].strip("_")
        name = self.new_name(f"{place.module}.{function}" if place.module else function)
        self.places[name] = place
        self.nodes.append(Node(name, node.op, node.inputs, node.options, node.own))
        self.functions[name] = t.grad_fn
        if not (t.is_leaf and t.requires_grad):  # what a leaf receives is of all its uses
            self.made(t, name)
        return self.keep(t, name)

    def lose_overwritten(self) -> None:
        """Take for unknown what has a part in a value that no recorded call has overwritten.

        Nothing tells what it was before, and nobody sees what a leaf receives of one use alone.
        """
        unseen = "what it uses or returns was overwritten by a call that was not seen"
        lost = {k: unseen for k, (t, version) in self.shown.items() if t._version != version}  # noqa: SLF001
        lost |= self.mixed
        for i, node in enumerate(self.nodes):
            reasons = [lost[one] for one in (node.name, *node.inputs) if one in lost]
            if node.is_known and reasons:
                self.nodes[i] = unknown_node(node.name, node.op, node.inputs)
                self.lost[node.name] = self.nodes[i]
                self.places[node.name] = replace(self.places[node.name], reason=reasons[0])

    def reaching(self, last: str) -> list[Node]:
        """Return the nodes that the last one depends on, and itself, in their order."""
        return [*behind(self.nodes, {last})]

    def network(self, name: str, last: str) -> Network:
        """Return the network of all that a node depends on, with the numbers at its leaves."""
        nodes = self.reaching(last)
        made = {node.name for node in nodes}
        used = dict.fromkeys(i for node in nodes for i in node.inputs if i not in made)
        leaves = {leaf: floats(array(self.values[leaf])) for leaf in used}
        parameters = {k: a for k, a in leaves.items() if k in self.own.values()}
        inputs = {k: a for k, a in leaves.items() if k not in parameters}
        constants = self.constants & leaves.keys()
        return Network(name, inputs, parameters, (*nodes,), frozenset(), frozenset(constants))

    def in_its_precisions(self, name: str, last: str) -> Network:
        """Return the same network, with the roundings of what it stores on the way."""

        @cache
        def value(of: str) -> Array:
            return floats(array(self.values[of]))

        return with_casts(self.network(name, last), lambda of: value(of).dtype.name, value)


def array(t: Any) -> Array:
    """Return a tensor, or a constant that is an array already, as an array.

    Complex numbers have their real and imaginary part along a last axis.
    Raises NotRecorded for a tensor whose memory was freed.
    """
    if not isinstance(t, torch.Tensor):
        return np.asarray(t)
    if t.is_complex():
        t = torch.view_as_real(t.resolve_conj())
    if t.numel() and not t.untyped_storage().nbytes():
        raise NotRecorded("a program that frees the memory of a tensor is not certified")
    return numpy(t.resolve_neg().cpu())


def of_numbers(t: Tensor) -> bool:
    """Return whether a tensor is of real or complex numbers, of which there are derivatives."""
    return bool(t.is_floating_point() or t.is_complex())


def tensors_of(*values: Any) -> Iterator[Tensor]:
    """Yield all tensors in values, which may be lists and dicts of them."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_of(*value)
        elif isinstance(value, dict):
            yield from tensors_of(*value.values())
