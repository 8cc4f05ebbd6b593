"""Everything as it was: what a program changes while it is recorded is put back."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

from backproof.adapters.recording import NotRecorded
from backproof.adapters.torch_calls import SETS_HOOKS
from backproof.adapters.torch_graph import tensors_of
from backproof.adapters.torch_refusals import reason_against
from backproof.adapters.torch_seen import all_seen, run, unseen
from backproof.adapters.torch_views import base_of

Tensor = Any

Table = dict[str, Any]
"""Name -> a module's own parameter or buffer, or None."""


class Kept(NamedTuple):
    """A tensor as it was.

    memory: a view of all of it, which may be written over. numbers: a copy of it; None where it is
    a view of another tensor, which is kept as well. is_leaf: whether no call made it that autograd
    differentiates. is_trained: whether it requires a gradient. hooks: those that see its gradient.
    """

    tensor: Tensor
    memory: Tensor
    numbers: Tensor | None
    gradient: Tensor | None
    is_leaf: bool
    is_trained: bool
    hooks: Any

    def put_back(self) -> None:
        """Put its numbers, its memory and its shape back, as before `set_` and `t.data = ...`.

        A leaf is one again also where the program wrote to it what autograd differentiates.
        """
        if self.is_written_over():
            self.memory.copy_(self.numbers)
        if not self.tensor.is_set_to(self.memory):
            self.tensor.data = self.memory
        if self.is_leaf and not self.tensor.is_leaf and not self.tensor._is_view():  # noqa: SLF001
            self.tensor.detach_()
            self.tensor._backward_hooks = self.hooks  # noqa: SLF001 no other name
        if self.tensor.is_leaf:
            if self.tensor.requires_grad != self.is_trained:
                self.tensor.requires_grad_(self.is_trained)
            self.tensor.grad = self.gradient

    def is_written_over(self) -> bool:
        """Return whether its memory has other numbers now."""
        return self.numbers is not None and not torch.equal(self.memory, self.numbers)


class Before(TorchFunctionMode):
    """What was there before a program ran. As a mode, it sees what calls are about to take.

    tensors: id -> the tensor as it was.
    generators: id -> a random generator of the program's own, and its state.
    made: the results of calls, while they live: nobody needs them as they were.
    tables: module -> the tables of its parameters and buffers, each with what it held.
    """

    def __init__(self) -> None:
        """Keep the random states, and nothing else yet."""
        super().__init__()
        self.tensors: dict[int, Kept] = {}
        self.generators: dict[int, tuple[torch.Generator, Tensor]] = {}
        self.made: WeakValueDictionary[int, Tensor] = WeakValueDictionary()
        self.tables: dict[Any, list[tuple[Table, Table]]] = {}
        self.states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002 users'
        self.devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None

    def keep(self, *tensors: Tensor) -> None:
        """Keep tensors as they are now, unless they are kept already."""
        for t in tensors:
            if id(t) not in self.tensors and not reason_against(t):
                base, memory = base_of(t), t.detach()
                gradient = t.grad if t.is_leaf else None
                numbers = memory.clone() if base is None else None
                flags = t.is_leaf, t.requires_grad, t._backward_hooks  # noqa: SLF001 no other name
                self.tensors[id(t)] = Kept(t, memory, numbers, gradient, *flags)
                if base is not None and not self.has_made(base):
                    self.keep(base)

    def has_made(self, t: Tensor) -> bool:
        """Return whether a call has made a tensor."""
        return self.made.get(id(t)) is t

    @unseen()
    def keep_module(self, module: Any, _: Any = None) -> None:
        """Keep the parameters and buffers of a module that is about to run."""
        if module not in self.tables:
            for one in {*module.modules()} - self.tables.keys():
                self.tables[one] = [(table, {**table}) for table in tables_of(one)]
            self.keep(*module.parameters(), *module.buffers())

    @unseen()
    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Make a call, and keep what it takes that no call has made: it may write to it."""
        named = kwargs or {}
        if function == SETS_HOOKS:
            return run(function, args, named)
        self.keep(*(t for t in tensors_of(args, named) if not self.has_made(t)))
        generator = named.get("generator")
        if generator is not None:
            self.generators.setdefault(id(generator), (generator, generator.get_state()))
        result = run(function, args, named)
        self.made.update({id(t): t for t in tensors_of(result)})
        return result

    def without_gradients(self) -> None:
        """Let no tensor have a gradient, so that what a pass adds changes none that there was."""
        for one in self.tensors.values():
            if one.tensor.is_leaf:
                one.tensor.grad = None

    def written_over(self) -> Iterator[Tensor]:
        """Yield the memory of the tensors that has other numbers now."""
        yield from (one.memory for one in self.tensors.values() if one.is_written_over())

    def reset(self) -> None:
        """Put everything back. Programs also write to parameters, as to those of an average."""
        for one in self.tensors.values():
            one.put_back()
        for table, held in chain.from_iterable(self.tables.values()):
            table.clear()
            table.update(held)
        for generator, state in self.generators.values():
            generator.set_state(state)
        torch.set_rng_state(self.states[0])
        random.setstate(self.states[1])
        np.random.set_state(self.states[2])  # noqa: NPY002
        if self.devices is not None:
            torch.cuda.set_rng_state_all(self.devices)


def tables_of(module: Any) -> Iterator[Table]:
    """Yield the tables of a module's parameters and buffers, which an assignment writes to.

    Those of a scripted module are no dicts.
    """
    tables = module._parameters, module._buffers  # noqa: SLF001 no other name
    yield from (table for table in tables if isinstance(table, dict))


@contextmanager
def untouched(model: Any, before: Before, *, in_modules: bool = True) -> Iterator[None]:
    """Leave the model, the random states, and what `before` keeps as they are.

    in_modules: whether that is also what every module keeps that runs. A compiler would take the
    hook that sees them for a part of the program.
    While modules are seen, the gradients are those of this process: they are not averaged. Raises
    NotRecorded where a module averages them all the same.
    """
    if isinstance(model, torch.nn.Module):
        before.keep_module(model)
    else:
        before.keep(*model.values())
    with ExitStack() as stack:
        stack.callback(before.reset)

        def entered(module: Any, _: Any) -> None:
            if torch.compiler.is_compiling():  # the hook would become a part of the program
                return
            before.keep_module(module)
            if isinstance(module, DistributedDataParallel) and module.process_group.size() > 1:
                if module.static_graph:
                    raise NotRecorded(
                        "DistributedDataParallel with static_graph averages gradients always: "
                        "certify the module in it, without it"
                    )
                flag = "require_forward_param_sync"  # whether the next pass has the first's buffers
                stack.callback(setattr, module, flag, getattr(module, flag))
                stack.enter_context(module.no_sync())

        if in_modules:
            stack.enter_context(all_seen())
            stack.callback(register_module_forward_pre_hook(entered).remove)
        yield


@contextmanager
def without_steps(leaves: Any) -> Iterator[None]:
    """Call no hook that runs after a gradient was added up: it may step an optimizer."""
    kept = [(found, {**found}) for t in leaves for found in hooks_after(t) if found]
    for found, _ in kept:
        found.clear()
    try:
        yield
    finally:
        for found, before in kept:
            found.update(before)


def hooks_after(leaf: Tensor) -> Iterator[dict[Any, Any]]:
    """Yield the tables of hooks that run after a gradient was added up: a tensor's, a function's.

    That of autograd's function, which adds it up, is reached by another hook alone. A leaf that the
    program has frozen has none.
    """
    yield leaf._post_accumulate_grad_hooks or {}  # noqa: SLF001 no other name
    with torch.enable_grad():
        step = leaf.view_as(leaf).grad_fn
    ends = [end for end, _ in step.next_functions] if step is not None else []
    for end in filter(None, ends):
        handle = end.register_hook(lambda *_: None)
        table = handle.hooks_dict_ref()
        handle.remove()
        yield table
