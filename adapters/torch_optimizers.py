"""torch.optim and torch.nn.utils.clip_grad, in each of their implementations.

For each tensor alone, for all at once (foreach), or a step as one kernel (fused).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import utils
from torch.optim import lr_scheduler

from backproof.adapters.protocol import Tensor
from backproof.adapters.rules import scheduler_of
from backproof.adapters.torch_states import Orthogonalized, stepped
from backproof.adapters.training import AS_TENSOR, MATRIX, MINIMUM, Library, Named, Step, in_groups
from backproof.reference.optimizers.schedules import Schedule

CLAIMS = {
    "sgd": "sgd",
    "adagrad": "adagrad",
    "adadelta": "adadelta",
    "rmsprop": "rmsprop",
    "rprop": "rprop",
    "asgd": "asgd",
    "adam": "adam",
    "adamw": "adamw",
    "adamax": "adamax",
    "amsgrad": "amsgrad",
    "amsgradw": "amsgradw",
    "nadam": "nadam",
    "radam": "radam",
    "adafactor": "adafactor_clamped",
    "muon": "muon",
    "lbfgs": "lbfgs_of_steps",
    "clip_by_value": "clip_by_value",
    "clip_by_norm": "clip_by_norm_softened",
}
CLASSES = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "rprop": torch.optim.Rprop,
    "asgd": torch.optim.ASGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "amsgrad": torch.optim.Adam,
    "amsgradw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adafactor": torch.optim.Adafactor,
    "muon": torch.optim.Muon,
    "lbfgs": torch.optim.LBFGS,
}
STATES = {
    "sgd": {"momentum_buffer": "b"},
    "adagrad": {"sum": "v"},
    "adadelta": {"square_avg": "v", "acc_delta": "d"},
    "rprop": {"prev": "before", "step_size": "size"},
    "asgd": {"ax": "average", "eta": "eta", "mu": "mu"},
    "adamax": {"exp_avg": "m", "exp_inf": "largest"},
    "adafactor": {"row_var": "row", "col_var": "column", "variance": "v"},
    "rmsprop": {"square_avg": "v", "grad_avg": "m", "momentum_buffer": "b"},
}
MOMENTS = {"exp_avg": "m", "exp_avg_sq": "v", "max_exp_avg_sq": "v_max", "mu_product": "mu_product"}
"""PyTorch's name of a state -> the definitions' name, for optimizers that are not in `STATES`."""

PAIRS = {
    "betas": ("beta1", "beta2"),
    "etas": ("eta_minus", "eta_plus"),
    "step_sizes": ("min_step_size", "max_step_size"),
}
"""PyTorch's name of two options together -> the options."""

CALLED = {"adafactor": {"clipping_threshold": "d"}, "muon": {"coefficients": "ns_coefficients"}}
"""Optimizer -> option -> PyTorch's name of it, where that is different."""


def start(
    optimizer: str, parameters: dict[str, Tensor], options: Mapping[str, Any], **how: bool
) -> Step:
    if optimizer.startswith("clip"):
        return clipped(optimizer, parameters, dict(options), **how)
    if optimizer == "lbfgs":
        return stepped(torch.optim.LBFGS(parameters.values(), max_iter=1, **options), parameters)
    if optimizer == "muon":
        moved = {name: w for name, w in parameters.items() if w.ndim == MATRIX}
        of = torch.optim.Muon(moved.values(), **called(optimizer, options))
        return Orthogonalized(of, moved, parameters).step
    every = [
        (called(optimizer, given), [parameters[name] for name in names])
        for given, names in in_groups(options, parameters)
    ]
    groups = [{"params": tensors, **given} for given, tensors in every]
    of = CLASSES[optimizer](groups, **every[0][0], **how)  # the first group's are the defaults
    schedule = options.get("lr")
    scheduler = scheduler_of(of, schedule, lr_scheduler) if isinstance(schedule, Schedule) else None
    names = STATES.get(optimizer, MOMENTS)

    def step(gradients: Named) -> dict[str, dict[str, Tensor]]:
        for name, w in parameters.items():
            w.grad = gradients[name]
        of.step()
        if scheduler:
            scheduler.step()
        shown: dict[str, dict[str, Tensor]] = {"w": parameters}
        for name, w in parameters.items():
            for state, tensor in of.state.get(w, {}).items():
                if state in names and tensor is not None:
                    # A state of one number holds for all entries.
                    shown.setdefault(names[state], {})[name] = tensor.to(w.dtype).expand_as(w)
        return shown

    return step


def called(optimizer: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options under PyTorch's names; a schedule's rate at its start."""
    given = dict(options)
    if isinstance(given.get("lr"), Schedule):
        given["lr"] = given["lr"].options["lr"]
    for pair, (first, second) in PAIRS.items():
        if first in given:
            given[pair] = given.pop(first), given.pop(second)
    if optimizer.startswith("amsgrad"):
        given["amsgrad"] = True
    if optimizer == "adafactor":
        given.pop(MINIMUM, None)
        given["eps"] = given.get("eps"), given.pop("min_scale", 1e-3)
        given["beta2_decay"] = -given.pop("decay_rate", 0.8)
    if given.pop("consistent_rms", None):
        given["adjust_lr_fn"] = "match_rms_adamw"
    return {CALLED.get(optimizer, {}).get(name, name): value for name, value in given.items()}


def of_shape(options: Mapping[str, Any], w: Any) -> tuple[str, Mapping[str, Any]]:
    """Return what is claimed of a parameter of Adafactor, whose default of eps is of its dtype."""
    given = {name: value for name, value in options.items() if name != MINIMUM}
    eps = float(np.finfo(w.dtype).eps)
    return "adafactor_clamped", {"eps": eps, **given, "factored": w.ndim > 1}


def if_matrix(options: Mapping[str, Any], w: Any) -> tuple[str, Mapping[str, Any]] | None:
    """Return what is claimed of a parameter of Muon, to which matrices alone are given."""
    return ("muon", options) if w.ndim == MATRIX else None


def clipped(
    optimizer: str, parameters: dict[str, Tensor], options: dict[str, Any], *, foreach: bool
) -> Step:
    of = torch.optim.SGD(parameters.values(), lr=options.pop("lr"), foreach=foreach)
    limit = options.pop("limit")
    clip = utils.clip_grad_value_ if optimizer == "clip_by_value" else utils.clip_grad_norm_

    def step(gradients: Named) -> dict[str, dict[str, Tensor]]:
        for name, w in parameters.items():
            w.grad = gradients[name].clone()
        clip(parameters.values(), limit, **options, foreach=foreach)
        of.step()
        return {"clipped": {name: w.grad for name, w in parameters.items()}, "w": parameters}

    return step


LACKS = {
    "rmsprop nesterov": "torch.optim.RMSprop has no look-ahead",
    "rmsprop bias_correction": "torch.optim.RMSprop corrects no bias",
    "rmsprop initial_scale": "torch.optim.RMSprop starts at zero",
    "rmsprop eps_in_sqrt": "torch.optim.RMSprop has epsilon outside the root",
    "adam eps_root": "torch.optim.Adam has no epsilon inside the root",
    "adamw eps_root": "torch.optim.AdamW has no epsilon inside the root",
    "amsgrad eps_root": "torch.optim.Adam has no epsilon inside the root",
    "amsgrad bias_correction_mu": "torch.optim.Adam always corrects the bias",
    "amsgrad bias_correction_nu": "torch.optim.Adam always corrects the bias",
    "adamax decoupled_weight_decay": "torch.optim.Adamax has no decoupled decay",
    "adafactor multiply_by_parameter_scale": "torch.optim.Adafactor always multiplies by it",
    "adafactor momentum": "torch.optim.Adafactor has no momentum",
    "adafactor factored": "torch.optim.Adafactor factors all arrays of two axes and more",
    "lbfgs scale_init_precond": "torch.optim.LBFGS always scales it",
    "adafactor relative_step": "torch.optim.Adafactor always has a relative step",
    "adam bias_correction": "torch.optim.Adam always corrects the bias",
    "adamw bias_correction": "torch.optim.AdamW always corrects the bias",
    "ftrl": "torch.optim has no FTRL",
    "lion": "torch.optim has no Lion",
    "lamb": "torch.optim has no LAMB",
    "nadam eps_root": "torch.optim.NAdam has no epsilon inside the root",
    "radam eps_root": "torch.optim.RAdam has no epsilon inside the root",
    "radam threshold": "torch.optim.RAdam has its threshold built in",
    "radam nesterov": "torch.optim.RAdam has no look-ahead",
}
FUSED = ("sgd", "adagrad", "adam", "adamw", "amsgrad", "amsgradw")
"""The optimizers that have a fused kernel on CPUs."""


UNFUSED = {name: "PyTorch fuses no such step" for name in CLAIMS if name not in FUSED}
UNLESS_CAPTURABLE = {
    f"{name} {AS_TENSOR}": "a foreach step takes no tensor as lr, unless it is capturable"
    for name in ("adam", "adamw")
}
UNFOREACH = {
    "muon": "torch.optim.Muon has no foreach step",
    "lbfgs": "torch.optim.LBFGS has no foreach step",
}
ALONE = {"adafactor": of_shape, "muon": if_matrix}
VERSION = str(torch.__version__)

libraries = {
    "single": Library(
        VERSION, CLAIMS, partial(start, foreach=False), LACKS, chained=True, alone=ALONE
    ),
    "foreach": Library(
        VERSION,
        CLAIMS,
        partial(start, foreach=True),
        LACKS | UNLESS_CAPTURABLE | UNFOREACH,
        narrow=("asgd",),
        chained=True,
        alone=ALONE,
    ),
    "fused": Library(VERSION, CLAIMS, partial(start, fused=True), LACKS | UNFUSED, chained=True),
}
