"""The recorder of second order: it also sees the tangents of a pass along a direction.

The gradients g are computed as a graph of their own, and then the gradient of <g, v>, as programs
compute Hessian-vector products. With R the tangent along v and c_i = dE/dy_i the cotangents,

    d<g, v>/dc_i = R y_i,    and by what y_i hands on other than c_i,    d<g, v>/dy_i = R c_i

(Pearlmutter, Fast Exact Multiplication by the Hessian, Neural Computation 6(1), 1994, with the
symmetry of second derivatives). So one hook on each value and one on each cotangent see them all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.modules._functions import BackwardHookFunction

from backproof.adapters.recording import NotRecorded
from backproof.adapters.torch_cotangents import watch
from backproof.adapters.torch_functions import Seen, name_of, writes
from backproof.adapters.torch_graph import array, tensors_of
from backproof.adapters.torch_opened import unasked
from backproof.adapters.torch_recorder import Recorder
from backproof.adapters.torch_seen import run

Tensor = Any

SAVED = (
    *("exp", "exp2", "expm1", "sigmoid", "tanh", "tan", "sqrt", "rsqrt", "reciprocal", "pow"),
    *("elu", "selu", "celu"),
)
"""The functions in place whose derivatives are computed from their results, and are not constant
(derivatives.yaml in PyTorch's source)."""

RESULTS = (
    *("result", "inverse", "L", "eigenvalues", "eigenvectors", "S", "U", "Vh", "Q", "R", "LU"),
)
"""What autograd's nodes call a result of their own that they keep."""

TWICE = ("Error", "NotImplemented")
"""What autograd puts in the place of a second derivative that it does not have."""


@dataclass(slots=True)
class Passes:
    """The two backward passes: whether the first is running, and what its cotangents depend on.

    seed: the derivative of the loss by itself, of which all cotangents are made functions.
    """

    is_first: bool = True
    seed: Tensor = None


class SecondRecorder(Recorder):
    """Records a pass, and its tangents along a direction.

    The second backward pass hands on to a result whatever depends on it, and that may be the
    derivative of the very function that made it, as s'(z) is computed from s(z). So such a result
    is not what the program receives, but a copy of it, whose cotangents are the node's.

    tangents: node -> the tangent of its value. second: node -> that of its cotangent.
    copies: id of a result -> the copy. steps: autograd's nodes that are watched.
    once: nodes that have no second derivative, or one that is not seen.

    Autograd's nodes keep the hooks, and nobody frees what both keep each other: so a hook holds
    neither the recorder nor a tensor.
    """

    derives = False
    not_taken = "with second=True, derivatives in the loss are not certified"

    def __init__(self, *arguments: Any) -> None:
        """Record nothing yet."""
        super().__init__(*arguments)
        self.tangents: dict[str, Any] = {}
        self.second: dict[str, Any] = {}
        self.copies: dict[int, Tensor] = {}
        self.steps: set[Any] = set()
        self.once: dict[str, None] = {}
        self.passes = Passes()

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Make a call, record it, and hand out copies."""
        return self.handed_out(super().__torch_function__(function, types, args, kwargs))

    def applied(self, function: Any, apply: Any, args: Any, named: Any) -> Any:
        """Apply a custom function, and hand out copies."""
        return self.handed_out(super().applied(function, apply, args, named))

    def handed_out(self, result: Any) -> Any:
        """Return a result with the copies that were made of it."""

        def copy(t: Any) -> Any:
            return self.copies.get(id(t), t)

        return torch.utils._pytree.tree_map(copy, result)  # noqa: SLF001 what PyTorch itself uses

    def call(self, function: Any, args: Any, named: Mapping[str, Any]) -> Any:
        """Make a call; one in place, whose result is saved, on a copy that is written back."""
        if name_of(function) not in SAVED or not writes(function, named):
            return super().call(function, args, named)
        return args[0].copy_(run(function, (args[0].clone(), *args[1:]), named))

    def record(self, seen: Seen, *call: Any) -> None:
        """Add the nodes of a call's results; of a derivative, as nodes whose own is not seen."""
        super().record(seen, *call)
        if seen.function is torch.autograd.grad:
            known = (self.graph.known.get(id(t)) for t in tensors_of(seen.result))
            self.once |= {one[2]: None for one in known if one}

    def hook(self, t: Tensor, name: str) -> None:
        """Keep the cotangent of a node, and the tangents of its value and of its cotangent."""
        passes, cotangents, shape, dtype = self.passes, self.cotangents, t.shape, t.dtype
        tangents, second = self.tangents, self.second

        def receive(cotangent: Tensor | None) -> Any:
            if cotangent is None:  # of one of several results
                return None
            if not passes.is_first:
                second[name] = np.array(array(cotangent))
                return None
            cotangents.found[name] = np.array(array(cotangent))
            own = cotangent.clone()  # one tensor may be the cotangent of several nodes
            if passes.seed is not None and not own.requires_grad:  # zeros, as a step hands on
                own = own + 0 * passes.seed
            if own.requires_grad:
                own.register_hook(tangent)
            return own

        def tangent(moved: Tensor | None) -> None:
            if moved is None:  # nothing is handed on, which stands for zeros
                moved = torch.zeros(shape, dtype=dtype)
            tangents[name] = np.array(array(moved))

        self.watch(t, name)
        if is_saved(t.grad_fn):
            copy = t.clone()
            self.copies[id(t)] = copy
            self.graph.know(copy, name)
            t = copy
        watch(t, receive)

    def watch(self, t: Tensor, name: str) -> None:
        """See whether the steps by which autograd differentiates a node have derivatives."""
        once = self.once

        def stepped(handed_on: Any, _: Any) -> None:
            for d in handed_on:
                if d is not None and type(d.grad_fn).__name__ in TWICE:
                    once[name] = None

        left = [t.grad_fn]
        while left:
            step = left.pop()
            if step is not None and step not in self.steps:
                self.steps.add(step)
                step.register_hook(stepped)
                left += [before for before, _ in step.next_functions]

    def run_back(
        self, loss: Tensor, leaves: Mapping[str, Tensor], directions: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the gradients of leaves that have one, and the tangents of these.

        Raises NotRecorded where PyTorch has no second derivative for another reason than `once`.
        """
        self.passes.seed = seed = torch.ones_like(loss).requires_grad_()
        options = {"create_graph": True, "allow_unused": True}
        found = derived(loss, [*leaves.values()], seed, options)
        gradients = {k: g for k, g in zip(leaves, found, strict=True) if g is not None}
        self.passes.is_first = False
        outputs = {k: v for k, v in directions.items() if k in gradients}
        outputs = {k: v for k, v in outputs.items() if gradients[k].requires_grad}
        *_, name = self.graph.known[id(loss)]
        reached = {node.name for node in self.graph.reaching(name)}
        if not outputs or not reached.isdisjoint(self.once):
            return gradients, {}
        both = [gradients[k] for k in outputs], [*leaves.values(), seed], [*outputs.values()]
        tangents = derived(*both, {"allow_unused": True})
        pairs = zip(leaves, tangents, strict=False)
        return gradients, {k: g for k, g in pairs if g is not None}


def derived(of: Any, leaves: Any, handed_on: Any, options: Mapping[str, Any]) -> Any:
    """Return derivatives as autograd takes them; a function may refuse to be differentiated twice.

    Raises NotRecorded.
    """
    try:
        return run(unasked(torch.autograd.grad), (of, leaves, handed_on), options)
    except RuntimeError as error:
        raise NotRecorded(f"there is no second derivative: {error}") from error


def is_saved(step: Any) -> bool:
    """Return whether the derivative of a step of autograd may be computed from its result.

    PyTorch's own custom function, by which a module's hooks see gradients, keeps nothing.
    """
    custom = isinstance(step, torch.autograd.function.BackwardCFunction)
    of_hooks = isinstance(step, BackwardHookFunction._backward_cls)  # noqa: SLF001 no other name
    return (custom and not of_hooks) or any(
        hasattr(type(step), f"_saved_{name}") for name in RESULTS
    )


def directions_of(second: Any, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the direction of each parameter: as given, else drawn from the normal distribution.

    second: True, or parameter -> direction; others do not move. Raises NotRecorded.
    """
    if second is True:
        drawn = torch.Generator().manual_seed(0)
        return {k: torch.randn(p.shape, generator=drawn).to(p) for k, p in trained.items()}
    for name, v in second.items():
        if name not in trained:
            raise NotRecorded(f"a direction for {name!r}, which is no parameter")
        if v.shape != trained[name].shape:
            expected = tuple(trained[name].shape)
            raise NotRecorded(f"direction of {name}: expected {expected}, found {tuple(v.shape)}")
    return {name: v.detach().to(trained[name]) for name, v in second.items()}
