"""A program as it was recorded: a network, its numbers, and where in the source each node is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.reference.backprop import Trace
from backproof.reference.network import Network
from backproof.reference.ops import Array, Op


class NotRecorded(Exception):
    """A program cannot be certified at all; the message says why, and what to do."""


GIVE = "give a function that computes the same by `known=`"
"""What to do where a function of one's own is not known."""

UNREAD = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What the reader of a call raises that is not what it expects: such a call is not known."""


def said_by(error: Exception) -> str:
    """Return the first line of what an error says; a KeyError says a key, and nothing of it."""
    text = str(error).partition("\n")[0]
    return f"{text} is not known" if isinstance(error, KeyError) else text


def refuse_what_is_no_op(known: Mapping[Any, Any]) -> None:
    """Raise NotRecorded where what is given for a function is no op, and no function."""
    for one, op in known.items():
        if not isinstance(op, Op) and not callable(op):
            name = getattr(one, "__name__", str(one))
            found = type(op).__name__
            raise NotRecorded(f"known: {name}: expected an Op, or a function, found {found}")


def floats(a: Array) -> Array:
    """Return integers and truth values as float numbers, in the lowest precision that has them."""
    if a.dtype.kind not in "biu":
        return a
    low = a.astype(np.float32)
    return low if np.array_equal(low, a) else a.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node was computed.

    module: the path of the innermost module, "" outside of all modules.
    function: the framework's function.
    file, line: of the innermost code that is not the framework's own; "" where it is not known.
    reason: why the function is not known, or is not known with these arguments. Of one that is
            known: what else may change its derivatives, such as a hook; else "".
    """

    module: str
    function: str
    file: str
    line: int
    reason: str = ""

    def __str__(self) -> str:
        where = f" at {self.module}" if self.module else ""
        line = f" ({self.file}:{self.line})" if self.file else ""
        return f"{self.function}{where}{line}"


@dataclass(frozen=True, slots=True)
class Along:
    """What was computed along a direction: a Hessian times a vector, and all on the way to it.

    directions: leaf -> its tangent. tangents: of all values, cotangents and gradients.
    once:       the nodes that have no second derivative; where there are any, nothing is computed.
    """

    directions: Mapping[str, Array]
    tangents: Trace
    once: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Updated:
    """One step of an optimizer after the pass, from the gradients of the pass.

    optimizer: a definition of the reference. options: its own. parameters: what it moves.
    step:    its number, from 1.
    narrow:  whether corrections and rates may be computed in the precision of the parameters.
    before:  state -> parameter -> its value before the step; empty before the first one.
    after:   "w", a state, or another line that is shown -> parameter -> its value after the step.
    """

    optimizer: str
    options: Mapping[str, Any]
    parameters: tuple[str, ...]
    step: int
    narrow: bool
    before: Mapping[str, Mapping[str, Array]]
    after: Mapping[str, Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class Recording:
    """One pass of a program.

    network: what was computed. leaves: every input and parameter. trace: all values, cotangents
    and gradients; every array has the dtype that it was computed in.
    places:  node -> where it was computed.
    parameters: the names of all parameters that require a gradient, in the model's order.
    stray:   those that received a gradient, though no recorded call uses them.
    unused:  those that received none, and that no recorded call uses.
    framework, version: the name of what computed it, as in the tables, and its version.
    processor: the names of the processor's features that it may have used.
    compiled: whether numbers may have been computed again: by a compiler, or constants inside of a
              function, where nobody sees them.
    scale:   the loss scale.
    plain:   the pass without probes, as users run it; None where the pass itself has no probes.
    radii:   constant that the program computes itself -> how far the same program may be from its
             exact value when it computes it again, in float64.
    as_run:  only the loss and the gradients of that pass, where its other numbers are not seen.
    precisions: leaf or node -> the name of the precision that was asked for. Where it is empty,
             every array was asked for in the dtype that it has.
    along:   the tangents of the pass along a direction, if they were asked for.
    updates: the optimizer's step after the pass, of each group of parameters.
    inner:   the derivatives that the program takes itself; or the custom rules that these apply, as
             a pass of their own.
    unseen:  where such rules were applied that are not certified, or custom functions of operands
             that autograd does not see, and why.
    """

    network: Network
    leaves: Mapping[str, Array]
    trace: Trace
    places: Mapping[str, Place]
    parameters: tuple[str, ...]
    stray: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    framework: str = ""
    version: str = ""
    processor: tuple[str, ...] = ()
    compiled: bool = False
    scale: float = 1.0
    plain: Trace | None = None
    as_run: Trace | None = None
    radii: Mapping[str, Array] = field(default_factory=dict)
    precisions: Mapping[str, str] = field(default_factory=dict)
    along: Along | None = None
    updates: tuple[Updated, ...] = ()
    inner: tuple["Recording", ...] = ()
    unseen: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken(Recording):
    """A derivative that a program takes itself: the pass back from some outputs to some inputs.

    Its network is all that the outputs were computed from, and then the sum of <seed, output> over
    all of them. Its parameters are the inputs. Leaves and nodes have the names, and so the values,
    that they have in the program.

    reached: the leaves and nodes on the way, whose derivatives there are.
    added:   the nodes that are no part of the program, of whose values nothing is said.
    seeds:   the name of a seed -> its name in the program, if it was computed there.
    results: the name of a result in the program -> that of its input.
    constant: the results that the framework takes for constants.
    """

    reached: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()
    seeds: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, str] = field(default_factory=dict)
    constant: frozenset[str] = frozenset()
