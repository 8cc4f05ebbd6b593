"""Gradients of every example of a batch, from one vectorized pass."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.reference.findings import KnownFinding
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import certify
from backproof.report.cells import VARIANTS, Cell
from backproof.running.certificates import in_precision
from backproof.running.examples import each, explained, networks, replays_of, vectorized
from backproof.running.implementations import Implementations
from backproof.running.report_verdict import report_verdict


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_each_example(
    precision: str,
    framework: str,
    implementations: Implementations,
    new_cell: Callable[..., Cell],
    reproduce: str,
) -> None:
    """What every example is given is right by itself: none sees another."""
    cell = new_cell("each-example", Column(framework, "vmap"), precision, VARIANTS)
    found, leaves = vectorized(implementations, framework, precision)
    replays = replays_of(found, leaves, networks()[1], precision)
    certificates = [replay.certificate() for replay in replays]
    links = tuple(link for certificate in certificates for link in certificate.links)
    merged = replace(certificates[0], links=links)
    report_verdict(merged, cell, (), reproduce, lambda: explained(replays, certificates))


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_sum_of_examples(
    precision: str,
    framework: str,
    implementations: Implementations,
    new_cell: Callable[..., Cell],
    known: tuple[KnownFinding, ...],
    reproduce: str,
) -> None:
    """The examples' gradients add up to the batch's: together they are a trace of the batch."""
    cell = new_cell("sum-of-examples", Column(framework, "vmap"), precision, VARIANTS)
    found, leaves = vectorized(implementations, framework, precision)
    whole, _ = networks()
    shapes = {**{k: a.shape for k, a in leaves.items()}, **in_precision(whole, precision)[1]}

    def folded(kind: str, name: str, a: Array) -> Array:
        if kind == "cotangents" and name == whole.loss:  # one, of every example
            return a[0]
        if a.size == prod(shapes[name]):
            return a.reshape(shapes[name])
        return np.asarray(np.sum(a, axis=0, dtype=np.float64).astype(a.dtype))

    certificate = certify(whole, leaves, each(found, folded), precision)
    report_verdict(certificate, cell, known, reproduce)
