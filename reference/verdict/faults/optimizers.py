"""Classical mistakes of optimizers.

Each makes a wrong optimizer of a right one, with the same states, so that it can pose as it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from backproof.reference.optimizers import Optimizer
from backproof.reference.optimizers.optimizer import Shapes, each
from backproof.reference.verdict.evidence import DIGIT
from backproof.reference.verdict.faults.matrix_optimizers import OF_MATRICES
from backproof.reference.verdict.faults.optimizer_fault import (
    Of,
    OptimizerFault,
    Options,
    instead,
    line,
    option,
    right,
    scalars,
    with_line,
)
from backproof.reference.verdict.training import Steps


def optimizer_faults() -> Iterator[OptimizerFault]:
    """Yield the faults."""
    return (OptimizerFault(*said, of) for said, of in {**TABLE, **OF_MATRICES}.items())


def named(steps: Steps, definition: str, options: Options) -> list[str]:
    """Return the faults that explain a training to a digit at least, the sharpest first."""
    wrong = {fault.name: fault.of(definition, options) for fault in optimizer_faults()}
    found = {name: steps.sharpness(other) for name, other in wrong.items() if other}
    return sorted((name for name in found if found[name] <= DIGIT), key=found.__getitem__)


def late(definition: str, options: Options) -> Optimizer | None:
    """Return the optimizer whose moments are updated last."""
    if definition == "lion":  # there this is right
        return None
    lines = right(definition, options).lines
    if not {"m", "u"} <= lines.keys() or {"v_max", "ahead", "m_hat"} & lines.keys():
        return None
    moments = {k: line for k, line in lines.items() if k in ("m", "v", "largest")}
    others = {k: line for k, line in lines.items() if k not in moments}
    return replace(right(definition, options), lines={**others, **moments})


def at_once(definition: str, options: Options) -> Optimizer | None:
    """Return descent whose first step is dampened, as is right where the buffer starts at zero."""
    if definition == "sgd_from_zero":
        return None
    dampened = line("b", lambda o, g, b: o["momentum"] * b + (1 - o["dampening"]) * g, DAMPENED)
    return dampened(definition, options)


def without_look_ahead(definition: str, options: Options) -> Optimizer | None:
    """Return the optimizer without Nesterov's look-ahead, which is Muon's default."""
    if not options.get("nesterov", definition.startswith("muon")):
        return None
    return right(definition, {**options, "nesterov": False})


def early(definition: str, options: Options) -> Optimizer | None:
    """Return Lion whose momentum is updated first."""
    if definition != "lion":
        return None
    optimizer = right(definition, options)
    return replace(optimizer, lines={"m": optimizer.lines["m"], **optimizer.lines})


def exchanged(definition: str, options: Options) -> Optimizer | None:
    """Return the optimizer of exchanged betas."""
    if not {"beta1", "beta2"} <= options.keys():
        return None
    betas = {"beta1": options["beta2"], "beta2": options["beta1"]}
    return right(definition, {**options, **betas})


def apart(definition: str, options: Options) -> Optimizer | None:
    """Return the clip by the norm of each parameter."""
    if not definition.startswith("clip_by_norm"):
        return None
    optimizer = right(definition, options)
    clip = optimizer.lines["clipped"]
    return with_line(optimizer, "clipped", lambda g, shapes: each(clip, g, shapes))


def together(definition: str, options: Options) -> Optimizer | None:
    """Return LAMB with one ratio for all parameters."""
    if definition != "lamb":
        return None
    optimizer = right(definition, options)
    ratio = optimizer.lines["ratio"]
    return with_line(optimizer, "ratio", lambda w, u, shapes: ratio(w, u, whole(shapes)))


def whole(shapes: Shapes) -> Shapes:
    """Return the shape of all parameters together, side by side."""
    return ((sum(prod(shape) for shape in shapes),),)


def scaled_up(definition: str, options: Options) -> Optimizer | None:
    """Return the clip that brings every gradient to the norm."""
    if not definition.startswith("clip_by_norm") or "norm_type" in options:
        return None

    def clipped(g: Any) -> Any:
        return g * (options["limit"] / np.sqrt(np.sum(g * g, axis=-1, keepdims=True)))

    return with_line(right(definition, options), "clipped", clipped)


CORRECTIONS = ("c1", "c2")
DAMPENED = ("dampening",)

TABLE: Mapping[tuple[str, str], Of] = {
    ("bias correction a step late", "corrected for t + 1"): scalars(
        CORRECTIONS, lambda f, t: f(t + 1)
    ),
    ("bias not corrected", "not corrected"): scalars(CORRECTIONS, lambda f, t: 1 + 0 * t),
    ("decay applied twice", "decayed twice"): option("weight_decay", lambda decay: 2 * decay),
    ("decay forgotten", "not decayed"): option("weight_decay", lambda _: 0.0),
    ("learning rate forgotten", "of a learning rate of one"): option("lr", lambda _: 1.0),
    ("wrong sign", "a step uphill"): option("lr", lambda lr: -lr),
    ("Nesterov without look-ahead", "of the buffer alone"): without_look_ahead,
    ("dampening forgotten", "not dampened"): option("dampening", lambda _: 0.0),
    ("epsilon forgotten", "without epsilon"): option("eps", lambda _: 0.0),
    ("rate that does not decay", "of the first rate"): option("lr_decay", lambda _: 0.0),
    ("maximized the wrong way", "a descent"): option("maximize", lambda _: False),
    ("schedule of momentum forgotten", "of one mu"): option("momentum_decay", lambda _: 0.0),
    ("coupled for decoupled", "decayed through g"): instead("adamw", "adam"),
    ("decoupled for coupled", "decayed beside g"): instead("adam", "adamw"),
    ("epsilon inside the root", "of sqrt(v + eps)"): instead("adagrad", "adagrad_eps_inside"),
    ("epsilon outside the root", "of sqrt(v) + eps"): instead("adagrad_eps_inside", "adagrad"),
    ("dampening in the first step", "dampened at once"): at_once,
    ("largest forgotten", "v, not the largest so far"): line("v_max", lambda o, v: v),
    ("gradient not squared", "a mean of |g|"): line(
        "v", lambda o, g, v: o["beta2"] * v + (1 - o["beta2"]) * np.abs(g), ("beta2",)
    ),
    ("mean forgotten", "of v, not of v - m^2"): line(
        "u", lambda o, g, v: g / (np.sqrt(v) + o["eps"]), ("centered",)
    ),
    ("moments a step late", "of the moments before the step"): late,
    ("betas exchanged", "of beta1 for beta2"): exchanged,
    ("each array clipped by its own norm", "clipped array by array"): apart,
    ("scaled up to the norm", "scaled up too, not only down"): scaled_up,
    ("largest not decayed", "the largest of all |g|"): line(
        "largest", lambda o, g, largest: np.maximum(largest, np.abs(g) + o["eps"]), ("eps",)
    ),
    ("steps without the units of w", "g / sqrt(v + eps) alone"): line(
        "u", lambda o, g, v: g / np.sqrt(v + o["eps"]), ("rho", "eps")
    ),
    ("mean of gradients for that of steps", "a mean of g^2"): line(
        "d", lambda o, g, d: o["rho"] * d + (1 - o["rho"]) * g * g, ("rho",)
    ),
    ("average forgotten", "w itself"): line("average", lambda o, w: 1 * w, ("t0",)),
    ("rate a step early", "of the rate after the step"): line(
        "w", lambda o, w, g, rate: w - rate * (g + o["lambd"] * w), ("lambd",)
    ),
    ("step where the sign has turned", "g, not zero"): line("before", lambda o, g: 1 * g),
    ("steps without a bound", "of steps of any size"): option("max_step_size", lambda _: np.inf),
    ("momentum before the sign", "of the momentum after the step"): early,
    ("ratio forgotten", "one"): line("ratio", lambda o, u: 1 + 0 * u),
    ("one ratio for all", "of the norms of all parameters together"): together,
    ("rate a step late", "of the rate of the step before"): scalars(
        ("lr",), lambda f, t: f(np.maximum(t - 1, 1))
    ),
    ("rate of the next step", "of the rate of the step after"): scalars(
        ("lr",), lambda f, t: f(t + 1)
    ),
    ("schedule forgotten", "of the first rate in every step"): scalars(
        ("lr",), lambda f, t: f(1 + 0 * t)
    ),
    ("not rectified", "without its rectification"): scalars(("r",), lambda f, t: 1 + 0 * t),
}
"""(Name, what it gives) -> what makes it."""
