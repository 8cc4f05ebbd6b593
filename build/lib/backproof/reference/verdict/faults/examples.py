"""Classical mistakes of gradients of each example of a batch, made in one pass over all of them.

Source: Goodfellow, Efficient per-example gradient computations (2015), sec. 2: the gradient of a
batch's loss is the sum of its examples' gradients, and what frameworks return unless asked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from backproof.reference.backprop import sum_of
from backproof.reference.network import Network
from backproof.reference.verdict.faults.fault import Fault, in_sweep

SOURCE = "Goodfellow (2015), sec. 2"


def examples(each: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    """Yield the faults of one example's pass, beside those of the others.

    each: of every example, parameter -> its gradient: arrays, to plant; balls, to explain.
    """

    def instead(gives: Callable[[list[Any]], Any]) -> Callable[[str, list[Any]], Any]:
        def receive(name: str, handed_on: list[Any]) -> Any:
            return gives([one[name] for one in each]) if name in each[0] else sum_of(handed_on)

        return receive

    def of_parameters(_: Network, name: str) -> bool:
        return name in each[0]

    yield in_sweep(
        "gradients of examples summed",
        "the sum of all examples' gradients",
        SOURCE,
        instead(sum_of),
        of_parameters,
    )
    yield in_sweep(
        "one example's gradient for each",
        "the first example's gradient",
        SOURCE,
        instead(lambda gradients: gradients[0]),
        of_parameters,
    )
