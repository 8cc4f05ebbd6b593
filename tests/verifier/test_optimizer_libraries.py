"""The library of optimizers of each framework does what is claimed; what a mistake does is not."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from backproof import adapters
from backproof.adapters.frameworks import TABLE
from backproof.adapters.protocol import Adapter, AdapterError, Unsupported
from backproof.adapters.training import OF_VECTORS, Claim, Library
from backproof.reference.findings import load
from backproof.reference.optimizers import Optimizer
from backproof.reference.training import Record
from backproof.reference.verdict.known import FORMULAS
from backproof.reference.verdict.known.formula import Defined
from backproof.reference.verdict.training import certify_training, in_groups
from backproof.scenarios.trainings import OPTIONS, RULES

EXACT = {"beta1": 0.75, "beta2": 0.875, "alpha": 0.875, "rho": 0.875}
"""Options that no precision rounds: some libraries are known to round theirs."""

Group = tuple[Optimizer, Collection[str]]
"""An optimizer, and the parameters that it moves."""

STEPS = 3
SHAPES = {"W": (3, 2), "b": (4,)}
COLUMNS = [
    (name, library)
    for name, row in TABLE.items()
    for library in row.libraries
    if not row.by_default  # of those some rules are known to be wrong
]


def loaded(name: str) -> Any:
    """Return an adapter. Skips where its framework is not installed, or has another backend."""
    try:
        return adapters.load(name)
    except AdapterError as error:
        pytest.skip(str(error))


def asked(rule: str) -> Mapping[str, Any]:
    """Return the options of the plain form of a rule, which are exact."""
    given = OPTIONS[rule][1]
    return {name: EXACT.get(name, value) for name, value in given.items()}


def trained(adapter: Adapter, library: Library, rule: str, options: Mapping[str, Any]) -> Record:
    """Return the record of a training on drawn gradients, in float32."""
    rng = np.random.default_rng(1)
    start = {k: rng.standard_normal(shape).astype("float32") for k, shape in SHAPES.items()}
    drawn = {k: rng.standard_normal((STEPS, *a.shape)) for k, a in start.items()}
    gradients = {k: a.astype("float32") for k, a in drawn.items()}
    with adapter.state("float32"):
        tensors = {name: adapter.array(a) for name, a in start.items()}
        step, seen = library.start(rule, tensors, {**library.required, **options}), []
        for n in range(STEPS):
            shown = step({name: adapter.array(a[n]) for name, a in gradients.items()})
            seen.append(
                {
                    line: {k: np.array(adapter.numpy(t)) for k, t in of.items()}
                    for line, of in shown.items()
                }
            )
    after: dict[str, dict[str, Any]] = {
        line: {k: np.stack([now[line][k] for now in seen]) for k in of}
        for line, of in seen[-1].items()
    }
    return Record(start, start, {}, gradients, after, np.zeros(STEPS))


def refuted(groups: list[Group], record: Record, *, narrow: bool) -> Iterator[str]:
    """Yield the links that are not inside."""
    for part in in_groups(groups, record):
        certificate = certify_training("drawn", *part, "float32", narrow=narrow)
        yield from (str(link) for link in certificate.links if link.verdict != "inside")


def as_recorded(column: str, rule: str, claims: list[Claim]) -> Iterator[list[Group]]:
    """Yield what is claimed of a rule, and what findings say that a column computes instead."""
    groups = [(claim.optimizer, claim.parameters) for claim in claims]
    yield groups
    for where in (where for finding in load() for where in finding.where):
        formula = FORMULAS[where.formula]
        concerned = column in where.columns and f"{rule}/article" in where.cases
        if concerned and isinstance(formula, Defined):
            yield [(formula.other(optimizer), names) for optimizer, names in groups]


@pytest.mark.parametrize(("name", "library"), COLUMNS, ids=lambda part: part)
def test_a_mistake_is_seen_in_every_rule(name: str, library: str) -> None:
    """Each rule is as claimed, or as recorded; with a rate, or a beta, that is off it is not."""
    adapter = loaded(name)
    own = adapter.libraries[library]
    rules = own.claims.keys() - own.unsupported.keys()
    assert {"sgd", "adam"} <= rules
    for rule in rules:
        options = asked(rule)
        record = trained(adapter, own, rule, options)
        claims, narrow = own.claims_of(rule, options, record.start), rule in own.narrow
        known = [*as_recorded(f"{name}.{library}", rule, claims)]
        wrong = [[*refuted(one, record, narrow=narrow)] for one in known]
        assert [] in wrong, (rule, wrong)
        unseen = {"beta1"} if rule == "lion" else set[str]()  # it is within a sign
        for option in ("lr", *(EXACT.keys() & options.keys() - unseen)):
            other = trained(adapter, own, rule, {**options, option: 0.99 * options[option]})
            wrong = [[*refuted(one, other, narrow=narrow)] for one in known]
            assert [] not in wrong, (rule, option)


@pytest.mark.parametrize(("name", "library"), COLUMNS, ids=lambda part: part)
def test_every_rule_is_claimed_or_declared(name: str, library: str) -> None:
    """Of each rule the plain form is supported, or the library says why it has none."""
    own = loaded(name).libraries[library]
    lacking = {}
    for rule in RULES:
        try:
            own.claimed(rule, OPTIONS[rule][1])
        except Unsupported as declared:
            lacking[rule] = str(declared)

    assert lacking == {k: f"{k}: {own.unsupported[k]}" for k in RULES & own.unsupported.keys()}


def test_the_options_of_a_group_are_asked_for_too() -> None:
    """An option, or a value of it, that is not supported is not in a group either."""
    gaps = {"sgd dampening": "has none", "sgd momentum": (bool, "has none but zero")}
    own = Library("1.0", {"sgd": "sgd"}, lambda *_: lambda _: {}, gaps)

    assert own.claimed("sgd", {"momentum": 0.0, OF_VECTORS: {"lr": 0.1}}) == "sgd"
    for options in ({"momentum": 0.9}, {"dampening": 0.0}):
        with pytest.raises(Unsupported):
            own.claimed("sgd", options)
        with pytest.raises(Unsupported):
            own.claimed("sgd", {OF_VECTORS: options})
