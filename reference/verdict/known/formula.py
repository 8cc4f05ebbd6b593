"""What a finding predicts: the numbers that a formula gives from the framework's own operands."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from typing import Any, TypeGuard

import numpy as np

from backproof.reference.backprop import RIGHT, Rules, backprop
from backproof.reference.derivative import derivative
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import PRECISIONS, Precision
from backproof.reference.numbers.stepwise import Stepwise
from backproof.reference.ops import OPS, Op
from backproof.reference.optimizers import Optimizer
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.tangents import TangentReplay
from backproof.reference.verdict.training import Steps

Evidence = Replay | Steps
"""What replays the links of a certificate: `seen`, and the precision asked for."""


class Formula:
    """What is computed instead, and so the numbers that are predicted."""

    def changes(self, evidence: Any, quantity: Quantity) -> bool:
        """Return whether a quantity is computed by it."""
        raise NotImplementedError

    def balls(self, evidence: Any, quantity: Quantity, p: Precision) -> Iterator[Ball]:
        """Yield the balls of a quantity, as an implementation computes it that works in p.

        Each entry is predicted to be in one of them; where a midpoint is NaN or infinite, to be
        just that.
        """
        raise NotImplementedError

    def precision(self, asked: Precision) -> Precision:
        """Return the precision whose dtype the numbers have."""
        return asked

    @property
    def is_exact(self) -> bool:
        """Whether it predicts the numbers themselves, which are the same whatever p is."""
        return False


@dataclass(frozen=True, slots=True)
class Instead(Formula):
    """Other ops in the place of the right ones. ops: the name of an op -> the other one."""

    ops: Mapping[str, Op]

    @property
    def everywhere(self) -> dict[str, Op]:
        """These ops, and the derivatives of those of one operand, as ops of a program."""
        found = {**self.ops}
        for name, op in self.ops.items():
            if op.backward is not OPS[name].backward and has_one_operand(op):
                found[f"{name} backwards"] = slope(op, OPS[name])
        return found

    def changes(self, evidence: Replay, quantity: Quantity) -> bool:
        """Return whether the function that makes a quantity is another one."""
        nodes = evidence.network.nodes if quantity.end_to_end else makers(evidence, quantity)
        if {node.op for node in nodes} & {*self.everywhere} - {*self.ops}:
            return True
        found = {node.op for node in nodes} & {*self.ops}
        forward = any(self.ops[k].forward is not OPS[k].forward for k in found)
        backward = any(self.ops[k].backward is not OPS[k].backward for k in found)
        if quantity.kind == "derivative":
            return backward
        return forward or (backward and is_handed_forward(evidence, quantity))

    def balls(self, evidence: Replay, quantity: Quantity, p: Precision) -> Iterator[Ball]:
        """Yield the ball by these ops, and by each form of others that hand on to the quantity."""
        for rules in evidence.rules(quantity).values():
            if all(rules.ops[op] is OPS[op] for op in self.ops):
                ops = {**rules.ops, **self.everywhere}
                yield evidence.ball(quantity, p, replace(rules, ops=ops))
        if is_handed_forward(evidence, quantity):
            yield evidence.handed_forward(quantity.of, p, rules=self.rules)

    @property
    def rules(self) -> Rules:
        """A sweep with these ops."""
        return Rules(ops={**OPS, **self.everywhere})

    def replayed(self, replay: Replay) -> Replay:
        """Return the replay of a pass in which these ops are the right ones."""
        ops = self.everywhere
        nodes = (
            replace(node, op=f"{node.op} instead", own=ops[node.op]) if node.op in ops else node
            for node in replay.network.nodes
        )
        return replace(replay, network=replace(replay.network, nodes=tuple(nodes)), balls={})


def slope(op: Op, right: Op) -> Op:
    """Return the op (dy, x) -> dx of another derivative, of one that is taken entry by entry.

    It hands on d dx / d dy, which is the same slope again. d dx / dx is another function of the
    framework's, which is right.
    """
    first, second = derivative(op), derivative(right)

    def backward(d: Any, dx: Any, dy: Any, x: Any, **options: Any) -> tuple[Any, ...]:
        _, to_x = second.backward(d, dx, dy, x, **options)
        return first.forward(d, x, **options), to_x

    return Op(first.forward, backward)


def has_one_operand(op: Op) -> bool:
    """Return whether an op is a function of one array; its options have names."""
    taken = signature(op.forward).parameters.values()
    return [one.kind for one in taken if one.kind != one.KEYWORD_ONLY] == [
        Parameter.POSITIONAL_OR_KEYWORD
    ]


def makers(evidence: Evidence, quantity: Quantity) -> list[Node]:
    """Return the nodes that make a quantity: a value's own node, a derivative's consumers."""
    nodes, name = evidence.network.nodes if isinstance(evidence, Replay) else (), quantity.of
    if quantity.kind == "derivative":
        return [node for node in nodes if name in node.inputs]
    return [node for node in nodes if quantity.kind == "value" and node.name == name]


def is_handed_forward(evidence: Any, quantity: Quantity) -> TypeGuard[TangentReplay]:
    """Return whether a quantity is a tangent that a backward function may give as well."""
    return isinstance(evidence, TangentReplay) and evidence.is_symmetric(quantity)


@dataclass(frozen=True, slots=True)
class InSteps(Instead):
    """Ops of which each step is known, so that the numbers are predicted exactly: no tangents."""

    @property
    def is_exact(self) -> bool:
        """Whether it predicts the numbers themselves."""
        return True

    def changes(self, evidence: Replay, quantity: Quantity) -> bool:
        """Return whether the function that makes a quantity is another one."""
        return not quantity.tangent and Instead.changes(self, evidence, quantity)

    def balls(self, evidence: Replay, quantity: Quantity, p: Precision) -> Iterator[Ball]:
        """Yield the numbers, whatever p."""
        steps = OverSteps(evidence.network, evidence.leaves, evidence.trace, evidence.precision)
        numbers: Any = steps.ball(quantity, p, self.rules)
        yield Ball.exact(np.asarray(numbers), evidence.precision)


class OverSteps(Replay):
    """Replays links in the precision itself, one step after another."""

    def operand(self, quantity: Quantity, p: Precision) -> Any:  # noqa: ARG002 the precision's own
        """Return a framework's own numbers."""
        return Stepwise.of(self.seen(quantity))

    def rounded(self, ball: Any, own: Precision) -> Any:  # noqa: ARG002 the precision's own
        """Return an op's result unchanged: each of its steps was rounded."""
        return ball


@dataclass(frozen=True, slots=True)
class AsShown(Instead):
    """Other ops whose forward functions see their own output first: forward(y, *inputs)."""

    def balls(self, evidence: Replay, quantity: Quantity, p: Precision) -> Iterator[Ball]:
        """Yield the ball by these ops."""
        if quantity.kind != "value":
            yield evidence.ball(quantity, p, self.rules)
            return
        node = evidence.nodes[quantity.of]
        known = evidence.known(node, p)
        operands = (known[name] for name in (node.name, *node.inputs))
        y = self.ops[node.op].forward(*operands, **node.options)
        yield evidence.rounded(y, evidence.of(node.name))


@dataclass(frozen=True, slots=True)
class Unwritten(Instead):
    """Other ops that leave entries of an array unwritten, NaN in the formula: any number at all."""

    def balls(self, evidence: Replay, quantity: Quantity, p: Precision) -> Iterator[Ball]:
        """Yield the ball by these ops, with the numbers seen where nobody wrote."""
        ball, right = evidence.ball(quantity, p, self.rules), evidence.ball(quantity, p)
        nobody = np.isnan(ball.mid) & ~np.isnan(right.mid)
        seen = np.asarray(evidence.seen(quantity), dtype=np.float64)
        if seen.shape == ball.shape:
            yield Ball(np.where(nobody, seen, ball.mid), np.where(nobody, 0, ball.rad), p)


@dataclass(frozen=True, slots=True)
class Swept(Formula):
    """Another sweep over the values of the pass without probes, whose cotangents nobody sees.

    Entries that it leaves as they are have a ball of radius zero: of them it predicts no error.
    rules: from the network to the rules of the sweep.
    """

    rules: Callable[[Network], Rules]

    def changes(self, evidence: Evidence, quantity: Quantity) -> bool:
        """Return whether a quantity is a gradient without probes."""
        of_gradient = quantity.kind == "derivative" and not quantity.probes
        return of_gradient and isinstance(evidence, Replay) and evidence.plain is not None

    def balls(self, evidence: Replay, quantity: Quantity, p: Precision) -> Iterator[Ball]:
        """Yield the ball of the gradient, in which the errors of all cotangents add up."""
        other, right = (
            evidence.rounded(gradient(evidence, quantity.of, p, rules), evidence.precision)
            for rules in (self.rules(evidence.network), RIGHT)
        )
        yield Ball(other.mid, np.where(other.mid == right.mid, 0, other.rad), p)


def gradient(evidence: Replay, name: str, p: Precision, rules: Rules) -> Any:
    """Return the gradient of a leaf by a sweep over the values of the pass without probes."""
    seen = evidence.without_probes()
    assert seen is not None  # the gradient is one of that pass  # noqa: S101
    known: Any = seen.values_of([*seen.nodes, *seen.leaves], p)

    class OverValues(Rules):
        def value(self, node: Node, _: Mapping[str, Any]) -> Any:
            return known[node.name]

        def hands_on(self, node: Node, dy: Any, known: Mapping[str, Any]) -> tuple[Any, ...]:
            return rules.hands_on(node, dy, known)

    leaves = {name: known[name] for name in seen.leaves}
    return backprop(evidence.network, leaves, OverValues(), evidence.scale).gradients[name]


@dataclass(frozen=True, slots=True)
class Defined(Formula):
    """Another definition of an optimizer. other: the right one -> the one that is computed."""

    other: Callable[[Optimizer], Optimizer]

    def changes(self, evidence: Steps, quantity: Quantity) -> bool:
        """Return whether a quantity is a state of a training, or its parameters."""
        return isinstance(evidence, Steps) and quantity.kind == "state"

    def balls(self, evidence: Steps, quantity: Quantity, p: Precision) -> Iterator[Ball]:
        """Yield the ball of each form, with scalars in float64 and in the precision itself."""
        try:
            other = self.other(evidence.optimizer)
        except KeyError:  # of another optimizer
            return
        for form in ("", *other.forms):
            for narrow in (False, True):
                yield evidence.ball(quantity, p, form, narrow=narrow, of=other)


@dataclass(frozen=True, slots=True)
class Either(Formula):
    """Several formulas, of which an entry follows one."""

    formulas: tuple[Formula, ...]

    @property
    def is_exact(self) -> bool:
        """Whether all of them predict the numbers themselves."""
        return all(one.is_exact for one in self.formulas)

    def changes(self, evidence: Evidence, quantity: Quantity) -> bool:
        """Return whether a quantity is computed by one of them."""
        return any(one.changes(evidence, quantity) for one in self.formulas)

    def balls(self, evidence: Evidence, quantity: Quantity, p: Precision) -> Iterator[Ball]:
        """Yield the balls of all."""
        for one in self.formulas:
            yield from one.balls(evidence, quantity, p)


@dataclass(frozen=True, slots=True)
class OfDtype(Formula):
    """The right numbers, as tangents of another dtype: of scalars, and of what follows from them.

    name: that dtype's.
    """

    name: str

    def changes(self, evidence: Replay, quantity: Quantity) -> bool:
        """Return whether a quantity is the tangent of a scalar, or follows from such a tangent."""
        if not quantity.tangent:
            return False
        operands = [name for node in makers(evidence, quantity) for name in node.inputs]
        tangents = (evidence.seen(Quantity("value", name, tangent=True)) for name in operands)
        return np.shape(evidence.seen(quantity)) == () or any(
            isinstance(t, np.ndarray | np.generic) and t.dtype.name == self.name for t in tangents
        )

    def balls(self, evidence: Replay, quantity: Quantity, p: Precision) -> Iterator[Ball]:
        """Yield the right ball."""
        yield evidence.ball(quantity, p)

    def precision(self, asked: Precision) -> Precision:  # noqa: ARG002 whatever was asked for
        """Return the precision whose dtype the numbers have."""
        return PRECISIONS[self.name]
