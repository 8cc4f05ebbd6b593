"""Classical mistakes of the update w - eta dE/dw."""

from collections.abc import Callable, Iterator
from typing import Any

from backproof.reference.network import Network
from backproof.reference.verdict.faults.fault import COMMON, Fault
from backproof.reference.verdict.link import Quantity


def updates() -> Iterator[Fault]:
    """Yield the faults."""

    def updated(name: str, gives: str, update: Callable[..., Any]) -> Fault:
        return Fault(f"update: {name}", gives, COMMON, _is_update, update=update)

    yield updated("wrong sign", "w + eta dE/dw", lambda w, g, eta: w + eta * g)
    yield updated("learning rate squared", "w - eta^2 dE/dw", lambda w, g, eta: w - eta * eta * g)
    yield updated("learning rate forgotten", "w - dE/dw", lambda w, g, eta: w - g)
    yield updated("not applied", "w", lambda w, g, eta: 1 * w)
    yield updated("weight forgotten", "-eta dE/dw", lambda w, g, eta: -(eta * g))


def _is_update(_: Network, quantity: Quantity) -> bool:
    return quantity.kind == "update"
