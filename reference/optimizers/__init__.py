"""Optimizers: the next value of a parameter, from its gradient and the optimizer's states.

Where libraries define a rule differently, each definition stands here under a name of its own.
"""

from collections.abc import Callable, Mapping

from backproof.reference.optimizers.adadelta import adadelta
from backproof.reference.optimizers.adafactor import (
    adafactor,
    adafactor_clamped,
    adafactor_relative,
)
from backproof.reference.optimizers.adagrad import adagrad, adagrad_eps_inside
from backproof.reference.optimizers.adam import adam, adam_eps_hat, adamw
from backproof.reference.optimizers.adamax import adamax, adamax_eps_decayed, adamax_eps_last
from backproof.reference.optimizers.amsgrad import (
    amsgrad,
    amsgrad_corrected,
    amsgrad_eps_hat,
    amsgradw,
)
from backproof.reference.optimizers.asgd import asgd
from backproof.reference.optimizers.clipping import (
    clip_by_norm,
    clip_by_norm_softened,
    clip_by_value,
)
from backproof.reference.optimizers.decay import decaying
from backproof.reference.optimizers.descent import (
    descent_from_zero,
    descent_of_steps,
    momentum_descent,
    sgd,
)
from backproof.reference.optimizers.ftrl import ftrl
from backproof.reference.optimizers.lamb import lamb
from backproof.reference.optimizers.lbfgs import lbfgs, lbfgs_of_steps
from backproof.reference.optimizers.lion import lion
from backproof.reference.optimizers.muon import muon, muon_corrected, muon_uncorrected
from backproof.reference.optimizers.nadam import nadam, nadam_constant
from backproof.reference.optimizers.optimizer import Optimizer, remembering
from backproof.reference.optimizers.radam import radam, radam_eps_last
from backproof.reference.optimizers.rmsprop import rmsprop, rmsprop_of_steps
from backproof.reference.optimizers.rprop import rprop, rprop_of_steps
from backproof.reference.optimizers.schedules import schedulable

__all__ = ["OPTIMIZERS", "Optimizer", "sgd"]

DEFINITIONS: Mapping[str, Callable[..., Optimizer]] = {
    "sgd": momentum_descent,
    "adagrad": adagrad,
    "adagrad_eps_inside": adagrad_eps_inside,
    "adadelta": adadelta,
    "rmsprop": rmsprop,
    "rmsprop_of_steps": rmsprop_of_steps,
    "rprop": rprop,
    "rprop_of_steps": rprop_of_steps,
    "sgd_from_zero": descent_from_zero,
    "sgd_of_steps": descent_of_steps,
    "asgd": asgd,
    "adam": adam,
    "adam_eps_hat": adam_eps_hat,
    "adamw": adamw,
    "adamax": adamax,
    "adamax_eps_last": adamax_eps_last,
    "adamax_eps_decayed": adamax_eps_decayed,
    "amsgrad": amsgrad,
    "amsgradw": amsgradw,
    "amsgrad_corrected": amsgrad_corrected,
    "amsgrad_eps_hat": amsgrad_eps_hat,
    "nadam": nadam,
    "nadam_constant": nadam_constant,
    "radam": radam,
    "radam_eps_last": radam_eps_last,
    "lion": lion,
    "lamb": lamb,
    "adafactor": adafactor,
    "adafactor_clamped": adafactor_clamped,
    "adafactor_relative": adafactor_relative,
    "muon": muon,
    "muon_corrected": muon_corrected,
    "muon_uncorrected": muon_uncorrected,
    "ftrl": ftrl,
    "lbfgs": lbfgs,
    "lbfgs_of_steps": lbfgs_of_steps,
    "clip_by_value": clip_by_value,
    "clip_by_norm": clip_by_norm,
    "clip_by_norm_softened": clip_by_norm_softened,
}

OPTIMIZERS = {name: remembering(schedulable(decaying(of))) for name, of in DEFINITIONS.items()}
"""Name of a definition -> the optimizer with the options that it is given."""
