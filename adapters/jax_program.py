"""One pass of a user's own JAX program, recorded."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from inspect import signature
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backproof.adapters.jax_alike import alike
from backproof.adapters.jax_constants import radii_of
from backproof.adapters.jax_custom_calls import marks
from backproof.adapters.jax_grad import adapter
from backproof.adapters.jax_graph import Graph, refuse
from backproof.adapters.jax_inner import inner_program
from backproof.adapters.jax_names import name_of
from backproof.adapters.jax_steps import Key, Program
from backproof.adapters.recording import NotRecorded, Recording, refuse_what_is_no_op
from backproof.reference.backprop import Trace
from backproof.reference.complex_calls import with_parts
from backproof.reference.network import Network
from backproof.reference.ops import Array

FRAMEWORK = "jax"
"""Its name in the tables of adapters and findings."""


@dataclass(frozen=True)
class Run:
    """A loss, and what it is called with.

    arguments: of the loss. argnums: the places of those that hold the parameters.
    jit:       whether the pass is compiled as a whole.
    """

    loss: Callable[..., Any]
    arguments: Sequence[Any]
    argnums: tuple[int, ...]
    jit: bool

    @cached_property
    def leaves(self) -> dict[tuple[int, int], tuple[str, Any]]:
        """All arrays: (argument, place in its tree) -> name, array.

        A Python float is a parameter where jax.grad takes it: where its argument holds nothing but
        floats. Among functions and flags, as in a module of equinox, it is an option.
        Raises NotRecorded where two have one name.
        """
        names = titles(self.loss, len(self.arguments))
        found = {}
        for i, argument in enumerate(self.arguments):
            leaves, _ = jax.tree_util.tree_flatten_with_path(argument)
            takes = i in self.argnums and all(is_float(leaf) for _, leaf in leaves)
            for k, (path, leaf) in enumerate(leaves):
                tail = jax.tree_util.keystr(path, simple=True, separator="/")
                name = f"{names[i]}/{tail}" if tail else names[i]
                if takes and isinstance(leaf, float | np.generic):
                    leaf = jnp.asarray(leaf)  # noqa: PLW2901
                if isinstance(leaf, jax.Array | np.ndarray):
                    found[i, k] = name, leaf
                if isinstance(leaf, jax.Array) and leaf.is_deleted():
                    raise NotRecorded(
                        f"{name}: its memory was donated to another call (donate_argnums): "
                        "certify with the arrays that this call returned"
                    )
        for name, n in Counter(name for name, _ in found.values()).items():
            if n > 1:
                raise NotRecorded(f"{n} arrays have the name {name}")
        return found

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The arrays of floats with respect to which the loss is differentiated, by name.

        Raises NotRecorded where an argument has none, or where one has numbers that are not finite.
        """
        found, empty = {}, dict.fromkeys(self.argnums)
        for (i, _), (name, leaf) in self.leaves.items():
            if i in self.argnums and jnp.issubdtype(leaf.dtype, jnp.inexact):
                refuse(leaf.dtype, f"parameter {name}")
                if not np.isfinite(np.asarray(leaf)).all():
                    raise NotRecorded(f"parameter {name}: has numbers that are NaN or infinite")
                found[name] = jnp.asarray(leaf)
                empty.pop(i, None)
        for i in empty:
            name = titles(self.loss, len(self.arguments))[i]
            raise NotRecorded(f"{name}: expected parameters, found no array of floats")
        return found

    @cached_property
    def others(self) -> dict[str, Any]:
        """All other arrays, by name."""
        every = dict(self.leaves.values())
        return {name: a for name, a in every.items() if name not in self.parameters}

    def of(
        self, loss: Callable[..., Any], parameters: Mapping[str, Any], others: Mapping[str, Any]
    ) -> Any:
        """Return a loss of arrays in the places of those that were given."""
        arguments = []
        for i, argument in enumerate(self.arguments):
            leaves, tree = jax.tree_util.tree_flatten(argument)
            for k in range(len(leaves)):
                if (i, k) in self.leaves:
                    name, _ = self.leaves[i, k]
                    leaves[k] = parameters[name] if name in parameters else others[name]
            arguments.append(jax.tree_util.tree_unflatten(tree, leaves))
        return loss(*arguments)

    def plain(self, loss: Callable[..., Any] | None = None) -> tuple[Array, dict[str, Array]]:
        """Return the loss and the gradients as users compute them.

        loss: another one, of the same arguments.
        Raises NotRecorded, and whatever the loss raises.
        """

        def one(*arrays: Any) -> Any:
            found = self.of(self.loss if loss is None else loss, *arrays)
            is_one(found)
            return found

        of = jax.value_and_grad(one)
        with traceable():
            value, gradients = (jax.jit(of) if self.jit else of)(self.parameters, self.others)
        return np.asarray(value), {name: received(a) for name, a in gradients.items()}

    def traced(self, *, close: bool = False) -> Any:
        """Return the program. close: as in `marks`.

        Raises NotRecorded where it cannot be traced in all arrays, or is not the same from trace to
        trace.
        """

        def once() -> Any:
            return jax.make_jaxpr(partial(self.of, self.loss))(self.parameters, self.others)

        with traceable(), marks(close=close):
            first, second = once(), once()
        if not alike(first, second):
            raise NotRecorded("the program is not deterministic: two traces of it differ")
        return first


@contextmanager
def traceable() -> Iterator[None]:
    """Raise NotRecorded where a loss cannot be traced in all its arrays."""
    try:
        yield
    except jax.errors.UnexpectedTracerError as error:
        raise NotRecorded(
            "the loss uses an array of a trace that has ended, as where a custom derivative closes "
            "over an array that the loss computes: give it as an argument"
        ) from error
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
        raise NotRecorded(
            f"the loss cannot be traced in all its arrays, as under jax.jit "
            f"({type(error).__name__}): close over what chooses branches or shapes"
        ) from error


def titles(loss: Callable[..., Any], n: int) -> list[str]:
    """Return the names of the arguments of a loss."""
    try:
        known = [*signature(loss).parameters]
    except (TypeError, ValueError):
        known = []
    return [known[i] if i < len(known) else f"argument {i}" for i in range(n)]


def is_float(leaf: Any) -> bool:
    """Return whether a leaf of a tree is a float, or an array of floats."""
    if isinstance(leaf, jax.Array | np.ndarray | np.generic):
        return jnp.issubdtype(leaf.dtype, jnp.inexact)
    return isinstance(leaf, float)


def is_one(loss: Any) -> None:
    """Raise NotRecorded unless a loss is one number."""
    if not isinstance(loss, jax.Array | np.ndarray | np.generic | float):
        found = type(loss).__name__
        raise NotRecorded(
            f"the loss: expected an array, but the function returned a {found}: give a function "
            "that returns the loss alone"
        )
    if jnp.shape(loss) != ():
        raise NotRecorded(f"the loss: expected one number, found shape {jnp.shape(loss)}")
    if not jnp.issubdtype(jnp.result_type(loss), jnp.floating):
        raise NotRecorded(f"the loss: expected a float, found {jnp.result_type(loss)}")


def record(run: Run, known: Mapping[str, Any]) -> Recording:
    """Return one pass of a program as it was recorded, and as users run it.

    known: the name of a primitive or of a custom function -> its op.
    Raises NotRecorded, and whatever the program raises.
    """
    value, plain = run.plain()
    try:
        found = of_trace(run, known)
    except jax.errors.UnexpectedTracerError:
        with traceable():
            found = of_trace(run, known, close=True)
    as_run = Trace({found.network.loss: value}, {}, plain)
    return replace(found, compiled=run.jit or found.compiled, as_run=as_run)


def of_trace(run: Run, known: Mapping[str, Any], *, close: bool = False) -> Recording:
    """Return one pass of a program, traced and evaluated.

    known: as in `record`. close: as in `marks`. Raises as `record`.
    """
    traced, program = run.traced(close=close), Program()
    own = {program.operand(a, tracked=True): name for name, a in sorted(run.parameters.items())}
    others = [program.operand(a) for _, a in sorted(run.others.items())]
    (last,) = program.walk(traced.jaxpr, traced.consts, [*own, *others])
    if last in own:
        raise NotRecorded(f"the loss is the parameter {own[last]} itself: nothing is computed")
    if last not in program.tracked:
        steps = program.needed([last])
        stopped = [one.place for one in steps if program.tracked.intersection(one.operands)]
        where = f": all gradients are stopped, the last ones at {stopped[-1]}" if stopped else ""
        raise NotRecorded(f"the loss does not depend on the parameters{where}")
    name = getattr(run.loss, "__name__", "program")
    return evaluated(program, own, last, name, known, jit=run.jit)


def evaluated(
    program: Program,
    own: Mapping[Key, str],
    last: Key,
    name: str,
    known: Mapping[str, Any],
    *,
    jit: bool,
) -> Recording:
    """Return one pass of a program, with a zero added to every value, as it was recorded.

    own: the parameters, with their names. last: the loss. known: as in `record`.
    """
    steps = program.needed([last])
    probed = [key for step in steps for key in step.results if key in program.tracked]
    probes = {key: np.zeros(program.avals[key].shape, program.avals[key].dtype) for key in probed}
    parameters = {key: program.given[key] for key in own}
    constants = {
        key: jnp.asarray(a)  # as JAX hands them to a custom rule
        for key, a in program.given.items()
        if key not in own and np.ndim(a) and not isinstance(a, jax.core.Tracer)
    }

    def loss(parameters: Any, probes: Any, constants: Any) -> Any:
        found = program.evaluate({**parameters, **constants}, probes, steps)
        return found[last], {key: found[key] for step in steps for key in step.results}

    of = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    (_, found), (gradients, cotangents) = (jax.jit(of) if jit else of)(
        parameters, probes, constants
    )
    program.found.update(found)
    graph = Graph(program, own, known)
    for step in steps:
        graph.add(step)
    network = graph.network(name, graph.names[last])
    return with_inner(recording(graph, network, gradients, cotangents), graph, last, known)


def with_inner(found: Recording, graph: Graph, last: Key, known: Mapping[str, Any]) -> Recording:
    """Return a recording with the custom rules that the program itself applied."""
    programs, used = (graph.program, *graph.opened), graph.program.sources(last)
    again = graph.program.differentiated(last)
    of = [
        (program, one, program is not graph.program or one.handed_on in again)
        for program in programs
        for one in program.applied
        if program is not graph.program or one.handed_on in used
    ]
    inner = inner_program(of, known)
    unseen = (place for program in programs for place in program.unseen)
    within = (evaluated(*inner, known, jit=False),) if inner else ()
    return replace(found, inner=within, unseen=(*unseen,))


def recording(
    graph: Graph, network: Network, gradients: Mapping[Key, Any], cotangents: Mapping[Key, Any]
) -> Recording:
    """Return what was recorded, as arrays."""
    keys = {node.name: graph.keys[node.name] for node in network.nodes}
    every = {name: received(gradients[key]) for key, name in graph.own.items()}
    beyond = [name for name in every if name not in network.parameters]
    radii = radii_of(graph, network.constants)
    return Recording(
        network,
        {**network.inputs, **network.parameters},
        Trace(
            {name: graph.numbers(key) for name, key in keys.items()},
            {name: received(cotangents[key]) for name, key in keys.items()},
            {name: a for name, a in every.items() if name in network.parameters},
        ),
        {name: graph.steps[name].place for name in keys},
        tuple(every),
        stray=tuple(name for name in beyond if np.any(every[name])),
        unused=tuple(name for name in beyond if not np.any(every[name])),
        framework=FRAMEWORK,
        version=str(adapter.version),
        processor=(*adapter.processor,),
        radii=radii,
        # What a function computes of constants inside is never seen.
        compiled=any(graph.read_as[name].key not in graph.program.makers for name in radii),
    )


def received(a: Any) -> Array:
    """Return what JAX hands on: dE/da - i dE/db of complex numbers, as dE/da beside dE/db."""
    return with_parts(np.conjugate(a) if np.iscomplexobj(a) else a)


def by_name(known: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the names of primitives and custom functions, each with what is given for it.

    Raises NotRecorded, also for two functions of the same code that close over the same.
    """
    refuse_what_is_no_op(known)
    found = dict[str, Any]()
    for one, op in known.items():
        if (name := name_of(one)) in found:
            raise NotRecorded(
                f"two functions are given by `known` that are both {name.partition(' #')[0]}, and "
                "close over the same: nothing tells which of them is called"
            )
        found[name] = op
    return found
