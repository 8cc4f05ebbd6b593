"""The scenarios of optimizers: every option of each, and the networks that are trained."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.adapters.frameworks import row, traits
from backproof.adapters.training import AS_TENSOR, MINIMUM, OF_VECTORS
from backproof.reference.network import Network
from backproof.reference.networks import gpt, mlp
from backproof.reference.networks.build import Builder
from backproof.reference.optimizers.schedules import Schedule
from backproof.scenarios.networks import CASES
from backproof.scenarios.scenario import BOTH, Scenario, seeded, table

BETAS = {"beta1": 0.8, "beta2": 0.95}
ADAM = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
RMSPROP = {"lr": 0.01, "alpha": 0.9, "eps": 1e-8}
ADADELTA = {"lr": 0.5, "rho": 0.9, "eps": 1e-6}
ASGD = {"lr": 0.1, "lambd": 0.01}
ETAS = {"eta_minus": 0.5, "eta_plus": 1.2}
RPROP = {"lr": 0.01, **ETAS, "min_step_size": 1e-6, "max_step_size": 0.02}
LAMB = {**ADAM, "eps": 1e-6}
LION = {"lr": 0.01, "beta1": 0.9, "beta2": 0.95}
ADAFACTOR = {"lr": 0.05, "decay_rate": 0.8, MINIMUM: 2}
MUON = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.0}
LBFGS = {"lr": 0.1, "history_size": 3}
FTRL = {"lr": 0.1, "initial_accumulator_value": 0.1}
CLIPPED = {"lr": 0.5, "limit": 0.02}

OPTIONS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "sgd": ("sgd", {"lr": 0.5}),
    "sgd-weight_decay": ("sgd", {"lr": 0.5, "weight_decay": 0.1}),
    "sgd-maximize": ("sgd", {"lr": 0.01, "maximize": True}),
    "sgd-momentum": ("sgd", {"lr": 0.1, "momentum": 0.9}),
    "sgd-dampening": ("sgd", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    "sgd-nesterov": ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "sgd-nesterov-weight_decay": (
        "sgd",
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ),
    "adagrad": ("adagrad", {"lr": 0.1, "eps": 1e-10, "initial_accumulator_value": 0.0}),
    "adagrad-eps": ("adagrad", {"lr": 0.1, "eps": 1e-3, "initial_accumulator_value": 0.0}),
    "adagrad-initial": ("adagrad", {"lr": 0.1, "eps": 1e-7, "initial_accumulator_value": 0.1}),
    "adagrad-lr_decay": ("adagrad", {"lr": 0.1, "lr_decay": 0.1}),
    "adagrad-weight_decay": (
        "adagrad",
        {"lr": 0.1, "eps": 1e-7, "initial_accumulator_value": 0.1, "weight_decay": 0.1},
    ),
    "adagrad-groups": (
        "adagrad",
        {
            "lr": 0.1,
            "eps": 1e-7,
            "initial_accumulator_value": 0.0,
            OF_VECTORS: {"initial_accumulator_value": 0.5},
        },
    ),
    "adagrad-maximize": ("adagrad", {"lr": 0.01, "maximize": True}),
    "adadelta": ("adadelta", ADADELTA),
    "adadelta-rho": ("adadelta", {**ADADELTA, "rho": 0.7}),
    "adadelta-eps": ("adadelta", {**ADADELTA, "eps": 1e-3}),
    "adadelta-weight_decay": ("adadelta", {**ADADELTA, "weight_decay": 0.1}),
    "adadelta-maximize": ("adadelta", {**ADADELTA, "maximize": True}),
    "rprop": ("rprop", RPROP),
    "rprop-etas": ("rprop", {**RPROP, "eta_minus": 0.3, "eta_plus": 1.5}),
    "rprop-step_sizes": ("rprop", {**RPROP, "min_step_size": 0.008, "max_step_size": 0.015}),
    "rprop-maximize": ("rprop", {**RPROP, "maximize": True}),
    "asgd": ("asgd", ASGD),
    "asgd-alpha": ("asgd", {**ASGD, "alpha": 0.5}),
    "asgd-t0": ("asgd", {**ASGD, "t0": 10.0}),
    "asgd-weight_decay": ("asgd", {**ASGD, "weight_decay": 0.1}),
    "asgd-maximize": ("asgd", {**ASGD, "maximize": True}),
    "rmsprop": ("rmsprop", RMSPROP),
    "rmsprop-eps": ("rmsprop", {**RMSPROP, "eps": 1e-3}),
    "rmsprop-eps_in_sqrt": ("rmsprop", {**RMSPROP, "eps_in_sqrt": False}),
    "rmsprop-centered": ("rmsprop", {**RMSPROP, "centered": True}),
    "rmsprop-momentum": ("rmsprop", {**RMSPROP, "momentum": 0.8}),
    "rmsprop-centered-momentum": ("rmsprop", {**RMSPROP, "centered": True, "momentum": 0.8}),
    "rmsprop-nesterov": ("rmsprop", {**RMSPROP, "momentum": 0.8, "nesterov": True}),
    "rmsprop-bias_correction": ("rmsprop", {**RMSPROP, "bias_correction": True}),
    "rmsprop-centered-bias_correction": (
        "rmsprop",
        # The first step's corrected variance is zero: eps alone keeps it from being negative.
        {**RMSPROP, "eps": 1e-3, "centered": True, "bias_correction": True},
    ),
    "rmsprop-initial_scale": ("rmsprop", {**RMSPROP, "initial_scale": 0.5}),
    "rmsprop-weight_decay": ("rmsprop", {**RMSPROP, "weight_decay": 0.1}),
    "rmsprop-maximize": ("rmsprop", {**RMSPROP, "maximize": True}),
    "adam": ("adam", ADAM),
    "adam-betas": ("adam", {**ADAM, **BETAS}),
    "adam-eps": ("adam", {**ADAM, "eps": 1e-3}),
    "adam-eps_root": ("adam", {**ADAM, "eps_root": 1e-6}),
    "adam-weight_decay": ("adam", {**ADAM, "weight_decay": 0.1}),
    "adam-maximize": ("adam", {**ADAM, "maximize": True}),
    "adamw": ("adamw", {**ADAM, "weight_decay": 0.1}),
    "adamw-betas": ("adamw", {**ADAM, **BETAS, "weight_decay": 0.01}),
    "adamw-eps_root": ("adamw", {**ADAM, "eps_root": 1e-6, "weight_decay": 0.1}),
    "adamw-maximize": ("adamw", {**ADAM, "weight_decay": 0.1, "maximize": True}),
    "adamax": ("adamax", ADAM),
    "adamax-betas": ("adamax", {**ADAM, **BETAS}),
    "adamax-eps": ("adamax", {**ADAM, "eps": 1e-3}),
    "adamax-weight_decay": ("adamax", {**ADAM, "weight_decay": 0.1}),
    "adamaxw": ("adamax", {**ADAM, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "adamax-maximize": ("adamax", {**ADAM, "maximize": True}),
    "amsgrad": ("amsgrad", {**ADAM, **BETAS}),
    "amsgrad-weight_decay": ("amsgrad", {**ADAM, **BETAS, "weight_decay": 0.1}),
    "amsgrad-eps_root": ("amsgrad", {**ADAM, **BETAS, "eps_root": 1e-6}),
    "amsgrad-no-bias_correction_mu": ("amsgrad", {**ADAM, "bias_correction_mu": False}),
    "amsgrad-no-bias_correction_nu": ("amsgrad", {**ADAM, "bias_correction_nu": False}),
    "amsgradw": ("amsgradw", {**ADAM, **BETAS, "weight_decay": 0.1}),
    "nadam": ("nadam", ADAM),
    "nadam-betas": ("nadam", {**ADAM, **BETAS}),
    "nadam-momentum_decay": ("nadam", {**ADAM, "momentum_decay": 0.1}),
    "nadam-eps_root": ("nadam", {**ADAM, "eps_root": 1e-6}),
    "nadam-weight_decay": ("nadam", {**ADAM, "weight_decay": 0.1}),
    "nadamw": ("nadam", {**ADAM, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "nadam-maximize": ("nadam", {**ADAM, "maximize": True}),
    "radam": ("radam", ADAM),
    "radam-betas": ("radam", {**ADAM, **BETAS}),
    "radam-eps_root": ("radam", {**ADAM, "eps_root": 1e-6}),
    "radam-threshold": ("radam", {**ADAM, "threshold": 8.0}),
    "radam-nesterov": ("radam", {**ADAM, "nesterov": True}),
    "radam-weight_decay": ("radam", {**ADAM, "weight_decay": 0.1}),
    "radamw": ("radam", {**ADAM, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "radam-maximize": ("radam", {**ADAM, "maximize": True}),
    "lion": ("lion", {**LION, "weight_decay": 0.0}),
    "lion-betas": ("lion", {**LION, **BETAS, "weight_decay": 0.0}),
    "lion-weight_decay": ("lion", {**LION, "weight_decay": 0.1}),
    "lamb": ("lamb", LAMB),
    "lamb-betas": ("lamb", {**LAMB, **BETAS}),
    "lamb-eps_root": ("lamb", {**LAMB, "eps_root": 1e-6}),
    "lamb-weight_decay": ("lamb", {**LAMB, "weight_decay": 0.1}),
    "adafactor": ("adafactor", ADAFACTOR),
    "adafactor-decay_rate": ("adafactor", {**ADAFACTOR, "decay_rate": 0.5}),
    "adafactor-clipping_threshold": ("adafactor", {**ADAFACTOR, "clipping_threshold": 1.1}),
    "adafactor-eps": ("adafactor", {**ADAFACTOR, "eps": 0.05}),
    "adafactor-min_scale": ("adafactor", {**ADAFACTOR, "min_scale": 0.5}),
    "adafactor-no-parameter_scale": (
        "adafactor",
        {**ADAFACTOR, "multiply_by_parameter_scale": False},
    ),
    "adafactor-momentum": ("adafactor", {**ADAFACTOR, "momentum": 0.8}),
    "adafactor-weight_decay": ("adafactor", {**ADAFACTOR, "weight_decay": 0.1}),
    "adafactor-maximize": ("adafactor", {**ADAFACTOR, "maximize": True}),
    "muon": ("muon", MUON),
    "muon-no-nesterov": ("muon", {**MUON, "nesterov": False}),
    "muon-eps": ("muon", {**MUON, "eps": 0.5}),
    "muon-ns_steps": ("muon", {**MUON, "ns_steps": 3, "coefficients": (1.5, -0.5, 0.125)}),
    "muon-consistent_rms": ("muon", {**MUON, "consistent_rms": 0.2}),
    "muon-weight_decay": ("muon", {**MUON, "weight_decay": 0.1}),
    "lbfgs": ("lbfgs", LBFGS),
    "lbfgs-history_size": ("lbfgs", {**LBFGS, "history_size": 1}),
    "lbfgs-no-init_precond": ("lbfgs", {**LBFGS, "scale_init_precond": False}),
    "lbfgs-tolerances": ("lbfgs", {**LBFGS, "tolerance_grad": 0.1, "tolerance_change": 0.1}),
    "clip_by_value": ("clip_by_value", CLIPPED),
    "clip_by_norm": ("clip_by_norm", CLIPPED),
    "clip_by_norm-1": ("clip_by_norm", {**CLIPPED, "norm_type": 1.0}),
    "clip_by_norm-inf": ("clip_by_norm", {**CLIPPED, "norm_type": np.inf}),
}
OPTIONS |= {
    f"{rule}-{AS_TENSOR}": (rule, {**OPTIONS[rule][1], AS_TENSOR: True})
    for rule in ("sgd", "adam", "adamw")
}
SCHEDULES = {
    "exponential": {"lr": 0.5, "gamma": 0.97},
    "stairs": {"lr": 0.5, "gamma": 0.3, "length": 7},
    "cosine": {"lr": 0.5, "least": 0.05, "length": 120},
    "warm_up": {"lr": 0.5, "first": 0.03125, "length": 12},
}
OPTIONS |= {
    f"sgd-{name}": ("sgd", {"lr": Schedule(name, options)}) for name, options in SCHEDULES.items()
}
DECAYING = Schedule("cosine", {**SCHEDULES["cosine"], "lr": 0.01, "least": 0.0})
OPTIONS["adamw-cosine"] = ("adamw", {**ADAM, "lr": DECAYING, "weight_decay": 0.1})
OPTIONS |= {
    "sgd-groups": ("sgd", {"lr": 0.5, "momentum": 0.9, OF_VECTORS: {"lr": 0.1, "momentum": 0.5}}),
    "adamw-groups": ("adamw", {**ADAM, "weight_decay": 0.1, OF_VECTORS: {"weight_decay": 0.0}}),
    "adam-in_no_group": ("adam", {**ADAM, OF_VECTORS: None}),
}
OPTIONS |= {
    f"{rule}-defaults": (rule, {})
    for rule in sorted({rule for rule, _ in OPTIONS.values()})
    if "clip" not in rule
}
OPTIONS["lbfgs-defaults"] = ("lbfgs", {"history_size": 3})
OPTIONS |= {
    "adam-bias_correction": ("adam", {**ADAM, "bias_correction": True}),
    "adamw-bias_correction": ("adamw", {**ADAM, "weight_decay": 0.1, "bias_correction": True}),
    "adafactor-no-relative_step": ("adafactor", {**ADAFACTOR, "lr": 0.5, "relative_step": False}),
    "ftrl": ("ftrl", FTRL),
    "ftrl-power": ("ftrl", {**FTRL, "power": 0.7}),
    "ftrl-l1": ("ftrl", {**FTRL, "l1": 0.02}),
    "ftrl-l2": ("ftrl", {**FTRL, "l2": 0.1}),
    "ftrl-beta": ("ftrl", {**FTRL, "beta": 0.5}),
    "ftrl-shrinkage": ("ftrl", {**FTRL, "shrinkage": 0.1}),
    "ftrl-defaults": ("ftrl", {}),
}
"""Name -> the optimizer and its options, with all that its definitions must agree on.

What is not given has the library's default, and clipping has none. Of L-BFGS's history of 10 or 100
pairs float32 proves nothing: the balls of the two loops grow with each pair.
"""

RULES = {optimizer for optimizer, _ in OPTIONS.values()}
"""The optimizers. The options named like the optimizer are its plain form."""


def convolutional() -> Network:
    """Return a small network of convolutions."""
    g = Builder(np.random.default_rng(2))
    x = g.input("x", g.rng.standard_normal((2, 2, 6, 6)))
    kernel, bias = g.normal("K", 4, 2, 3, 3, scale=0.3), g.near("b1", 4)
    g.node("net1", "conv", x, kernel, bias, stride=1, padding=1)
    g.node("out1", "silu", "net1")
    g.node("pooled", "average_pool", "out1", kernel_size=3, stride=3)
    g.node("flat", "reshape", "pooled", shape=(2, 16))
    g.node("net2", "dense", "flat", g.normal("W2", 16, 5, scale=0.3), g.near("b2", 5))
    g.node("E", "cross_entropy", "net2", target=np.array([3, 1]))
    return g.network("convolutional")


def with_zeros() -> Network:
    """Return a network with gradients of zero: of W1 and b1 in the first step, of Wd and bd always.

    W2 is zero at the start, so that nothing is sent back. The layer of Wd is dead: its ReLU gets
    negative numbers only.
    """
    g = Builder(np.random.default_rng(3))
    x = g.input("x", g.rng.standard_normal((4, 6)))
    g.node("net1", "dense", x, g.normal("W1", 6, 8, scale=0.4), g.near("b1", 8))
    g.node("out1", "tanh", "net1")
    g.node("net2", "dense", "out1", g.parameter("W2", np.zeros((8, 5))), g.near("b2", 5))
    dead = g.parameter("bd", np.full(3, -50.0))
    g.node("netd", "dense", x, g.normal("Wd", 6, 3, scale=0.4), dead)
    g.node("outd", "relu", "netd")
    g.node("net3", "dense", "outd", g.normal("W3", 3, 5, scale=0.4), g.near("b3", 5))
    g.node("y", "add", "net2", "net3")
    g.node("E", "cross_entropy", "y", target=np.array([3, 1, 0, 4]))
    return g.network("zeros")


TEXT = "the chain rule, link by link, is all there is to it. "
"""The text that the small GPT is trained on, repeated."""


def speller() -> Network:
    """Return a GPT of one layer that predicts TEXT, with one token per character."""
    alphabet = sorted(set(TEXT))
    batch, context = 4, 16
    network = gpt(1, 2, 16, context=context, vocabulary=len(alphabet), batch=batch)
    starts = np.random.default_rng(0).integers(len(TEXT), size=(batch, 1))
    tokens = np.array([alphabet.index(c) for c in TEXT])
    window = tokens[(starts + np.arange(context + 1)) % len(TEXT)]
    first, *nodes, last = network.nodes
    first = replace(first, options={"index": window[:, :-1]})
    last = replace(last, options={"target": window[:, 1:]})
    return replace(network, nodes=(first, *nodes, last))


TRAINED = table(
    Scenario("article", CASES["article"].recipe, BOTH),
    Scenario("6-8-5", seeded(mlp, (6, 8, 5), "tanh", "softmax_cross_entropy", batch=4), BOTH),
    Scenario("convolutional", lambda *_: convolutional(), BOTH),
    Scenario("zeros", lambda *_: with_zeros(), BOTH),
    Scenario("gpt", lambda *_: speller(), BOTH),
)
"""Name -> scenario."""

SMALL, SENTENCE = "6-8-5", "gpt"
"""The network for every option, and the one with its own test; the others are for plain forms."""

FEW = ("article", SMALL, "zeros")

STEPS = 20
"""How many steps an optimizer is run for."""

SENTENCE_STEPS = 100
"""How many steps it takes to learn the sentence."""


def libraries(frameworks: Sequence[str], most: int | None = None) -> Iterator[Any]:
    """Yield the columns of libraries of optimizers. most: how many of each framework."""
    for name in frameworks:
        for library in row(name).libraries[:most]:
            yield pytest.param(Column(name, library), id=f"{name}.{library}")


def parameters(frameworks: Sequence[str], *, large: bool) -> Iterator[Any]:
    """Yield library, network's name, options' name and precision.

    Every option runs on one network, in the framework's precisions in turn; each plain form on all,
    in both; where each shape compiles anew, on `FEW`. large: every option on all, in both.
    """
    networks = [name for name in TRAINED if name != SENTENCE]
    for library, network, name in product(libraries(frameworks), networks, OPTIONS):
        few = traits(library.values[0]).compiled and network not in FEW
        if large or (name in RULES and not few):
            precisions = BOTH.always
        elif network == SMALL:
            turns = row(library.values[0].framework).trains_in
            precisions = (turns[[*OPTIONS].index(name) % len(turns)],)
        else:
            continue
        for precision in precisions:
            readable = f"{library.id}-{network}-{name}-{precision}"
            yield pytest.param(*library.values, network, name, precision, id=readable)
