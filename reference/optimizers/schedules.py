"""Schedules: a learning rate that changes from step to step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial, wraps
from inspect import Parameter, Signature, signature
from typing import Any

import numpy as np

from backproof.reference.optimizers.optimizer import Formula, Optimizer

Definition = Callable[..., Optimizer]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A learning rate for each step; an optimizer takes it as `lr`.

    name:    in `RULES`. options: the rule's own.
    chained: whether each rate is computed from the rate before it, so that roundings add up.
    """

    name: str
    options: Mapping[str, float]
    chained: bool = False

    def __call__(self, t: Any) -> Any:
        """Return the rate of step t, or of an array of steps; t counts from 1."""
        rule = RULES[self.name](**self.options)
        if not self.chained:
            return rule.rate(t - 1)
        rate, last = rule.rate(0 * t), np.max(getattr(t, "mid", t))  # of a ball, whose t is exact
        step = 1
        while step < last:
            rate = np.where(t > step, rule.following(rate, step + 0 * t), rate)
            step += 1
        return rate


@dataclass(frozen=True, slots=True)
class Rule:
    """How a rate changes.

    rate:      n, the number of steps before this one -> the rate.
    following: (the rate of the step before, n) -> the same.
    """

    rate: Callable[[Any], Any]
    following: Callable[[Any, Any], Any]


def exponential(lr: float, gamma: float) -> Rule:
    """Return lr gamma^n. Source: torch.optim.lr_scheduler.ExponentialLR's documentation."""
    return Rule(lambda n: lr * np.power(gamma, n), lambda rate, _: rate * gamma)


def stairs(lr: float, gamma: float, length: float) -> Rule:
    """Return lr gamma^floor(n / length). Source: torch.optim.lr_scheduler.StepLR's documentation.

    n and length are whole: half a step more changes no floor, and rounding changes none then.
    """

    def stair(n: Any) -> Any:
        return np.floor((n + 0.5) / length) + 0 * n  # of the kind of n, over Arb too

    return Rule(
        lambda n: lr * np.power(gamma, stair(n)),
        lambda rate, n: np.where(stair(n) > stair(n - 1), rate * gamma, rate),
    )


def cosine(lr: float, least: float, length: float) -> Rule:
    """Return least + (lr - least) (1 + cos(pi n / length)) / 2, for n up to length.

    Source: Loshchilov and Hutter 2017 (SGDR), eq. 5, without restarts.
    """

    def wave(n: Any) -> Any:
        return 1 + np.cos(np.pi * n / length)

    return Rule(
        lambda n: least + (lr - least) * (wave(n) / 2),
        lambda rate, n: wave(n) / wave(n - 1) * (rate - least) + least,
    )


def warm_up(lr: float, first: float, length: float) -> Rule:
    """Return first + (lr - first) n / length, and lr from n = length on.

    Source: Goyal et al. 2017, sec. 2.2 (gradual warm-up).
    """

    def following(rate: Any, n: Any) -> Any:
        share = (1 - first / lr) / (length * (first / lr) + (n - 1) * (1 - first / lr))
        return np.where(n > length, rate, rate * (1 + share))

    return Rule(lambda n: lr + (first - lr) * (1 - np.minimum(n, length) / length), following)


RULES: Mapping[str, Callable[..., Rule]] = {
    "exponential": exponential,
    "stairs": stairs,
    "cosine": cosine,
    "warm_up": warm_up,
}
"""Name of a schedule -> its rule with the options that it is given."""


def schedulable(definition: Definition) -> Definition:
    """Return a definition whose `lr` may be a `Schedule`.

    The rate is then a scalar of the optimizer: each line and each other scalar is that of a
    constant rate, for the rate of the step. Raises ValueError where a state starts with the rate.
    """

    @wraps(definition)
    def scheduled(**options: Any) -> Optimizer:
        schedule = options.get("lr")
        if not isinstance(schedule, Schedule):
            return definition(**options)

        def at(lr: Any) -> Optimizer:
            return definition(**{**options, "lr": lr})

        def scalar(name: str, t: Any) -> Any:
            return at(schedule(t)).scalars[name](t)

        first = at(0.0)
        if first.start != at(1.0).start:
            raise ValueError("a state starts with the learning rate, which has no schedule then")
        return replace(
            first,
            lines={line: reading_rate(at, "", line) for line in first.lines},
            forms={
                form: {line: reading_rate(at, form, line) for line in lines}
                for form, lines in first.forms.items()
            },
            scalars={"lr": schedule, **{name: partial(scalar, name) for name in first.scalars}},
        )

    return scheduled


def reading_rate(at: Definition, form: str, line: str) -> Formula:
    """Return a line of an optimizer that reads the rate as well, by the name `lr`.

    at: from a rate to the optimizer. form: "" for its own line.
    """

    def of(lr: Any) -> Formula:
        return at(lr).by(form).lines[line]

    def read(lr: Any, **operands: Any) -> Any:
        return of(lr)(**operands)

    names = (*signature(of(0.0)).parameters, "lr")
    parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    vars(read)["__signature__"] = Signature(parameters)
    return read
