"""What replays a recorded pass, link by link."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from backproof.adapters.recording import Recording, Taken
from backproof.reference.backprop import RIGHT, Rules
from backproof.reference.network import Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import PRECISIONS, Precision
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.recomputed import recomputed
from backproof.reference.verdict.recomputed import replay_of as replay_of_balls
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.room import ENOUGH, Room


class Failed(ValueError):
    """The reference's op does not take a node's operands: (the node's name, what it raised)."""


FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What an op or an optimizer raises that does not take its operands or its options."""


@contextmanager
def named(what: object) -> Iterator[None]:
    """Say what was being done where memory does not suffice."""
    try:
        yield
    except MemoryError as error:
        raise MemoryError(f"{what}: {str(error) or 'not enough memory'}") from None


class Guarded(Replay):
    """Replays links, and names the node whose op does not take its operands."""

    def link(
        self, quantity: Quantity, needed: Iterable[Quantity], make: Callable[[], Ball]
    ) -> Link:
        """Return the verdict on a link. Raises MemoryError, which names it."""
        with named(quantity):
            return super().link(quantity, needed, make)

    def value(self, name: str, p: Precision, rules: Rules = RIGHT) -> Ball:
        """Return the ball of a node's value. Raises Failed."""
        try:
            return super().value(name, p, rules)
        except FAILURES as error:
            raise Failed(name, error) from error

    def hands_on(self, node: Node, p: Precision, rules: Rules) -> tuple[Ball, ...]:
        """Return the balls of what a node hands on. Raises Failed, MemoryError."""
        try:
            with named(f"what {node.name} hands on"):
                return super().hands_on(node, p, rules)
        except FAILURES as error:
            raise Failed(node.name, error) from error


@dataclass
class Inside(Guarded):
    """Replays a derivative that a program takes itself.

    reached: as in `Taken`. certified: node -> the verdict on its value in the program's own pass.
    """

    reached: Collection[str] = ()
    certified: Mapping[str, Link] = field(default_factory=dict)

    def links(self, of: Collection[str] | None = None) -> Iterator[Link]:
        """Yield the links of values, and of the derivatives on the way. of: as in `Replay`."""
        yield from (self.value_link(n) for n in self.network.nodes if of is None or n.name in of)
        yield from self.backward_links(self.reached if of is None else {*of} & {*self.reached})

    def value_link(self, node: Node) -> Link:
        """Return the verdict on a node's value."""
        link = self.certified.get(node.name) or super().value_link(node)
        if link.is_no_operand:
            self.unusable[link.quantity] = link.cause or link.quantity
        return link


def replay_of(
    recording: Recording, room: Room = ENOUGH, certified: Mapping[str, Link] | None = None
) -> Replay:
    """Return what replays a recorded pass, each array in the precision that it was computed in.

    room: how much memory it may use. certified: as in `Inside`.
    """
    arrays = {**recording.leaves, **recording.trace.values} if not recording.precisions else {}
    names = recording.precisions or {name: a.dtype.name for name, a in arrays.items()}
    precisions = {name: PRECISIONS[p] for name, p in names.items()}
    kind: Callable[..., Replay] = Guarded
    if isinstance(recording, Taken):
        kind = partial(Inside, reached=recording.reached, certified=certified or {})
    return kind(
        recording.network,
        recording.leaves,
        recording.trace,
        precisions[recording.network.loss],
        recording.plain,
        scale=recording.scale,
        precisions=precisions,
        radii=recording.radii,
        room=room,
        balls=room.recent(),
    )


def again(certificate: Certificate, replay: Replay) -> Certificate:
    """Return the certificate of a compiled pass, links outside replayed from operands' balls.

    A kernel may compute its operands again, and theirs, so these balls may be of operands' balls.
    """
    for _ in range(LEVELS):
        if all(link.verdict == "inside" for link in certificate.links):
            break
        certificate = recomputed(certificate, replay)
        replay = replay_of_balls(certificate, replay)
    return certificate


LEVELS = 4
"""So many steps in a row may be computed again in one kernel."""
