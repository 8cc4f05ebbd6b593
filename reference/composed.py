"""An op that is composed of others: a network as one link of another network."""

from dataclasses import replace
from typing import Any

from backproof.reference.backprop import RIGHT, Rules, forward, sweep_back
from backproof.reference.network import Network
from backproof.reference.ops import Op


def composed(network: Network) -> Op:
    """Return the op whose value is a network's last node, as a function of all its leaves.

    The inputs of the op are the network's inputs, then its parameters, in their order. Its forms
    are those of its ops: in each, all nodes of one op are computed in one of that op's forms.
    """
    ops = {node.op: node.rule for node in network.nodes}
    forms = {
        form: swept(network, replace(RIGHT, ops={**RIGHT.ops, name: other}))
        for name, op in ops.items()
        for form, other in op.forms.items()
    }
    return replace(swept(network, RIGHT), forms=forms)


def swept(network: Network, rules: Rules) -> Op:
    """Return the op that sweeps over a network by some rules."""
    names = (*network.inputs, *network.parameters)

    def op_forward(*leaves: Any) -> Any:
        return forward(network, dict(zip(names, leaves, strict=True)), rules)[network.loss]

    def op_backward(dy: Any, y: Any, *leaves: Any) -> tuple[Any, ...]:
        known = dict(zip(names, leaves, strict=True))
        known |= forward(network, known, rules)
        _, gradients = sweep_back(network, known, dy, rules)
        return tuple(gradients[name] for name in names)

    return Op(op_forward, op_backward)
