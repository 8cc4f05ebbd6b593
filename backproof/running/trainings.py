"""Trainings with the libraries of optimizers, every step certified."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.adapters.protocol import Adapter
from backproof.adapters.training import Claim, trained
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.training import Record
from backproof.reference.verdict.diagnosis import Diagnosis
from backproof.reference.verdict.faults.optimizers import named
from backproof.reference.verdict.known.predict import GroupWitnesses
from backproof.reference.verdict.training import Steps, certify_training
from backproof.reference.verdict.training import in_groups as certified_in
from backproof.reference.verdict.training_passes import certify_steps, replay_of_step
from backproof.report.cells import OPTIMIZERS as GROUP
from backproof.report.cells import Cell
from backproof.running.implementations import guarded
from backproof.running.judge import Judge
from backproof.scenarios.trainings import TRAINED


@dataclass(slots=True)
class Trainings:
    """Trains with a library of optimizers, and certifies every step."""

    library: Column
    precision: str
    judge: Judge

    def certified(
        self,
        case: str,
        network: str,
        optimizer: str,
        options: Mapping[str, Any],
        steps: int,
        passes: Collection[int] = (),
    ) -> tuple[Record, Cell, Callable[[], None]]:
        """Return the record, its cell, and the check, which raises if a step is wrong.

        passes: the steps whose passes are certified, too; by default those of `checked`.
        """
        framework = self.library.framework
        column = Column(framework)
        adapter = self.judge.implementations.adapter(column)
        own = adapter.libraries[self.library.variant]
        cell = self.judge.cell(case, self.library, self.precision, GROUP)
        cell.version = own.version
        of, leaves = started(network, self.precision)
        asked = (self.library.variant, of, leaves, optimizer, options, steps)

        def run() -> tuple[list[Claim], Record]:
            if isinstance(adapter, Adapter):
                gradient = differentiated(framework, network, self.precision)
                return trained(adapter, *asked, gradient)
            found: tuple[list[Claim], Record] = adapter.trained(*asked)
            return found

        claims, record = guarded(f"{self.library}, {self.precision}, {case}", run)
        groups = [(claim.optimizer, claim.parameters) for claim in claims]

        def check() -> None:
            narrow = optimizer in own.narrow
            parts = certified_in(groups, record)
            links = [
                link
                for definition, part in parts
                for link in certify_training(
                    of.name, definition, part, self.precision, narrow=narrow
                ).links
            ]
            sweeps = certify_steps(
                of,
                record,
                self.precision,
                passes or checked(steps),
                compiled=bool(traits(column).compiled),
            )
            certificate = replace(sweeps, links=(*sweeps.links, *links))
            replay = partial(replay_of_step, of, record, self.precision)
            replays = [Steps(*part, PRECISIONS[self.precision], narrow) for part in parts]

            def explain() -> Iterator[Diagnosis]:
                red = certificate.refuted or next(iter(certificate.degraded), None)
                if not red or any(link.problem for link in links):
                    return
                faults = [
                    fault
                    for replay, claim in zip(replays, claims, strict=False)
                    for fault in named(replay, claim.definition, claim.options)
                ]
                own = [link.name for link in certificate.wrong] if faults else [red.name]
                yield Diagnosis(red, tuple(faults), "the first step that is wrong", tuple(own))

            self.judge.report_verdict(
                certificate, cell, GroupWitnesses(replays, replay), explain=explain
            )

        return record, cell, check


def checked(steps: int) -> list[int]:
    """Return the steps whose passes are certified, numbered from 0: 1st, 2nd, 4th, ..., last."""
    powers = (2**i - 1 for i in range(steps.bit_length()))
    return sorted({*powers, steps - 1})


@cache
def started(network: str, precision: str) -> tuple[Network, dict[str, Array]]:
    """Return a network, and its leaves before the first step."""
    of = TRAINED[network].network()
    return of, of.leaves(lambda a: np.asarray(a).astype(float).astype(precision))


@cache
def differentiated(framework: str, network: str, precision: str) -> Callable[..., Any]:
    """Return a framework's gradient function of a network, compiled once."""
    return adapters.load(framework).differentiated(*started(network, precision))
