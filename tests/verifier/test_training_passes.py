"""The passes of a training are certified in every step, not only in the first."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from backproof import adapters
from backproof.adapters.training import train
from backproof.reference.ops import Array
from backproof.reference.training import Record
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.training_passes import certify_steps
from backproof.running.trainings import differentiated, started

STEPS = 6


@pytest.fixture(scope="module", params=["torch", "jax"])
def framework(request: pytest.FixtureRequest) -> str:
    """A framework; JAX compiles its passes."""
    return str(request.param)


@pytest.fixture(scope="module", params=["float64", "float32"])
def certified(
    framework: str, request: pytest.FixtureRequest
) -> Callable[[Callable[[Record], Record]], Certificate]:
    """Return a function that changes the record of a training, and certifies it."""
    network, leaves = started("6-8-5", request.param)
    gradient = differentiated(framework, "6-8-5", request.param)
    adapter = adapters.load(framework)
    library = next(iter(adapter.libraries.values()))
    record = train(adapter, library, network, leaves, "sgd", {"lr": 0.5}, STEPS, gradient)

    def certificate(change: Callable[[Record], Record]) -> Certificate:
        compiled = framework == "jax"
        return certify_steps(
            network, change(record), request.param, range(STEPS), compiled=compiled
        )

    return certificate


def after_the_first(factor: float) -> Callable[[Record], Record]:
    """Return the change of all gradients after the first step by a factor."""

    def changed(gradient: Array) -> Array:
        return np.concatenate([gradient[:1], (factor * gradient[1:]).astype(gradient.dtype)])

    def change(record: Record) -> Record:
        return replace(record, gradients={k: changed(g) for k, g in record.gradients.items()})

    return change


def test_right(certified: Callable[..., Certificate]) -> None:
    """Every value and every gradient of a right training holds, in every step."""
    found = certified(lambda record: record)

    assert found.holds, found
    assert len(found.end_to_end) == 4
    assert {link.verdict for link in found.end_to_end} == {"inside"}


@pytest.mark.parametrize("factor", [-0.5, 0, -1, 1.1])
def test_wrong_after_the_first_step(certified: Callable[..., Certificate], factor: float) -> None:
    """Gradients that are wrong from the second step on are refuted, and the step is named."""
    wrong = certified(after_the_first(factor)).wrong

    assert {link.quantity.end_to_end for link in wrong} == {True}
    assert all("in step" in link.name and "in step 1 " not in link.name for link in wrong)
    assert len(wrong) == 4


def test_a_wrong_value(certified: Callable[..., Certificate]) -> None:
    """A value that is wrong in one step is refuted there."""

    def change(record: Record) -> Record:
        values = {name: a.copy() for name, a in record.values.items()}
        values["net1"][3] *= 2
        return replace(record, values=values)

    assert "net1 in step 4" in [link.name for link in certified(change).wrong]
