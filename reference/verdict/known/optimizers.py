"""What optimizers are known to compute instead: another definition of the one that is claimed.

Each raises KeyError for an optimizer without the lines that it changes.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT32, FLOAT64
from backproof.reference.numbers.stepwise import cast, like
from backproof.reference.optimizers import Optimizer


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


def penalty_twice(right: Optimizer) -> Optimizer:
    """Return FTRL that adds l2 twice."""
    l2 = right.scalars["l2"]
    return replace(right, scalars={**right.scalars, "l2": lambda t: 2 * l2(t)})


def rounded_options(right: Optimizer) -> Optimizer:
    """Return an optimizer whose options, but for the learning rate, are rounded to float32.

    Near one such a beta has few digits of 1 - beta.
    """
    return in_float32(right, lambda name: name != "lr")


def cast_options(right: Optimizer) -> Optimizer:
    """Return an optimizer whose options, the learning rate too, are rounded to float32."""
    return in_float32(right)


RATES = ("lr", "weight_decay", "decay_first")


def cast_rates(right: Optimizer) -> Optimizer:
    """Return an optimizer that rounds to float32 its rates and, in powers of them, its betas.

    The means of gradients take the betas as they are, and epsilon is as it is, too.
    """
    rates = in_float32(right, lambda name: name in RATES)
    return replace(rates, scalars=in_float32(right).scalars)


def in_float32(right: Optimizer, which: Callable[[str], bool] = lambda _: True) -> Optimizer:
    """Return an optimizer some of whose options are rounded to float32. which: by their names."""
    if right.again is None:
        raise KeyError("again")
    return right.again(
        lambda name, value: (
            float(np.float32(value)) if isinstance(value, float) and which(name) else value
        )
    )
