"""Optimizers: each rule lies in its balls, over Arb too, and every fault is refuted."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import signature
from itertools import accumulate, product
from typing import Any

import numpy as np
import pytest

from backproof import adapters
from backproof.adapters.training import MINIMUM, train
from backproof.reference.backprop import Trace
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, PRECISIONS, Precision
from backproof.reference.optimizers import OPTIMIZERS, Optimizer
from backproof.reference.optimizers.schedules import Schedule
from backproof.reference.training import Record
from backproof.reference.verdict.faults.matrix_optimizers import OF_MATRICES
from backproof.reference.verdict.faults.optimizers import named, optimizer_faults
from backproof.reference.verdict.known.predict import GroupWitnesses
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.training import (
    AFTER,
    Steps,
    certify_training,
    in_groups,
    unnumbered,
)
from backproof.scenarios.scenario import BOTH
from backproof.scenarios.trainings import OPTIONS, RULES, SCHEDULES, SENTENCE, TRAINED, parameters

STEPS = 30
SHAPES = {"W": (3, 2), "b": (4,)}
MATRICES = {"W": (3, 2), "V": (2, 4), "Q": (2, 2)}
"""The shapes of all parameters of a rule of matrices."""
SHOWN = re.compile(r"clipped|read|x\d|update|w")
"""The lines that are shown, beside the states."""

OTHERS = {
    "sgd": ("sgd_from_zero", "sgd_of_steps"),
    "adam": ("adam_eps_hat",),
    "adamax": ("adamax_eps_last", "adamax_eps_decayed"),
    "adagrad": ("adagrad_eps_inside",),
    "rmsprop": ("rmsprop_of_steps",),
    "rprop": ("rprop_of_steps",),
    "amsgrad": ("amsgrad_corrected", "amsgrad_eps_hat"),
    "nadam": ("nadam_constant",),
    "radam": ("radam_eps_last",),
    "clip_by_norm": ("clip_by_norm_softened",),
    "adafactor": ("adafactor_clamped", "adafactor_relative"),
    "muon": ("muon_corrected", "muon_uncorrected"),
    "lbfgs": ("lbfgs_of_steps",),
}
"""Optimizer -> its other definitions."""


def accepted(definition: str, options: Mapping[str, Any]) -> bool:
    """Return whether a definition has these options."""
    try:
        OPTIMIZERS[definition](**options)
    except TypeError:
        return False
    return True


CLAIMED = {
    f"{name}-{definition}": (definition, options)
    for name, (optimizer, given) in OPTIONS.items()
    for options in [{key: value for key, value in given.items() if key != MINIMUM}]
    for definition in (optimizer, *OTHERS.get(optimizer, ()))
    if accepted(definition, options)
}
"""Every definition with all the options that it has."""

CLAIMED |= {
    f"{rule}-{definition}-{'-'.join(more)}": (definition, {**OPTIONS[rule][1], **more})
    for rule, definition, more in (
        ("sgd-nesterov", "sgd_of_steps", {"decay_first": 0.1}),
        ("lamb", "lamb", {"decay_first": 0.1}),
        ("adam", "adam_eps_hat", {"decay_first": 0.1}),
        ("muon", "muon_uncorrected", {"is_mean": False, "is_scaled": False}),
        ("muon-weight_decay", "muon_uncorrected", {"is_coupled": True}),
    )
}
FAULTS = {fault.name: fault for fault in optimizer_faults()}


def trained(
    optimizer: Optimizer, shown: Optimizer | None = None, precision: str = "float64"
) -> Record:
    """Return the record of an optimizer on drawn gradients, as a framework would show it.

    shown: the optimizer that it poses as, if that is another.
    """
    rng = np.random.default_rng(1)
    claimed = shown or optimizer
    names = MATRICES if {"x0", "row"} & {*claimed.lines} else SHAPES
    shapes = (*names.values(),)
    ends = [0, *accumulate(int(np.prod(shape)) for shape in shapes)]
    w = rng.standard_normal(ends[-1]).astype(precision)
    sizes = 2.0 ** -(np.arange(STEPS)[:, None] % 8)  # of norms above and below every limit
    gradients = (sizes * rng.standard_normal((STEPS, ends[-1])) / 4).astype(precision)
    start = {**claimed.start, **optimizer.start}
    state = {name: np.full_like(w, start[name]) for name in claimed.start}
    lines = [line for line in claimed.lines if line in claimed.start or SHOWN.fullmatch(line)]
    dtypes = {line: np.dtype(claimed.stored.get(line, precision)) for line in lines}
    after: dict[str, list[Any]] = {line: [] for line in lines}
    first = w

    def stored(line: str, a: Any) -> Any:
        return a.astype(dtypes[line]).astype(precision) if line in claimed.stored else a

    with np.errstate(all="ignore"):
        for t, g in enumerate(gradients, start=1):
            scalars = {k: s.astype(precision) for k, s in optimizer.at(np.array([1.0 * t])).items()}
            known = {"w": w, "g": g, **state, **scalars, "t": t, "shapes": shapes}
            now = optimizer.assign(known, stored)
            w, state = now["w"], {name: now.get(name, state[name]) for name in state}
            for line in lines:
                after[line].append(now.get(line, state.get(line)))

    def parts(array: Any, dtype: Any = precision) -> dict[str, Any]:
        array = np.asarray(array, dtype=dtype)
        return {
            name: array[..., a:b].reshape(*array.shape[:-1], *shape)
            for (name, shape), a, b in zip(names.items(), ends, ends[1:], strict=False)
        }

    return Record(
        leaves=parts(first),
        start=parts(first),
        values={},
        gradients=parts(gradients),
        after={k: parts(a, dtypes[k]) for k, a in after.items()},
        losses=np.zeros(STEPS),
    )


@pytest.mark.parametrize("rule", CLAIMED)
def test_the_reference_is_inside(rule: str) -> None:
    """Every step of plain NumPy in float64, posing as a framework, lies in its balls."""
    definition, options = CLAIMED[rule]
    optimizer = OPTIMIZERS[definition](**options)
    certificate = certify_training("drawn", optimizer, trained(optimizer), "float64")

    assert [str(link) for link in certificate.links if link.verdict != "inside"] == []
    assert certificate.inside == len(certificate.links)


@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=lambda p: p.name)
@pytest.mark.parametrize("rule", CLAIMED)
def test_balls_contain_arb(rule: str, p: Precision) -> None:
    """The Arb result of every line, in every form, lies in its ball in each precision."""
    definition, options = CLAIMED[rule]
    optimizer = OPTIMIZERS[definition](**options)
    steps = Steps(optimizer, trained(optimizer, precision=p.name), p)
    for form in ("", *optimizer.forms):
        balls = steps.balls(p, form)
        with workprec():
            proven = over_arb(steps, optimizer.by(form))
            for line in (*optimizer.start, "w"):
                ball = balls[line]
                off = np.abs(proven[line] - exact(ball.mid))
                assert np.all(off <= exact(np.broadcast_to(ball.rad, ball.shape))), (form, line)


def over_arb(steps: Steps, optimizer: Optimizer) -> dict[str, Any]:
    """Return line -> its exact result from the same numbers."""
    t = exact(np.arange(1.0, STEPS + 1)[:, None])
    known = {name: exact(steps.before(name, optimizer)) for name in steps.states}
    g = exact(steps.flat(steps.record.gradients))

    def shown(line: str, result: Any) -> Any:
        after = steps.record.after
        return exact(steps.flat(after[line])) if line in after else result

    plain = np.arange(1, STEPS + 1)[:, None]
    every = {**known, **optimizer.at(t), "g": g, "t": plain, "shapes": steps.shapes}
    return optimizer.assign(every, shown)


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_refuted_and_named(name: str) -> None:
    """A fault, planted in trainings with the first and the last options of a rule, is refuted.

    It explains the numbers that are seen with the first options of each rule; bfloat16, in which
    Muon has lines, may have too few digits to tell two explanations apart.
    """
    able: dict[str, list[Mapping[str, Any]]] = {}
    for definition, options in CLAIMED.values():
        if FAULTS[name].of(definition, options):
            able.setdefault(definition, []).append(options)
    for definition, (options, *others) in able.items():
        steps, first = refuted_by(FAULTS[name].of(definition, options), definition, options)
        if not first.problem:
            found = named(steps, definition, options)
            assert name in found or (steps.optimizer.stored and not found), (definition, options)
        for last in others[-1:]:
            refuted_by(FAULTS[name].of(definition, last), definition, last)

    assert able


def refuted_by(
    wrong: Optimizer | None, definition: str, options: Mapping[str, Any]
) -> tuple[Steps, Link]:
    """Return the steps of a wrong optimizer that poses as a right one, and the first wrong link."""
    assert wrong
    right = OPTIMIZERS[definition](**options)
    steps = Steps(right, trained(wrong, right), FLOAT64)
    first = next((link for link in steps.links() if link.verdict != "inside"), None)
    assert first, (definition, options)
    return steps, first


def options_of(definition: str, options: Mapping[str, Any]) -> dict[str, float]:
    """Return the options that are numbers other than zero, defaults included."""
    parameters = signature(OPTIMIZERS[definition]).parameters.values()
    known = {one.name: one.default for one in parameters} | dict(options)
    return {name: x for name, x in known.items() if isinstance(x, float) and x}


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("definition", OPTIMIZERS)
def test_a_wrong_option_is_given_no_name(definition: str, precision: str) -> None:
    """An option that is off by a hundredth is no fault, and no lower precision."""
    options = next(given for name, given in CLAIMED.values() if name == definition)
    right, seen = OPTIMIZERS[definition](**options), 0
    for option, value in options_of(definition, options).items():
        record = trained(
            OPTIMIZERS[definition](**{**options, option: 0.99 * value}), right, precision
        )
        certificate = certify_training("drawn", right, record, precision)
        if certificate.wrong:
            seen += 1
            steps = Steps(right, record, PRECISIONS[precision])
            assert certificate.degraded == (), option
            assert named(steps, definition, options) == [], option
    assert seen


@pytest.mark.parametrize("definition", ["adam", "adamw", "nadam", "lamb"])
def test_scalars_in_float64_leave_no_room_for_another_rate(definition: str) -> None:
    """In float32 a learning rate that is off by 1e-5 is refuted in every parameter.

    It is held where scalars may be in float32, too: a power of beta2 has few digits left there.
    """
    options = {"lr": 1.0, "beta1": 0.9, "beta2": 0.999}
    right = OPTIMIZERS[definition](**options)
    off = trained(OPTIMIZERS[definition](**{**options, "lr": 1 + 1e-5}), right, "float32")
    certificate = certify_training("drawn", right, off, "float32")
    outside = [link.quantity.of for link in certificate.links if link.verdict == "refuted"]

    assert certify_training("drawn", right, trained(right, precision="float32"), "float32").holds
    assert [of.partition(AFTER)[0] for of in outside] == ["w of W", "w of b"]
    assert certify_training("drawn", right, off, "float32", narrow=True).holds


@pytest.mark.parametrize("chained", [False, True], ids=["closed", "chained"])
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_leaves_no_room_for_another_rate(
    name: str, precision: str, *, chained: bool
) -> None:
    """A learning rate with a schedule that is off by 1e-5 is refuted, and off by nothing holds."""
    schedule = Schedule(name, SCHEDULES[name], chained)
    right = OPTIMIZERS["sgd"](lr=schedule)
    off = {**right.scalars, "lr": lambda t: (1 + 1e-5) * schedule(t)}
    seen = trained(replace(right, scalars=off), right, precision)

    assert certify_training("drawn", right, trained(right, None, precision), precision).holds
    assert certify_training("drawn", right, seen, precision).refuted


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_chained_schedule_is_the_same_schedule(name: str) -> None:
    """Over Arb both ways of a schedule give the same rates; the balls of both hold them."""
    ways = [Schedule(name, SCHEDULES[name], chained) for chained in (False, True)]
    steps = np.arange(1.0, 101)[:, None]
    with workprec():
        closed, chained = (0 * exact(steps) + way(exact(steps)) for way in ways)
        assert all(a.overlaps(b) for a, b in zip(closed.flat, chained.flat, strict=True))
        assert len({*map(float, closed.flat)}) > 1
        for way in ways:
            ball = way(Ball.exact(steps, FLOAT64))
            assert np.all(np.abs(closed - exact(ball.mid)) <= exact(ball.rad))


def test_a_state_that_starts_with_the_rate_has_no_schedule() -> None:
    """A schedule of an optimizer with a state that starts with the learning rate is refused."""
    with pytest.raises(ValueError, match="a state starts with the learning rate"):
        OPTIMIZERS["rprop"](lr=Schedule("exponential", SCHEDULES["exponential"]))


def test_groups() -> None:
    """Each group holds by its own optimizer; of another's rate, or moved in no group, it does not.

    W and b are trained alike, so that the group of b is right only with the options of W.
    """
    right, other = OPTIMIZERS["sgd"](lr=0.5), OPTIMIZERS["sgd"](lr=0.25)
    record = trained(right)

    def found(*groups: tuple[Optimizer, tuple[str, ...]]) -> dict[str, str]:
        parts = in_groups(groups, record)
        every = (certify_training("drawn", *part, "float64").links for part in parts)
        return {
            unnumbered(link.quantity): link.verdict for link in itertools.chain.from_iterable(every)
        }

    inside = {"w of W": "inside", "w of b": "inside"}
    refuted = {"w of W": "inside", "w of b": "refuted"}
    assert found((right, ("W",)), (right, ("b",))) == inside
    assert found((right, ("W",)), (other, ("b",))) == refuted
    assert found((right, ("W",))) == refuted
    with pytest.raises(ValueError, match="in more than one group: W"):
        found((right, ("W",)), (right, ("W", "b")))


def test_a_parameter_in_no_group_stays() -> None:
    """A parameter in no group holds where it does not move."""
    still = trained(OPTIMIZERS["sgd"](lr=0.0))
    parts = in_groups([(OPTIMIZERS["sgd"](lr=0.0), ("W",))], still)

    assert all(certify_training("drawn", *part, "float64").holds for part in parts)


def test_a_witness_of_groups_replays_each_link_by_its_own_group() -> None:
    """A link is replayed by the optimizer of its parameter's group."""
    right, other = OPTIMIZERS["sgd"](lr=0.5), OPTIMIZERS["sgd"](lr=0.25)
    parts = in_groups([(right, ("W",)), (other, ("b",))], trained(right))
    witness = GroupWitnesses([Steps(*part, FLOAT64) for part in parts], replay_of_nothing)
    replayed = [witness.of(Quantity("state", f"w of {name}"))[0].values for name in ("W", "b")]

    assert [steps.optimizer for steps in replayed if isinstance(steps, Steps)] == [right, other]


def test_a_witness_of_groups_replays_the_pass_of_a_step() -> None:
    """A value "in step 3" is replayed from the third pass, under its own name."""
    of = GroupWitnesses([], lambda step: replace(replay_of_nothing(step), scale=step))
    witness, own = of.of(Quantity("value", "net1 in step 3"))

    assert isinstance(witness.values, Replay)
    assert (witness.values.scale, own) == (2, Quantity("value", "net1"))


def replay_of_nothing(_: int) -> Replay:
    """Return a replay of nothing that was seen."""
    network = TRAINED["article"].network()
    return Replay(network, {}, Trace({}, {}, {}), FLOAT64)


def test_an_optimizer_is_made_again_with_other_options() -> None:
    """Each option is changed by its name, defaults included, whatever the definition."""
    right, other = OPTIMIZERS["sgd"](momentum=0.5), OPTIMIZERS["sgd"](lr=0.5, momentum=0.25)
    assert right.again is not None
    again = right.again({"lr": 0.5, "momentum": 0.25}.get)
    record = trained(other)

    assert certify_training("drawn", again, record, "float64").holds
    assert not certify_training("drawn", right, record, "float64").holds


def test_decay_comes_before_the_step() -> None:
    """With decay_first, w is multiplied by 1 - lr decay_first, and the step is that of this w."""
    w, g = np.array([2.0]), np.array([1.0])
    decayed = OPTIMIZERS["lamb"](lr=0.5, decay_first=0.5)
    known = {"w": w, "g": g, "m": 0 * w, "v": 0 * w, "shapes": ((1,),), **decayed.at(1.0)}
    plain = OPTIMIZERS["lamb"](lr=0.5).assign({**known, "w": 0.75 * w})

    assert decayed.assign(known)["w"] == plain["w"]


def test_ftrl() -> None:
    """One step from zero is that of the closed form: (sign(z) l1 - z) / (sqrt(n) / lr + l2)."""
    w, g = np.zeros(2), np.array([3.0, 0.5])
    rule = OPTIMIZERS["ftrl"](lr=0.5, l1=1.0, l2=2.0, initial_accumulator_value=0.0)
    found = rule.assign({"w": w, "g": g, "z": w, "n": w, **rule.at(1.0)})["w"]

    assert found.tolist() == [(1 - 3) / (3 / 0.5 + 2), 0.0]


FRAMEWORKS = ("torch", "jax")


def test_nothing_is_left_out() -> None:
    """Every option is run on some network, each rule on all; --large runs all options on all."""
    asked = {param.values[1:] for param in parameters(FRAMEWORKS, large=False)}
    networks = {*TRAINED} - {SENTENCE}
    everything = {*product(networks, OPTIONS, BOTH.always)}

    assert {name for _, name, _ in asked} == {*OPTIONS}
    assert {*product(networks, RULES, BOTH.always)} <= asked
    assert {param.values[1:] for param in parameters(FRAMEWORKS, large=True)} == everything


def test_adafactor_factors_large_matrices_alone() -> None:
    """By default optax factors from 128 on a side; a claim of the other kind does not hold."""
    library = adapters.load("jax").libraries["optax"]
    rng = np.random.default_rng(1)
    start = {"W": rng.standard_normal((129, 128)), "V": rng.standard_normal((127, 129))}
    start = {name: a.astype("float32") for name, a in start.items()}
    gradients = {name: np.stack([a, a[::-1]]) for name, a in start.items()}
    step = library.start("adafactor", {**start}, {"lr": 0.1})
    seen = [step({name: a[n] for name, a in gradients.items()}) for n in range(2)]
    after: dict[str, dict[str, Any]] = {
        line: {name: np.stack([np.asarray(now[line][name]) for now in seen]) for name in of}
        for line, of in seen[0].items()
    }
    record = Record(start, start, {}, gradients, after, np.zeros(2))
    claims = library.claims_of("adafactor", {"lr": 0.1}, start)
    groups = [(claim.optimizer, claim.parameters) for claim in claims]
    other = [(optimizer, groups[1 - n][1]) for n, (optimizer, _) in enumerate(groups)]

    def held(groups: Sequence[tuple[Optimizer, Sequence[str]]]) -> list[bool]:
        parts = in_groups(groups, record)
        return [certify_training("drawn", *part, "float32").holds for part in parts]

    assert {claim.parameters: claim.options["factored"] for claim in claims} == {
        ("W",): True,
        ("V",): False,
    }
    assert held(groups) == [True, True]
    assert held(other) == [False, False]


@pytest.mark.parametrize("rule", ["adafactor", "muon", "lbfgs"])
def test_a_real_training_is_not_that_of_a_mistake(rule: str) -> None:
    """What PyTorch does is what is claimed of matrices, and not what a mistake would give."""
    options, adapter = OPTIONS[rule][1], adapters.load("torch")
    library, network = adapter.libraries["single"], TRAINED["6-8-5"].network()
    leaves = network.leaves(lambda a: np.asarray(a, dtype="float64"))
    record = train(adapter, library, network, leaves, rule, options, steps=10)
    claims = library.claims_of(rule, options, record.start)
    (claim,) = (claim for claim in claims if "W1" in claim.parameters)
    of = record.of(claim.parameters)
    made = {said: of_rule(claim.definition, claim.options) for said, of_rule in OF_MATRICES.items()}
    # A form has lines of its own, which may be right where those of the mistake are not.
    wrong = {said: replace(optimizer, forms={}) for said, optimizer in made.items() if optimizer}
    right = replace(claim.optimizer, forms={})

    assert certify_training("6-8-5", right, of, "float64").holds
    assert wrong
    for said, optimizer in wrong.items():
        links = Steps(optimizer, of, FLOAT64).links()
        assert any(link.verdict != "inside" for link in links), said
