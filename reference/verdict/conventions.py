"""One convention at a tie for all operands of a node.

What a node hands on to each operand is judged by itself, in any form of its op. Forms that only
round otherwise may differ from operand to operand, as different kernels do. But at a tie a form is
a convention: of two equal operands the first receives all, or the second, or each one half. If both
received all, each would be as in some form, and no form would be a derivative.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from backproof.reference.network import Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.errors import by
from backproof.reference.verdict.forms import of_op
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.replay import Replay


def in_one_form(certificate: Certificate, replay: Replay) -> Certificate:
    """Return the certificate, with a link refuted where operands of a node have no form in common.

    It is the link of the operand that comes last.
    """
    links = {link.quantity: link for link in certificate.links}
    for node in replay.network.nodes:
        own = {name: links.get(Quantity("derivative", name)) for name in node.inputs}
        held = {k: link for k, link in own.items() if link and link.verdict == "inside"}
        used = {name: form_of(node, link) for name, link in held.items()}
        if len({*used.values()}) > 1 and not any(agrees(replay, node, used)):
            *_, last = held.values()
            said = ", ".join(f"{name} as by {form or node.op!r}" for name, form in used.items())
            problem = f"no form of {node.op} hands on to all operands what they receive: {said}"
            links[last.quantity] = replace(last, verdict="refuted", problem=problem)
    return replace(certificate, links=(*links.values(),))


def form_of(node: Node, link: Link) -> str:
    """Return the form in which a node handed on, by the properties of a link; "" is its own."""
    names = {*link.properties}

    def is_named(form: str) -> bool:
        return not names.isdisjoint({form, of_op(form, node.op), of_op(form, node.name)})

    return next(filter(is_named, node.rule.forms), "")


def agrees(replay: Replay, node: Node, used: Mapping[str, str]) -> Iterator[bool]:
    """Yield for each form whether every operand may receive by it what it was seen to receive.

    used: operand -> the form that its link was seen in. Every step is taken to be rounded: one form
    may read a result as it is stored, where another computes it again.
    """
    p = replay.of(node.name)

    def handed_on(form: str) -> dict[str, Ball]:
        return dict(zip(node.inputs, replay.hands_on(node, p, by(node, form)), strict=True))

    made = {form: handed_on(form) for form in {*used.values()}}
    seen = {name: made[form][name] for name, form in used.items()}
    for form in (*made, *(form for form in ("", *node.rule.forms) if form not in made)):
        balls = made.get(form) or handed_on(form)
        yield all(overlap(balls[name], ball) for name, ball in seen.items())


def overlap(one: Ball, other: Ball) -> bool:
    """Return whether two balls may have a number in common in each entry; NaN may be any."""
    return not np.any(np.abs(one.mid - other.mid) > one.rad + other.rad)
