"""Training: a framework's gradient, then a library's own optimizer, step after step."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np

from backproof.adapters.gaps import Why, of_value
from backproof.adapters.protocol import Adapter, AdapterError, Tensor, Unsupported
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.optimizers import OPTIMIZERS, Optimizer
from backproof.reference.optimizers.schedules import Schedule
from backproof.reference.training import Record

Named = Mapping[str, Tensor]
"""Parameter -> tensor."""

Step = Callable[[Named], Mapping[str, Named]]
"""From the gradients to "w" and every state after the step, under the definition's names."""


MINIMUM = "min_dim_size_to_factor"
"""An option of how a library is called: the size from which axes are factored, where it has one."""

AS_TENSOR = "lr_as_tensor"
"""An option of how a library is called, which no definition has: lr is given as a tensor."""


OF_VECTORS = "options_of_vectors"
"""An option of how a library is called: the options in which the group of all vectors differs.

None puts vectors, which are all parameters of fewer than two axes, into no group.
"""

Group = tuple[Mapping[str, Any], tuple[str, ...]]
"""The options of a group, and its parameters."""


def in_groups(options: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[Group]:
    """Return the groups: of all parameters (arrays or tensors), or of matrices and of vectors."""
    given = {name: value for name, value in options.items() if name != OF_VECTORS}
    if OF_VECTORS not in options:
        return [(given, tuple(parameters))]
    vectors = tuple(name for name, a in parameters.items() if a.ndim <= 1)
    matrices = tuple(name for name in parameters if name not in vectors)
    others = options[OF_VECTORS]
    return [(given, matrices), *([] if others is None else [({**given, **others}, vectors)])]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed of some parameters: a definition with all its options."""

    definition: str
    options: Mapping[str, Any]
    parameters: tuple[str, ...]

    @property
    def optimizer(self) -> Optimizer:
        """What the parameters are said to be moved by."""
        return OPTIMIZERS[self.definition](**self.options)


MATRIX = 2
"""The number of axes of a matrix."""

Alone = Callable[[Mapping[str, Any], Any], tuple[str, Mapping[str, Any]] | None]
"""From options and a parameter to its definition with its options; None where it is not moved."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library's optimizers.

    version:     the library's version, for reports.
    claims:      optimizer -> its definition in `reference.optimizers.OPTIMIZERS`.
    start:       (optimizer, parameters, options) -> the step; it may write to the parameters.
    unsupported: optimizer, "optimizer option", "optimizer precision", "schedule" or precision ->
                 why the library does not support it. Of an option it may be a pair.
    required:    the options that users must give, and what is given where a scenario gives none.
    defaults:    optimizer -> its defaults that are others than its definition's.
    narrow:      the optimizers that are seen to compute scalars (corrections, rates, schedules) in
                 the precision of the parameters.
    chained:     whether a schedule computes each rate from the rate before it.
    alone:       optimizer -> what is claimed of a parameter, where that depends on its shape.
    """

    version: str
    claims: Mapping[str, str]
    start: Callable[[str, dict[str, Tensor], Mapping[str, Any]], Step]
    unsupported: Mapping[str, Why] = field(default_factory=dict)
    required: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    narrow: Collection[str] = ()
    chained: bool = False
    alone: Mapping[str, Alone] = field(default_factory=dict)

    def claimed(self, optimizer: str, options: Mapping[str, Any], precision: str = "") -> str:
        """Return the name of an optimizer's definition. Raises Unsupported."""
        schedule = ["schedule"] if isinstance(options.get("lr"), Schedule) else []
        asked = [
            (name, None) for name in (precision, optimizer, f"{optimizer} {precision}", *schedule)
        ]
        for given in (options, options.get(OF_VECTORS) or {}):
            asked += [(f"{optimizer} {option}", value) for option, value in given.items()]
        for name, value in asked:
            if gap := of_value(self.unsupported, name, value):
                raise Unsupported(gap)
        return self.claims[optimizer]

    def claims_of(
        self, optimizer: str, options: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> list[Claim]:
        """Return what an optimizer is said to compute, of each group. Raises Unsupported.

        parameters: by name, arrays or tensors; those that are in no group have no claim.
        """
        name = self.claimed(optimizer, options)
        found = []
        for of, names in in_groups(options, parameters):
            given = {**self.defaults.get(optimizer, {}), **self.required, **of}
            given.pop(AS_TENSOR, None)
            if isinstance(given.get("lr"), Schedule):
                given["lr"] = replace(given["lr"], chained=self.chained)
            if optimizer not in self.alone:
                found.append(Claim(name, given, names))
                continue
            each = {k: self.alone[optimizer](given, parameters[k]) for k in names}
            for kind, alike in groupby(sorted(names, key=lambda k: str(each[k])), each.get):
                found += [Claim(*kind, tuple(alike))] if kind else []
        return found


Gradient = Callable[[dict[str, Tensor]], tuple[Named, Named]]
"""From leaves to the values of all nodes and the gradients of all leaves."""


def trained(
    adapter: Adapter,
    library: str,
    network: Network,
    leaves: Mapping[str, Array],
    optimizer: str,
    options: Mapping[str, Any],
    steps: int,
    gradient: Gradient | None = None,
) -> tuple[list[Claim], Record]:
    """Return what one of an adapter's libraries claims of a training, and the training's record.

    library: its name. All other arguments and errors: those of `train`.
    """
    own = adapter.libraries[library]
    claims = own.claims_of(optimizer, options, {k: leaves[k] for k in sorted(network.trained)})
    return claims, train(adapter, own, network, leaves, optimizer, options, steps, gradient)


def train(
    adapter: Adapter,
    library: Library,
    network: Network,
    leaves: Mapping[str, Array],
    optimizer: str,
    options: Mapping[str, Any],
    steps: int,
    gradient: Gradient | None = None,
) -> Record:
    """Return the record of a training with a framework and one of its optimizers.

    leaves: at the start, all of one dtype: the precision. gradient: the adapter's `differentiated`
    function, given so that several trainings compile it once. Raises Unsupported.
    """
    dtype = next(iter(leaves.values())).dtype
    library.claimed(optimizer, options, dtype.name)
    gradient = gradient or adapter.differentiated(network, leaves)
    trained = sorted(network.trained)
    start = {name: np.array(leaves[name]) for name in trained}
    seen, gradients, after = [], [], []
    with adapter.state(dtype.name):
        tensors = {name: adapter.array(a) for name, a in leaves.items()}
        given = {**library.required, **options}
        if given.pop(AS_TENSOR, False):
            given["lr"] = adapter.array(np.array(given["lr"], dtype))
        step = library.start(optimizer, {name: tensors[name] for name in trained}, given)
        for _ in range(steps):
            values, found = gradient(tensors)
            seen.append({name: _copied(adapter, value) for name, value in values.items()})
            gradients.append({name: _copied(adapter, found[name]) for name in trained})
            shown = step({name: found[name] for name in trained})
            after.append(
                {
                    line: {k: _copied(adapter, t) for k, t in of.items()}
                    for line, of in shown.items()
                }
            )
            tensors.update(shown["w"])
    values = _stacked(seen)
    return Record(
        leaves={name: np.array(a) for name, a in leaves.items()},
        start=start,
        values=values,
        gradients=_stacked(gradients),
        after={line: _stacked([now[line] for now in after]) for line in after[-1]},
        losses=values[network.loss],
    )


def _copied(adapter: Adapter, tensor: Tensor) -> Array:
    """Return a copy of a tensor's numbers: a step may write to the tensor in place.

    Raises AdapterError where they are none.
    """
    a = np.array(adapter.numpy(tensor))
    if a.dtype.name not in PRECISIONS:
        raise AdapterError(f"expected a NumPy array of floats, found ndarray of {a.dtype}")
    return a


def _stacked(steps: list[dict[str, Array]]) -> dict[str, Array]:
    """Return name -> its arrays of all steps, stacked."""
    return {name: np.stack([now[name] for now in steps]) for name in steps[-1]}
