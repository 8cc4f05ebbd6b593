"""Training: one pass and one update after another."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backproof.reference.backprop import RIGHT, Rules, Trace, backprop
from backproof.reference.network import Network
from backproof.reference.ops import Array
from backproof.reference.optimizers import sgd


@dataclass(frozen=True, slots=True)
class Iteration:
    """One pass, and the update after it.

    leaves:  input or parameter -> its value during the pass.
    trace:   all that the pass computed.
    updated: trained parameter -> its value after the update.
    """

    leaves: dict[str, Array]
    trace: Trace
    updated: dict[str, Array]


@dataclass(frozen=True, slots=True)
class Record:
    """The parameters, gradients and states of an optimizer over S steps of a training.

    leaves:    every input and parameter before the first step.
    start:     trained parameter -> its value before the first step.
    values:    node -> (S, *shape), its value in each step.
    gradients: trained parameter -> (S, *shape), its gradient in each step.
    after:     state, "w", or an intermediate that is shown -> parameter -> (S, *shape), its value
               after each step.
    losses:    (S,), before each step.
    states:    state -> parameter -> its value before the first step; where it is empty, each is
               what the optimizer starts with.
    first:     how many steps there were before the first.
    """

    leaves: Mapping[str, Array]
    start: Mapping[str, Array]
    values: Mapping[str, Array]
    gradients: Mapping[str, Array]
    after: Mapping[str, Mapping[str, Array]]
    losses: Array
    states: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    first: int = 0

    def of(self, parameters: Collection[str]) -> "Record":
        """Return the record of some of the parameters; what is shown of none is left out."""

        def some(arrays: Mapping[str, Array]) -> dict[str, Array]:
            return {name: a for name, a in arrays.items() if name in parameters}

        after = {line: some(arrays) for line, arrays in self.after.items()}
        return replace(
            self,
            start=some(self.start),
            gradients=some(self.gradients),
            after={line: arrays for line, arrays in after.items() if arrays},
            states={line: some(arrays) for line, arrays in self.states.items()},
        )


def iterations(
    network: Network,
    leaves: Mapping[str, Array],
    eta: Any,
    rules: Rules = RIGHT,
    update: Callable[..., Array] = sgd,
) -> Iterator[Iteration]:
    """Yield iteration after iteration of gradient descent, without end.

    leaves: every input and parameter at the start. eta: the learning rate, in the leaves' own
    kind of number. rules, update: of a fault, to make it. The n-th iteration yielded has seen n - 1
    updates, and carries the n-th.
    """
    leaves = dict(leaves)
    while True:
        trace = backprop(network, leaves, rules)
        updated = {
            name: update(leaves[name], trace.gradients[name], eta)
            for name in sorted(network.trained)
        }
        yield Iteration(leaves, trace, updated)
        leaves = {**leaves, **updated}
