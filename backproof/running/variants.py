"""What a compiled variant has seen before it is certified: half of every leaf."""

from collections.abc import Mapping
from typing import Any

from backproof.reference.backprop import backprop
from backproof.reference.network import Network
from backproof.reference.ops import Array


def halved(network: Network, leaves: Mapping[str, Array]) -> dict[str, Any]:
    """Return the numbers of a pass over half of every leaf, the first run of compiled variants."""
    before = {name: a / 2 for name, a in leaves.items()}
    trace = backprop(network, before)
    return {**before, **trace.values, **{f"dE/d{k}": g for k, g in trace.gradients.items()}}
