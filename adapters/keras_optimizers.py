"""keras.optimizers, on each of its backends, with its schedules and its clipping.

Keras's decay of weights comes before the step, in every optimizer.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any
from warnings import catch_warnings

import keras
from keras import ops, optimizers
from keras.optimizers import schedules

from backproof.adapters.keras_muon import Muon, muon
from backproof.adapters.protocol import Tensor
from backproof.adapters.rules import Rule, library
from backproof.adapters.training import MATRIX, MINIMUM, Named, Step
from backproof.reference.optimizers.schedules import Schedule

CALLED = {
    "lr": "learning_rate",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "eps": "epsilon",
    "alpha": "rho",
    "consistent_rms": "rms_rate",
}
MOMENTS = {"_momentums": "m", "_velocities": "v"}
HATS = {**MOMENTS, "_velocity_hats": "v_max"}


of = partial(Rule, called=CALLED)
RULES = {
    "sgd": of("sgd_of_steps", optimizers.SGD, states={"momentums": "b"}),
    "adagrad": of("adagrad_eps_inside", optimizers.Adagrad, states={"_accumulators": "v"}),
    "adadelta": Rule(
        "adadelta",
        optimizers.Adadelta,
        {"lr": "learning_rate", "eps": "epsilon"},
        {"_accumulated_grads": "v", "_accumulated_delta_vars": "d"},
    ),
    "rmsprop": of(
        "rmsprop_of_steps",
        optimizers.RMSprop,
        states={"_velocities": "v", "_average_gradients": "m", "_momentums": "-b"},
    ),
    "adam": of("adam_eps_hat", optimizers.Adam, states=MOMENTS),
    "adamw": of("adam_eps_hat", optimizers.AdamW, states=MOMENTS),
    "amsgrad": of("amsgrad_eps_hat", partial(optimizers.Adam, amsgrad=True), states=HATS),
    "amsgradw": of("amsgrad_eps_hat", partial(optimizers.AdamW, amsgrad=True), states=HATS),
    "adamax": of("adamax_eps_last", optimizers.Adamax, states={"_m": "m", "_u": "largest"}),
    "nadam": of(
        "nadam",
        optimizers.Nadam,
        states={**MOMENTS, "_u_product": "mu_product"},
        claims={"momentum_decay": 1.0},
    ),
    "lamb": of("lamb", optimizers.Lamb, states=MOMENTS),
    "lion": of("lion", optimizers.Lion, states={"_momentums": "m"}, claims={"weight_decay": 0.0}),
    "adafactor": Rule(
        "adafactor_relative",
        optimizers.Adafactor,
        {
            "lr": "learning_rate",
            "eps": "epsilon_1",
            "min_scale": "epsilon_2",
            "clipping_threshold": "clip_threshold",
            "decay_rate": "-beta_2_decay",
        },
        {"_r": "row", "_c": "column", "_v": "v"},
    ),
    "muon": of(
        "muon_uncorrected",
        muon,
        states={"momentums": "m", "adam_velocities": "v"},
        claims={"is_mean": False},
    ),
    "ftrl": Rule(
        "ftrl",
        optimizers.Ftrl,
        {
            "lr": "learning_rate",
            "power": "-learning_rate_power",
            "l1": "l1_regularization_strength",
            "l2": "l2_regularization_strength",
            "shrinkage": "l2_shrinkage_regularization_strength",
        },
        {"_accumulators": "n", "_linears": "z"},
    ),
    "clip_by_value": Rule(
        "clip_by_value", optimizers.SGD, {"lr": "learning_rate", "limit": "clipvalue"}
    ),
    "clip_by_norm": Rule(
        "clip_by_norm", optimizers.SGD, {"lr": "learning_rate", "limit": "global_clipnorm"}
    ),
}


def starting(rule: Rule, parameters: dict[str, Tensor], arguments: dict[str, Any]) -> Step:
    of = rule.make(**arguments)
    variables = {name: keras.Variable(w) for name, w in parameters.items()}
    of.build([*variables.values()])

    def step(gradients: Named) -> dict[str, dict[str, Tensor]]:
        with catch_warnings(action="ignore"):  # NumPy's, of NAdam's arrays
            of.apply([gradients[name] for name in variables])
        shown = {"w": {name: native(w) for name, w in variables.items()}}
        for state, line in rule.states.items():
            kept = getattr(of, state, [])
            each = kept if isinstance(kept, list) else [kept] * len(variables)
            for (name, w), a in zip(variables.items(), each, strict=False):
                if a is not None and (line not in FACTORED or w.ndim > 1):
                    shown.setdefault(line, {})[name] = whole(line, native(a), w.shape)
        if isinstance(of, Muon):
            matrices = [name for name, w in variables.items() if w.ndim == MATRIX]
            for n, x in enumerate(zip(*of.seen, strict=True)):
                shown[f"x{n}"] = dict(zip(matrices, x, strict=True))
            of.seen = ()
        return shown

    return step


FACTORED = {"row": -1, "column": -2}
"""A state of Adafactor -> the axis over which it is a mean."""


def native(variable: Any) -> Tensor:
    """Return a variable as the backend's tensor, through which no gradient flows."""
    return ops.stop_gradient(ops.convert_to_tensor(variable))


def whole(line: str, state: Tensor, shape: Any) -> Tensor:
    """Return a state for all entries: a mean, or one number for all parameters."""
    mean = ops.expand_dims(state, FACTORED[line]) if line in FACTORED else state
    return ops.broadcast_to(mean, shape)


def scheduled(schedule: Schedule) -> Any:
    lr, options = schedule.options["lr"], schedule.options
    match schedule.name:
        case "exponential":
            return schedules.ExponentialDecay(lr, 1, options["gamma"])
        case "stairs":
            length = int(options["length"])
            return schedules.ExponentialDecay(lr, length, options["gamma"], staircase=True)
        case "cosine":
            return schedules.CosineDecay(lr, int(options["length"]), options["least"] / lr)
        case "warm_up":
            return schedules.PolynomialDecay(options["first"], int(options["length"]), lr)
    raise NotImplementedError(schedule.name)


def claimed(rule: str, options: Mapping[str, Any], w: Any) -> tuple[str, Mapping[str, Any]]:
    """Return what is claimed of a parameter: Adafactor and Muon do not treat all shapes alike."""
    given = {name: value for name, value in options.items() if name != MINIMUM}
    given["decay_first"] = given.pop("weight_decay", 0.0)
    given |= RULES[rule].claims
    if rule == "adafactor":
        given["factored"] = w.ndim > 1
    if rule == "muon" and w.ndim != MATRIX:
        return "adam_eps_hat", {k: given[k] for k in ("lr", "decay_first") if k in given}
    return RULES[rule].definition, given


MUON = "on TensorFlow it multiplies float64 by a root that is float32, and raises"
TENSOR = "Keras takes a number, a schedule or a function as learning rate"

libraries = {
    "optimizers": library(
        keras.__version__,
        "Keras",
        RULES,
        starting,
        {"muon float64": MUON, **{f"{rule} lr_as_tensor": TENSOR for rule in RULES}},
        scheduled=scheduled,
        alone={rule: partial(claimed, rule) for rule in RULES},
        narrow=RULES,
    )
}
