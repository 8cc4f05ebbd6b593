"""Certificates of every implementation on every case. Each run is made once."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from math import log10

import numpy as np

from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.adapters.protocol import AdapterError, Unsupported, check
from backproof.reference.backprop import Trace, backprop, forward
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.diagnosis import Diagnosis, diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.passes import certify_passes
from backproof.reference.verdict.replay import Replay
from backproof.running.implementations import Implementations, guarded
from backproof.running.loss_scale import loss_scale
from backproof.running.options import REFERENCE
from backproof.scenarios.networks import CASES
from backproof.scenarios.op_cases import OP_CASES

RECENT = 4
"""How many traces are kept: those of one case, whose gradients `digits` compares."""


class Certificates:
    """Runs and certifies implementations; `implementations` knows their adapters."""

    def __init__(self, implementations: Implementations) -> None:
        """Run nothing yet."""
        self.implementations = implementations
        self.network = lru_cache(1)(self._network)
        self.scale = lru_cache(1)(self._scale)
        self.trace = lru_cache(RECENT)(self._trace)

    def of(self, implementation: str, case: str, precision: str, seed: int) -> Certificate:
        """Return the certificate of a run with probes and one without.

        Raises AdapterError, Unsupported.
        """
        compiled = traits(Column.parse(implementation)).compiles_passes
        return certify_passes(self.replay(implementation, case, precision, seed), compiled=compiled)

    def replay(self, implementation: str, case: str, precision: str, seed: int) -> Replay:
        """Return the replay of a run with probes and one without. Raises as `of`."""
        found, plain = self.trace(implementation, case, precision, seed)
        network, leaves, _ = self.network(case, precision, seed)
        network = as_declared(self.implementations, Column.parse(implementation), network)
        scale = self.scale(case, precision, seed)
        return replayed(network, leaves, found, plain, scale)

    def explanation(
        self, implementation: str, case: str, precision: str, seed: int, certificate: Certificate
    ) -> Iterable[Diagnosis]:
        """Return the diagnoses of links that are not inside."""
        if certificate.inside == len(certificate.links):
            return ()
        replay = self.replay(implementation, case, precision, seed)
        return diagnose(replay, certificate, catalogue(replay.network).values())

    def digits(self, implementation: str, case: str, precision: str, seed: int) -> float | None:
        """Return to how many digits all gradients agree with those of the implementations before.

        The error of a gradient array is relative to the other's largest entry. None for the first.
        """
        names = [REFERENCE, *self.implementations.paths]
        own, _ = self.trace(implementation, case, precision, seed)
        _, leaves, _ = self.network(case, precision, seed)
        found = []
        for name in names[: names.index(implementation)]:
            try:
                other, _ = self.trace(name, case, precision, seed)
            except (AdapterError, Unsupported):
                continue
            for leaf, array in leaves.items():
                with suppress(AdapterError):  # its own certificate says what is wrong with it
                    one, another = (check(of.gradients.get(leaf), array) for of in (own, other))
                    found.append(digits_of(one, another, precision))
        return min(found, default=None)

    def _network(
        self, case: str, precision: str, seed: int
    ) -> tuple[Network, dict[str, Array], dict[str, tuple[int, ...]]]:
        """Return a case's network, its leaves in a precision, and the shape of every node."""
        network = {**OP_CASES, **CASES}[case].network(seed)
        return network, *in_precision(network, precision)

    def _scale(self, case: str, precision: str, seed: int) -> float:
        """Return the loss scale of a case."""
        network, leaves, _ = self.network(case, precision, seed)
        return loss_scale(network, leaves)

    def _trace(
        self, implementation: str, case: str, precision: str, seed: int
    ) -> tuple[Trace, Trace | None]:
        """Return the traces of a run with probes and of one without."""
        network, leaves, shapes = self.network(case, precision, seed)
        scale = self.scale(case, precision, seed)
        return traced(self.implementations, Column(implementation), network, leaves, shapes, scale)


def in_precision(
    network: Network, precision: str
) -> tuple[dict[str, Array], dict[str, tuple[int, ...]]]:
    """Return a network's leaves in a precision, and the shape of every node's value."""
    exactly = network.leaves(lambda a: np.asarray(a).astype(float))
    with np.errstate(all="ignore"):
        shapes = {name: np.shape(value) for name, value in forward(network, exactly).items()}
        return {name: a.astype(precision) for name, a in exactly.items()}, shapes


def as_declared(implementations: Implementations, column: Column, network: Network) -> Network:
    """Return the network without the derivatives that an adapter declares it does not give."""
    if column.framework == REFERENCE:
        return network
    constants = implementations.adapter(column).constants(network)
    return replace(network, constants=frozenset(constants))


def traced(
    implementations: Implementations,
    column: Column,
    network: Network,
    leaves: Mapping[str, Array],
    shapes: Mapping[str, tuple[int, ...]],
    scale: float,
) -> tuple[Trace, Trace | None]:
    """Return a column's traces of a pass with probes and of one without; the reference has none.

    leaves: in the precision to run in. scale: the loss scale. Raises AdapterError, Unsupported.
    """
    precision = next(iter(leaves.values())).dtype.name
    if column.framework == REFERENCE:
        if PRECISIONS[precision].accumulator:
            raise Unsupported("NumPy has no native matrix product in bfloat16 and float16")
        return backprop(network, leaves, scale=scale), None
    adapter = implementations.adapter(column)

    def both() -> tuple[Trace, Trace]:
        with_probes = adapter.trace(network, leaves, shapes, scale)
        return with_probes, adapter.plain(network, leaves, scale)

    return guarded(f"{column}, {precision}, {network.name}", both)


def replayed(
    network: Network, leaves: Mapping[str, Array], trace: Trace, plain: Trace | None, scale: float
) -> Replay:
    """Return the replay of what `traced` returned, in the precision of the leaves."""
    p = PRECISIONS[next(iter(leaves.values())).dtype.name]
    return Replay(network, leaves, trace, p, plain, scale=scale)


def certified(
    implementations: Implementations,
    column: Column,
    network: Network,
    leaves: Mapping[str, Array],
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[Replay, Certificate]:
    """Return the replay of a column's passes, and their certificate. Arguments: as for `traced`."""
    scale = loss_scale(network, leaves)
    trace, plain = traced(implementations, column, network, leaves, shapes, scale)
    network = as_declared(implementations, column, network)
    replay = replayed(network, leaves, trace, plain, scale)
    return replay, certify_passes(replay, compiled=traits(column).compiles_passes)


def digits_of(one: Array, other: Array, precision: str) -> float:
    """Return to how many digits two arrays agree; infinite numbers, and NaN, agree to none."""
    a, b = (np.asarray(x, dtype=np.float64) for x in (one, other))
    largest, u = float(np.max(np.abs(b), initial=0)), PRECISIONS[precision].u
    with np.errstate(invalid="ignore"):
        difference = float(np.max(np.abs(a - b), initial=0))
    if not np.isfinite(difference):
        return 0.0
    return abs(log10(min(max(difference / (largest or 1), u), 1)))
