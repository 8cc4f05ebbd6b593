"""Your own op: is its backward function right, and are an implementation's numbers right?

Two questions about E = <dy, y>, for a random dy:

1. Is `backward` the derivative of `forward`? Run over dual numbers of balls, forward gives
   <dy, J e> for every entry e of every input; run over balls, backward gives the entries of
   J^T dy. If both are equal on paper, their balls share the exact number. So disjoint balls prove
   a fault, and the sum of the radii is the bound. Where it is so large that not even float32's
   digits are proven, as for a difference quotient, the question stays undecided.
2. Are the numbers of an implementation inside their balls? Its value must lie in the ball that
   forward gives for the inputs. Its gradients must lie in the balls that backward gives for the
   inputs and the implementation's own value.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import log10
from typing import Any

import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual, dual_of
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, PRECISIONS, Precision
from backproof.reference.numbers.terms import Terms
from backproof.reference.ops import Array, Op
from backproof.reference.verdict.balls import as_read, as_result
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.judging import judged, no_terms
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.unsupported import unsupported
from backproof.reference.verdict.ways import Form

Number = Callable[[Array], Any]
"""From an array to an operand of some kind of number."""


@dataclass(frozen=True, slots=True)
class OpCertificate(Certificate):
    """The verdict on an op; `network` is its name. As text it is one line.

    Its links are "backward: dE/dx" of each input, which answer the first question, then, where
    those hold, "y" and "dE/dx" of each input, which answer the second.

    proof: to how many digits backward is proven to be the derivative, relative to the largest entry
           of each input's derivative.
    """

    proof: float = field(kw_only=True)

    def __bool__(self) -> bool:
        """Return whether it holds, so that `assert certify_op(...)` does what it says."""
        return self.holds

    def __str__(self) -> str:
        if self.wrong:
            first = self.refuted or self.wrong[0]
            found = "undecided" if first.verdict == "undecided" else "wrong"
            return f"{self.network}, {self.precision}: {found}: {first}"
        return (
            f"{self.network}, {self.precision}: right: backward is the derivative of forward to "
            f"{self.proof:.1f} digits; all {self.entries} numbers are inside, the worst using "
            f"{self.share:.2f} of its ball"
        )


def certify_op(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    *,
    run: Callable[..., Any] | None = None,
    precision: str = "float64",
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> OpCertificate:
    """Return the verdict on your own op: `print` it, and `assert` that it `holds`.

    forward:   y = forward(*inputs, **options), in plain NumPy, as in `reference.ops`: it is run
               over arrays, over `Ball` and, once for each entry of an input, over `Dual`.
    backward:  the cotangents of all inputs, a tuple in their order (or the one array of a single
               input), each in the shape of its input, = backward(dy, y, *inputs, **options), where
               dy has the shape of y.
    inputs:    name -> array of numbers at which the op has a derivative (no kink, no tie); they
               are rounded to the precision. The names appear in messages.
    run:       the implementation whose numbers are judged, such as a custom autograd op:
               (y, gradients) = run(dy, *inputs), the gradients in the order of the inputs, all of
               them anything that `np.asarray` makes an array of the precision's dtype of. None:
               forward and backward themselves.
    precision: "float64", "float32", "bfloat16" or "float16".
    options:   keyword arguments of forward and backward that are not differentiated.
    seed:      of dy, which is drawn from the normal distribution.

    Raises ValueError where inputs are not finite numbers, or where a function raises or does not
    return numbers.
    """
    name = getattr(forward, "__name__", "op")
    if precision not in PRECISIONS:
        raise ValueError(f"{name}: unknown precision {precision!r}; known: {', '.join(PRECISIONS)}")
    if not isinstance(inputs, Mapping) or not inputs:
        raise ValueError(
            f"{name}: inputs: expected a dict from each input's name to its array, such as "
            f'{{"x": [0.5, 2.0]}}, found {_kind(inputs)}'
        )
    given = options or {}
    own = Custom(
        name,
        Op(partial(forward, **given), partial(backward, **given)),
        {key: _numbers(f"{name}: input {key}", a, precision) for key, a in inputs.items()},
        PRECISIONS[precision],
    )
    y = np.asarray(own.forward([a.astype(float) for a in own.inputs.values()]))
    _finite(f"{name}: y", _float(f"{name}: y", y))
    dy = np.random.default_rng(seed).standard_normal(y.shape).astype(precision)
    proof = list(own.proof(dy))
    links = [link for link, _ in proof]
    if all(link.verdict == "inside" for link in links):
        links += own.judgement(dy, *own.run(run, dy))
    return OpCertificate(name, precision, tuple(links), proof=min(digits for _, digits in proof))


@dataclass(frozen=True, slots=True)
class Custom:
    """An op at a point: its options are bound, its inputs are arrays of the precision's dtype."""

    name: str
    op: Op
    inputs: Mapping[str, Array]
    precision: Precision

    def proof(self, dy: Array) -> Iterator[tuple[Link, float]]:
        """Yield for each input whether backward gives its derivative, and to how many digits."""
        c, *inputs = (Ball.exact(a, FLOAT64) for a in (dy, *self.inputs.values()))
        handed_on = self.backward(c, self.forward(inputs), inputs)
        for i, (name, found) in enumerate(zip(self.inputs, handed_on, strict=True)):
            link = Quantity("proof", name)
            if found is None:
                yield Link(link, "refuted", FLOAT64.name, problem="is missing"), 0.0
            else:
                yield compared(link, _ball(found), self.slope(c, inputs, i))

    def slope(self, dy: Ball, inputs: Sequence[Ball], i: int) -> Ball:
        """Return <dy, J e> for every entry e of the i-th input, in the shape of that input."""
        shape, entries = inputs[i].shape, []
        duals = [Dual(x, 0.0) for x in inputs]
        for index in np.ndindex(shape):
            e = np.zeros(shape)
            e[index] = 1
            duals[i] = Dual(inputs[i], Ball.exact(e, FLOAT64))
            entries.append(np.sum(dy * dual_of(self.forward(duals)).whole_tangent()))
        mids, rads = [entry.mid for entry in entries], [entry.rad for entry in entries]
        return Ball(np.reshape(mids, shape), np.reshape(rads, shape), FLOAT64)

    def judgement(self, dy: Array, y: Any, gradients: Sequence[Any]) -> Iterator[Link]:
        """Yield the verdicts on an implementation's value and gradients."""
        inputs = list(self.inputs.values())

        def value(make: Number) -> Any:
            return self.forward([*map(make, inputs)])

        def handed_on(i: int, make: Number) -> Any:
            dy_, y_, *rest = map(make, [dy, y, *inputs])
            return self.backward(dy_, y_, rest)[i]

        link = self.judged(Quantity("value", "y"), y, value)
        yield link
        if link.problem:  # the gradients cannot be replayed from such a value
            return
        for i, (name, seen) in enumerate(zip(self.inputs, gradients, strict=True)):
            yield self.judged(Quantity("derivative", name), seen, partial(handed_on, i))

    def judged(self, quantity: Quantity, seen: Any, result: Callable[[Number], Any]) -> Link:
        """Return the verdict on an array. result: from what makes the operands to the array."""

        def ball(p: Precision) -> Ball:
            return as_result(_ball(result(lambda a: as_read(a, self.precision, p))), self.precision)

        def terms(_: Form) -> Array:
            found = result(Terms.of)
            return np.asarray(found.magnitude if isinstance(found, Terms) else found)

        own = self.precision.steps
        return judged(quantity, seen, self.precision, ball(own), lambda: {(): ball}, terms)

    def run(self, run: Callable[..., Any] | None, dy: Array) -> tuple[Any, Sequence[Any]]:
        """Return y and the gradients as `run` computes them, from copies of the inputs."""
        arrays = [a.copy() for a in self.inputs.values()]
        if run is None:
            y = self.forward(arrays)
            return y, self.backward(dy, y, arrays)
        found = self.called("run", run, dy.copy(), *arrays)
        if not isinstance(found, tuple | list) or len(found) != len(("y", "gradients")):
            raise ValueError(f"{self.name}: run: expected (y, gradients), found {_kind(found)}")
        gradients = self.each("run", found[1])
        names = [f"the gradient of {name}" for name in self.inputs]
        seen = (
            None if array is None else self.array(name, array)
            for name, array in zip(names, gradients, strict=True)
        )
        return self.array("y", found[0]), [*seen]

    def array(self, what: str, found: Any) -> Array:
        """Return what `run` returned as an array. Raises ValueError."""
        try:
            array = np.asarray(found)
        except Exception as error:
            raise ValueError(
                f"{self.name}: run: {what}: NumPy cannot read the {_kind(found)}: {error}"
            ) from error
        if array.dtype.kind == "O":
            raise ValueError(f"{self.name}: run: {what}: expected numbers, found {_kind(found)}")
        return array

    def forward(self, inputs: Sequence[Any]) -> Any:
        """Return y over any kind of number."""
        return self.called("forward", self.op.forward, *inputs)

    def backward(self, dy: Any, y: Any, inputs: Sequence[Any]) -> Sequence[Any]:
        """Return the cotangents of all inputs, over any kind of number; None for a missing one."""
        return self.each("backward", self.called("backward", self.op.backward, dy, y, *inputs))

    def called(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a user's function returns; raise ValueError if it raises anything."""
        try:
            with np.errstate(all="ignore"):  # NaN and infinity are refuted by the verdict
                return function(*arguments)
        except Exception as error:
            if what != "run" and (said := unsupported(error)):
                raise ValueError(f"{self.name}: {what}: {said}") from error
            over = type(arguments[-1]).__name__
            raise ValueError(
                f"{self.name}: {what}, run over {over}, raised {type(error).__name__}: {error}"
            ) from error

    def each(self, what: str, found: Any) -> Sequence[Any]:
        """Return one gradient per input, None for a missing one."""
        if len(self.inputs) == 1 and hasattr(found, "shape"):
            return [found]
        if not isinstance(found, tuple | list) or len(found) > len(self.inputs):
            raise ValueError(
                f"{self.name}: {what}: expected a tuple of {len(self.inputs)} gradients, one an "
                f"input, found {_kind(found)}"
            )
        return [*found, *[None] * (len(self.inputs) - len(found))]


def compared(link: Quantity, found: Ball, slope: Ball) -> tuple[Link, float]:
    """Return whether backward's balls and forward's share a number, and to how many digits."""
    # `judged` refutes gradients of another shape.
    bound = slope.rad + (found.rad if found.shape == slope.shape else 0)
    both = Ball(slope.mid, bound, FLOAT64)
    verdict = judged(link, found.mid, FLOAT64, both, dict, no_terms)
    largest = max(float(np.max(np.abs(slope.mid), initial=0)), FLOAT64.minimum)
    relative = float(np.max(bound, initial=0)) / largest
    digits = abs(log10(min(max(relative, FLOAT64.u), 1)))
    if verdict.verdict == "refuted":
        return verdict, digits
    if relative < FLOAT32.u:
        return replace(verdict, verdict="inside"), digits
    problem = f"proven to {digits:.1f} digits only, fewer than float32 has"
    return replace(verdict, verdict="undecided", problem=problem), digits


def _ball(found: Any) -> Ball:
    """Return a cotangent that backward returned as a ball; exact if it depends on no input."""
    return found if isinstance(found, Ball) else Ball.exact(found, FLOAT64)


def _kind(found: Any) -> str:
    name = type(found).__name__
    return f"{name} of {len(found)}" if isinstance(found, tuple | list) else name


def _numbers(place: str, values: Any, precision: str) -> Array:
    """Return finite numbers, rounded to a precision."""
    array = _float(place, values)
    with np.errstate(over="ignore"):
        return _finite(place, array.astype(precision))


def _float(place: str, values: Any) -> Array:
    """Return real numbers as float64; a mask or an index is an option, since it has no gradient."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiuV":  # bfloat16's is V
        raise ValueError(f"{place}: expected an array of real numbers, found dtype {array.dtype}")
    return array.astype(float)


def _finite(place: str, array: Array) -> Array:
    if not array.size:
        raise ValueError(f"{place}: has no entries")
    if not np.isfinite(array).all():
        index = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise ValueError(f"{place}{index}: expected a finite number, found {array[tuple(index)]}")
    return array
