"""Gradients of every example of a batch, from one vectorized pass."""

from dataclasses import replace
from math import prod

import numpy as np

from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.reference.ops import Array
from backproof.reference.verdict.passes import certify
from backproof.reference.verdict.recomputed import recomputed
from backproof.report.cells import VARIANTS
from backproof.running.certificates import in_precision
from backproof.running.examples import each, explained, networks, replays_of, vectorized
from backproof.running.judge import Judge


def test_each_example(precision: str, framework: str, judge: Judge) -> None:
    """The gradients of every example are right for that example alone."""
    cell = judge.cell("each-example", Column(framework, "vmap"), precision, VARIANTS)
    found, leaves = vectorized(judge.implementations, framework, precision)
    replays = replays_of(found, leaves, networks()[1], precision)
    certificates = [replay.certificate() for replay in replays]
    if traits(Column(framework)).compiles_passes:
        certificates = list(map(recomputed, certificates, replays))
    links = tuple(link for certificate in certificates for link in certificate.links)
    merged = replace(certificates[0], links=links)
    judge.report_verdict(
        merged, cell, network=replays[0].network, explain=lambda: explained(replays, certificates)
    )


def test_sum_of_examples(precision: str, framework: str, judge: Judge) -> None:
    """The examples' gradients add up to the batch's: together they are a trace of the batch."""
    cell = judge.cell("sum-of-examples", Column(framework, "vmap"), precision, VARIANTS)
    found, leaves = vectorized(judge.implementations, framework, precision)
    whole, _ = networks()
    shapes = {**{k: a.shape for k, a in leaves.items()}, **in_precision(whole, precision)[1]}

    def folded(kind: str, name: str, a: Array) -> Array:
        if kind == "cotangents" and name == whole.loss:  # it is 1 for every example
            return a[0]
        if a.size == prod(shapes[name]):
            return a.reshape(shapes[name])
        return np.asarray(np.sum(a, axis=0, dtype=np.float64).astype(a.dtype))

    certificate = certify(whole, leaves, each(found, folded), precision)
    judge.report_verdict(certificate, cell, network=whole)
