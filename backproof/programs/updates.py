"""The updates after a pass: one step of an optimizer, line by line from the numbers before it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from backproof.adapters.recording import Recording, Updated, said_by
from backproof.programs.certificate import ProgramCertificate
from backproof.programs.replaying import FAILURES
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.optimizers import OPTIMIZERS
from backproof.reference.training import Record
from backproof.reference.verdict.faults.optimizers import named
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.training import Steps


def with_updates(recording: Recording, certificate: ProgramCertificate) -> ProgramCertificate:
    """Return the certificate of a pass with the links of its updates: "m of W", "w of W"."""
    links, diagnosis = [*certificate.links], certificate.diagnosis
    for one in recording.updates:
        precision = recording.leaves[one.parameters[0]].dtype.name
        try:
            steps = Steps(
                OPTIMIZERS[one.optimizer](**one.options),
                record_of(recording, one),
                PRECISIONS[precision],
                one.narrow,
            )
            found = [*steps.links()]
            if not diagnosis and any(link.verdict != "inside" for link in found):
                diagnosis = " or ".join(named(steps, one.optimizer, one.options)[:2])
        except FAILURES as error:
            problem = f"the reference's {one.optimizer} fails: {said_by(error)}"
            quantity = Quantity("state", f"w of {one.parameters[0]}")
            found = [Link(quantity, "undecided", precision, problem=problem)]
        links += found
    return replace(certificate, links=(*links,), diagnosis=diagnosis)


def record_of(recording: Recording, one: Updated) -> Record:
    """Return an update as the record of a training of one step."""

    def stacked(arrays: Mapping[str, Array]) -> dict[str, Array]:
        return {name: np.asarray(arrays[name])[None] for name in one.parameters}

    return Record(
        leaves={},
        start={name: np.asarray(recording.leaves[name]) for name in one.parameters},
        values={},
        gradients=stacked(recording.trace.gradients),
        after={line: stacked(of) for line, of in one.after.items()},
        losses=np.zeros(1),
        states=one.before,
        first=one.step - 1,
    )
