"""mlx.optimizers: those of MLX itself, its schedules, and clip_grad_norm."""

from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

import mlx.core as mx
from mlx import optimizers

from backproof.adapters.protocol import Tensor
from backproof.adapters.rules import Rule, library
from backproof.adapters.training import MATRIX, MINIMUM, Named, Step
from backproof.reference.optimizers.schedules import Schedule

CALLED = {"lr": "learning_rate", "beta1": "betas", "beta2": "betas"}
MOMENTS = {"m": "m", "v": "v"}


def adafactor(
    learning_rate: Any = None,
    eps: tuple[float, float] = (1e-30, 1e-3),
    clip_threshold: float = 1.0,
    decay_rate: float = 0.8,
    beta_1: float | None = None,
    weight_decay: float = 0.0,
    *,
    scale_parameter: bool = True,
    relative_step: bool | None = None,
) -> Any:
    """Return Adafactor, whose step is relative where no rate is given: MLX would not read it."""
    relative = learning_rate is None if relative_step is None else relative_step
    factors = (-decay_rate, beta_1, weight_decay, scale_parameter, relative)
    return optimizers.Adafactor(learning_rate, eps, clip_threshold, *factors)


class Muon(optimizers.Muon):  # type: ignore[misc]
    """MLX's Muon, whose matrices are seen after each Newton-Schulz step."""

    seen: list[list[Tensor]]

    def _zeropower_via_newtonschulz5(self, X: Tensor, steps: int) -> Tensor:
        """Return MLX's own result, after keeping those of none, one, two, ... of the steps."""
        of = super()._zeropower_via_newtonschulz5
        self.seen.append([of(X, n) for n in range(steps + 1)])
        return self.seen[-1][-1]


of = partial(Rule, called=CALLED)
RULES = {
    "sgd": of("sgd_from_zero", optimizers.SGD, states={"v": "b"}),
    "adagrad": of("adagrad", optimizers.Adagrad, states={"v": "v"}),
    "adadelta": of("adadelta", optimizers.AdaDelta, states={"v": "v", "u": "d"}),
    "rmsprop": of("rmsprop", optimizers.RMSprop, states={"v": "v"}),
    "adam": of("adam", optimizers.Adam, states=MOMENTS),
    "adamw": of("adamw", optimizers.AdamW, states=MOMENTS),
    "adamax": of(
        "adamax_eps_last",
        optimizers.Adamax,
        states={"m": "m", "v": "largest"},
        claims={"bias_correction": False},
    ),
    "lion": of("lion", optimizers.Lion, states={"m": "m"}),
    "adafactor": Rule(
        "adafactor_relative",
        adafactor,
        {
            "lr": "learning_rate",
            "eps": "eps",
            "min_scale": "eps",
            "momentum": "beta_1",
            "clipping_threshold": "clip_threshold",
            "multiply_by_parameter_scale": "scale_parameter",
        },
        {"exp_avg_sq_row": "row", "exp_avg_sq_col": "column", "exp_avg_sq": "v", "exp_avg": "b"},
    ),
    "muon": of("muon_uncorrected", Muon, states={"v": "m"}, claims={"is_coupled": True}),
    "clip_by_norm": Rule("clip_by_norm_softened", optimizers.clip_grad_norm, {"limit": "max_norm"}),
}


def starting(rule: Rule, parameters: dict[str, Tensor], arguments: dict[str, Any]) -> Step:
    clip = rule.make is optimizers.clip_grad_norm
    of = optimizers.SGD(arguments.pop("lr")) if clip else rule.make(**arguments)

    def step(gradients: Named) -> dict[str, dict[str, Tensor]]:
        g = {name: gradients[name] for name in parameters}
        shown: dict[str, dict[str, Tensor]] = {}
        if clip:
            g, _ = optimizers.clip_grad_norm(g, **arguments)
            shown["clipped"] = g
        if isinstance(of, Muon):
            of.seen = []
        parameters.update(of.apply_gradients(g, parameters))
        mx.eval(parameters, of.state)
        for name, w in parameters.items():
            for state, line in rule.states.items():
                if state in of.state[name]:
                    shown.setdefault(line, {})[name] = whole(line, of.state[name][state], w)
        if isinstance(of, Muon):
            for n, x in enumerate(zip(*of.seen, strict=True)):
                shown[f"x{n}"] = dict(zip(parameters, x, strict=True))
        return {"w": dict(parameters), **shown}

    return step


def whole(line: str, mean: Tensor, w: Tensor) -> Tensor:
    """Return a state for all entries: Adafactor keeps means of rows and of columns."""
    axis = {"row": -1, "column": -2}.get(line)
    return mean if axis is None else mx.broadcast_to(mx.expand_dims(mean, axis), w.shape)


def scheduled(schedule: Schedule) -> Any:
    lr, options = schedule.options["lr"], schedule.options
    match schedule.name:
        case "exponential":
            return optimizers.exponential_decay(lr, options["gamma"])
        case "stairs":
            return optimizers.step_decay(lr, options["gamma"], int(options["length"]))
        case "cosine":
            return optimizers.cosine_decay(lr, int(options["length"]), options["least"])
        case "warm_up":
            return optimizers.linear_schedule(options["first"], lr, int(options["length"]))
    raise NotImplementedError(schedule.name)


def of_shape(options: Mapping[str, Any], w: Any) -> tuple[str, Mapping[str, Any]]:
    """Return what is claimed of a parameter of Adafactor, which factors all but vectors."""
    given = {"relative_step": "lr" not in options, **options, "factored": w.ndim > 1}
    given.pop(MINIMUM, None)
    return "adafactor_relative", given


def if_matrix(options: Mapping[str, Any], w: Any) -> tuple[str, Mapping[str, Any]] | None:
    """Return what is claimed of a parameter of Muon, to which matrices alone are given."""
    return ("muon_uncorrected", options) if w.ndim == MATRIX else None


libraries = {
    "optimizers": library(
        version("mlx"),
        "MLX",
        RULES,
        starting,
        {"adagrad initial_accumulator_value": (bool, "MLX's Adagrad starts at zero")},
        scheduled=scheduled,
        alone={"adafactor": of_shape, "muon": if_matrix},
        narrow=("sgd", "adam", "adamw"),
    )
}
