"""Classical mistakes of forward mode and of second order: wrong rules of dual numbers.

Each is a change of one operand or of one result on the way from tangents to tangents; values,
cotangents and gradients stay right, so that only a derivative along a direction shows it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from backproof.reference.backprop import Rules
from backproof.reference.network import Network
from backproof.reference.numbers.dual import Dual
from backproof.reference.ops import OPS, Op
from backproof.reference.verdict.faults.fault import COMMON, Fault
from backproof.reference.verdict.link import Quantity


def stopped(x: Any) -> Any:
    """Return x as a constant."""
    return x.stopped() if isinstance(x, Dual) else x


def moved_by(x: Any, tangent: Callable[[Any], Any]) -> Any:
    """Return x with another tangent: tangent(x)."""
    return Dual(x.value, tangent(x)) if isinstance(x, Dual) else x


def moved_like(x: Any, y: Any) -> Any:
    """Return x with the tangent of y, where they are of one shape."""
    same = isinstance(x, Dual) and isinstance(y, Dual) and x.shape == y.shape
    return Dual(x.value, y.tangent) if same else x


FORWARD: Mapping[tuple[str, str], tuple[Callable[..., Any], str]] = {
    (
        "tangent of a constant not zero",
        "what it would be if the last operand's tangent were one more throughout",
    ): (
        lambda f, *x, **o: f(*x[:-1], moved_by(x[-1], lambda d: d.whole_tangent() + 1), **o),
        "a seed of ones for constants",
    ),
    ("tangent of the last operand forgotten", "a product's first term alone"): (
        lambda f, *x, **o: f(*x[:-1], stopped(x[-1]), **o),
        COMMON,
    ),
    ("tangent of the first operand forgotten", "a product's second term alone"): (
        lambda f, *x, **o: f(stopped(x[0]), *x[1:], **o),
        COMMON,
    ),
    ("tangent detached", "zero"): (
        lambda f, *x, **o: stopped(f(*x, **o)),
        "detach() or stop_gradient on the way",
    ),
    ("tangent of the wrong sign", "the tangent negated"): (
        lambda f, *x, **o: moved_by(f(*x, **o), lambda d: -d.whole_tangent()),
        COMMON,
    ),
}
"""(Name, what it gives) -> what every op gives instead of f(*x, **o), its value; source."""

BACKWARD: Mapping[tuple[str, str], tuple[Callable[..., Any], str]] = {
    ("cotangent not differentiated", "the term of the derivative's own tangent alone"): (
        lambda b, dy, y, *x, **o: b(stopped(dy), y, *x, **o),
        "a Hessian without the Gauss-Newton term",
    ),
    ("derivative not differentiated", "the Jacobian's transpose times the cotangent's tangent"): (
        lambda b, dy, y, *x, **o: b(dy, stopped(y), *map(stopped, x), **o),
        "the Gauss-Newton matrix for the Hessian (Schraudolph 2002, sec. 3)",
    ),
    (
        "tangent of the output for that of the input",
        "the derivative's tangent along the op's output instead of its input",
    ): (lambda b, dy, y, *x, **o: b(dy, y, *(moved_like(a, y) for a in x), **o), COMMON),
    ("saved output taken for a constant", "without the tangent of the op's own output"): (
        lambda b, dy, y, *x, **o: b(dy, stopped(y), *x, **o),
        "statistics or outputs that are saved outside of the graph",
    ),
    ("second-order terms doubled", "twice the tangent"): (
        lambda b, *a, **o: tuple(moved_by(d, lambda d: 2 * d.whole_tangent()) for d in b(*a, **o)),
        "both orders of a mixed derivative counted",
    ),
}
"""(Name, what it gives) -> what every op gives instead of b(dy, y, *x, **o), cotangents; source."""


def tangents() -> Iterator[Fault]:
    """Yield the faults."""
    for said, (wrong, source) in FORWARD.items():
        yield fault(*said, source, forward(wrong), is_value)
    for said, (wrong, source) in BACKWARD.items():
        yield fault(*said, source, backward(wrong), is_cotangent)


def fault(
    name: str,
    gives: str,
    source: str,
    change: Callable[[Op], Op],
    of: Callable[[Network, Quantity], bool],
) -> Fault:
    """Return the fault of a change of every op; of: whether it changes a link's tangent."""

    def changes(network: Network, quantity: Quantity) -> bool:
        return quantity.tangent and of(network, quantity)

    rules = Rules(ops={op: change(right) for op, right in OPS.items()})
    return Fault(f"tangents: {name}", gives, source, changes, rules)


def forward(wrong: Callable[..., Any]) -> Callable[[Op], Op]:
    """Return the change of an op's forward function f: wrong(f, *inputs, **options)."""
    return lambda op: replace(op, forward=partial(wrong, op.forward))


def backward(wrong: Callable[..., Any]) -> Callable[[Op], Op]:
    """Return the change of an op's backward function b: wrong(b, dy, y, *inputs, **options)."""
    return lambda op: replace(op, backward=partial(wrong, op.backward))


def is_value(_: Network, quantity: Quantity) -> bool:
    """Return whether a quantity is a node's value."""
    return quantity.kind == "value"


def is_cotangent(network: Network, quantity: Quantity) -> bool:
    """Return whether a quantity is a cotangent or a gradient, but not the loss's own."""
    return quantity.kind == "derivative" and quantity.of != network.loss
