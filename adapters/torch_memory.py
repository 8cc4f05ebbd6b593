"""The memory of tensors while a PyTorch program is recorded: their names, and what each was.

A tensor is known as it was at one moment. What a later call writes over is copied before.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from backproof.adapters.recording import Place
from backproof.adapters.torch_history import memory_of, version_of
from backproof.adapters.torch_refusals import refuse
from backproof.adapters.torch_views import is_same

Tensor = Any


@dataclass(slots=True)
class Memory:
    """The tensors that have a name, and their values.

    known:  id of a tensor -> the tensor, which is kept alive so that no other gets its id; its
            version, which every write in place counts up; its name.
    values: name -> its value, as it was when it was computed or first used.
    stored: a memory -> the name and the tensor of each value in it.
    shown:  name -> the tensor whose memory is its value, and the version that this is of.
    touched: the name of a tensor whose memory was written to -> autograd's function that made it.
    places: name -> where it was computed.
    around: inside of a custom function, the memory of the program that calls it.
    """

    known: dict[int, tuple[Tensor, int, str]] = field(default_factory=dict, init=False)
    values: dict[str, Any] = field(default_factory=dict, init=False)
    stored: dict[int, list[tuple[str, Tensor]]] = field(default_factory=dict, init=False)
    shown: dict[str, tuple[Tensor, int]] = field(default_factory=dict, init=False)
    touched: dict[str, Any] = field(default_factory=dict, init=False)
    places: dict[str, Place] = field(default_factory=dict, init=False)
    around: "Memory | None" = field(default=None, kw_only=True)

    def know(self, t: Tensor, name: str) -> None:
        """Know a tensor, as it is now, by a name."""
        self.known[id(t)] = t, version_of(t), name

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
            self.shown[name] = t, version_of(t)
            t = t.detach()
        self.values[name] = t
        return name

    def save(self, t: Tensor) -> None:
        """Copy all values that share memory with a tensor that is about to be overwritten."""
        for name, other in self.stored.pop(memory_of(t), ()):
            self.values[name] = self.values[name].clone()
            self.shown.pop(name, None)
            if self.known[id(other)][1:] == (version_of(other), name):
                self.touched[name] = other.grad_fn
        if self.around:
            self.around.save(t)

    def is_as_it_was(self, t: Tensor, name: str, version: int) -> bool:
        """Return whether a tensor has the numbers that it has under a name.

        Autograd counts what is written, but not by way of `t.data`. It does not see what is written
        by way of `t.detach()`: if such a write changed no number, nothing happened.
        """
        if name not in self.touched:
            return bool(name) and version == version_of(t)
        same = t.grad_fn is self.touched[name] and torch.equal(t.detach(), self.values[name])
        if same:
            del self.touched[name]
            self.know(t, name)
            self.stored.setdefault(memory_of(t), []).append((name, t))
        return same

    def is_current(self, t: Tensor) -> bool:
        """Return whether a tensor is known as it is now."""
        known, version, _ = self.known.get(id(t), (None, -1, ""))
        return known is t and version == version_of(t)

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
