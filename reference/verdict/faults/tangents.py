"""Classical mistakes of forward mode and of second order: wrong rules of dual numbers.

Each is a change of one operand or of one result on the way from tangents to tangents; values,
cotangents and gradients stay right, so that only a derivative along a direction shows it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from backproof.reference.backprop import Rules
from backproof.reference.network import Network
from backproof.reference.numbers.dual import Dual
from backproof.reference.ops import OPS, Op
from backproof.reference.verdict.faults.fault import COMMON, Fault
from backproof.reference.verdict.link import Quantity


def _stopped(x: Any) -> Any:
    return x.stopped() if isinstance(x, Dual) else x


def _moved_by(x: Any, tangent: Callable[[Any], Any]) -> Any:
    return Dual(x.value, tangent(x)) if isinstance(x, Dual) else x


def _everywhere(change: Callable[[Op], Op]) -> Rules:
    return Rules(ops={name: change(op) for name, op in OPS.items()})


def _forward(change: Callable[..., Any]) -> Rules:
    """Return the rules of a change of every forward function: (right, inputs, options) -> value."""

    def changed(op: Op) -> Op:
        return replace(op, forward=lambda *x, **options: change(op.forward, x, options))

    return _everywhere(changed)


def _backward(change: Callable[..., Any]) -> Rules:
    """Return the rules of a change of every backward function: (right, dy, y, inputs, options)."""

    def changed(op: Op) -> Op:
        return replace(
            op, backward=lambda dy, y, *x, **options: change(op.backward, dy, y, x, options)
        )

    return _everywhere(changed)


def _of_values(_: Network, quantity: Quantity) -> bool:
    return quantity.kind == "value"


def _of_cotangents(network: Network, quantity: Quantity) -> bool:
    return quantity.kind == "derivative" and quantity.of != network.loss


def tangents() -> Iterator[Fault]:
    """Yield the faults."""

    def fault(
        name: str, gives: str, source: str, rules: Rules, of: Callable[[Network, Quantity], bool]
    ) -> Fault:
        def changes(network: Network, quantity: Quantity) -> bool:
            return quantity.tangent and of(network, quantity)

        return Fault(f"tangents: {name}", gives, source, changes, rules)

    yield fault(
        "tangent of a constant not zero",
        "what it would be if the last operand's tangent were one more throughout",
        "a seed of ones for constants",
        _forward(
            lambda f, x, o: f(*x[:-1], _moved_by(x[-1], lambda d: d.whole_tangent() + 1), **o)
        ),
        _of_values,
    )
    yield fault(
        "tangent of the last operand forgotten",
        "a product's first term alone",
        COMMON,
        _forward(lambda f, x, o: f(*x[:-1], _stopped(x[-1]), **o)),
        _of_values,
    )
    yield fault(
        "tangent of the first operand forgotten",
        "a product's second term alone",
        COMMON,
        _forward(lambda f, x, o: f(_stopped(x[0]), *x[1:], **o)),
        _of_values,
    )
    yield fault(
        "tangent detached",
        "zero",
        "detach() or stop_gradient on the way",
        _forward(lambda f, x, o: _stopped(f(*x, **o))),
        _of_values,
    )
    yield fault(
        "tangent of the wrong sign",
        "the tangent negated",
        COMMON,
        _forward(lambda f, x, o: _moved_by(f(*x, **o), lambda d: -d.whole_tangent())),
        _of_values,
    )
    yield fault(
        "cotangent not differentiated",
        "the term of the derivative's own tangent alone",
        "a Hessian without the Gauss-Newton term",
        _backward(lambda b, dy, y, x, o: b(_stopped(dy), y, *x, **o)),
        _of_cotangents,
    )
    yield fault(
        "derivative not differentiated",
        "the Jacobian's transpose times the cotangent's tangent",
        "the Gauss-Newton matrix for the Hessian (Schraudolph 2002, sec. 3)",
        _backward(lambda b, dy, y, x, o: b(dy, _stopped(y), *map(_stopped, x), **o)),
        _of_cotangents,
    )
    yield fault(
        "tangent of the output for that of the input",
        "the derivative's tangent along the op's output instead of its input",
        COMMON,
        _backward(lambda b, dy, y, x, o: b(dy, y, *(_like(a, y) for a in x), **o)),
        _of_cotangents,
    )
    yield fault(
        "saved output taken for a constant",
        "without the tangent of the op's own output",
        "statistics or outputs that are saved outside of the graph",
        _backward(lambda b, dy, y, x, o: b(dy, _stopped(y), *x, **o)),
        _of_cotangents,
    )
    yield fault(
        "second-order terms doubled",
        "twice the tangent",
        "both orders of a mixed derivative counted",
        _backward(
            lambda b, dy, y, x, o: tuple(
                _moved_by(d, lambda d: 2 * d.whole_tangent()) for d in b(dy, y, *x, **o)
            )
        ),
        _of_cotangents,
    )


def _like(a: Any, y: Any) -> Any:
    same = isinstance(a, Dual) and isinstance(y, Dual) and a.shape == y.shape
    return Dual(a.value, y.tangent) if same else a
