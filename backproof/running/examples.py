"""The gradients of every example of a batch, from one vectorized pass."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from backproof.adapters.column import Column
from backproof.adapters.protocol import AdapterError, check
from backproof.reference.backprop import Trace
from backproof.reference.network import Network
from backproof.reference.networks import mlp
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.diagnosis import Diagnosis, diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.faults.examples import examples
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.replay import Replay
from backproof.running.certificates import in_precision
from backproof.running.implementations import Implementations, guarded

EXAMPLES = 7


def networks() -> tuple[Network, Network]:
    """Return the network of a batch, and that of one example; the loss is a sum."""
    whole, one = (mlp((6, 5, 4), "tanh", batch=n) for n in (EXAMPLES, 1))
    return whole, one


def vectorized(
    implementations: Implementations, framework: str, precision: str
) -> tuple[Trace, dict[str, Array]]:
    """Return the traces of all examples, stacked along a first axis, and the batch's leaves.

    Raises AdapterError, also where an array is missing or has no such axis; Unsupported.
    """
    whole, one = networks()
    leaves, _ = in_precision(whole, precision)
    rows = {**leaves, "x": leaves["x"][:, None], "t": leaves["t"][:, None]}
    own, shapes = in_precision(one, precision)
    gradients = {name: leaf.shape for name, leaf in own.items()}
    expected = {"values": shapes, "cotangents": shapes, "gradients": gradients}
    adapter = implementations.adapter(Column(framework))

    def run() -> Trace:
        found: Trace = adapter.examples(one, rows, shapes, ("x", "t"))
        for kind, arrays in expected.items():
            for name, shape in arrays.items():
                try:
                    check(getattr(found, kind).get(name), np.empty((EXAMPLES, *shape), precision))
                except AdapterError as error:
                    raise AdapterError(f"per_example, {kind}, {name}: {error}") from error
        return found

    return guarded(f"{framework}, {precision}, examples of {whole.name}", run), leaves


def each(trace: Trace, change: Callable[[str, str, Array], Array]) -> Trace:
    """Return a trace with every array changed; `change` takes kind, name and array."""
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

    leaves: the batch's. one: the network of one example.
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


def explained(
    replays: Sequence[Replay], certificates: Sequence[Certificate]
) -> Iterator[Diagnosis]:
    """Yield the diagnoses of every wrong example, which their evidence names."""
    one, p = replays[0].network, replays[0].precision
    gradients = [
        {k: replay.ball(Quantity("derivative", k), p) for k in one.parameters} for replay in replays
    ]
    faults = [*examples(gradients), *catalogue(one).values()]
    for n, (replay, certificate) in enumerate(zip(replays, certificates, strict=True)):
        for diagnosis in diagnose(replay, certificate, faults):
            yield replace(diagnosis, evidence=f"in example {n}, {diagnosis.evidence}")
