"""optax, the library of optimizers for JAX."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import optax

from backproof.adapters.protocol import Tensor
from backproof.adapters.training import OF_VECTORS, Library, Named, Step, in_groups
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
    "clip_by_value": "clip_by_value",
    "clip_by_norm": "clip_by_norm",
}
CALLED = {"lr": "learning_rate", "beta1": "b1", "beta2": "b2", "alpha": "decay"}
"""Option -> optax's name of it, where that is different."""

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

OWN_STATES = {"adamax": {**STATES, "nu": "largest"}}
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
}
DECAY = ("adamw", "adamaxw", "nadamw", "lion", "lamb")
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
        updates, state = of.update(gradients, state, w)
        return optax.apply_updates(w, updates), state, gradients

    def step(gradients: Named) -> dict[str, Named]:
        now["w"], now["state"], clipped = update(gradients, now["w"], now["state"])
        shown = {"w": now["w"], **({"clipped": clipped} if clip else {})}
        for line, of in states(now["state"], OWN_STATES.get(optimizer, STATES)):
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
    of = MAKERS[optimizer](**{CALLED.get(name, name): value for name, value in options.items()})
    return optax.chain(optax.add_decayed_weights(decay), of) if decay else of


def states(state: Any, names: Mapping[str, str]) -> Iterator[tuple[str, Named]]:
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
    for part in inner:
        yield from states(part, names)


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
            "amsgradw": "optax.amsgrad has no decoupled decay",
            "nadam momentum_decay": "optax.nadam has constant momentum",
            "radam weight_decay": "optax.radam has no decay",
            "clip_by_norm norm_type": "optax.clip_by_global_norm has the Euclidean norm only",
        },
        required={"lr": 1e-3},
        defaults={"adamw": {"weight_decay": 1e-4}},
        narrow=CLAIMS,
    ),
}
