"""Forward mode and second order: every tangent, link by link, and two identities."""

import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.adapters.protocol import Unsupported
from backproof.reference.verdict.directions import certify_directions, replays
from backproof.reference.verdict.identities import adjoint, symmetry
from backproof.reference.verdict.known.predict import Witness, Witnesses
from backproof.report.cells import DERIVATIVES, RefutedError
from backproof.running.certificates import in_precision
from backproof.running.derivatives import passed
from backproof.running.judge import Judge
from backproof.scenarios.derivatives import drawn, lacking_in, undifferentiated
from backproof.scenarios.every_op import lacking
from backproof.scenarios.op_cases import OP_CASES

SHARP = 1 / 1000
"""An identity is asked where its bound is below this share of the numbers: under wider bounds, a
Hessian that is wrong by a thousandth was seen to pass."""


def test_tangents(column: Column, differentiated: str, precision: str, judge: Judge) -> None:
    """Every value and every tangent lies in the ball that its own operands allow, in every mode.

    That is so along two directions. Second order at ordinary points also satisfies the identities
    where their bounds decide, unless a finding is known.
    """
    cell = judge.cell(differentiated, column, precision, DERIVATIVES)
    network, leaves, found = passed(judge.implementations, column, differentiated, precision)
    each = [Witness(*replays(network, leaves, v, of, precision)) for v, of in found]
    certificate = certify_directions(
        network, leaves, found, precision, compiled=traits(column).compiles_passes
    )
    judge.report_verdict(certificate, cell, Witnesses(each), network=network)
    direction, first = found[0]
    if not first.is_second_order or differentiated.endswith("special"):  # the bounds prove nothing
        return
    with np.errstate(all="ignore"):
        identities = {
            "<gradients, v> = tangent of E": adjoint(network, leaves, direction, first, precision),
            "<u, H v> = <v, H u>": symmetry(network, leaves, found[0], found[1], precision),
        }
    for name, identity in identities.items():
        asked = not identity.relative >= SHARP  # of NaN too, which does not hold
        cell.properties = [*cell.properties, f"{name}: {'proven' if asked else 'not asked'}"]
        if asked and not identity.holds:
            raise RefutedError(f"{column}, {differentiated}, {precision}: {name}: {identity}")


def test_declared(column: Column, without: str, judge: Judge) -> None:
    """A method supports the gradient's op cases but those of the table, which are declared."""
    judge.cell(f"{without}/ordinary", column, "float64", DERIVATIVES)
    adapter, method = judge.implementations.adapter(Column(column.framework)), column.variant
    unsupported = undifferentiated(adapter.unsupported, method)
    never = lacking(adapter.unsupported)
    lacks = [case for case in lacking(unsupported) if case not in never]
    assert lacks == lacking_in(method, column.framework)
    network = OP_CASES[f"{without}/ordinary"].network()
    leaves, shapes = in_precision(network, "float64")
    with pytest.raises(Unsupported) as declared:
        adapter.along(method, network, leaves, [drawn(leaves, 0)], shapes)
    raise declared.value
