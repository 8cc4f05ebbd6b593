"""What optimizers are known to compute instead: another definition of the one that is claimed.

Each raises KeyError for an optimizer without the lines that it changes.
"""

from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from math import log
from typing import Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT32, FLOAT64
from backproof.reference.numbers.stepwise import cast, like
from backproof.reference.optimizers import Optimizer
from backproof.reference.optimizers.optimizer import reading


def product_in_float32(right: Optimizer) -> Optimizer:
    """Return an optimizer that keeps the product of its momenta, NAdam's mu_product, in float32."""

    def product(mu_product: Any, mu: Any) -> Any:
        return like(cast(mu_product, FLOAT32) * cast(mu, FLOAT32), mu_product)

    if "mu_product" not in right.lines:
        raise KeyError("mu_product")
    return replace(right, lines={**right.lines, "mu_product": product})


def rates_in_float32(right: Optimizer) -> Optimizer:
    """Return averaged SGD that keeps t, its rate eta and mu in float32."""

    def kept(scalar: Any) -> Any:
        return lambda t: like(cast(scalar(cast(t, FLOAT32)), FLOAT32), t)

    scalars = {name: kept(right.scalars[name]) for name in ("rate", "share")}
    start = {**right.start, "eta": float(np.float32(right.start["eta"]))}
    return replace(right, scalars=scalars, start=start)


def schedule_in_float32(right: Optimizer) -> Optimizer:
    """Return an optimizer whose learning rate, which has a schedule, is computed in float32."""
    schedule = right.scalars["lr"]

    def lr(t: Any) -> Any:
        return like(cast(schedule(cast(t, FLOAT32)), FLOAT32), t)

    return replace(right, scalars={**right.scalars, "lr": lr})


def decay_in_float32(right: Optimizer) -> Optimizer:
    """Return an optimizer whose beta2, which changes from step to step, is computed in float32."""
    right_beta2 = right.scalars["beta2"]

    def beta2(t: Any) -> Any:
        return like(cast(right_beta2(cast(t, FLOAT32)), FLOAT32), t)

    return replace(right, scalars={**right.scalars, "beta2": beta2})


def accumulator_of_zero(right: Optimizer) -> Optimizer:
    """Return Adagrad whose sum of squares starts at zero."""
    if [*right.start] != ["v"] or "rate" not in right.scalars:
        raise KeyError("v")
    return replace(right, start={"v": 0.0})


def step_before(right: Optimizer) -> Optimizer:
    """Return Rprop whose step is that of the gradient before; the first step is none."""

    def w(w: Any, b: Any, turn: Any) -> Any:
        return w - np.where(turn < 0, 0, b)

    lines = {name: right.lines[name] for name in ("turn", "size")}
    return replace(right, lines={**lines, "w": w, "b": right.lines["b"]})


def length_in_float32(right: Optimizer) -> Optimizer:
    """Return an optimizer whose rho, the length of RAdam's average, is computed in float32.

    rho = limit - 2 t beta2^t / (1 - beta2^t), limit = 2 / (1 - beta2) - 1.
    1. beta2^t is a float32 number, and so is beta2. Near 1 little is left of 1 - beta2^t.
    2. In the first steps nearly all of the difference cancels, and so does rho - 4 in r.
    """
    beta2 = 1 - right.scalars["c2"](1.0)
    limit, base = 2 / (1 - beta2) - 1, float(np.float32(beta2))

    def rho(t: Any) -> Any:
        power = cast(base ** cast(t, FLOAT64), FLOAT32)
        return limit - 2 * cast(t, FLOAT32) * power / (1 - power)

    def r(t: Any) -> Any:
        length = np.maximum(rho(t), 4 + 0 * cast(t, FLOAT32))
        share = (length - 4) * (length - 2) * limit
        return np.sqrt(share / ((limit - 4) * (limit - 2) * length))

    return replace(right, scalars={**right.scalars, "rho": rho, "r": r})


def always_relative(right: Optimizer) -> Optimizer:
    """Return Adafactor whose rate is bounded by 1 / sqrt(t) where its step is not relative, too."""
    rho = right.scalars["rho"]

    def bounded(t: Any) -> Any:
        return np.minimum(rho(t), 1 / np.sqrt(t))

    return replace(right, scalars={**right.scalars, "rho": bounded})


def largest_not_kept(right: Optimizer) -> Optimizer:
    """Return AMSGrad that keeps no largest v, and takes its direction from v: it is Adam."""
    if "v_max" not in right.lines:
        raise KeyError("v_max")
    u, kept = right.lines["u"], reading(lambda v_max: v_max, "v_max")
    of_v = reading(u, *("v" if name == "v_max" else name for name in signature(u).parameters))
    return replace(right, lines={**right.lines, "v_max": kept, "u": of_v})


def penalty_twice(right: Optimizer) -> Optimizer:
    """Return FTRL that adds l2 twice."""
    l2 = right.scalars["l2"]
    return replace(right, scalars={**right.scalars, "l2": lambda t: 2 * l2(t)})


def rounded(right: Optimizer, which: Callable[[str], bool]) -> Optimizer:
    """Return an optimizer that has some options, by their names, rounded to float32."""
    if right.again is None:
        raise KeyError("again")
    return right.again(
        lambda name, value: (
            float(np.float32(value)) if isinstance(value, float) and which(name) else value
        )
    )


def rounded_options(right: Optimizer) -> Optimizer:
    """Return an optimizer with all options rounded but for the learning rate and its decay.

    Near one such a beta has few digits of 1 - beta.
    """
    return rounded(right, lambda name: name not in {"lr", "weight_decay"})


def cast_options(right: Optimizer) -> Optimizer:
    """Return an optimizer with all options rounded."""
    return rounded(right, lambda _: True)


BASE = 0.96
"""The base of NAdam's schedule of momentum."""

RATES = ("lr", "weight_decay", "decay_first")


def cast_rates(right: Optimizer) -> Optimizer:
    """Return an optimizer that rounds its rates and, in powers of them, its betas.

    The means of gradients take the betas as they are, and epsilon is as it is, too.
    """
    rates = rounded(right, lambda name: name in RATES)
    return replace(rates, scalars=cast_options(right).scalars)


def cast_schedule(right: Optimizer) -> Optimizer:
    """Return NAdam that also rounds beta1 and the base of mu, but in the product of all mu.

    mu has the base b = float32(0.96) where momentum_decay is log b / log 0.96 times as large.
    """
    if "mu" not in right.scalars or right.again is None:
        raise KeyError("mu")
    larger = log(np.float32(BASE)) / log(BASE)
    other = right.again(lambda name, x: larger * x if name == "momentum_decay" else x)
    scalars = rounded(other, lambda name: name != "momentum_decay").scalars
    rates = rounded(right, lambda name: name in RATES)
    product = reading(right.lines["mu_product"], "mu_product", "mu_exactly")
    lines = {**rates.lines, "mu_product": product}
    return replace(rates, lines=lines, scalars={**scalars, "mu_exactly": right.scalars["mu"]})


def decay_rounded(right: Optimizer) -> Optimizer:
    """Return an optimizer whose coefficient of weight decay alone is rounded."""
    return rounded(right, lambda name: name == "weight_decay")


def options_and_decay_rounded(right: Optimizer) -> Optimizer:
    """Return an optimizer with all options rounded but for the learning rate.

    Its bias corrections begin with the betas as given: c = 1 - beta float32(beta)^(t - 1).
    """

    def correction(name: str) -> Any:
        beta = 1 - right.scalars[name](1.0)
        return lambda t: 1 - beta * float(np.float32(beta)) ** (t - 1)

    other = rounded(right, lambda name: name != "lr")
    begun = {name: correction(name) for name in {"c1", "c2"} & right.scalars.keys()}
    return replace(other, scalars={**other.scalars, **begun})
