"""paddle.optimizer, with its schedules and its clipping."""

from functools import partial
from typing import Any

import paddle
from paddle import nn, optimizer
from paddle.base.framework import EagerParamBase
from paddle.optimizer import lr as schedulers

from backproof.adapters.protocol import Tensor
from backproof.adapters.rules import Rule, library
from backproof.adapters.training import Named, Step
from backproof.reference.optimizers.schedules import Schedule

CALLED = {"lr": "learning_rate", "eps": "epsilon", "alpha": "rho"}
MOMENTS = {"moment1": "m", "moment2": "v"}
LARGEST = {**MOMENTS, "moment2_max": "v_max"}


def sgd(
    learning_rate: Any = 1e-3,
    momentum: float = 0.0,
    weight_decay: float | None = None,
    *,
    nesterov: bool = False,
    parameters: Any = None,
) -> Any:
    """Return SGD, or Momentum where there is some."""
    given = {"parameters": parameters, "weight_decay": weight_decay}
    if momentum:
        return optimizer.Momentum(learning_rate, momentum, use_nesterov=nesterov, **given)
    return optimizer.SGD(learning_rate, **given)


def clip_by_value(limit: float, learning_rate: float, parameters: Any = None) -> Any:
    clip = nn.ClipGradByValue(limit)
    return optimizer.SGD(learning_rate, parameters, grad_clip=clip)


def clip_by_norm(limit: float, learning_rate: float, parameters: Any = None) -> Any:
    clip = nn.ClipGradByGlobalNorm(limit)
    return optimizer.SGD(learning_rate, parameters, grad_clip=clip)


of = partial(Rule, called=CALLED)
RULES = {
    "sgd": of("sgd_from_zero", sgd, states={"velocity": "b"}),
    "adagrad": of("adagrad", optimizer.Adagrad, states={"moment": "v"}),
    "adadelta": Rule(
        "adadelta",
        optimizer.Adadelta,
        {"lr": "learning_rate", "eps": "epsilon"},
        {"_avg_squared_grad": "v", "_avg_squared_update": "d"},
    ),
    "rmsprop": of(
        "rmsprop_of_steps",
        optimizer.RMSProp,
        states={"mean_square": "v", "mean_grad": "m", "momentum": "-b"},
    ),
    "rprop": Rule(
        "rprop",
        optimizer.Rprop,
        {
            "lr": "learning_rate",
            **dict.fromkeys(("eta_minus", "eta_plus"), "etas"),
            **dict.fromkeys(("min_step_size", "max_step_size"), "learning_rate_range"),
        },
        {"prevs": "before", "learning_rates": "size"},
    ),
    "adam": of("adam", optimizer.Adam, states=MOMENTS),
    "adamw": of("adamw", optimizer.AdamW, states=MOMENTS),
    "amsgrad": of("amsgrad", partial(optimizer.Adam, amsgrad=True), states=LARGEST),
    "amsgradw": of("amsgradw", partial(optimizer.AdamW, amsgrad=True), states=LARGEST),
    "adamax": of(
        "adamax_eps_decayed", optimizer.Adamax, states={"moment": "m", "inf_norm": "largest"}
    ),
    "nadam": of("nadam", optimizer.NAdam, states={**MOMENTS, "mu_product": "mu_product"}),
    "radam": of("radam", optimizer.RAdam, states=MOMENTS),
    "lamb": Rule(
        "lamb",
        optimizer.Lamb,
        {"lr": "learning_rate", "eps": "epsilon", "weight_decay": "lamb_weight_decay"},
        MOMENTS,
    ),
    "clip_by_value": of("clip_by_value", clip_by_value),
    "clip_by_norm": of("clip_by_norm", clip_by_norm),
}


def starting(rule: Rule, parameters: dict[str, Tensor], arguments: dict[str, Any]) -> Step:
    moved = {name: EagerParamBase.from_tensor(w, name=name) for name, w in parameters.items()}
    of = rule.make(parameters=[*moved.values()], **arguments)
    rate = arguments.get("learning_rate")

    def step(gradients: Named) -> dict[str, dict[str, Tensor]]:
        for name, w in moved.items():
            w.grad = gradients[name]
        of.step()
        if isinstance(rate, schedulers.LRScheduler):
            rate.step()
        kept = of._accumulators  # noqa: SLF001 state_dict numbers them anew
        return {"w": moved} | {
            line: {name: kept[state][name].expand(w.shape) for name, w in moved.items()}
            for state, line in rule.states.items()
            if state in kept
        }

    return step


def scheduled(schedule: Schedule) -> Any:
    lr, options = schedule.options["lr"], schedule.options
    match schedule.name:
        case "exponential":
            return schedulers.ExponentialDecay(lr, options["gamma"])
        case "stairs":
            return schedulers.StepDecay(lr, int(options["length"]), options["gamma"])
        case "cosine":
            length = int(options["length"])
            return schedulers.CosineAnnealingDecay(lr, length, options["least"])
        case "warm_up":
            return schedulers.LinearWarmup(lr, int(options["length"]), options["first"], lr)
    raise NotImplementedError(schedule.name)


libraries = {
    "optimizer": library(
        paddle.__version__,
        "Paddle",
        RULES,
        starting,
        {
            "asgd": "Paddle's ASGD averages gradients of batches, not parameters",
            "lbfgs": "not written yet",
            **{f"{rule} lr_as_tensor": "Paddle's takes no tensor as rate" for rule in RULES},
        },
        scheduled=scheduled,
    )
}
