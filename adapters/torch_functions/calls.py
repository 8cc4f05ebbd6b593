"""A call of PyTorch, as it is seen and as the reference understands it; the table of readers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

import numpy as np
import torch

from backproof.reference.composed import composed
from backproof.reference.network import Network, Node, behind
from backproof.reference.ops import Op
from backproof.reference.ops.indexing import moved

Tensor = Any
over: Callable[..., Any] = torch.utils._pytree.tree_map  # noqa: SLF001 what PyTorch itself uses
Reader = Callable[..., Any]
"""(what was seen, *the call's arguments) -> a `Call`, or one for each of several results."""


class NotKnown(Exception):
    """The reference has no op for a call; the message names the argument to blame, or is empty."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a call: the function, and what it returned.

    before: each tensor that the call wrote to, and a copy of what it was.
    """

    function: Callable[..., Any]
    result: Any
    before: Sequence[tuple[Tensor, Tensor]] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the reference understands it.

    op:      a key of `OPS`, or the name of an op of its own.
    tensors: the operands: tensors, or NumPy arrays of constants.
    options: the op's options. own: the op, where the table does not have it.
    """

    op: str
    tensors: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    own: Op | None = None


READERS: dict[str, Reader] = {}
"""The name of a function -> what reads its calls."""

COMPLEX: dict[str, Reader] = {}
"""The name of a function -> what reads its calls of complex numbers, or with such a result."""


ATEN: dict[str, Reader] = {}
"""The name of a function beneath autograd -> what reads its calls."""


def reads(*names: str, into: dict[str, Reader] = READERS) -> Callable[[Reader], Reader]:
    """Return a decorator that registers a reader under the names of functions.

    Raises ValueError for a name that has a reader.
    """

    def register(reader: Reader) -> Reader:
        if twice := into.keys() & {*names}:
            raise ValueError(f"two readers: {', '.join(sorted(twice))}")
        into.update(dict.fromkeys(names, reader))
        return reader

    return register


def registered(function: Any) -> tuple[str, str]:
    """Return the namespace and the name of an op of `torch.ops`, without its overload.

    Both are empty for other functions.
    """
    if isinstance(function, torch._ops.OpOverload):  # noqa: SLF001 no other name
        function = function.overloadpacket
    if not isinstance(function, torch._ops.OpOverloadPacket):  # noqa: SLF001
        return "", ""
    space, _, name = function._qualified_op_name.partition("::")  # noqa: SLF001
    return space, name


def own_key(function: Any) -> Any:
    """Return what a function of one's own is known by: of an op of `torch.ops`, all overloads."""
    function = getattr(function, "_opoverload", function)  # of torch.library.custom_op
    return getattr(function, "overloadpacket", function)


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function or property: "add" of torch.add, x + y, x += y and x.add_.

    An op that somebody has registered may have the name of PyTorch's: its namespace is kept.
    """
    space, own = registered(function)
    if space:
        return own.strip("_") if space == ATEN_SPACE else f"{space}::{own}"
    name: str = getattr(function, "__name__", type(function).__name__)
    if name == "__get__":  # a property
        return str(function.__self__.__name__)  # type: ignore[attr-defined]
    bare = name.strip("_")
    if not name.startswith("__"):
        return bare
    in_place = bare[:1] == "i" and bare[1:] in OPERATORS
    reflected = bare[:1] == "r" and bare[1:] in COMMUTATIVE
    return bare[1:] if in_place or reflected else bare


ATEN_SPACE = "aten"
"""The namespace of PyTorch's own ops."""

COMMUTATIVE = {"add", "mul"}
"""The operators whose reflected form is the same function."""

OPERATORS = COMMUTATIVE | {"sub", "matmul", "truediv", "div", "pow"}
"""The operators of which there is an in-place form."""


def writes(function: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    """Return whether a call writes to its first argument."""
    name: str = registered(function)[1] or getattr(function, "__name__", "")
    in_place = name.endswith("_") and not name.endswith("__")
    operator = name.startswith("__i") and name.strip("_")[1:] in OPERATORS
    return in_place or operator or name == "__setitem__" or bool(arguments.get("inplace"))


@dataclass(slots=True)
class Parts:
    """The ops that one function is made of, over its tensors."""

    tensors: tuple[Any, ...]
    nodes: list[Node] = field(default_factory=list)

    def leaf(self, i: int) -> str:
        """Return the name of a tensor."""
        return f"x{i}"

    def add(self, op: str, *inputs: str, own: Op | None = None, **options: Any) -> str:
        """Add an op, and return the name of its result."""
        self.nodes.append(Node(f"step {len(self.nodes)}", op, inputs, options, own))
        return self.nodes[-1].name

    def call(self, name: str, last: str) -> Call:
        """Return the call of a function whose result is one of the ops'; of one op, as it is."""
        nodes = [*behind(self.nodes, {last})]
        used = {name for node in nodes for name in node.inputs}
        leaves = {self.leaf(i): t for i, t in enumerate(self.tensors) if self.leaf(i) in used}
        if len(nodes) == 1:
            (node,) = nodes
            return Call(node.op, tuple(leaves[i] for i in node.inputs), node.options, node.own)
        network = Network(name, dict.fromkeys(leaves, 0.0), {}, (*nodes,), frozenset())
        return Call(name, (*leaves.values(),), own=composed(network))


def made_of(name: str, tensors: Sequence[Any], *steps: Any) -> Call:
    """Return a call of a function that is several ops, as one op that is composed of them.

    steps: (op, places of its operands, options, op of its own), the last of which makes the result.
    A place from 0 on is that of a tensor; a negative one counts back from the step, so that -1 is
    the one before.
    """
    parts, made = Parts((*tensors,)), list[str]()
    for op, places, *rest in steps:
        inputs = (parts.leaf(i) if i >= 0 else made[i] for i in places)
        options, own = (rest[0] if rest else {}), (rest[1] if rest[1:] else None)
        made.append(parts.add(op, *inputs, own=own, **options))
    return parts.call(name, made[-1])


Step = tuple[Any, ...]
"""Name, op, the names of its operands; if need be its options, and the op if it is of its own."""


def steps(name: str, operands: Mapping[str, Any], *found: Step) -> Call:
    """Return a call of a function that is several ops with names, of which the last is the result.

    operands: name -> tensor, array or number. Raises NotKnown where they are of several dtypes.
    """
    refuse_several_dtypes(operands.values())
    parts = Parts((*map(number, operands.values()),))
    made = {operand: parts.leaf(i) for i, operand in enumerate(operands)}
    for step, op, of, *rest in found:
        inputs = (made[i] for i in of.split())
        options, own = (rest[0] if rest else {}), (rest[1] if rest[1:] else None)
        made[step] = parts.add(op, *inputs, own=own, **options)
    return parts.call(name, made[found[-1][0]])


def refuse_several_dtypes(operands: Iterable[Any]) -> None:
    """Raise NotKnown for several: nobody sees in which of them each step of a call is computed."""
    tensors = (t for t in operands if isinstance(t, torch.Tensor))
    if len({t.dtype.to_real() for t in tensors if t.is_floating_point() or t.is_complex()}) > 1:
        raise NotKnown("operands of several dtypes")


def refuse_narrow(t: Tensor, result: Tensor) -> None:
    """Raise NotKnown where steps of an operand alone may be less precise than the result."""
    if t.is_floating_point() and torch.finfo(t.dtype).eps > torch.finfo(result.dtype).eps:
        raise NotKnown("an operand of lower precision than the result")


LIKE = ("_as", "to", "copy", "broadcast_tensors")
"""How functions end that take of an operand only its shape or its type, or write over it."""


def all_read(calls: Any, operands: Iterable[Tensor], name: str) -> None:
    """Raise NotKnown where an operand that is differentiated is an option instead, or left out.

    name: of the function.
    """
    if name.endswith(LIKE):
        return
    every = calls if isinstance(calls, list) else [calls]
    read = {id(t) for call in every if call for t in call.tensors}
    if not read.issuperset(map(id, operands)):
        raise NotKnown("gradients flow through an option")


def as_before(reader: Reader) -> Reader:
    """Return the reader of calls that may write to operands, from the numbers that these had.

    The reader is given the copies of `seen.before`; the calls that it returns are of the operands.
    """

    @wraps(reader)
    def read(seen: Seen, *arguments: Any, **named: Any) -> Any:
        copies = {id(t): copy for t, copy in seen.before}
        own = {id(copy): t for t, copy in seen.before}

        def of_own(call: Call | None) -> Call | None:
            return call and replace(call, tensors=tuple(own.get(id(t), t) for t in call.tensors))

        each, by_name = over(lambda t: copies.get(id(t), t), (arguments, named))
        found = reader(seen, *each, **by_name)
        return [*map(of_own, found)] if isinstance(found, list) else of_own(found)

    return read


def alike(value: Any) -> Any:
    """Return one number for several equal ones: (2, 2) is a stride of 2."""
    if isinstance(value, tuple | list) and {*map(type, value)} == {int} and len({*value}) == 1:
        return value[0]
    return tuple(value) if isinstance(value, list) else value


def number(value: Any) -> Any:
    """Return a Python number as an array, in the lowest precision that has it."""
    if not isinstance(value, bool | int | float):
        return value
    low = np.float32(value)
    return np.asarray(low if float(low) == value else np.float64(value))


def array(t: Tensor) -> Any:
    """Return numbers as an array of their own; those of bfloat16 in float32, which has them all."""
    own = t.detach().cpu()
    return (own.float() if own.dtype == torch.bfloat16 else own).numpy().copy()


def constant(value: Any, name: str) -> float:
    """Return a number that may be a tensor. Raises NotKnown where it is differentiated."""
    if getattr(value, "requires_grad", False):
        raise NotKnown(f"{name}, which is differentiated")
    return float(value)


def axes_of(dim: Any) -> Any:
    """Return what NumPy calls the axes of a `dim`: None for all, a number, or a tuple."""
    if dim is None or isinstance(dim, int):
        return dim
    return tuple(dim) or None


def along(x: Tensor, dim: int, one: Any) -> tuple[Any, ...]:
    """Return the index of a part of x along one axis."""
    return (*[slice(None)] * (dim % x.dim()), one)


def entries(x: Tensor, move: Any) -> Call:
    """Return the call that moves the entries of x as a function of NumPy's moves them."""
    if not x.dim():  # copies of one number
        return Call("expand", (x,), {"shape": np.shape(move(np.zeros(())))})
    return Call("slice", (x,), {"index": moved(tuple(x.shape), move)})
