"""The certificate of a recorded program."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any

from backproof.adapters.recording import Place
from backproof.programs.compared import ON_PAPER, TWIN, Compared
from backproof.programs.hints import hints
from backproof.reference.files import write
from backproof.reference.network import Network
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.undecided import remedy

KEPT = (
    "each derivative in the loss is right, but the derivative of one of them is wrong. Does a "
    "backward function keep numbers that it should compute? Certify it alone, with second=True"
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A call that the reference has no op for. reached: the parameters that it depends on."""

    place: Place
    reached: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProgramCertificate(Certificate):
    """The verdict on a program. As text it is one line, or what is wrong first, and where.

    `network` is the program's name, and `precision` the names of all precisions in it.

    program:  the network that was recorded.
    places:   node -> where it was computed.
    parameters: the names of all parameters that require a gradient.
    unknown:  what the reference has no op for.
    stray:    parameters that received a gradient, though no recorded call uses them.
    unused:   parameters that neither a recorded call uses nor a gradient reached.
    known:    link that is not inside -> the recorded finding of the framework that predicts it.
    diagnosis: what explains the first refuted link, in one line; "" if none is refuted.
    twin:     the gradients of a twin, if there was one; and what is not inside of another pass of
              the program itself: its gradients and its loss.
    second:   the certificate of second order, if it was asked for.
    inner:    the certificates of the derivatives that the program takes itself, or of the custom
              rules that these apply.
    seconds:  how long it took. compiling: how much of that the framework's compiler took.
    """

    program: Network = field(kw_only=True)
    places: Mapping[str, Place] = field(kw_only=True)
    parameters: tuple[str, ...] = field(kw_only=True)
    unknown: tuple[Unknown, ...] = ()
    stray: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    known: Mapping[Quantity, str] = field(default_factory=dict)
    diagnosis: str = ""
    twin: tuple[Compared, ...] = ()
    second: "ProgramCertificate | None" = None
    inner: tuple["ProgramCertificate", ...] = ()
    seconds: float = 0.0
    compiling: float = 0.0

    def __bool__(self) -> bool:
        """Return whether it holds, so that `assert certify(...)` does what it says."""
        return self.holds

    @property
    def holds(self) -> bool:
        """Whether all is known, and inside a ball that decides; and the twin, if any, is the same.

        So it must be with second order, if that was asked for, and inside of the program. A link
        that a recorded finding of the framework predicts is not held against the program.
        """
        same = all(one.verdict == "inside" for one in self.twin)
        others = all(one.holds for one in self.others)
        return (
            bool(self.links) and not (self.wrong or self.unknown or self.stray) and same and others
        )

    @property
    def others(self) -> tuple["ProgramCertificate", ...]:
        """The certificates of the derivatives that the program takes, and of second order."""
        return self.inner if self.second is None else (*self.inner, self.second)

    @property
    def wrong(self) -> tuple[Link, ...]:
        """All links that are not inside and that no finding predicts."""
        found = super(ProgramCertificate, self).wrong
        return tuple(link for link in found if link.quantity not in self.known)

    @property
    def proven(self) -> tuple[str, ...]:
        """The parameters with no link from the loss to them that is wrong, known findings aside.

        Their gradients are also those that the program has as users run it, and on paper.
        Where a value is refuted, or something in a derivative that the program takes itself is not
        right or not known, there are none: the loss was computed from it, and so were the
        cotangents.
        """
        refuted = [link for link in self.wrong if link.verdict != "undecided"]
        if any(link.quantity.kind == "value" for link in refuted):
            return ()
        inside = (link.verdict != "undecided" for one in self.inner for link in one.wrong)
        if any(inside) or any(one.unknown for one in self.inner):
            return ()
        reached = {name for one in self.unknown for name in one.reached}
        wrong = {link.quantity.of for link in self.wrong} | reached
        proven = dict.fromkeys([self.program.loss], self.program.loss not in wrong)
        for node in reversed(self.program.nodes):
            for name in node.inputs:
                own = name not in wrong
                proven[name] = proven.get(name, True) and own and proven[node.name]
        apart = {one.name for one in self.twin if one.of != TWIN}
        return tuple(name for name in self.parameters if proven.get(name) and name not in apart)

    def place_of(self, link: Link) -> Place | None:
        """Return where a link was computed: a derivative, at the first node that hands it on."""
        return next(iter(self.places_of(link)), None)

    def places_of(self, link: Link) -> tuple[Place, ...]:
        """Return all places where a link was computed: a derivative, at each use of its array."""
        of = link.quantity.of
        users = [node.name for node in self.program.nodes if of in node.inputs]
        made = users if users and link.quantity.kind != "value" else [of]
        return tuple(self.places[name] for name in made if name in self.places)

    def hints_of(self, link: Link) -> tuple[str, ...]:
        """Return what else may be the cause of a link that is not inside."""
        return (*hints(link, self.places_of(link), self.program),)

    def __str__(self) -> str:
        """Return one line where it holds; else what is wrong, and where."""
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text."""
        head = f"{self.network}, {self.precision}"
        if self.holds:
            yield f"{head}: holds: {self.summary()}"
        else:
            n = len(self.parameters)
            yield f"{head}: does not hold: {len(self.proven)} of {n} parameters are proven"
        yield from self.causes()
        for cause in dict.fromkeys(self.known.values()):
            n = sum(cause == one for one in self.known.values())
            yield f"known, in {_counted(n, 'link')}: {cause}"
        yield from self.about_twin()
        yield from self.about_inner()
        if self.second is not None:
            yield from self.second.lines()

    def causes(self) -> Iterator[str]:
        """Yield the lines about what is wrong with it."""
        refuted = [link for link in self.wrong if link.verdict != "undecided"]
        undecided = [ln for ln in self.wrong if ln.verdict == "undecided" and not ln.is_not_judged]
        for kind in filter(None, (refuted, undecided)):
            yield from self.about(kind[0], len(kind) - 1)
        for one in self.unknown:
            reason = f": {one.place.reason}" if one.place.reason else ""
            n = len(self.parameters)
            reached = f", reached by {len(one.reached)} of {n} parameters" if n else ""
            yield f"not certified: {one.place}{reason}{reached}"
        if self.stray:
            yield f"not certified: no call was seen that uses {', '.join(self.stray)}"
        if self.unused:
            yield f"not used: {', '.join(self.unused)}"

    def about_inner(self) -> Iterator[str]:
        """Yield the lines about the first derivative inside that does not hold: one cause first."""
        wrong = [one for one in self.inner if not one.holds and any(one.causes())]
        if not wrong or self.refuted is not None:
            return
        first = next((one for one in wrong if one.refuted is not None), wrong[0])
        yield f"{first.network}, {first.precision}: does not hold"
        yield from first.causes()
        if others := len(wrong) - 1:
            yield f"  others    {others} more of the derivatives inside do not hold"

    def about_twin(self) -> Iterator[str]:
        """Yield the lines about the twin, if there is one."""
        for compared in self.twin:
            if compared.verdict != "inside":
                yield f"{compared.of}: {compared}"
        if any(one.of == ON_PAPER for one in self.twin):
            yield f"    hint      {KEPT}"
        if self.twin and all(one.verdict == "inside" for one in self.twin):
            farthest = max(self.twin, key=lambda one: one.apart and one.apart / one.allowed)
            yield f"twin: the same {_counted(len(self.twin), 'gradient')}; the farthest: {farthest}"

    def summary(self) -> str:
        """Return what a certificate that holds proves."""
        digits = f"{self.worst.digits:.1f} digits or more" if self.worst else "their exact values"
        named, worst = "", self.worst_parameter
        if worst:
            named = f" (the fewest of a parameter: {worst.digits:.1f}, {worst.quantity.of})"
        inside = f", {_counted(len(self.inner), 'derivative')} inside" if self.inner else ""
        compiling = f", {self.compiling:.1f} s of it compiling" if self.compiling else ""
        return (
            f"{_counted(len(self.links), 'link')}, {_counted(self.entries, 'number')}, "
            f"{_counted(len(self.proven), 'parameter')}{inside}, proven to {digits}{named}, "
            f"{self.seconds:.1f} s{compiling}"
        )

    @property
    def worst_parameter(self) -> Link | None:
        """The link of the parameter whose gradient is proven to the fewest digits."""
        own = [
            link
            for link in self.links
            if link.quantity.kind == "derivative"
            and link.quantity.of in self.program.parameters
            and link.verdict == "inside"
            and not link.cancels
        ]
        return max(own, key=lambda link: link.accuracy, default=None)

    def about(self, link: Link, others: int) -> Iterator[str]:
        """Yield the lines about a link that is not inside."""
        entry = str(list(link.index)) if link.index else ""
        yield f"  {link.name}{entry}: {link.verdict}"
        back = "" if link.quantity.kind == "value" else "the derivative of "
        if back and link.quantity.of == self.program.loss:
            back = "the start of the backward pass, from "
        places = self.places_of(link)
        for head, place in zip(("at ", "and", "and"), places, strict=False):
            yield f"    {head}       {back}{place}"
        if left := len(places[3:]):
            yield f"    and       {_counted(left, 'other use')}"
        if link.problem:
            yield f"    problem   {link.problem}"
        else:
            yield f"    expected  {link.mid!r} +- {link.rad:.3g} ({link.precision})"
            yield f"    found     {link.seen!r}"
            outside = f"{link.outside:,} of {link.entries:,} entries outside"
            yield f"    ball      {outside}, {link.share:.3g} radii off"
        for hint in self.hints_of(link):
            yield f"    hint      {hint}"
        if link.verdict == "undecided" and not link.problem:
            yield f"    remedy    {remedy(link, self.scale)}"
        if link.verdict != "undecided" and self.diagnosis:
            yield f"    diagnosis {self.diagnosis.removesuffix(f': {link}')}"
        if others:
            yield f"    others    {others} more, also {link.verdict}"

    def to_json(self) -> str:
        """Return all of it as JSON, without the arrays; numbers that are not finite are null."""
        content: dict[str, Any] = {
            "program": self.network,
            "precision": self.precision,
            "holds": self.holds,
            "parameters": list(self.parameters),
            "proven": list(self.proven),
            "unknown": [asdict(one) for one in self.unknown],
            "stray": list(self.stray),
            "unused": list(self.unused),
            "known": sorted({*self.known.values()}),
            "diagnosis": self.diagnosis,
            "twin": [asdict(one) for one in self.twin],
            "inner": [json.loads(one.to_json()) for one in self.inner],
            "second": json.loads(self.second.to_json()) if self.second is not None else None,
            "seconds": self.seconds,
            "compiling": self.compiling,
            "places": {name: asdict(place) for name, place in self.places.items()},
            "links": [{**asdict(link), "name": link.name} for link in self.links],
        }
        return json.dumps(_finite(content), indent=1, allow_nan=False)

    def to_html(self) -> str:
        """Return it as a page: its text, and a table of all links."""
        rows = "".join(
            f"<tr class={link.verdict}><td>{escape(link.name)}<td>{link.verdict}"
            f"<td>{link.digits:.1f}<td>{link.entries}<td>{escape(str(self.place_of(link) or ''))}"
            for one in (self, *self.others)
            for link in one.links
        )
        return (
            f"<!doctype html><meta charset=utf-8><title>{escape(self.network)}</title>"
            f"<pre>{escape(str(self))}</pre><table><tr><th>link<th>verdict<th>digits proven"
            f"<th>numbers<th>where{rows}</table>"
        )

    def report(self, path: str | Path) -> None:
        """Write the page to a file, as a whole. Raises ValueError where it cannot be written."""
        write(Path(path), self.to_html())


def _finite(value: Any) -> Any:
    """Return a value for JSON, which has no infinity and no NaN: None in their places."""
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _counted(n: int, noun: str) -> str:
    """Return "1 link" or "2 links"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
