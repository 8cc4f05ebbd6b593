"""mindspore.experimental.optim, whose rules and schedules are those of torch.optim, but for Adam's.

Its Adam adds epsilon before the correction; its documentation says that it is not the paper's.
"""

from functools import partial
from typing import Any

import mindspore
from mindspore import Parameter
from mindspore.experimental import optim
from mindspore.experimental.optim import lr_scheduler

from backproof.adapters.protocol import Tensor
from backproof.adapters.rules import Rule, library, scheduler_of
from backproof.adapters.training import Named, Step
from backproof.reference.optimizers.schedules import Schedule

BETAS = {"beta1": "betas", "beta2": "betas"}
MOMENTS = {"exp_avg": "m", "exp_avg_sq": "v"}
LARGEST = {**MOMENTS, "max_exp_avg_sq": "v_max"}

of = partial(Rule, called=BETAS)
RULES = {
    "sgd": Rule("sgd", optim.SGD, states={"accum": "b"}),
    "adagrad": Rule("adagrad", optim.Adagrad, states={"accum": "v"}),
    "adadelta": Rule("adadelta", optim.Adadelta, states={"accum": "v", "accum_update": "d"}),
    "rmsprop": Rule(
        "rmsprop", optim.RMSprop, states={"mean_square": "v", "mean_grad": "m", "moment": "b"}
    ),
    "rprop": Rule(
        "rprop",
        optim.Rprop,
        {
            **dict.fromkeys(("eta_minus", "eta_plus"), "etas"),
            **dict.fromkeys(("min_step_size", "max_step_size"), "step_sizes"),
        },
        {"prev": "before", "step_size": "size"},
    ),
    "asgd": Rule("asgd", optim.ASGD, states={"ax": "average", "eta": "eta", "mu": "mu"}),
    "adam": of("adam_eps_hat", optim.Adam, states=MOMENTS),
    "adamw": of("adamw", optim.AdamW, states=MOMENTS),
    "amsgrad": of("amsgrad_eps_hat", partial(optim.Adam, amsgrad=True), states=LARGEST),
    "amsgradw": of("amsgradw", partial(optim.AdamW, amsgrad=True), states=LARGEST),
    "adamax": of("adamax", optim.Adamax, states={"exp_avg": "m", "exp_inf": "largest"}),
    "nadam": of("nadam", optim.NAdam, states={**MOMENTS, "mu_product": "mu_product"}),
    "radam": of("radam", optim.RAdam, states=MOMENTS),
}


def starting(rule: Rule, parameters: dict[str, Tensor], arguments: dict[str, Any]) -> Step:
    moved = {name: Parameter(w, name=name) for name, w in parameters.items()}
    rate = arguments.get("lr")
    if isinstance(rate, Schedule):
        arguments["lr"] = rate.options["lr"]
    of = rule.make([*moved.values()], **arguments)
    scheduler = scheduler_of(of, rate, lr_scheduler) if isinstance(rate, Schedule) else None

    def step(gradients: Named) -> dict[str, dict[str, Tensor]]:
        of(tuple(gradients[name] for name in moved))
        if scheduler:
            scheduler.step()
        return {"w": now(moved.values())} | {
            line: now(getattr(of, state)) for state, line in rule.states.items()
        }

    def now(arrays: Any) -> dict[str, Tensor]:
        """Return copies of arrays, which the next step writes to, in the parameters' shapes."""
        return {
            name: a.value().copy().expand_as(w)
            for (name, w), a in zip(moved.items(), arrays, strict=True)
        }

    return step


libraries = {
    "experimental": library(
        mindspore.__version__,
        "MindSpore",
        RULES,
        starting,
        {
            "float64": "MindSpore keeps the learning rate in float32 there, too",
            **{
                f"{rule} lr_as_tensor": "it becomes a float32 parameter, as a number does"
                for rule in RULES
            },
        },
        scheduled=lambda schedule: schedule,
        chained=True,
        narrow=[*RULES],
    )
}
