"""One pass of a user's own PyTorch program, recorded, with everything left as it was."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from backproof.adapters.pytorch_autograd import adapter
from backproof.adapters.recording import Along, NotRecorded, Recording, refuse_what_is_no_op
from backproof.adapters.torch_bodies import BODIES, Asked
from backproof.adapters.torch_constants import Constants, There
from backproof.adapters.torch_graph import Graph, array
from backproof.adapters.torch_hooks import name_hooks
from backproof.adapters.torch_opened import unasked
from backproof.adapters.torch_recorder import Recorder
from backproof.adapters.torch_recurrent import InSteps
from backproof.adapters.torch_refusals import not_compiled, not_freed, refuse
from backproof.adapters.torch_second import SecondRecorder, directions_of
from backproof.adapters.torch_seen import run, unseen
from backproof.adapters.torch_untouched import Before, untouched, without_steps
from backproof.reference.backprop import Trace
from backproof.reference.ops import Array, Op

FRAMEWORK = "torch"
"""Its name in the tables of adapters and findings."""

Tensor = Any
Closure = Callable[[], Tensor]
"""Computes the loss: a tensor of one number."""


@unseen()
def parameters_of(model: Any) -> dict[str, Tensor]:
    """Return the tensors with respect to which a program is differentiated, by name.

    model: a module, or name -> tensor. A tied parameter has its first name.
    Raises NotRecorded where there is none, or where one is not a tensor of finite numbers.
    """
    is_module = isinstance(model, torch.nn.Module)
    if not is_module and not isinstance(model, Mapping):
        raise NotRecorded(
            f"the model: expected a module, or a dict of tensors by name, such as "
            f"dict(model.named_parameters()); found {type(model).__name__}"
        )
    named = dict(model.named_parameters() if is_module else model)
    for name, t in named.items():
        # What only wraps a tensor may be a subclass, too.
        if not isinstance(t, torch.Tensor) or not isinstance(t.detach(), torch.Tensor):
            raise NotRecorded(f"{name}: expected a tensor, found {type(t).__name__}")
        refuse(t, name)
        if t.is_floating_point() and not torch.isfinite(t.detach()).all():
            raise NotRecorded(f"parameter {name}: has numbers that are NaN or infinite")
    trained = {name: t for name, t in named.items() if t.requires_grad}
    if not trained:
        raise NotRecorded("no parameter requires a gradient")
    return trained


@unseen()
def record_with_twin(
    closure: Closure,
    twin: Closure | None,
    model: Any,
    name: str,
    known: Mapping[Any, Op],
    second: bool | Mapping[str, Tensor],  # noqa: FBT001 as in `certify`
) -> tuple[Recording, dict[str, Array]]:
    """Return one pass of a program as it was recorded, and the gradients of its twin.

    twin: computes the same loss in another way; None where there is none, which has no gradients.
    closure, model, name, known, second: as of `record`.
    Raises NotRecorded, and whatever the closures raise.
    """
    before = Before()
    recording = record(closure, model, name, known, second, before)
    return recording, gradients_of(twin, model, before) if twin is not None else {}


def gradients_of(closure: Closure, model: Any, before: Before) -> dict[str, Array]:
    """Return the gradients of a pass that is not recorded, parameter by parameter.

    before: what is left as it was, also what another pass has seen.
    Raises NotRecorded, and whatever the closure raises.
    """
    trained = parameters_of(model)
    with untouched(model, before, in_modules=False):
        found = run_back(loss_of(closure), trained)
        return {name: array(t) for name, t in found.items()}


@unseen()
def record(
    closure: Closure,
    model: Any,
    name: str,
    known: Mapping[Any, Op] | None = None,
    second: bool | Mapping[str, Tensor] = False,  # noqa: FBT001, FBT002 as in `certify`
    before: Before | None = None,
) -> Recording:
    """Return one pass of a program as it was recorded.

    closure, model, known, second: as in `backproof.torch.certify`. name: the program's, for
    messages. before: what learns what the pass may change.
    Raises NotRecorded, and whatever the closure raises.
    """
    trained = parameters_of(model)
    own = {id(t): key for key, t in reversed(trained.items())}
    directions = directions_of(second, trained) if second else None
    refuse_what_is_no_op(known or {})
    recorder = (Recorder if directions is None else SecondRecorder)(model, own, known or {})
    graph = recorder.graph
    before = Before() if before is None else before
    with untouched(model, before):
        with Asked() as asked, There() as there, before:
            again = loss_of(closure)
        recorder.constants = Constants(there.found.values())
        if asked.found:
            recorder.bodies = BODIES
        before.reset()
        with before, recorder.recording(), not_compiled():
            loss = loss_of(closure)
        if not recorder.otherwise:
            refuse_differences(again, loss)
        if id(loss) not in graph.known:
            raise NotRecorded("no call that made the loss was seen: is it computed beforehand?")
        last = graph.known[id(loss)][2]
        leaves = graph.leaves | trained
        before.keep(*leaves.values())
        recorder.cotangents.forget()  # of derivatives that the program takes itself
        tangents: dict[str, Tensor] = {}
        with before:  # hooks and custom functions may write, too
            if isinstance(recorder, SecondRecorder):
                gradients, tangents = map(dense, recorder.run_back(loss, leaves, directions or {}))
            else:
                with InSteps() if recorder.otherwise else nullcontext():
                    gradients = run_back(loss, leaves)
        graph.lose_overwritten()
        name_hooks(graph, leaves)
        for memory in before.written_over():  # it is about to be put back
            graph.save(memory)
        as_run = None
        if recorder.otherwise:
            before.reset()
            as_run = plain_pass(closure, again, trained, last, before)
    found = recording(graph, last, recorder.cotangents.found, gradients, name, tuple(trained))
    by = {key: getattr(found, key) for key in ("framework", "version", "processor")}
    inner = (one for taken in recorder.taken for one in taken.recordings(graph, **by))
    found = replace(found, as_run=as_run, inner=(*inner,), unseen=(*recorder.unseen,))
    if isinstance(recorder, SecondRecorder):
        return replace(found, along=along(found, recorder, directions or {}, tangents))
    return found


def plain_pass(
    closure: Closure, again: Tensor, trained: Mapping[str, Tensor], last: str, before: Before
) -> Trace:
    """Return the loss and the gradients of a pass that is not recorded. last: the loss's name.

    Raises NotRecorded, also where the loss is not what it was when it was computed before, `again`.
    """
    with before:
        loss = loss_of(closure)
        refuse_differences(again, loss)
        before.without_gradients()
        found = run_back(loss, trained)
    gradients = {k: array(found.get(k, torch.zeros_like(t))) for k, t in trained.items()}
    return Trace({last: array(loss)}, {}, gradients)


def refuse_differences(*losses: Tensor) -> None:
    """Raise NotRecorded unless two passes gave the same loss."""
    both = tuple(float(one.detach()) for one in losses)
    if not np.array_equal(both[:1], both[1:], equal_nan=True):
        raise NotRecorded(
            "the program is not deterministic: with the same random state it gave the losses "
            f"{both[0]!r} and {both[1]!r}. Does it take the next batch, carry a state from call to "
            "call, count its calls, step an optimizer, draw from a random generator of NumPy's, "
            "write over its inputs, or read memory that nobody has written, as torch.empty "
            "returns it?"
        )


def loss_of(closure: Closure) -> Tensor:
    """Return the loss; raise NotRecorded unless it is one number, and differentiable."""
    if not callable(closure):
        raise NotRecorded(f"the loss: expected a function, found {type(closure).__name__}")
    loss = run(closure)
    if not isinstance(loss, torch.Tensor):
        found = type(loss).__name__
        raise NotRecorded(
            f"the loss: expected a tensor, but the function returned {found}: give a function "
            "that returns the loss alone, as a tensor that is not differentiated yet"
        )
    refuse(loss, "the loss")
    if loss.is_complex():
        raise NotRecorded("the loss: expected a real number, found a complex one")
    if loss.numel() != 1:
        raise NotRecorded(f"the loss: expected one number, found shape {tuple(loss.shape)}")
    if not loss.requires_grad:
        raise NotRecorded(
            "the loss does not depend on the parameters: is it computed from this model, and "
            "without `detach` and `no_grad`?"
        )
    return run(loss.reshape, ((),)) if loss.shape else loss


def run_back(loss: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Run the backward pass, as users run it, and return the gradients of leaves that have one.

    Raises NotRecorded.
    """
    for t in leaves.values():
        t.grad = None
    with (
        not_freed(),
        without_steps(leaves.values()),
    ):  # `unasked`: so that a mode sees what a checkpoint runs again
        run(unasked(torch.autograd.backward), (loss,))
    return dense({name: t.grad for name, t in leaves.items() if t.grad is not None})


def dense(gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return gradients as tensors that have all their entries.

    Of a sparse one, entries that are not there are zeros, and those of one place are added up. One
    that autograd knows to be zero may have no memory.
    Raises NotRecorded.
    """
    found = {k: t.to_dense() if t.is_sparse else t for k, t in gradients.items()}
    found = {k: t.clone() if t._is_zerotensor() else t for k, t in found.items()}  # noqa: SLF001
    for name, gradient in found.items():
        refuse(gradient, f"the gradient of {name}")
    return found


def recording(
    graph: Graph,
    last: str,
    cotangents: Mapping[str, Array],
    gradients: Mapping[str, Tensor],
    name: str,
    trained: tuple[str, ...],
) -> Recording:
    """Return what was recorded, as arrays."""
    network = graph.network(name, last)
    values = {node.name: array(graph.values[node.name]) for node in network.nodes}
    leaves = {**network.inputs, **network.parameters}
    # Where nothing arrives, autograd hands on nothing: zeros.
    seen = {k: cotangents.get(k, np.zeros_like(a)) for k, a in values.items()}
    reached = {leaf for node in network.nodes if node.name in cotangents for leaf in node.inputs}
    found = {k: np.zeros_like(a) for k, a in leaves.items() if k not in reached}
    found |= {k: array(t) for k, t in gradients.items() if k in leaves}
    others = [k for k in trained if k not in leaves]
    if len(others) == len(trained):
        is_seen = not any(k in gradients for k in others)
        reason = "the loss does not depend on the" if is_seen else "no call was seen that uses the"
        raise NotRecorded(f"{reason} parameters")
    return Recording(
        network,
        leaves,
        Trace(values, seen, found),
        {k: graph.places[k] for k in values},
        trained,
        stray=tuple(k for k in others if k in gradients),
        unused=tuple(k for k in others if k not in gradients),
        framework=FRAMEWORK,
        version=str(adapter.version),
        processor=(*adapter.processor,),
    )


def along(
    found: Recording,
    recorder: SecondRecorder,
    directions: Mapping[str, Tensor],
    tangents: Mapping[str, Tensor],
) -> Along:
    """Return what was computed along a direction, as arrays: zeros where nothing moves."""

    def filled(arrays: Mapping[str, Array], moved: Mapping[str, Any]) -> dict[str, Array]:
        return {k: array(moved[k]) if k in moved else np.zeros_like(a) for k, a in arrays.items()}

    trace = Trace(
        filled(found.trace.values, recorder.tangents),
        filled(found.trace.cotangents, recorder.second),
        filled(found.trace.gradients, tangents),
    )
    nodes = (node.name for node in found.network.nodes)
    once = tuple(name for name in nodes if name in recorder.once)
    return Along(filled(found.leaves, directions), trace, once)
