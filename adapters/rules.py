"""A library of optimizers as a table: of each rule the definition, and the framework's own class.

What the class has no argument for is not supported; what is not given has its own default.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

from backproof.adapters.gaps import Why
from backproof.adapters.protocol import Tensor
from backproof.adapters.training import MINIMUM, Alone, Library, Named, Step, in_groups
from backproof.reference.optimizers import OPTIMIZERS
from backproof.reference.optimizers.schedules import Schedule

NAMES = {
    name: parameter.default
    for definition in OPTIMIZERS.values()
    for name, parameter in signature(definition).parameters.items()
    if parameter.kind is not Parameter.VAR_KEYWORD
}
"""Every option that any definition has."""

NEGATIVE = "-"

REQUIRED = {"lr": 1e-3}
"""What is given where a class has no default and a scenario gives none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as a framework has it.

    definition: what it is claimed to be.
    make:       the framework's own class or function.
    called:     option -> the framework's name of it, where that is another one; two options that
                have one name are given as a pair. After a minus sign: its negative has the name.
    states:     the framework's name of a state -> the definition's, or that of its negative.
    claims:     what the framework always does: options of the definition that it does not have.
    """

    definition: str
    make: Callable[..., Any]
    called: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)

    def has(self, option: str) -> bool:
        """Return whether the framework has an option."""
        return self.name(option) in signature(self.make).parameters

    def name(self, option: str) -> str:
        """Return the framework's name of an option."""
        return self.called.get(option, option).removeprefix(NEGATIVE)

    def signed(self, option: str, value: Any) -> Any:
        """Return a value of an option as the framework has it, or the other way round."""
        return -value if self.called.get(option, "").startswith(NEGATIVE) else value

    def default(self, option: str) -> Any:
        """Return the framework's own default of an option, which it has; None where it has none."""
        name = self.name(option)
        value = signature(self.make).parameters[name].default
        if value is Parameter.empty:
            return REQUIRED.get(option)
        pair = self.together(name)
        return value[pair.index(option)] if len(pair) > 1 else self.signed(option, value)

    def together(self, name: str) -> list[str]:
        """Return the options that have a name of the framework's."""
        return [option for option, called in self.called.items() if called == name]

    @property
    def defaults(self) -> dict[str, Any]:
        """The framework's own defaults of all options that the definition has."""
        found = dict(self.claims)
        for option in NAMES:
            if self.has(option) and (value := self.default(option)) is not None:
                try:
                    OPTIMIZERS[self.definition](**{option: value})
                except TypeError:
                    continue
                found[option] = value
        return found

    def arguments(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return options under the framework's names, without those that it does not have."""
        given = {k: v for k, v in REQUIRED.items() if self.has(k) and self.default(k) == v}
        found: dict[str, Any] = {}
        for option, value in {**given, **options}.items():
            if option not in REQUIRED and not self.has(option):
                continue
            name = self.name(option)
            pair = self.together(name)
            values = [options.get(one, self.default(one)) for one in pair]
            found[name] = tuple(values) if len(pair) > 1 else self.signed(option, value)
        return found


Starting = Callable[[Rule, dict[str, Tensor], dict[str, Any]], Step]
"""From a rule, the parameters of a group, and arguments: to the step of the group."""


def library(
    version: str,
    framework: str,
    rules: Mapping[str, Rule],
    starting: Starting,
    unsupported: Mapping[str, Why],
    *,
    scheduled: Callable[[Schedule], Any] | None = None,
    chained: bool = False,
    alone: Mapping[str, Alone] | None = None,
    narrow: Collection[str] = (),
) -> Library:
    """Return a library in which each group of parameters has an optimizer of its own.

    framework: its name in a sentence. scheduled: returns the framework's own schedule. All else is
    as of `Rule` and `Library`.
    """
    kinds = alone or {}
    lacks = {"schedule": f"{framework} has none"} if scheduled is None else {}

    def start(optimizer: str, parameters: dict[str, Tensor], options: Mapping[str, Any]) -> Step:
        rule, now = rules[optimizer], dict(parameters)
        groups = []
        for of, names in in_groups(options, parameters):
            given = {name: value for name, value in of.items() if name != MINIMUM}
            if scheduled and isinstance(given.get("lr"), Schedule):
                given["lr"] = scheduled(given["lr"])
            moved = [k for k in names if optimizer not in kinds or kinds[optimizer](of, now[k])]
            if moved:
                groups.append(starting(rule, {k: now[k] for k in moved}, rule.arguments(given)))

        def step(gradients: Named) -> Mapping[str, Named]:
            shown: dict[str, dict[str, Tensor]] = {"w": now}
            for of_group in groups:
                for line, arrays in of_group(gradients).items():
                    signed = {k: -a for k, a in arrays.items()} if line[0] == NEGATIVE else arrays
                    shown.setdefault(line.removeprefix(NEGATIVE), {}).update(signed)
            return shown

        return step

    return Library(
        version,
        {name: rule.definition for name, rule in rules.items()},
        start,
        {**lacking(framework, rules), **lacks, **unsupported},
        defaults={name: rule.defaults for name, rule in rules.items()},
        narrow=narrow,
        chained=chained,
        alone=kinds,
    )


def lacking(framework: str, rules: Mapping[str, Rule]) -> dict[str, str]:
    """Return why a framework does not support what it has no rule or no argument for."""
    found = {name: f"{framework} has none" for name in OPTIMIZERS if name not in rules}
    for name, rule in rules.items():
        made = getattr(rule.make, "__name__", name)
        for option in {*NAMES} - {*REQUIRED}:
            if not rule.has(option):
                found[f"{name} {option}"] = f"{framework}'s {made} has no such option"
    return found


def scheduler_of(of: Any, schedule: Schedule, schedulers: Any) -> Any:
    """Return what changes the learning rate of an optimizer.

    schedulers: a module that has the classes of torch.optim.lr_scheduler. Raises
    NotImplementedError.
    """
    lr, options = schedule.options["lr"], schedule.options
    match schedule.name:
        case "exponential":
            return schedulers.ExponentialLR(of, options["gamma"])
        case "stairs":
            return schedulers.StepLR(of, int(options["length"]), options["gamma"])
        case "cosine":
            return schedulers.CosineAnnealingLR(of, int(options["length"]), options["least"])
        case "warm_up":
            first, length = options["first"] / lr, int(options["length"])
            return schedulers.LinearLR(of, first, total_iters=length)
    raise NotImplementedError(schedule.name)
