"""A campaign of random networks: no false alarm, on any of them."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.protocol import Unsupported
from reference.backprop import backprop
from reference.network import Network
from reference.networks import mlp
from reference.numbers.precision import PRECISIONS
from reference.verdict.certificate import certify
from tests.report.cells import Cell, RefutedError
from tests.verification.certificates import traced
from tests.verification.runs import Runs

FINITE = {"float16": 0}
"""Largest exponent of the inputs' scale, where squares of more would overflow."""


@st.composite
def networks(draw: st.DrawFn) -> tuple[Network, str]:
    """Draw a network, 1 to 12 layers of 1 to 64 neurons, and a precision to run it in."""
    precision = draw(st.sampled_from(list(PRECISIONS)))
    sizes = draw(st.lists(st.integers(1, 64), min_size=2, max_size=13))
    exponent = draw(st.integers(-20, FINITE.get(precision, 20)))  # 2^20 is 10^6
    network = mlp(
        sizes,
        draw(st.sampled_from(["sigmoid", "tanh", "relu"])),
        draw(
            st.sampled_from(["half_squared_error", "mean_squared_error", "softmax_cross_entropy"])
        ),
        batch=draw(st.integers(1, 8)),
        seed=draw(st.integers(0, 2**32 - 1)),
    )
    inputs = {**network.inputs, "x": network.inputs["x"] * 2.0**exponent}
    return Network(
        network.name, inputs, network.parameters, network.nodes, network.trained
    ), precision


def test_random_networks(implementation: str, runs: Runs, examples: int, campaign: Cell) -> None:
    """On every network drawn, every link is inside its ball."""

    @settings(
        max_examples=examples,
        derandomize=True,  # the same networks every time: --examples draws more of them
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(networks())
    def every_link_is_inside(drawn: tuple[Network, str]) -> None:
        network, precision = drawn
        leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
        exactly = backprop(network, network.leaves(np.asarray))
        shapes = {name: np.shape(value) for name, value in exactly.values.items()}
        try:
            found, plain = traced(runs, implementation, network, leaves, shapes)
        except Unsupported:
            return
        certificate = certify(network, leaves, found, precision, plain)
        campaign.links += len(certificate.links)
        campaign.inside += certificate.inside
        campaign.entries += certificate.entries
        campaign.share = max(campaign.share or 0.0, certificate.share)
        worst = certificate.refuted or next(iter(certificate.degraded), None)
        if worst is not None:
            raise RefutedError(f"{implementation}, {precision}, {network.name}: {worst}")

    every_link_is_inside()
