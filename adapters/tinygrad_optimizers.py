"""tinygrad.nn.optim: SGD, Adam, AdamW, LAMB and Muon."""

from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

from tinygrad import Context
from tinygrad.nn import optim

from backproof.adapters.protocol import Tensor
from backproof.adapters.rules import Rule, library
from backproof.adapters.training import MATRIX, Named, Step

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


def starting(rule: Rule, parameters: dict[str, Tensor], arguments: dict[str, Any]) -> Step:
    of = rule.make([*parameters.values()], **arguments)

    def step(gradients: Named) -> dict[str, dict[str, Tensor]]:
        for name, w in parameters.items():
            w.grad = gradients[name]
        with Context(TRAINING=1):
            of.step()
        kept = {line: getattr(of, state) for state, line in rule.states.items()}
        shown = {k: dict(zip(parameters, one, strict=True)) for k, one in kept.items() if one}
        if rule.make is optim.Muon:
            shown |= orthogonalized(of, gradients, shown["m"])
        return {"w": parameters, **shown}

    return step


def orthogonalized(of: Any, gradients: Named, m: Named) -> dict[str, dict[str, Tensor]]:
    """Return Muon's matrices after each of its Newton-Schulz steps, computed once more."""
    ahead = {k: gradients[k] + of.momentum * b if of.nesterov else b for k, b in m.items()}
    return {
        f"x{n}": {k: a.newton_schulz(n, of.ns_coefficients) for k, a in ahead.items()}
        for n in range(of.ns_steps + 1)
    }


def if_matrix(options: Mapping[str, Any], w: Any) -> tuple[str, Mapping[str, Any]] | None:
    """Return what is claimed of a parameter of Muon, to which matrices alone are given."""
    return ("muon_uncorrected", options) if w.ndim == MATRIX else None


RATE = "tinygrad makes a tensor of every rate itself"
FLOAT32 = "tinygrad keeps states in float32, unless the environment's OPTIM_DTYPE says otherwise"

libraries = {
    "optim": library(
        version("tinygrad"),
        "tinygrad",
        RULES,
        starting,
        {
            **{f"{rule} lr_as_tensor": RATE for rule in RULES},
            **{f"{rule} float64": FLOAT32 for rule in ("adam", "adamw", "lamb", "muon")},
        },
        alone={"muon": if_matrix},
        narrow=("adam", "adamw", "lamb"),
    )
}
