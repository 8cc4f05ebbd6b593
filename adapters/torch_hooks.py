"""Hooks of the program's own, which may change a gradient: they are named where a link is wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch.nn.modules._functions import BackwardHookFunction

from backproof.adapters.torch_graph import Graph

Tensor = Any


RESULT = "a hook of its result may change what it receives"
MODULE = "a hook of a module may change its gradients"


def of_module(function: Any) -> str:
    """Return what is to be said of a custom function: modules show gradients to hooks by one."""
    return MODULE if function is BackwardHookFunction else ""


def name_hook(graph: Graph, t: Tensor) -> None:
    """Note that a hook is registered on the result of a call."""
    _, _, name = graph.known.get(id(t), (t, -1, ""))
    note(graph, name, RESULT)


def name_hooks(graph: Graph, leaves: Mapping[str, Tensor]) -> None:
    """Note which leaves have hooks, at every call that uses them."""
    hooked = {name for name, t in leaves.items() if t._backward_hooks}  # noqa: SLF001 no other name
    for node in graph.nodes:
        if used := [leaf for leaf in dict.fromkeys(node.inputs) if leaf in hooked]:
            note(graph, node.name, f"a hook of {' or of '.join(used)} may change its gradient")


def note(graph: Graph, name: str, reason: str) -> None:
    """Add a reason to the place of a call, unless there is one why it is not known."""
    place = graph.places.get(name)
    if place is not None and place.reason in ("", RESULT):
        reasons = dict.fromkeys(filter(None, (place.reason, reason)))
        graph.places[name] = replace(place, reason=", and ".join(reasons))
