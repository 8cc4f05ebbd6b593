"""A training checked step by step, each step from the framework's own numbers before it.

The lines of an optimizer are replayed over `Ball`, all steps at once. The operands of a line are
the framework's own gradient, its parameter and states before the step, and its results of the
earlier lines. The framework's result of this line must lie inside the ball. If the framework does
not show a line, the later lines use that line's ball.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import FLOAT64, PRECISIONS, Precision
from backproof.reference.ops import Array
from backproof.reference.optimizers import Optimizer
from backproof.reference.optimizers.optimizer import Formula, Shapes, parts
from backproof.reference.training import Record
from backproof.reference.verdict.balls import as_read
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.evidence import sharpness
from backproof.reference.verdict.judging import judged, no_terms, problem_of
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.ways import Form

NARROW = "scalars in the precision itself"
"""A property: most implementations compute corrections, rates and schedules in float64.

Near 1 a power of beta2 loses its digits, and with it the correction: a ball that holds such scalars
holds a learning rate that is off by 3e-5 as well.
"""

AFTER = " after step "
"""What stands between the name of a link and the step of its worst entry."""


def certify_training(
    name: str, optimizer: Optimizer, record: Record, precision: str, *, narrow: bool = False
) -> Certificate:
    """Return the certificate of a training: one link for all steps of one state of one parameter.

    name: of the network. precision: "float64" or "float32". narrow: as of `Steps`.
    """
    links: list[Link] = []
    for link in Steps(optimizer, record, PRECISIONS[precision], narrow).links():
        links.append(link)
        if link.problem:  # no other step can be replayed from it
            break
    return Certificate(name, precision, tuple(links))


STILL = Optimizer({"w": lambda w: w})
"""What a parameter does that is in no group."""


def in_groups(
    groups: Sequence[tuple[Optimizer, Collection[str]]], record: Record
) -> list[tuple[Optimizer, Record]]:
    """Return each optimizer with the record of its own parameters, and of those in no group.

    groups: pairs of an optimizer and its parameters. Raises ValueError where a parameter is in two.
    """
    counts = Counter(parameter for _, parameters in groups for parameter in parameters)
    if twice := [parameter for parameter, n in counts.items() if n > 1]:
        raise ValueError(f"in more than one group: {', '.join(twice)}")
    still = [parameter for parameter in record.start if parameter not in counts]
    every = [*groups, (STILL, still)]
    return [(optimizer, record.of(parameters)) for optimizer, parameters in every if parameters]


@dataclass(slots=True)
class Steps:
    """Replays every step of a training.

    optimizer: the one that the framework is said to run. record: the numbers that it gave.
    precision: the one asked for. narrow: whether scalars may be computed in the precision itself.
    made: the balls that were made so far.
    """

    optimizer: Optimizer
    record: Record
    precision: Precision
    narrow: bool = False
    made: dict[tuple[Precision, Form, Precision], dict[str, Ball]] = field(default_factory=dict)

    def links(self) -> Iterator[Link]:
        """Yield the links, line by line."""
        shown = [
            line for line in self.optimizer.lines if line in (*self.states, *self.record.after)
        ]
        for line in shown:
            for parameter in self.record.start:
                seen = self.shown(line, parameter)
                shape = self.record.gradients[parameter].shape
                own = self.precision_of(line)
                if problem := problem_of(seen, shape, own):
                    quantity = Quantity("state", f"{line} of {parameter}")
                    yield Link(quantity, "refuted", own.name, problem=problem)
                    return
        for line in shown:
            for parameter in self.record.start:
                yield self.judge(line, parameter)

    @property
    def states(self) -> tuple[str, ...]:
        """The lines that must be shown: every state, and the parameter."""
        return (*self.optimizer.start, "w")

    @property
    def forms(self) -> dict[Form, tuple[str, bool]]:
        """Properties -> the optimizer's form, and whether its scalars are in the precision."""
        own: dict[Form, tuple[str, bool]] = {(): ("", False)}
        own |= {(form,): (form, False) for form in self.optimizer.forms}
        if not (self.narrow and self.optimizer.scalars) or self.precision == FLOAT64:
            return own
        return {**own, **{(*form, NARROW): (name, True) for form, (name, _) in own.items()}}

    @property
    def shapes(self) -> Shapes:
        """The shape of each parameter, as they lie side by side."""
        return tuple(array.shape for array in self.record.start.values())

    def shown(self, line: str, parameter: str) -> Any:
        """Return the framework's result of a line for a parameter; None where there is none."""
        return self.record.after.get(line, {}).get(parameter)

    def seen(self, quantity: Quantity) -> Any:
        """Return the framework's result of a link, of all steps."""
        return self.shown(*self.places[unnumbered(quantity)])

    def judge(self, line: str, parameter: str) -> Link:
        """Return the verdict on all steps of one line for one parameter."""

        def ball(form: Form, p: Precision) -> Ball:
            return self.part(self.balls_in(form, p, own)[line], parameter)

        own = self.precision_of(line)
        seen, quantity = self.shown(line, parameter), Quantity("state", f"{line} of {parameter}")
        ways = {form: partial(ball, form) for form in self.forms}
        first = ball((), own)
        link = judged(quantity, seen, own, first, lambda: ways, no_terms)
        if link.verdict == "inside" or not link.index:
            return link
        step, *index = link.index
        after = replace(quantity, of=f"{quantity.of}{AFTER}{self.record.first + step + 1}")
        return replace(link, quantity=after, index=tuple(index))

    def balls_in(self, form: Form, p: Precision, own: Precision | None = None) -> dict[str, Ball]:
        """Return line -> the ball of its result in a form; each is made once.

        p, own: the precision of the steps of the lines whose own precision is `own`.
        """
        key = p, form, own or self.precision
        if key not in self.made:
            lines, narrow = self.forms[form]
            self.made[key] = self.balls(p, lines, narrow=narrow, own=own)
        return self.made[key]

    def precision_of(self, line: str) -> Precision:
        """Return the precision that a line is stored in."""
        stored = self.optimizer.stored.get(line)
        return PRECISIONS[stored] if stored else self.precision

    def balls(
        self,
        p: Precision,
        form: str = "",
        *,
        narrow: bool = False,
        of: Optimizer | None = None,
        own: Precision | None = None,
    ) -> dict[str, Ball]:
        """Return line -> the ball of its result, (S, N).

        p, form: the precision and the form. narrow: whether scalars are computed in p itself.
        of: another optimizer to replay. own: the precision of the lines whose steps are in p, by
        default the one asked for; all other lines are computed in their own.
        """
        optimizer = (of or self.optimizer).by(form)
        steps = np.arange(1, len(self.record.losses) + 1)[:, None] + self.record.first
        wide = p if narrow or p.digits == FLOAT64.digits else FLOAT64
        scalars = optimizer.at(Ball.exact(steps, wide))
        if wide != p:
            scalars = {name: scalar.into(p) for name, scalar in scalars.items()}
        read = p if own in (None, self.precision) else self.precision
        before = {name: self.operand(self.before(name, optimizer), read) for name in self.states}
        g = self.operand(self.flat(self.record.gradients), read)

        def shown(line: str, result: Ball) -> Ball:
            if line in self.record.after:
                return self.operand(self.flat(self.record.after[line]), read)
            return result

        def compute(line: str, formula: Formula, operands: Mapping[str, Any]) -> Ball:
            q = self.precision_of(line)
            steps = p if q == (own or self.precision) else q
            return formula(**{k: in_steps(a, steps) for k, a in operands.items()}).stored()

        known = {**before, **scalars, "g": g, "t": steps, "shapes": self.shapes}
        return optimizer.assign(known, shown, compute)

    def ball(
        self,
        quantity: Quantity,
        p: Precision,
        form: str = "",
        *,
        narrow: bool = False,
        of: Optimizer | None = None,
    ) -> Ball:
        """Return the ball of all steps of one line for one parameter. Arguments: as of `balls`."""
        line, parameter = self.places[unnumbered(quantity)]
        return self.part(self.balls(p, form, narrow=narrow, of=of)[line], parameter)

    def has(self, quantity: Quantity) -> bool:
        """Return whether a link is one of these."""
        return quantity.kind == "state" and unnumbered(quantity) in self.places

    @property
    def places(self) -> dict[str, tuple[str, str]]:
        """The name of each link -> its line and its parameter."""
        lines = (*self.states, *self.record.after)
        return {f"{line} of {k}": (line, k) for line in lines for k in self.record.start}

    def sharpness(self, other: Optimizer) -> float:
        """Return how sharply another optimizer explains the training, in the best of its forms.

        See `evidence.sharpness`. Every line must be explained, and not only some.
        """
        forms = [form for form, (lines, _) in self.forms.items() if lines in ("", *other.forms)]
        return min(self.sharpness_in(form, other) for form in forms)

    def sharpness_in(self, form: Form, other: Optimizer) -> float:
        """Return how sharply another optimizer explains the training in a form."""
        lines, narrow = self.forms[form]
        seen = {line: self.flat(after) for line, after in self.record.after.items()}
        balls = self.balls(self.precision, lines, narrow=narrow, of=other)
        if not all(balls[line].contains(seen[line]).all() for line in seen):
            return np.inf
        right = self.balls_in(form, self.precision)
        wrong = [line for line in seen if not right[line].contains(seen[line]).all()]
        found = [sharpness(seen[line], right[line], balls[line]) for line in wrong]
        return min(found) if found and max(found) < 1 else np.inf

    def before(self, name: str, optimizer: Optimizer) -> Array:
        """Return a state or w before each step, (S, N), if it is the optimizer's that runs."""
        after = self.flat(self.record.after[name])
        start = np.full_like(after[:1], optimizer.start.get(name, 0))
        given = self.record.start if name == "w" else self.record.states.get(name, {})
        if given:
            start = np.concatenate([given[k].ravel() for k in self.record.start])[None]
        return np.concatenate([start, after[:-1]])

    def flat(self, arrays: Mapping[str, Array]) -> Array:
        """Return the arrays of all parameters side by side: (S, N)."""
        return np.concatenate(
            [arrays[name].reshape(len(arrays[name]), -1) for name in self.record.start], axis=1
        )

    def part(self, ball: Ball, parameter: str) -> Ball:
        """Return the part of a ball that belongs to one parameter: (S, *shape)."""
        of = dict(zip(self.record.start, parts(ball, self.shapes), strict=True))
        return of[parameter].reshape(*self.record.gradients[parameter].shape)

    def operand(self, array: Array, p: Precision) -> Ball:
        """Return numbers as operands: themselves, or as a lower precision reads them."""
        return as_read(array, self.precision, p)


def in_steps(operand: Any, p: Precision) -> Any:
    """Return an operand of a line whose steps are rounded to p: the same balls."""
    return Ball(operand.mid, operand.rad, p) if isinstance(operand, Ball) else operand


def unnumbered(quantity: Quantity) -> str:
    """Return the name of a link without the step that it may name."""
    return quantity.of.partition(AFTER)[0]
