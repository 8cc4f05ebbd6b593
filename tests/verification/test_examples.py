"""Gradients of every example of a batch, from one vectorized pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.reference.backprop import Trace
from backproof.reference.findings import KnownFinding
from backproof.reference.network import Network
from backproof.reference.networks import mlp
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate, Replay, certify
from backproof.reference.verdict.diagnosis import diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.faults.examples import examples
from backproof.report.cells import VARIANTS, Cell
from backproof.running.certificates import in_precision
from backproof.running.implementations import Runs, guarded
from backproof.running.report_verdict import settle

EXAMPLES = 7


def networks() -> tuple[Network, Network]:
    """Return the network of a batch, and the same of one example; the loss is a sum."""
    whole, one = (mlp((6, 5, 4), "tanh", batch=n) for n in (EXAMPLES, 1))
    return whole, one


def vectorized(runs: Runs, framework: str, precision: str) -> tuple[Trace, dict[str, Array]]:
    """Return the traces of all examples, an axis more on each array, and the batch's leaves."""
    whole, one = networks()
    leaves, _ = in_precision(whole, precision)
    rows = {**leaves, "x": leaves["x"][:, None], "t": leaves["t"][:, None]}
    shapes, adapter = in_precision(one, precision)[1], runs.adapter(Column(framework))
    place = f"{framework}, {precision}, examples of {whole.name}"
    return guarded(place, lambda: adapter.examples(one, rows, shapes, ("x", "t"))), leaves


def each(trace: Trace, change: Callable[[str, str, Array], Array]) -> Trace:
    """Return a trace with every array changed; `change` is told of the kind and the name."""
    kinds = ("values", "cotangents", "gradients")
    return Trace(
        **{
            kind: {name: change(kind, name, a) for name, a in getattr(trace, kind).items()}
            for kind in kinds
        }
    )


def replays_of(
    found: Trace, leaves: Mapping[str, Array], one: Network, precision: str
) -> list[Replay]:
    """Return the replay of every example by itself.

    leaves: of the batch. one: the network of one example.
    """
    return [
        Replay(
            one,
            {**leaves, **{name: leaves[name][n : n + 1] for name in ("x", "t")}},
            each(found, lambda _, __, a, n=n: a[n]),  # type: ignore[misc]
            PRECISIONS[precision],
        )
        for n in range(len(leaves["x"]))
    ]


def explained(replays: Sequence[Replay], certificates: Sequence[Certificate]) -> str:
    """Return the diagnosis of every example that is not right, a line a finding."""
    one, p = replays[0].network, replays[0].precision
    gradients = [{k: replay.ball(f"dE/d{k}", p) for k in one.parameters} for replay in replays]
    faults = [*examples(gradients), *catalogue(one).values()]
    return "\n".join(
        f"diagnosis: example {n}: {diagnosis}"
        for n, (replay, certificate) in enumerate(zip(replays, certificates, strict=True))
        for diagnosis in diagnose(replay, certificate, faults)
    )


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_each_example(
    precision: str,
    framework: str,
    runs: Runs,
    new_cell: Callable[..., Cell],
    reproduce: str,
) -> None:
    """What every example is given is right by itself: none sees another."""
    cell = new_cell("each-example", Column(framework, "vmap"), precision, VARIANTS)
    found, leaves = vectorized(runs, framework, precision)
    replays = replays_of(found, leaves, networks()[1], precision)
    certificates = [replay.certificate() for replay in replays]
    links = tuple(link for certificate in certificates for link in certificate.links)
    merged = replace(certificates[0], links=links)
    settle(merged, cell, (), reproduce, lambda: explained(replays, certificates))


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_sum_of_examples(
    precision: str,
    framework: str,
    runs: Runs,
    new_cell: Callable[..., Cell],
    known: tuple[KnownFinding, ...],
    reproduce: str,
) -> None:
    """The examples' gradients add up to the batch's: together they are a trace of the batch."""
    cell = new_cell("sum-of-examples", Column(framework, "vmap"), precision, VARIANTS)
    found, leaves = vectorized(runs, framework, precision)
    whole, _ = networks()
    shapes = {**{k: a.shape for k, a in leaves.items()}, **in_precision(whole, precision)[1]}

    def folded(kind: str, name: str, a: Array) -> Array:
        if kind == "cotangents" and name == whole.loss:  # one, of every example
            return a[0]
        if a.size == prod(shapes[name]):
            return a.reshape(shapes[name])
        return np.asarray(np.sum(a, axis=0, dtype=np.float64).astype(a.dtype))

    certificate = certify(whole, leaves, each(found, folded), precision)
    settle(certificate, cell, known, reproduce)
