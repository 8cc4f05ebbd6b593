"""tinygrad.nn.optim: SGD, Adam, AdamW, LAMB and Muon, with the learning rate as a tensor."""

from functools import partial
from importlib.metadata import version
from typing import Any

from tinygrad import Context, Tensor
from tinygrad.nn import optim

from backproof.adapters.rules import Rule, library
from backproof.adapters.training import MATRIX, Named, Step
from backproof.reference.optimizers.muon import PUBLISHED


class Matrix(Tensor):
    """A tensor whose Newton-Schulz iteration is seen after each step."""


of = partial(Rule, called={"beta1": "b1", "beta2": "b2"}, states={"m": "m", "v": "v"})
RULES = {
    "sgd": Rule("sgd_from_zero", optim.SGD, states={"b": "b"}),
    "adam": of("adam", optim.Adam),
    "adamw": of("adamw", optim.AdamW),
    "lamb": of("lamb", optim.LAMB),
    "muon": Rule(
        "muon_uncorrected",
        optim.Muon,
        {"coefficients": "ns_coefficients"},
        {"b": "m"},
        {"is_mean": False, "is_scaled": False},
    ),
}
