"""An op that is composed of others: a network as one link of another network."""

from dataclasses import dataclass, field, replace
from typing import Any

from backproof.reference.backprop import RIGHT, Rules, forward, sweep_back
from backproof.reference.network import Network
from backproof.reference.ops import Op


@dataclass(frozen=True, slots=True)
class Composed(Op):
    """An op that is composed of others. network: what it is composed of."""

    network: Network = field(kw_only=True)


def composed(network: Network) -> Composed:
    """Return the op whose value is a network's last node, as a function of all its leaves.

    The inputs of the op are the network's inputs, then its parameters, in their order. Where one
    node alone can be computed in several forms, these are the op's forms.
    """
    several = [node for node in network.nodes if node.rule.forms]
    forms = {
        form: swept(network, replace(RIGHT, ops={**RIGHT.ops, node.op: other}))
        for node in several
        for form, other in node.rule.forms.items()
    }
    return replace(swept(network, RIGHT), forms=forms if len(several) == 1 else {})


def swept(network: Network, rules: Rules) -> Composed:
    """Return the op that sweeps over a network by some rules."""
    names = (*network.inputs, *network.parameters)

    def op_forward(*leaves: Any) -> Any:
        return forward(network, dict(zip(names, leaves, strict=True)), rules)[network.loss]

    def op_backward(dy: Any, y: Any, *leaves: Any) -> tuple[Any, ...]:
        known = dict(zip(names, leaves, strict=True))
        known |= forward(network, known, rules)
        _, gradients = sweep_back(network, known, dy, rules)
        return tuple(gradients[name] for name in names)

    return Composed(op_forward, op_backward, network=network)
