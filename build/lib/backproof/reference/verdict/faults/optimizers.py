"""Classical mistakes of optimizers.

Each makes a wrong optimizer of a right one, with the same states, so that it can pose as it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from inspect import signature
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from backproof.reference.optimizers import OPTIMIZERS, Optimizer
from backproof.reference.verdict.faults.fault import COMMON
from backproof.reference.verdict.training import Steps

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OptimizerFault:
    """One classical mistake.

    name, gives, source: as of `Fault`.
    of: (definition, options, ends of the parameters side by side) -> the wrong optimizer, or None
        where the mistake cannot be made.
    """

    name: str
    gives: str
    of: Callable[[str, Options, tuple[int, ...]], Optimizer | None]
    source: str = COMMON


def optimizer_faults() -> Iterator[OptimizerFault]:
    """Yield the faults."""
    yield _scalars("bias correction a step late", "corrected for t + 1", lambda f, t: f(t + 1))
    yield _scalars("bias not corrected", "not corrected", lambda f, t: 1 + 0 * t)
    yield _options("decay applied twice", "decayed twice", "weight_decay", lambda decay: 2 * decay)
    yield _options("decay forgotten", "not decayed", "weight_decay", lambda _: 0.0)
    yield _options("learning rate forgotten", "of a learning rate of one", "lr", lambda _: 1.0)
    yield _options("wrong sign", "a step uphill", "lr", lambda lr: -lr)
    yield _options(
        "Nesterov without look-ahead", "of the buffer alone", "nesterov", lambda _: False
    )
    yield _options("dampening forgotten", "not dampened", "dampening", lambda _: 0.0)
    yield _options("epsilon forgotten", "without epsilon", "eps", lambda _: 0.0)
    yield _options("rate that does not decay", "of the first rate", "lr_decay", lambda _: 0.0)
    yield _options("maximized the wrong way", "a descent", "maximize", lambda _: False)
    yield _options("schedule of momentum forgotten", "of one mu", "momentum_decay", lambda _: 0.0)
    yield _instead("coupled for decoupled", "decayed through g", {"adamw": "adam"})
    yield _instead("decoupled for coupled", "decayed beside g", {"adam": "adamw"})
    yield _instead("epsilon inside the root", "of sqrt(v + eps)", {"adagrad": "adagrad_eps_inside"})
    yield _instead(
        "epsilon outside the root", "of sqrt(v) + eps", {"adagrad_eps_inside": "adagrad"}
    )
    yield _line("dampening in the first step", "dampened at once", "b", ("dampening",), _dampened)
    yield _line(
        "largest forgotten", "v, not the largest so far", "v_max", (), lambda _: lambda v: v
    )
    yield _line("gradient not squared", "a mean of |g|", "v", ("beta2",), _not_squared)
    yield _line("mean forgotten", "of v, not of v - m^2", "u", ("centered",), _uncentered)
    yield OptimizerFault("moments a step late", "of the moments before the step", _late)
    yield OptimizerFault("betas exchanged", "of beta1 for beta2", _exchanged)
    yield OptimizerFault("each array clipped by its own norm", "clipped array by array", _apart)
    yield OptimizerFault("scaled up to the norm", "scaled up too, not only down", _scaled_up)
    yield OptimizerFault("not rectified", "without its rectification", _unrectified)


def named(steps: Steps, definition: str, options: Options) -> list[str]:
    """Return the faults that explain a training: their balls hold every number that is shown."""
    ends = tuple(accumulate(array.size for array in steps.record.start.values()))
    wrong = {fault.name: fault.of(definition, options, ends) for fault in optimizer_faults()}
    return [
        name
        for name, other in wrong.items()
        if other and len(steps.explains(other)) == len(steps.record.after)
    ]


def _right(name: str, options: Options) -> Optimizer:
    return OPTIMIZERS[name](**options)


def _lines(right: Optimizer, wrong: Mapping[str, Any]) -> Optimizer:
    return replace(right, lines={k: wrong.get(k, line) for k, line in right.lines.items()})


def _scalars(name: str, gives: str, wrong: Callable[..., Any]) -> OptimizerFault:
    """Return the fault of wrong bias corrections: wrong(right f, t)."""

    def of(definition: str, options: Options, _: Any) -> Optimizer | None:
        right = _right(definition, options)
        if "c1" not in right.scalars:
            return None
        c1, c2 = right.scalars["c1"], right.scalars["c2"]
        changed = {"c1": lambda t: wrong(c1, t), "c2": lambda t: wrong(c2, t)}
        return replace(right, scalars={**right.scalars, **changed})

    return OptimizerFault(name, gives, of)


def _options(name: str, gives: str, option: str, wrong: Callable[[Any], Any]) -> OptimizerFault:
    """Return the fault of another value of an option."""

    def of(definition: str, options: Options, _: Any) -> Optimizer | None:
        if not options.get(option):
            return None
        return _right(definition, {**options, option: wrong(options[option])})

    return OptimizerFault(name, gives, of)


def _instead(name: str, gives: str, others: Mapping[str, str]) -> OptimizerFault:
    """Return the fault of another definition in the place of the one claimed."""

    def of(definition: str, options: Options, _: Any) -> Optimizer | None:
        if definition not in others or ("adam" in definition and not options.get("weight_decay")):
            return None
        try:
            signature(OPTIMIZERS[others[definition]]).bind(**options)
        except TypeError:  # the other definition lacks an option
            return None
        return _right(others[definition], options)

    return OptimizerFault(name, gives, of)


def _line(
    name: str, gives: str, line: str, needs: tuple[str, ...], wrong: Callable[[Options], Any]
) -> OptimizerFault:
    """Return the fault of one wrong line: wrong(options); where the options needed are given."""

    def of(definition: str, options: Options, _: Any) -> Optimizer | None:
        right = _right(definition, options)
        if line not in right.lines or not all(options.get(need) for need in needs):
            return None
        return _lines(right, {line: wrong(options)})

    return OptimizerFault(name, gives, of)


def _dampened(options: Options) -> Any:
    return lambda g, b: options["momentum"] * b + (1 - options["dampening"]) * g


def _not_squared(options: Options) -> Any:
    return lambda g, v: options["beta2"] * v + (1 - options["beta2"]) * np.abs(g)


def _uncentered(options: Options) -> Any:
    return lambda g, v: g / (np.sqrt(v) + options["eps"])


def _late(definition: str, options: Options, _: Any) -> Optimizer | None:
    right = _right(definition, options)
    if not {"m", "u"} <= right.lines.keys() or {"v_max", "ahead", "m_hat"} & right.lines.keys():
        return None
    first = {name: line for name, line in right.lines.items() if name not in ("m", "v")}
    return replace(right, lines={**first, "m": right.lines["m"], "v": right.lines["v"]})


def _exchanged(definition: str, options: Options, _: Any) -> Optimizer | None:
    if "beta1" not in options:
        return None
    exchanged = {"beta1": options["beta2"], "beta2": options["beta1"]}
    return _right(definition, {**options, **exchanged})


def _apart(definition: str, options: Options, ends: tuple[int, ...]) -> Optimizer | None:
    if not definition.startswith("clip_by_norm"):
        return None
    right = _right(definition, options)
    clip = right.lines["clipped"]

    def clipped(g: Any) -> Any:
        return np.concatenate([clip(g[..., a:b]) for a, b in pairwise((0, *ends))], axis=-1)

    return _lines(right, {"clipped": clipped})


def _scaled_up(definition: str, options: Options, _: Any) -> Optimizer | None:
    if not definition.startswith("clip_by_norm") or "norm_type" in options:
        return None

    def clipped(g: Any) -> Any:
        return g * (options["limit"] / np.sqrt(np.sum(g * g, axis=-1, keepdims=True)))

    return _lines(_right(definition, options), {"clipped": clipped})


def _unrectified(definition: str, options: Options, _: Any) -> Optimizer | None:
    right = _right(definition, options)
    if "r" not in right.scalars:
        return None
    return replace(right, scalars={**right.scalars, "r": lambda t: 1 + 0 * t})
