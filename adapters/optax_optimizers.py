"""optax, the library of optimizers for JAX."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
import optax

from backproof.adapters.protocol import Tensor
from backproof.adapters.training import MATRIX, MINIMUM, OF_VECTORS, Library, Named, Step, in_groups
from backproof.reference.optimizers.factored import largest
from backproof.reference.optimizers.schedules import Schedule

CLAIMS = {
    "sgd": "sgd",
    "adagrad": "adagrad_eps_inside",
    "adadelta": "adadelta",
    "rmsprop": "rmsprop_of_steps",
    "rprop": "rprop_of_steps",
    "adam": "adam",
    "adamw": "adamw",
    "adamax": "adamax",
    "amsgrad": "amsgrad_corrected",
    "nadam": "nadam_constant",
    "radam": "radam_eps_last",
    "lion": "lion",
    "lamb": "lamb",
    "adafactor": "adafactor",
    "muon": "muon_corrected",
    "lbfgs": "lbfgs",
    "clip_by_value": "clip_by_value",
    "clip_by_norm": "clip_by_norm",
}
CALLED = {"lr": "learning_rate", "beta1": "b1", "beta2": "b2", "alpha": "decay"}
"""Option -> optax's name of it, where that is different."""

OWN_CALLED = {
    "adafactor": {"weight_decay": "weight_decay_rate"},
    "muon": {"momentum": "beta", "coefficients": "ns_coeffs"},
    "lbfgs": {"history_size": "memory_size"},
}
"""The same for an optimizer that has another name for an option."""

STATES = {
    "mu": "m",
    "nu": "v",
    "nu_max": "v_max",
    "trace": "b",
    "sum_of_squares": "v",
    "e_g": "v",
    "e_x": "d",
    "step_sizes": "size",
    "prev_updates": "b",
}
"""optax's name of a state -> the definitions' name."""

OWN_STATES = {
    "adamax": {**STATES, "nu": "largest"},
    "adafactor": {"ema": "b"},
    "lbfgs": {"params": "w_before", "updates": "g_before"},
}
"""The same for an optimizer that has another name for a state."""

MAKERS: dict[str, Callable[..., Any]] = {
    "sgd": optax.sgd,
    "adagrad": optax.adagrad,
    "adadelta": optax.adadelta,
    "rmsprop": optax.rmsprop,
    "rprop": optax.rprop,
    "adam": optax.adam,
    "adamw": optax.adamw,
    "adamax": optax.adamax,
    "adamaxw": optax.adamaxw,
    "amsgrad": optax.amsgrad,
    "nadam": optax.nadam,
    "nadamw": optax.nadamw,
    "radam": optax.radam,
    "lion": optax.lion,
    "lamb": optax.lamb,
    "adafactor": optax.adafactor,
    "muon": optax.contrib.muon,
    "lbfgs": partial(optax.lbfgs, linesearch=None),
}
DECAY = ("adamw", "adamaxw", "nadamw", "lion", "lamb", "adafactor", "muon")
"""The optimizers that have an option for decoupled weight decay."""


def start(optimizer: str, parameters: dict[str, Tensor], options: Mapping[str, Any]) -> Step:
    clip = None
    if optimizer.startswith("clip"):
        norm = optimizer == "clip_by_norm"
        clip = (optax.clip_by_global_norm if norm else optax.clip)(options["limit"])
        of = optax.sgd(options["lr"])
    else:
        of = in_parts(optimizer, options, parameters)
    now = {"w": parameters, "state": of.init(parameters)}

    @jax.jit
    def update(gradients: Named, w: Named, state: Any) -> tuple[Any, ...]:
        if clip:
            gradients, _ = clip.update(gradients, clip.init(w))
        updates, after = of.update(gradients, state, w)
        shown = {"clipped": gradients} if clip else {}
        if optimizer == "muon":
            shown = orthogonalized(gradients, state, options)
        if optimizer == "lbfgs":
            shown = {"update": updates}
        return optax.apply_updates(w, updates), after, shown

    def step(gradients: Named) -> dict[str, Named]:
        now["w"], now["state"], seen = update(gradients, now["w"], now["state"])
        shown = {"w": now["w"], **seen}
        for line, of in states(now["state"], OWN_STATES.get(optimizer, STATES), parameters):
            shown[line] = {**shown.get(line, {}), **of}
        return shown

    return step


def scheduled(schedule: Schedule) -> Any:
    """Return optax's schedule, from the number of steps before to the rate."""
    lr, options = schedule.options["lr"], schedule.options
    match schedule.name:
        case "exponential":
            return optax.exponential_decay(lr, 1, options["gamma"])
        case "stairs":
            length = int(options["length"])
            return optax.exponential_decay(lr, length, options["gamma"], staircase=True)
        case "cosine":
            alpha = options["least"] / lr
            return optax.cosine_decay_schedule(lr, int(options["length"]), alpha)
        case "warm_up":
            return optax.linear_schedule(options["first"], lr, int(options["length"]))
    raise NotImplementedError(schedule.name)


def in_parts(optimizer: str, options: Mapping[str, Any], parameters: dict[str, Tensor]) -> Any:
    """Return the optimizer, or one of each group; a parameter in no group is set to zero."""
    groups = in_groups(options, parameters)
    if OF_VECTORS not in options:
        return made(optimizer, dict(options))
    labels = {name: str(n) for n, (_, names) in enumerate(groups) for name in names}
    every = {str(n): made(optimizer, dict(given)) for n, (given, _) in enumerate(groups)}
    return optax.partition(
        {**every, "none": optax.set_to_zero()},
        {name: labels.get(name, "none") for name in parameters},
    )


def made(optimizer: str, options: dict[str, Any]) -> Any:
    """Return the optimizer; coupled weight decay is a separate transformation before it."""
    if isinstance(options.get("lr"), Schedule):
        options["lr"] = scheduled(options["lr"])
    if options.pop("decoupled_weight_decay", False):
        optimizer += "w"
    decay = 0.0 if optimizer in DECAY else options.pop("weight_decay", 0.0)
    if optimizer == "adafactor" and "momentum" in options:
        options["dtype_momentum"] = jax.dtypes.canonicalize_dtype(float)
    names = {**CALLED, **OWN_CALLED.get(optimizer, {})}
    of = MAKERS[optimizer](**{names.get(name, name): value for name, value in options.items()})
    return optax.chain(optax.add_decayed_weights(decay), of) if decay else of


def states(state: Any, names: Mapping[str, str], parameters: Named) -> Iterator[tuple[str, Named]]:
    """Yield the states of all parts of chains and of groups, under the definitions' names."""
    fields = getattr(state, "_fields", ())
    if isinstance(state, tuple) and not fields:
        inner: Iterable[Any] = state
    elif isinstance(state, optax.transforms.PartitionState):
        inner = state.inner_states.values()
    elif isinstance(state, optax.MaskedState):
        inner = (state.inner_state,)
    else:
        inner = ()
        for name in names.keys() & fields:
            arrays = getattr(state, name)
            yield names[name], {k: a for k, a in arrays.items() if isinstance(a, jax.Array)}
    if isinstance(state, optax.FactoredState):
        yield from factored(state, parameters)
    if isinstance(state, optax.ScaleByLBFGSState):
        yield from pairs(state)
    for part in inner:
        yield from states(part, names, parameters)


def factored(state: optax.FactoredState, parameters: Named) -> Iterator[tuple[str, Named]]:
    """Yield Adafactor's states; the means of rows and columns are repeated along their axes."""
    whole = {k: state.v[k].shape == w.shape for k, w in parameters.items()}
    yield "v", {k: v for k, v in state.v.items() if whole[k]}
    for line, means, axis in (("row", state.v_row, 1), ("column", state.v_col, 0)):
        yield (
            line,
            {
                k: np.broadcast_to(np.expand_dims(means[k], largest(w.shape)[axis]), w.shape)
                for k, w in parameters.items()
                if not whole[k]
            },
        )


def pairs(state: optax.ScaleByLBFGSState) -> Iterator[tuple[str, Named]]:
    """Yield the pairs of L-BFGS, the newest first; they are kept in a ring."""
    size = len(state.weights_memory)
    s, y, rho = jax.tree.map(
        np.asarray, (state.diff_params_memory, state.diff_updates_memory, state.weights_memory)
    )
    for n in range(1, size + 1):
        place = (int(state.count) - 1 - n) % size
        yield f"s{n}", {k: a[place] for k, a in s.items()}
        yield f"y{n}", {k: a[place] for k, a in y.items()}
        yield f"rho{n}", {k: np.full_like(a[place], rho[place]) for k, a in s.items()}


def is_muon(part: Any) -> bool:
    """Return whether a part of a state is Muon's."""
    return isinstance(part, optax.contrib.MuonState)


def orthogonalized(gradients: Named, state: Any, options: Mapping[str, Any]) -> dict[str, Named]:
    """Return Muon's matrices after each of its Newton-Schulz steps, computed once more.

    state: Muon's before the step. They are those of updates of none, one, two, ... of the steps.
    """
    parts = jax.tree.leaves(state, is_leaf=is_muon)
    (own,) = (part for part in parts if is_muon(part))
    m = {k: a for k, a in own.mu.items() if isinstance(a, jax.Array)}
    g = {k: gradients[k] for k in m}
    numbers = dict.fromkeys(m, optax.contrib.MuonDimensionNumbers())
    names = OWN_CALLED["muon"]
    given = {
        names.get(k, k): v
        for k, v in options.items()
        if k in ("momentum", "coefficients", "eps", "nesterov")
    }
    found = {}
    for n in range(options.get("ns_steps", 5) + 1):
        of = optax.contrib.scale_by_muon(ns_steps=n, weight_dimension_numbers=numbers, **given)
        found[f"x{n}"], _ = of.update(g, own._replace(mu=m))
    return found


def of_shape(options: Mapping[str, Any], w: Any) -> tuple[str, Mapping[str, Any]]:
    """Return what is claimed of a parameter of Adafactor, which factors large arrays alone."""
    given = {name: value for name, value in options.items() if name != MINIMUM}
    large = w.ndim > 1 and sorted(w.shape)[-2] >= options.get(MINIMUM, 128)
    return "adafactor", {**given, "factored": large and options.get("factored", True)}


def if_matrix(options: Mapping[str, Any], w: Any) -> tuple[str, Mapping[str, Any]]:
    """Return what is claimed of a parameter of Muon: all but matrices are Adam's."""
    if w.ndim == MATRIX:
        return "muon_corrected", options
    adam = {"lr": options["lr"], "beta1": 0.9, "beta2": 0.999, "eps": options.get("eps", 1e-8)}
    return "nadam_constant" if options.get("nesterov", True) else "adam", adam


libraries = {
    "optax": Library(
        optax.__version__,
        CLAIMS,
        start,
        {
            **{
                f"{name} maximize": "optax has no ascent: its users negate the gradients"
                for name in CLAIMS
            },
            "sgd dampening": "optax.sgd has no dampening",
            "adagrad lr_decay": "optax.adagrad decays lr by a schedule only",
            "asgd": "optax has no averaged SGD",
            "ftrl": "optax has no FTRL",
            "adam bias_correction": "optax.adam always corrects the bias",
            "adamw bias_correction": "optax.adamw always corrects the bias",
            "adafactor relative_step": "optax.adafactor takes the rate as it is",
            "amsgradw": "optax.amsgrad has no decoupled decay",
            "nadam momentum_decay": "optax.nadam has constant momentum",
            "adafactor min_scale": "optax.adafactor has the least scale built in",
            "lbfgs tolerance_grad": "optax.lbfgs stops at no tolerance",
            "radam weight_decay": "optax.radam has no decay",
            "clip_by_norm norm_type": "optax.clip_by_global_norm has the Euclidean norm only",
        },
        required={"lr": 1e-3},
        defaults={"adamw": {"weight_decay": 1e-4}},
        narrow=CLAIMS,
        alone={"adafactor": of_shape, "muon": if_matrix},
    )
}
