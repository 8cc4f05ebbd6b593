"""A link of the chain rule as data: which array it produced, and the verdict on it."""

from dataclasses import dataclass
from math import log10
from typing import Literal

import numpy as np

from backproof.reference.numbers.precision import FLOAT64

Kind = Literal["value", "derivative", "update", "state", "proof"]
Verdict = Literal["inside", "undecided", "degraded", "refuted"]

NAMES: dict[Kind, str] = {
    "value": "{}",
    "derivative": "dE/d{}",
    "update": "{} updated",
    "state": "{}",
    "proof": "backward: dE/d{}",
}
"""Kind -> the format of the name of a quantity of that kind."""

WITHOUT_PROBES = " without probes"
"""The end of the name of a quantity that the pass without probes computed."""

END_TO_END = " end to end"
"""The end of the name of a quantity that is held to the reference's own sweep."""

OTHER_DTYPE = "expected dtype"
"""The start of the one problem that leaves usable numbers: other links are replayed from them."""

NOT_JUDGED = "not judged"
"""The start of the problem of a link whose operand is not finite: it says nothing of the link."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """An array that a pass computes.

    kind:    the value of a node; the derivative of E with respect to a node (its cotangent) or to
             a leaf (its gradient); a parameter after its update; a state of an optimizer; the
             proof that a backward function of your own gives the derivative.
    of:      the node's, leaf's, parameter's or state's name.
    probes:  whether the pass with probes computed it, or the one without.
    tangent: whether it is the tangent of that array along a direction.
    direction: which of several passes along a direction computed it, from 0.
    end_to_end: whether it is held to the reference's own sweep, and not to the numbers before it.
    """

    kind: Kind
    of: str
    probes: bool = True
    tangent: bool = False
    direction: int = 0
    end_to_end: bool = False

    def __str__(self) -> str:
        """Return its name: "net1", "dE/dW1", "dE/dW1 without probes", "W1 updated"."""
        start = "tangent of " if self.tangent else ""
        end = ("" if self.probes else WITHOUT_PROBES) + (END_TO_END if self.end_to_end else "")
        end += f" in direction {self.direction + 1}" if self.direction else ""
        return f"{start}{NAMES[self.kind].format(self.of)}{end}"


@dataclass(frozen=True, slots=True)
class Link:
    """The verdict on one link, and its worst entry.

    quantity:   the array that the link produced.
    verdict:    inside; undecided (in a ball that is too wide to prove anything); degraded; refuted.
    precision:  the name of the effective precision; of a refuted link, of the one asked for.
    properties: the freedoms of an implementation that were seen here: "rounds every step to ...".
    entries:    how many numbers the link produced.
    outside:    how many of them are outside the ball of the precision that was asked for.
    share:      how much of its ball's radius the worst entry uses; above 1 where refuted.
    resolution: ||radii|| / ||midpoints|| of the ball, in the 2-norm over all entries: whatever lies
                inside is right to within this, relative to the array. At 1 or above zeros are
                inside too, at 1/10 or above numbers without a correct digit.
    apart:      how far the numbers seen may be from the exact ones, measured in the same way, where
                that proves them though the ball does not; from the exact ones of operands of which
                subnormals are read as zero, where an implementation reads them so.
    cancels:    whether the midpoints are zero by cancellation: so small beside the terms that are
                added up for them that the array is rounding noise.
    underflows: whether it is undecided since the numbers are too small for the precision: were its
                range wider, their ball would decide.
    index:      of the worst entry.
    seen:       the framework's number there.
    mid, rad:   the ball there, in the effective precision.
    problem:    what is wrong before any comparison of numbers (shape, dtype, NaN); else None.
    cause:      the operand whose own problem keeps this link from being judged; else None.
    """

    quantity: Quantity
    verdict: Verdict
    precision: str
    properties: tuple[str, ...] = ()
    entries: int = 0
    outside: int = 0
    share: float = np.inf
    resolution: float = np.inf
    apart: float = np.inf
    cancels: bool = False
    underflows: bool = False
    index: tuple[int, ...] = ()
    seen: float = np.nan
    mid: float = np.nan
    rad: float = np.nan
    problem: str | None = None
    cause: Quantity | None = None

    @property
    def also_held(self) -> str:
        """What the ball of an undecided link holds beside the numbers."""
        return "numbers without a correct digit" if self.resolution < 1 else "zeros"

    @property
    def digits(self) -> float:
        """How many decimal digits of the array the link proves; at most those of float64."""
        return -log10(min(max(self.accuracy, FLOAT64.u), 1))

    @property
    def accuracy(self) -> float:
        """To within which the array is proven, relative to it; at 1 and above nothing is."""
        return min(self.resolution, self.apart)

    @property
    def name(self) -> str:
        """The quantity's name: "net1" for a value, "dE/dnet1" for a derivative."""
        return str(self.quantity)

    @property
    def is_no_operand(self) -> bool:
        """Whether the problem leaves no numbers from which another link could be replayed."""
        return self.problem is not None and not self.problem.startswith(OTHER_DTYPE)

    @property
    def is_not_judged(self) -> bool:
        """Whether nothing is known of it: an earlier link left no operand."""
        return self.problem is not None and self.problem.startswith(NOT_JUDGED)

    @property
    def is_without_probes(self) -> bool:
        """Whether the pass without probes computed the quantity."""
        return not self.quantity.probes

    def __str__(self) -> str:
        place = self.name + (str(list(self.index)) if self.index else "")
        if self.problem:
            return f"{place}: {self.verdict}: {self.problem}"
        ball = f"{self.mid!r} +- {self.rad:.3g}"
        outside = f"{self.outside} of {self.entries} entries outside"
        if self.verdict == "refuted":
            return (
                f"{place}: refuted: {outside}; expected {ball} ({self.precision}), found "
                f"{self.seen!r}, {self.share:.3g} radii off"
            )
        if self.verdict == "undecided" and self.quantity.end_to_end:
            return (
                f"{place}: undecided: the bound of the whole sweep is {self.resolution:.3g} times "
                "as large as the numbers, so that their links alone prove them"
            )
        if self.verdict == "undecided":
            times = f"{self.resolution:.3g} times as large as"
            size = times if np.isfinite(self.resolution) else "larger than"
            return (
                f"{place}: undecided: {ball} ({self.precision}) holds {self.seen!r}, and "
                f"{self.also_held} as well: the radii are {size} the numbers"
            )
        if self.verdict == "degraded":
            return f"{place}: degraded: {outside}; {self.seen!r} is in {self.precision}'s {ball}"
        return f"{place}: inside: {self.seen!r} is in {ball}, share {self.share:.2f}"
