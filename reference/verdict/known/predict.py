"""Whether the numbers seen at a link are those that a formula predicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.ops import Array
from backproof.reference.verdict.balls import as_terms
from backproof.reference.verdict.deciding import radii
from backproof.reference.verdict.evidence import norm
from backproof.reference.verdict.judging import problem_of
from backproof.reference.verdict.known import FORMULAS
from backproof.reference.verdict.known.formula import Evidence, Formula, Instead
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.tangents import TangentReplay
from backproof.reference.verdict.training import Steps
from backproof.reference.verdict.training_passes import IN_STEP, links_of
from backproof.reference.verdict.ways import freedoms


@dataclass(frozen=True, slots=True)
class Witness:
    """What replays the links of a certificate, so that formulas can be tried.

    values: of the links of values and derivatives, or of a training. tangents: of tangents.
    """

    values: Evidence
    tangents: TangentReplay | None = None

    def concerns(self, formula: str, quantity: Quantity) -> bool:
        """Return whether a quantity is computed by a formula, which is named."""
        return FORMULAS[formula].changes(self.of(quantity), quantity)

    def missed(self, formula: str, quantity: Quantity) -> str | None:
        """Return where the numbers are not as predicted: see `missed`."""
        with np.errstate(all="ignore"):
            return missed(self.of(quantity), quantity, FORMULAS[formula])

    def of(self, quantity: Quantity) -> Evidence:
        """Return what replays a link."""
        return self.tangents if quantity.tangent and self.tangents else self.values


@dataclass(frozen=True, slots=True)
class Witnesses:
    """The same of passes along several directions. each: of the pass along each direction."""

    each: Sequence[Witness]

    def concerns(self, formula: str, quantity: Quantity) -> bool:
        """Return whether a quantity is computed by a formula, which is named."""
        return self.each[quantity.direction].concerns(formula, replace(quantity, direction=0))

    def missed(self, formula: str, quantity: Quantity) -> str | None:
        """Return where the numbers are not as predicted: see `missed`."""
        return self.each[quantity.direction].missed(formula, replace(quantity, direction=0))


@dataclass(frozen=True, slots=True)
class GroupWitnesses:
    """The same of a training in groups of parameters.

    each: of each group. passes: from a step, numbered from 0, to the replay of its pass.
    """

    each: Sequence[Steps]
    passes: Callable[[int], Replay]

    def concerns(self, formula: str, quantity: Quantity) -> bool:
        """Return whether a quantity is computed by a formula, which is named."""
        witness, own = self.of(quantity)
        return witness.concerns(formula, own)

    def missed(self, formula: str, quantity: Quantity) -> str | None:
        """Return where the numbers are not as predicted: see `missed`."""
        witness, own = self.of(quantity)
        return witness.missed(formula, own)

    def of(self, quantity: Quantity) -> tuple[Witness, Quantity]:
        """Return what replays a link, a pass or its parameter's group, and its quantity there."""
        name, _, step = quantity.of.partition(IN_STEP)
        if step:
            return Witness(self.passes(int(step) - 1)), replace(quantity, of=name)
        group = next((steps for steps in self.each if steps.has(quantity)), self.each[0])
        return Witness(group), quantity


def missed(evidence: Evidence, quantity: Quantity, formula: Formula) -> str | None:
    """Return where the numbers seen are not as predicted, in words; None where all are.

    There must be one way of working in the precision in which each entry is right, or in one of
    the formula's balls. A ball that decides nothing predicts nothing.
    """
    if not formula.changes(evidence, quantity):
        return "predicts no number"
    if quantity.end_to_end and isinstance(evidence, Replay):
        return missed_end_to_end(evidence, quantity, formula)
    asked = evidence.of(quantity.of) if isinstance(evidence, Replay) else evidence.precision
    seen = evidence.seen(quantity)
    found = None
    balls: list[Ball] | None = None
    for p in (freedom.precision for freedom in freedoms(asked)):
        if balls is None or not formula.is_exact:
            balls = [*formula.balls(evidence, quantity, p)]
            balls = [x for x in balls if decides(x) or cancels(x, evidence, quantity, formula)]
        if not balls:
            continue
        if problem := problem_of(seen, balls[0].shape, formula.precision(asked)):
            return problem
        right = evidence.ball(quantity, p)
        held = np.any([holds(ball, seen) for ball in (*balls, *filter(decides, [right]))], axis=0)
        if np.all(held):
            return None
        found = found or said(balls[0], seen, tuple(map(int, np.argwhere(~held)[0])))
    return found or "predicts no number"


def missed_end_to_end(replay: Replay, quantity: Quantity, formula: Formula) -> str | None:
    """Return why a gradient of a training's pass is not that of a sweep back by a formula's ops."""
    if not isinstance(formula, Instead):
        return "predicts no number"
    links = links_of(formula.replayed(replay), compiled=False)
    found = next((link for link in links if link.quantity == quantity), None)
    if found is None:
        return "leaves no operand"
    return None if found.verdict == "inside" else str(found)


def decides(ball: Ball) -> bool:
    """Return whether a ball tells its numbers from none: ||rad|| < ||mid||, or all are exact."""
    finite = np.isfinite(ball.mid)
    rad = radii(ball)[finite]
    return not np.any(rad) or norm(rad) < norm(ball.mid[finite])


def cancels(ball: Ball, evidence: Evidence, quantity: Quantity, formula: Formula) -> bool:
    """Return whether a ball around zero is small beside the terms that cancel in it."""
    if type(evidence) is not Replay:
        return False
    counting = replace(evidence, number=as_terms, balls={})
    terms: Any = next(formula.balls(counting, quantity, evidence.precision))
    finite = np.isfinite(ball.mid)
    size = norm(np.broadcast_to(terms.magnitude, ball.shape)[finite])
    return norm(radii(ball)[finite]) < size / 2 < np.inf


def holds(ball: Ball, seen: Array) -> Array:
    """Return, entry by entry, whether a number is in a ball, or NaN or infinite as its midpoint."""
    numbers = np.asarray(seen, dtype=np.float64)
    same = (numbers == ball.mid) | (np.isnan(numbers) & np.isnan(ball.mid))
    return np.where(np.isfinite(ball.mid), ball.contains(numbers), same)


def said(ball: Ball, seen: Any, index: tuple[int, ...]) -> str:
    """Return what a ball predicts at an entry, and what is there, in words."""
    mid, rad = float(ball.mid[index]), float(np.broadcast_to(ball.rad, ball.shape)[index])
    place = f" at {list(index)}" if index else ""
    return f"predicts {mid!r} +- {rad:.3g}{place}, found {float(seen[index])!r}"
