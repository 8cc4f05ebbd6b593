"""An op that is composed of others: a network as one link of another network."""

from typing import Any

from backproof.reference.backprop import RIGHT, forward, sweep_back
from backproof.reference.network import Network
from backproof.reference.ops import Op


def composed(network: Network) -> Op:
    """Return the op whose value is a network's last node, as a function of all its leaves.

    The inputs of the op are the network's inputs, then its parameters, in their order.
    """
    names = (*network.inputs, *network.parameters)

    def op_forward(*leaves: Any) -> Any:
        return forward(network, dict(zip(names, leaves, strict=True)))[network.loss]

    def op_backward(dy: Any, y: Any, *leaves: Any) -> tuple[Any, ...]:
        known = dict(zip(names, leaves, strict=True))
        known |= forward(network, known)
        _, gradients = sweep_back(network, known, dy, RIGHT)
        return tuple(gradients[name] for name in names)

    return Op(op_forward, op_backward)
