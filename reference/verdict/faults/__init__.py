"""The classical mistakes of backpropagation, by name.

Each is a wrong forward function, backward function, rule of the sweep, or update, written so
that it runs over arrays (to plant it: the suite must refute it) and over `Ball` (to explain a
refuted link: does what was seen lie in this fault's own ball?).
"""

from collections.abc import Mapping
from typing import Any

from reference.network import Network
from reference.verdict.faults.activations import relu, sigmoid, tanh
from reference.verdict.faults.dense import dense
from reference.verdict.faults.fault import Fault
from reference.verdict.faults.losses import losses
from reference.verdict.faults.sweep import stale, sweep
from reference.verdict.faults.updates import updates

__all__ = ["Fault", "catalogue"]


def catalogue(network: Network, before: Mapping[str, Any] | None = None) -> dict[str, Fault]:
    """Return name -> fault, of all faults that can be made on a network.

    before: leaf or node -> its value in the step before, and "dE/dw" -> its gradient then; with
    it the faults of stale numbers are included.
    """
    ops = {node.op for node in network.nodes}
    faults = [*losses(), *sigmoid(), *tanh(), *relu(), *dense(), *sweep(network), *updates()]
    if before is not None:
        faults += stale(network, before)
    return {fault.name: fault for fault in faults if not fault.op or fault.op in ops}
