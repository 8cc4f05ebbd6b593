"""What an adapter is, and what all adapters share: one walk over a network, with probes.

Rules: an adapter names its framework's own functions, the ones that its users call, and its
framework's own gradient; it computes no derivative itself. It may import `reference`'s data
types and its framework, nothing else. It declares what it does not support, with a reason.
"""

import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from sysconfig import get_path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.adapters import gaps
from backproof.adapters.dialect import Dialect
from backproof.adapters.gaps import Why
from backproof.reference.backprop import Trace
from backproof.reference.files import line
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import OPS, Array
from backproof.reference.optimizers import sgd

if TYPE_CHECKING:
    from backproof.adapters.training import Library  # it imports this module

Tensor = Any
"""The framework's own array."""

Loss = Callable[[dict[str, Tensor]], tuple[Tensor, dict[str, Tensor]]]
"""From named tensors to the loss and every node's value."""

Directional = Callable[[Loss, dict[str, Tensor], dict[str, Tensor]], Any]
"""From a loss, tensors and their directions to two pairs: of values, and of their tangents.

In forward mode a pair is the loss and the node values; in second order, the node values and the
gradients of the tensors.
"""


class AdapterError(Exception):
    """An adapter, or its framework, does not do what `Adapter` requires.

    The message names the adapter, the place, and what was expected there.
    """


class Unsupported(Exception):
    """The adapter declares that it does not support something; the message says what, and why.

    It is declared before a run. One that is raised in a run is an error (`running`).
    """


@dataclass(frozen=True, slots=True)
class Adapter:
    """One framework.

    version:        the framework's version, for reports.
    ops:            name in `reference.ops.OPS` -> the framework's own function; it is called with
                    the node's options by name.
    array:          a NumPy array -> a tensor of the same dtype and shape; must not share memory.
    numpy:          a tensor -> a NumPy array of the same dtype and shape.
    value_and_grad: (loss, tensors) -> the node values that loss(tensors) returns beside the
                    loss, and name -> dE/dtensor for each of the tensors.
    walk:           computes a network's values: `walk` below, unless a variant replaces it (by a
                    scan over equal layers) or probes are added by another function.
    state:          precision -> context in which the framework computes in that precision; on exit
                    it restores the framework's state.
    per_example:    like value_and_grad, mapped over the leading axis (the examples) of the tensors
                    that are named; every result has that axis.
    processor:      names of processor features that it may use: its numbers may depend on them.
    unsupported:    precision, op or "op option", the last two also with a precision or a method
                    ("exp float64") -> why it is not supported. Of an option it may be a pair:
                    which values are not supported, and why. "op.input" -> why that input, such as
                    a target, is not differentiated.
    lacks:          why the framework has no function for the ops that `ops` does not name; where it
                    is empty, each of them must be named in `unsupported`.
    dialect:        how a script for the framework alone is written; None if scripts are not made.
    aborts:         (node, the shapes of its inputs, precision) -> why it aborts the process, in one
                    sentence; None if it does not. A campaign runs no network with such a node.
    compiled:       compiles a function of tensors that is called many times.
    libraries:      name -> a library of optimizers for the framework.
    forward_mode:   method ("jvp") -> the framework's function.
    second_order:   method ("forward-over-reverse") -> likewise.

    Tensors have a `shape`, and are added to each other, since probes are. In float16 the loss is
    multiplied by a loss scale, so there `number * tensor` must be differentiable, and keep the
    dtype.
    """

    version: str
    ops: Mapping[str, Callable[..., Tensor]]
    array: Callable[[Array], Tensor]
    numpy: Callable[[Tensor], Array]
    value_and_grad: Callable[[Loss, dict[str, Tensor]], tuple[dict[str, Tensor], dict[str, Tensor]]]
    walk: Callable[..., dict[str, Tensor]] = field(default_factory=lambda: walk)
    state: Callable[[str], AbstractContextManager[Any]] = nullcontext
    per_example: (
        Callable[[Loss, dict[str, Tensor], Collection[str]], tuple[dict[str, Tensor], ...]] | None
    ) = None
    processor: Collection[str] = ()
    unsupported: Mapping[str, Why] = field(default_factory=dict)
    lacks: str = ""
    dialect: Dialect | None = None
    aborts: Callable[[Node, Sequence[tuple[int, ...]], str], str | None] = lambda *_: None
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
    libraries: Mapping[str, "Library"] = field(default_factory=dict)
    forward_mode: Mapping[str, Directional] = field(default_factory=dict)
    second_order: Mapping[str, Directional] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := [name for name in self.ops if name not in OPS]:
            raise ValueError(f"ops: unknown {unknown}; known: {', '.join(OPS)}")
        methods = (*self.forward_mode, *self.second_order)
        if unknown := gaps.unknown(self.unsupported, methods):
            raise ValueError(
                f"unsupported: unknown {unknown}; known: {', '.join((*OPS, *PRECISIONS))}, an op "
                "with one of its options, a precision or a method, and op.input"
            )
        if self.lacks:
            missing = dict.fromkeys((op for op in OPS if op not in self.ops), self.lacks)
            object.__setattr__(self, "unsupported", {**missing, **self.unsupported})

    def trace(
        self,
        network: Network,
        leaves: Mapping[str, Array],
        shapes: Mapping[str, tuple[int, ...]],
        scale: float = 1.0,
    ) -> Trace:
        """Return the framework's trace of one pass, as NumPy arrays, unchecked.

        leaves: every input and parameter, all of one dtype: the precision.
        shapes: node -> the shape of its value.
        scale:  the loss scale: the loss times `scale` is differentiated. Values are not scaled.

        A zero probe is added to each node's value, under the node's name. The gradient of a probe
        is its node's cotangent, so the framework's public gradient yields the whole trace.
        Raises AdapterError, Unsupported.
        """
        dtype = next(iter(leaves.values())).dtype
        probes = {node.name: np.zeros(shapes[node.name], dtype) for node in network.nodes}
        return self._run(network, leaves, probes, scale)

    def plain(self, network: Network, leaves: Mapping[str, Array], scale: float = 1.0) -> Trace:
        """Return the trace of a pass without probes, as users run it: it has no cotangents.

        leaves, scale: as in `trace`. Raises as `trace`.
        """
        return self._run(network, leaves, {}, scale)

    def examples(
        self,
        network: Network,
        leaves: Mapping[str, Array],
        shapes: Mapping[str, tuple[int, ...]],
        batched: Collection[str],
    ) -> Trace:
        """Return the traces of several examples from one pass: all arrays have a new first axis.

        network: the network of one example. batched: the leaves that have this axis; all examples
        share the others. Raises as `trace`.
        """
        if (per_example := self.per_example) is None:
            raise Unsupported("per_example: the adapter has none")
        count = len(leaves[next(iter(batched))])
        mapped = {*batched, *(node.name for node in network.nodes)}

        def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> Any:
            return per_example(loss, tensors, mapped)

        stacked = {name: (count, *shape) for name, shape in shapes.items()}
        return replace(self, value_and_grad=value_and_grad).trace(network, leaves, stacked)

    def _run(
        self,
        network: Network,
        leaves: Mapping[str, Array],
        probes: Mapping[str, Array],
        scale: float,
    ) -> Trace:
        """Return every node's value, and the gradient of every leaf and probe."""
        precision = next(iter(leaves.values())).dtype.name
        self._supports(network, precision)
        loss = self._loss(network, leaves, probes, scale)
        with running(), self.state(precision):
            tensors = self._tensors({**leaves, **probes})
            values, found = self.value_and_grad(loss, tensors)
            nodes = [node.name for node in network.nodes]
            known = _numpy(self, values, nodes), _numpy(self, found, tensors)
            self._check_dtype(next(iter(leaves.values())), known[0].values())
            return _trace(*known, leaves, probes)

    def _tensors(self, arrays: Mapping[str, Array]) -> dict[str, Tensor]:
        """Return arrays as tensors. Raises AdapterError where these have no shape."""
        made = {name: self.array(_read_only(a)) for name, a in arrays.items()}
        for tensor in made.values():
            shape_of(tensor, "array")
        return made

    def _check_dtype(self, leaf: Array, results: Iterable[Any]) -> None:
        """Raise AdapterError where results lack the dtype of a leaf because its tensor does."""
        if all(getattr(one, "dtype", leaf.dtype) == leaf.dtype for one in results):
            return
        found = str(getattr(self.numpy(self.array(_read_only(leaf))), "dtype", leaf.dtype))
        if found != leaf.dtype and found in PRECISIONS:
            raise AdapterError(
                f"array, then numpy: expected dtype {leaf.dtype}, found {found}; declare "
                f"{leaf.dtype} in `unsupported` if there is none"
            )

    def along(
        self,
        method: str,
        network: Network,
        leaves: Mapping[str, Array],
        directions: Sequence[Mapping[str, Array]],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> list[tuple[Trace, Trace]]:
        """Return a pair of traces for each direction: of values, and of their tangents.

        method: a key of `forward_mode` or `second_order`. leaves, shapes: as in `trace`.
        directions: each is leaf -> its tangent, in the leaf's shape and dtype. Before all of them
        the first one is run over half of every leaf: compiled code is seen with other numbers.

        In second order every node has a zero probe, whose own tangent is zero. The tangent of the
        probe's gradient is the tangent of the node's cotangent. Raises AdapterError, Unsupported.
        """
        dtype = next(iter(leaves.values())).dtype
        self._supports(network, dtype.name, method)
        second = method in self.second_order
        nodes = [node.name for node in network.nodes]
        probes = {name: np.zeros(shapes[name], dtype) for name in nodes} if second else {}
        loss = self._loss(network, leaves, probes)
        along = (self.second_order if second else self.forward_mode)[method]
        run = self.compiled(partial(along, loss))

        def tensors(of_leaves: Mapping[str, Array]) -> dict[str, Tensor]:
            return self._tensors({**of_leaves, **probes})

        def trace(pair: Any) -> Trace:
            if not second:
                _, values = pair
                return Trace(_numpy(self, values, nodes), {}, {})
            values, gradients = pair
            known = _numpy(self, values, nodes), _numpy(self, gradients, [*leaves, *probes])
            return _trace(*known, leaves, probes)

        with running(), self.state(dtype.name):
            run(tensors({k: np.asarray(a / 2) for k, a in leaves.items()}), tensors(directions[0]))
            pairs = [run(tensors(leaves), tensors(direction)) for direction in directions]
            return [(trace(values), trace(tangents)) for values, tangents in pairs]

    def constants(self, network: Network) -> list[str]:
        """Return the inputs of a network that the adapter declares it does not differentiate."""
        return sorted(gaps.constants(self.unsupported, network)[0])

    def _supports_dtype(self, precision: str) -> None:
        """Raise Unsupported for a precision that is declared unsupported."""
        if precision in self.unsupported:
            raise Unsupported(f"{precision}: {self.unsupported[precision]}")

    def _supports(self, network: Network, precision: str, method: str = "") -> None:
        """Raise Unsupported for what is declared unsupported, AdapterError for a missing op."""
        self._supports_dtype(precision)
        for node in network.nodes:
            if gap := gaps.why(self.unsupported, node.op, node.options, precision, method):
                raise Unsupported(gap)
        _, gap = gaps.constants(self.unsupported, network)
        if gap:
            raise Unsupported(gap)
        ops = sorted({node.op for node in network.nodes})
        if missing := [op for op in ops if op not in self.ops]:
            raise AdapterError(f"ops: lacks {missing}, and does not declare why, as in `lacks`")

    def _loss(
        self, network: Network, leaves: Collection[str], probes: Collection[str], scale: float = 1.0
    ) -> Loss:
        """Return the function from tensors, by the names of leaves and probes, to scaled loss."""

        def loss(tensors: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
            known = {name: tensors[name] for name in leaves}
            values = self.walk(self.ops, network, known, {name: tensors[name] for name in probes})
            E = values[network.loss]
            return (E if scale == 1 else scale * E), values

        return loss

    def differentiated(self, network: Network, leaves: Mapping[str, Array]) -> Callable[..., Any]:
        """Return the function from a network's leaves, as tensors, to its values and gradients.

        It is compiled where the framework's users compile. Raises as `trace`.
        """
        self._supports(network, next(iter(leaves.values())).dtype.name)
        loss = self._loss(network, leaves, ())
        return running()(self.compiled(lambda tensors: self.value_and_grad(loss, tensors)))

    def update(self, w: Array, gradient: Array, eta: float) -> Array:
        """Return w - eta dE/dw, computed by the framework in the dtype of w. Raises as `trace`."""
        self._supports_dtype(w.dtype.name)
        with running(), self.state(w.dtype.name):
            tensors = self._tensors({"w": w, "gradient": gradient})
            found = self.numpy(sgd(tensors["w"], tensors["gradient"], eta))
            self._check_dtype(w, [found])
            return found


def walk(
    ops: Mapping[str, Callable[..., Tensor]],
    network: Network,
    leaves: Mapping[str, Tensor],
    probes: Mapping[str, Tensor],
    add: Callable[[Tensor, Tensor], Tensor] = operator.add,
) -> dict[str, Tensor]:
    """Return every node's value, its probe added where there is one.

    Raises AdapterError, which names the node.
    """
    known = dict(leaves)
    for node in network.nodes:
        known[node.name] = step(ops, node, known, probes.get(node.name), add)
    return {node.name: known[node.name] for node in network.nodes}


def shape_of(tensor: Tensor, place: str) -> tuple[int, ...]:
    """Return the shape of a tensor, which an op or `array` made. Raises AdapterError."""
    try:
        return tuple(tensor.shape)
    except (AttributeError, TypeError):
        kind = type(tensor).__name__
        raise AdapterError(f"{place}: expected a tensor with a `shape`, found {kind}") from None


def step(
    ops: Mapping[str, Callable[..., Tensor]],
    node: Node,
    known: Mapping[str, Tensor],
    probe: Tensor | None,
    add: Callable[[Tensor, Tensor], Tensor] = operator.add,
) -> Tensor:
    """Return one node's value; `known` holds its inputs' values. Raises as `walk`."""
    place = f"ops[{node.op!r}] at node {node.name}"
    try:
        value = ops[node.op](*(known[name] for name in node.inputs), **node.options)
    except Unsupported as error:
        raise AdapterError(f"{place}: {undeclared(error)}") from error
    except Exception as error:
        raise AdapterError(f"{place}: {raised(error)}") from error
    found = shape_of(value, place)
    if probe is None:
        return value
    if found != (shape := tuple(probe.shape)):  # adding would broadcast
        raise AdapterError(f"{place}: expected shape {shape}, found {found}")
    return add(value, probe)


@contextmanager
def running() -> Iterator[None]:
    """Turn Unsupported, raised while the adapter's own code runs, into an AdapterError."""
    try:
        yield
    except Unsupported as error:
        raise AdapterError(undeclared(error)) from error


def undeclared(error: Unsupported) -> str:
    """Return what is wrong with an Unsupported that was raised in a run."""
    late = "in the middle of a pass; declare it under `unsupported`"
    return raised(error).replace("Unsupported:", f"Unsupported {late}:", 1)


def raised(error: Exception) -> str:
    """Return what was raised, and the innermost line of the user's own code that raised it."""
    frames = extract_tb(error.__traceback__)
    others = (get_path("stdlib"), __file__)
    own = [f for f in frames if "site-packages" not in f.filename and f.filename[0] != "<"]
    own = [f for f in own if not f.filename.startswith(others)]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"raised {type(error).__name__}: {said(error)}{place}"


def said(error: BaseException) -> str:
    """Return the text of an error as one line, and not too long a one."""
    try:
        return line(str(error))
    except Exception as failure:  # noqa: BLE001 its own method may raise anything
        return f"its text cannot be read: {type(failure).__name__}"


def check(array: Any, expected: Array) -> Array:
    """Return `array` if it is a NumPy array (or scalar) of the expected shape and dtype.

    Raises AdapterError.
    """
    if not isinstance(array, np.ndarray | np.generic):
        raise AdapterError(f"expected a NumPy array, found {type(array).__name__}")
    if array.shape != expected.shape:
        raise AdapterError(f"expected shape {expected.shape}, found {array.shape}")
    if array.dtype != expected.dtype:
        raise AdapterError(f"expected dtype {expected.dtype}, found {array.dtype}")
    return np.asarray(array)


def _read_only(array: Array) -> Array:
    """Return a read-only view: an adapter that writes to its inputs raises."""
    view = array.view()
    view.flags.writeable = False
    return view


def _trace(
    values: dict[str, Array],
    gradients: Mapping[str, Array],
    leaves: Collection[str],
    probes: Collection[str],
) -> Trace:
    """Return the trace: a probe's gradient is its node's cotangent."""
    return Trace(
        values=values,
        cotangents={name: gradients[name] for name in probes if name in gradients},
        gradients={name: gradients[name] for name in leaves if name in gradients},
    )


def _numpy(adapter: Adapter, tensors: Any, known: Collection[str]) -> dict[str, Array]:
    """Return the tensors as arrays; what is missing, or None, is reported where it is used."""
    if not isinstance(tensors, dict):
        raise AdapterError(
            f"value_and_grad: expected a dict of tensors, found {type(tensors).__name__}"
        )
    if unknown := sorted(str(name) for name in tensors if name not in known):
        raise AdapterError(f"value_and_grad: returned unknown names {unknown}")
    there = {name: tensors[name] for name in known if tensors.get(name) is not None}
    return {name: adapter.numpy(tensor) for name, tensor in there.items()}
