"""A JAX program as a straight line of steps: calls inlined, scans unrolled, branches chosen."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal, jaxprs_in_params

from backproof.adapters.jax_marks import Rule, mark_p
from backproof.adapters.jax_names import CUSTOM
from backproof.adapters.jax_places import is_own, place_of
from backproof.adapters.recording import NotRecorded, Place

Key = int
"""Names a value of a program."""

INLINED = {"jit", "pjit", "checkpoint", "remat", "remat2", "closed_call", "core_call"}
"""Primitives that only call a program, their parameter `jaxpr` or `call_jaxpr`."""

RULE = "custom_rule_call"
"""The step that is the custom rule of a function: of the cotangents of the results, and of the
operands, it makes the results and what is handed on to each operand that moves. Its parameters are
the results of the function itself, and which of its operands move."""

STOPS = {"stop_gradient", "sign", "floor", "ceil", "round"}
"""Primitives whose result is a constant: what they hand on is nothing, by definition."""

MOST_STEPS = 256
"""A scan of more steps is not unrolled, and not known."""


NOWHERE = Place("", "", "", 0)
"""The scope of a program that is not within another one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One primitive that is applied.

    name:     the primitive's, or "take" and "stack": a scan's operand at a step, all its results.
    operands, results: the values, by key.
    run:      (*operands) -> the results. params: the primitive's.
    place:    where in the user's source; with the reason why it is not known, if there is one.
    """

    name: str
    operands: tuple[Key, ...]
    results: tuple[Key, ...]
    run: Callable[..., Sequence[Any]]
    params: Mapping[str, Any]
    place: Place


@dataclass(frozen=True, slots=True)
class Application:
    """A custom rule that the program itself applies, for a derivative inside of it.

    handed_on: what is marked. operands: of the mark. place: of the function's call.
    """

    rule: Rule
    handed_on: Key
    operands: tuple[Key, ...]
    place: Place


@dataclass(slots=True)
class Program:
    """Steps in their order, and what is known before any of them runs.

    avals:   value -> its shape and dtype. given: constants and operands of the program.
    tracked: the values through which gradients flow.
    found:   what was computed: all of it, or, before it runs, what chooses the branch of a `cond`.
    makers:  value -> the step that it is a result of.
    applied: the custom rules that the program applies. unseen: where it applies others.
    whole:   whether the values alone are asked for: every call is opened, and no step stops.
    handed:  operand -> the value of the program around this one that it is.
    """

    steps: list[Step] = field(default_factory=list)
    avals: dict[Key, Any] = field(default_factory=dict)
    given: dict[Key, Any] = field(default_factory=dict)
    tracked: set[Key] = field(default_factory=set)
    found: dict[Key, Any] = field(default_factory=dict)
    makers: dict[Key, Step] = field(default_factory=dict)
    applied: list[Application] = field(default_factory=list)
    unseen: list[Place] = field(default_factory=list)
    whole: bool = False
    handed: dict[Key, Key] = field(default_factory=dict)

    def within(self) -> "Program":
        """Return a program that is opened within this one; no value of both has the same key."""
        return Program(avals=self.avals)

    def operand(self, value: Any, aval: Any = None, *, tracked: bool = False) -> Key:
        """Return the key of a value that is known already."""
        key = self.new(jax.typeof(value) if aval is None else aval)
        self.given[key] = value
        if tracked:
            self.tracked.add(key)
        return key

    def new(self, aval: Any) -> Key:
        """Return the key of a value that is not known yet.

        Raises NotRecorded for a reference: what is written to it later is no result of a step.
        """
        if not isinstance(aval, jax.core.ShapedArray):
            raise NotRecorded(f"a program with references (jax.new_ref) is not certified: {aval}")
        self.avals[len(self.avals)] = aval
        return len(self.avals) - 1

    def add(self, step: Step) -> None:
        """Add a step; its results are tracked where they may depend on what is tracked."""
        self.steps.append(step)
        self.makers.update(dict.fromkeys(step.results, step))
        if self.moves(step):
            self.tracked.update(filter(self.is_inexact, step.results))

    def moves(self, step: Step) -> bool:
        """Return whether what is tracked moves the results of a step."""
        if self.whole:
            return any(map(self.is_inexact, step.operands))
        return not self.stops(step) and bool(self.tracked.intersection(step.operands))

    def stops(self, step: Step) -> bool:
        """Return whether a step's result is a constant; the sign of complex numbers is none."""
        dtypes = [self.avals[key].dtype for key in step.operands]
        is_complex = any(jnp.issubdtype(dtype, jnp.complexfloating) for dtype in dtypes)
        return step.name in STOPS and not (step.name == "sign" and is_complex)

    def walk(
        self, jaxpr: Any, consts: Iterable[Any], operands: Iterable[Key], scope: Place = NOWHERE
    ) -> list[Key]:
        """Add the steps of a program, and return its results.

        scope: of which it is, "scan[3]"; and where it is called, if its code is JAX's own.
        """
        env = dict(zip(jaxpr.invars, operands, strict=True))
        env |= {v: self.operand(c, v.aval) for v, c in zip(jaxpr.constvars, consts, strict=True)}

        def read(atom: Any) -> Key:
            if not isinstance(atom, Literal):
                return env[atom]
            return self.operand(constant_of(atom), atom.aval)

        for equation in jaxpr.eqns:
            results = self.equation(equation, [*map(read, equation.invars)], scope)
            env |= zip(equation.outvars, results, strict=True)
        return [read(atom) for atom in jaxpr.outvars]

    def equation(self, equation: Any, operands: list[Key], scope: Place) -> Sequence[Key]:
        """Add the steps of one equation, and return its results."""
        name, params = equation.primitive.name, equation.params
        if name == mark_p.name:
            return [self.mark(params["rule"], operands, scope)]
        place, reason = place_of(equation, scope), ""
        is_tracked = self.whole or bool(self.tracked.intersection(operands))
        if is_tracked or has_marks(equation):
            if name in INLINED or (name in CUSTOM and (self.whole or not is_tracked)):
                inner = params["jaxpr"] if "jaxpr" in params else params["call_jaxpr"]
                jaxpr, consts = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())
                is_of_jax = is_own(jaxpr.debug_info.func_filename)
                return self.walk(jaxpr, consts, operands, place if is_of_jax else scope)
            if name == "cond":
                branches = params["branches"]
                i = int(np.clip(self.value(operands[0]), 0, len(branches) - 1))
                within = inside(scope, f"cond[{i}]")
                return self.walk(branches[i].jaxpr, branches[i].consts, operands[1:], within)
            if name == "scan" and 0 < params["length"] <= MOST_STEPS:
                return self.scan(equation, operands, scope)
            if name == "while":
                reason = "JAX has no derivative of a loop of unknown length"
            if name == "scan":
                reason = f"it has {params['length']} steps; unrolled are 1 to {MOST_STEPS}"
        if name not in CUSTOM and has_marks(equation):
            why = "inside of it a derivative applies a custom rule"
            self.unseen.append(replace(place, reason=why))
        results = tuple(self.new(v.aval) for v in equation.outvars)
        place = replace(place, reason=reason)
        self.add(Step(name, (*operands,), results, runs(equation), params, place))
        return results

    def mark(self, rule: Rule, operands: Sequence[Key], scope: Place) -> Key:
        """Keep what is marked, and return what the mark hands on."""
        handed_on, *rest = operands
        place = Place(scope.module, rule.name, rule.file, rule.line, rule.reason)
        if any(isinstance(self.given.get(key), jax.core.Tracer) for key in rest):
            place = replace(place, reason="it closes over an array that is traced no longer")
        if place.reason:
            self.unseen.append(place)
        else:
            self.applied.append(Application(rule, handed_on, (*rest,), place))
        return handed_on

    def scan(self, equation: Any, operands: list[Key], scope: Place) -> list[Key]:
        """Add all steps of a scan."""
        params, body = equation.params, equation.params["jaxpr"]
        n, last = params["num_consts"], params["num_consts"] + params["num_carry"]
        consts, carry, over = operands[:n], operands[n:last], operands[last:]
        order = range(params["length"])
        found = {}
        for t in reversed(order) if params["reverse"] else order:
            within = inside(scope, f"scan[{t}]")
            place = place_of(equation, within)
            parts = [self.take(x, t, place) for x in over]
            results = self.walk(body.jaxpr, body.consts, [*consts, *carry, *parts], within)
            carry, found[t] = results[: len(carry)], results[len(carry) :]
        place = place_of(equation, scope)
        columns = zip(*(found[t] for t in order), strict=True)
        return [*carry, *(self.stack(column, place) for column in columns)]

    def take(self, x: Key, t: int, place: Place) -> Key:
        """Add the step that takes what a scan has at a step, and return it."""
        aval = self.avals[x]
        key = self.new(jax.core.ShapedArray(aval.shape[1:], aval.dtype))
        self.add(Step("take", (x,), (key,), lambda a: [a[t]], {"t": t}, place))
        return key

    def stack(self, parts: Sequence[Key], place: Place) -> Key:
        """Add the step that stacks what a scan has made at each step, and return it."""
        aval = self.avals[parts[0]]
        key = self.new(jax.core.ShapedArray((len(parts), *aval.shape), aval.dtype))
        self.add(Step("stack", (*parts,), (key,), lambda *a: [jnp.stack(a)], {"axis": 0}, place))
        return key

    def value(self, key: Key) -> Any:
        """Return a value; what is not computed yet is, with all that it depends on."""
        if key in self.given:
            return self.given[key]
        for step in self.needed([key]) if key not in self.found else ():
            if not all(one in self.found for one in step.results):
                results = step.run(*map(self.value, step.operands))
                self.found.update(zip(step.results, results, strict=True))
        return self.found[key]

    def needed(self, keys: Iterable[Key]) -> list[Step]:
        """Return the steps that values depend on, in their order."""
        left, seen = [*keys], set[Key]()
        while left:
            key = left.pop()
            if key not in seen:
                seen.add(key)
                left += self.makers[key].operands if key in self.makers else ()
        return [step for step in self.steps if seen.intersection(step.results)]

    def sources(self, key: Key) -> set[Key]:
        """Return what a value is computed from, directly or not, and itself."""
        return {key, *(one for step in self.needed([key]) for one in step.operands)}

    def differentiated(self, key: Key) -> set[Key]:
        """Return what gradients flow through on the way back from a value, if they are tracked."""
        found = {key}
        for step in reversed(self.needed([key])):
            if not self.stops(step) and found.intersection(step.results):
                found.update(filter(self.is_inexact, step.operands))
        return found

    def is_inexact(self, key: Key) -> bool:
        """Return whether a value is of real or complex numbers, of which there are derivatives."""
        return bool(jnp.issubdtype(self.avals[key].dtype, jnp.inexact))

    def evaluate(
        self, given: Mapping[Key, Any], probes: Mapping[Key, Any], steps: Iterable[Step]
    ) -> dict[Key, Any]:
        """Return all values. given: those known before. probes: value -> what is added to it."""
        found = {**self.given, **given}
        for step in steps:
            results = step.run(*(found[key] for key in step.operands))
            for key, value in zip(step.results, results, strict=True):
                found[key] = value + probes[key] if key in probes else value
        return found


def has_marks(equation: Any) -> bool:
    """Return whether custom rules are applied in a program that an equation calls."""
    return any(
        one.primitive is mark_p or has_marks(one)
        for jaxpr in jaxprs_in_params(equation.params)
        for one in jaxpr.eqns
    )


def constant_of(literal: Any) -> Any:
    """Return the number of a literal."""
    return np.asarray(literal.val, literal.aval.dtype)


def runs(equation: Any) -> Callable[..., Sequence[Any]]:
    """Return what computes the results of an equation."""

    def run(*operands: Any) -> Sequence[Any]:
        primitive = equation.primitive
        with equation.ctx.manager:
            results = primitive.bind(*operands, **primitive.get_bind_params(equation.params))
        return results if primitive.multiple_results else [results]

    return run


def inside(scope: Place, part: str) -> Place:
    """Return the scope of a part of what is at a scope."""
    return replace(scope, module=f"{scope.module}/{part}" if scope.module else part)
