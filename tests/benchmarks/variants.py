"""The cost of certifying variants, as ratios of two times measured in one run.

1. Each variant: its certificate, and its passes with probes and without (compilation included) /
   the framework's own forward and backward pass.
2. Each method of forward mode and second order: its certificate, and its pass / the same.
3. Each library of optimizers: certifying a hundred steps / making them.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.adapters.training import train
from backproof.reference.article.figures import load
from backproof.reference.networks import gpt
from backproof.reference.optimizers import OPTIMIZERS
from backproof.reference.table import table
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.directions import certify_tangents
from backproof.reference.verdict.passes import certify_passes
from backproof.reference.verdict.tangents import DualTrace
from backproof.reference.verdict.training import certify_training
from backproof.running.certificates import in_precision, replayed, traced
from backproof.running.implementations import Implementations
from backproof.scenarios.derivatives import drawn
from backproof.scenarios.trainings import ADAM, STEPS, TRAINED
from tests.benchmarks.__main__ import own_pass
from tests.benchmarks.clock import seconds

NETWORK = gpt(2, 2, 16, context=8, vocabulary=32)
PRECISION = "float32"


def variants() -> str:
    """Return the first table."""
    implementations = Implementations(load(), dict.fromkeys(adapters.DEFAULT), 600.0)
    leaves, shapes = in_precision(NETWORK, PRECISION)

    def certified(column: Column, found: Any) -> Certificate:
        replay = replayed(NETWORK, leaves, *found, scale=1.0)
        return certify_passes(replay, compiled=traits(column).compiles_passes)

    def rows() -> Iterator[list[str]]:
        for framework, row in adapters.DEFAULT.items():
            own = seconds(own_pass(framework, NETWORK, PRECISION))
            for column in (Column(framework, variant) for variant in ("", *row.variants)):
                passes = partial(traced, implementations, column, NETWORK, leaves, shapes, 1.0)
                certificate = seconds(partial(certified, column, passes()))
                yield [str(column), f"{certificate / own:.0f}", f"{seconds(passes) / own:,.0f}"]

    return table(["time / own pass", "certificate", "both passes"], rows())


def derivatives() -> str:
    """Return the second table."""
    leaves, shapes = in_precision(NETWORK, PRECISION)
    direction = drawn(leaves, 0)

    def rows() -> Iterator[list[str]]:
        for framework, row in adapters.DEFAULT.items():
            own = seconds(own_pass(framework, NETWORK, PRECISION))
            for method in row.methods:
                along = partial(
                    adapters.load(framework).along, method, NETWORK, leaves, [direction], shapes
                )
                found = DualTrace(*along()[0])
                certifying = partial(certify_tangents, NETWORK, leaves, direction, found, PRECISION)
                ratios = seconds(certifying) / own, seconds(along) / own
                yield [f"{framework}.{method}", *(f"{ratio:,.0f}" for ratio in ratios)]

    return table(["time / own pass", "certificate", "pass along a direction"], rows())


def optimizers() -> str:
    """Return the third table."""
    network = TRAINED["6-8-5"].network()
    leaves = network.leaves(lambda a: np.asarray(a).astype(PRECISION))
    definition = OPTIMIZERS["adam"](**ADAM)

    def rows() -> Iterator[list[str]]:
        for framework in adapters.DEFAULT:
            adapter = adapters.load(framework)
            for name, library in adapter.libraries.items():
                training = partial(train, adapter, library, network, leaves, "adam", ADAM, STEPS)
                certifying = partial(
                    certify_training, network.name, definition, training(), PRECISION
                )
                yield [f"{framework}.{name}", f"{seconds(certifying) / seconds(training):.2f}"]

    return table([f"certify / make {STEPS} steps of Adam", "ratio"], rows())


if __name__ == "__main__":
    for section in (variants, derivatives, optimizers):
        print(section(), end="\n\n", flush=True)
