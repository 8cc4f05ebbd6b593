"""Where there is no derivative, every subgradient is right: one in a link, and it is named."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import backprop
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.verdict.directions import certify_tangents
from backproof.reference.verdict.passes import certify
from backproof.reference.verdict.tangents import along
from tests.verifier.one_op import handed_on, network_of, verdict_on

EVERY = pytest.mark.parametrize("precision", PRECISIONS)

HALF, ONE, MEAN = "slope 1/2 at zero", "slope 1 at zero", "mean of both slopes at zero"
FIRST, SECOND = (f"all to the {which} of equal corners" for which in ("first", "second"))


@dataclass(frozen=True, slots=True)
class Kink:
    """An op at a kink or a tie.

    inputs: of the op. ties: the index of where dE/dx1 depends on the convention. forms: the
    conventions but the reference's own. options: of the op.
    """

    op: str
    inputs: tuple[Any, ...]
    ties: tuple[Any, ...]
    forms: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def network(self) -> Network:
        """The network of the op alone."""
        return network_of(self.op, self.inputs, **self.options)

    def of(self, form: str, precision: str) -> Array:
        """Return dE/dx1 in a form."""
        return handed_on(self.network, precision, OPS[self.op].forms.get(form))

    @property
    def places(self) -> list[tuple[int, ...]]:
        """The indices of the ties, one by one."""
        return list(zip(*self.ties, strict=True))


Z = ([-0.0, -1.0, 0.0, 2.0, 0.0, -3.0, 0.5],)
AT_ZERO = ([0, 2, 4],)
EQUAL = [1.0, 2.0, -0.5, 0.0], [1.0, -2.0, -0.5, 3.0]
OPERANDS = tuple(f"the {which} of equal operands" for which in ("first", "second"))
TURNS, BETWEEN = ([-3.0, 0.5, 3.0, 4.0],), "slope between at -3 and 3"
TIES = [[[[2, 2, 0, 1], [1, 2, 1, 1]]]]  # two windows of 2 x 2, each with three equal entries
LARGEST = [0] * 6, [0] * 6, [0, 0, 1, 0, 1, 1], [0, 1, 1, 3, 2, 3]
CORNER = [(0, 0, 2, 2), (0, 1, 3, 4), (1, 0, 3, 2)], [(0, 0, 4, 4), (0, 0, 4, 5), (0, 0, 3, 3)]
SIDE = [(0, 0, 1, 1), (0, 0, 1, 1)], [(1, 0.25, 2, 0.75), (-2, 0.25, 0, 0.75)]

KINKS = {
    "relu": Kink("relu", Z, AT_ZERO, (HALF, ONE)),
    "leaky_relu": Kink("leaky_relu", Z, AT_ZERO, (MEAN, ONE), {"negative_slope": 0.25}),
    "elu": Kink("elu", Z, AT_ZERO, (MEAN, ONE), {"alpha": 0.5}),
    "softplus": Kink(
        *("softplus", ([1.0, 0.5, 1.0, 3.0],), ([0, 2],)),
        ("slope 1 at its threshold",),
        {"threshold": 1.0},
    ),
    "l1_loss": Kink(
        *("l1_loss", (*Z, [0.0] * 7), AT_ZERO),
        ("slope 1 at zero", "slope -1 at zero"),
        {"reduction": "sum"},
    ),
    "max_pool": Kink(
        *("max_pool", (TIES,), LARGEST),
        ("the last of equal entries", "shared among equal entries"),
        {"kernel_size": 2, "stride": 2},
    ),
    "abs": Kink("abs", Z, AT_ZERO, (ONE, "slope -1 at zero")),
    "clamp": Kink(
        *("clamp", ([-0.75, 0.25, 0.5, 2.0, 0.5],), ([0, 2, 4],)),
        ("slope 0 at its bounds", "slope 1/2 at its bounds"),
        {"low": -0.75, "high": 0.5},
    ),
    "maximum": Kink("maximum", EQUAL, ([0, 2],), OPERANDS),
    "minimum": Kink("minimum", EQUAL, ([0, 2],), OPERANDS),
    "max": Kink(
        *("max", ([[2.0, 0.0, 2.0, 2.0], [1.0, 3.0, 3.0, 0.0]],)),
        ([0, 0, 0, 1, 1], [0, 2, 3, 1, 2]),
        ("the last of equal entries", "shared among equal entries"),
        {"axis": 1},
    ),
    "hardsigmoid": Kink("hardsigmoid", TURNS, ([0, 2],), (BETWEEN, "slope halved there")),
    "hardswish": Kink("hardswish", TURNS, ([0, 2],), (BETWEEN, "mean of both slopes")),
    "prelu": Kink("prelu", ([[0.0, -1.0], [0.0, 2.0]], [0.25]), ([0, 1], [0, 0]), (ONE,)),
    # x1 = X1 and y1 = Y1; x1 = X1; y1 = Y1 and x2 = X2.
    "complete_iou-corners": Kink(
        "complete_iou", CORNER, ([0, 0, 1, 2, 2], [0, 1, 0, 1, 2]), (FIRST, SECOND)
    ),
    # x2 = X1; x1 = X2.
    "complete_iou-touching": Kink(
        "complete_iou",
        SIDE,
        ([0, 1], [2, 0]),
        ("slope 1/2 where boxes touch", "slope 1 where boxes touch"),
    ),
}
"""Name -> kink."""

CONVENTIONS = [(name, form) for name, kink in KINKS.items() for form in kink.forms]


@EVERY
@pytest.mark.parametrize(("name", "form"), CONVENTIONS)
def test_every_convention_is_right_and_named(name: str, form: str, precision: str) -> None:
    """A link in one convention is inside, with the property that names it."""
    kink = KINKS[name]
    seen = kink.of(form, precision)
    differs = np.argwhere(seen != kink.of("", precision)).tolist()
    link = verdict_on(kink.network, precision, seen)

    assert len(differs) > 1
    assert {*map(tuple, differs)} <= {*kink.places}
    assert link.verdict == "inside", str(link)
    assert link.properties == (form,)


@EVERY
@pytest.mark.parametrize("name", KINKS)
def test_the_own_convention_has_no_name(name: str, precision: str) -> None:
    """A link in the reference's own convention is inside without any property."""
    link = verdict_on(KINKS[name].network, precision, KINKS[name].of("", precision))

    assert (link.verdict, link.properties) == ("inside", ())


@EVERY
@pytest.mark.parametrize(("name", "form"), CONVENTIONS)
def test_a_link_has_one_convention(name: str, form: str, precision: str) -> None:
    """One entry in another convention than the others is refuted; the message points at a tie."""
    kink = KINKS[name]
    other = np.array(kink.of("", precision))
    one = tuple(axis[0] for axis in kink.ties)
    other[one] = kink.of(form, precision)[one]
    refuted(kink, other, precision)


@EVERY
def test_two_ops_may_have_conventions_of_their_own(precision: str) -> None:
    """Where two ops share a tie, one may share evenly what it hands on, and the other may not.

    So do PyTorch's amax and max pooling.
    """
    nodes = (
        Node("largest", "max", ("x",)),
        Node("pooled", "max_pool", ("x",), {"kernel_size": 2, "stride": 2}),
        Node("total", "sum", ("pooled",)),
        Node("E", "add", ("largest", "total")),
    )
    x = np.ones((1, 1, 2, 4))
    network = Network("ties", {"x": x}, {}, nodes, frozenset())
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    trace = backprop(network, leaves)
    shared, first = np.full(x.shape, 1 / 8), np.zeros(x.shape)
    first[..., 0, ::2] = 1
    found = []
    for seen in (shared + first, 2 * shared + first):
        trace.gradients["x"] = seen.astype(precision)
        links = certify(network, leaves, trace, precision).links
        found += [(one.verdict, one.properties) for one in links if one.name == "dE/dx"]

    assert found == [("inside", ("shared among equal entries in max",)), ("refuted", ())]


@pytest.mark.parametrize("op", ["maximum", "minimum"])
def test_at_a_tie_either_operand_may_move_the_result(op: str) -> None:
    """Its tangent is that of the first or the second operand, or the mean of both, and no other."""
    network = network_of(op, EQUAL)
    directions = {"x1": np.ones(4), "x2": np.full(4, 3.0), "c": np.zeros(4)}
    found = along(network, network.inputs, directions)

    def verdict(tangent: float) -> tuple[str, tuple[str, ...]]:
        found.tangents.values["y"][*KINKS[op].ties] = tangent
        links = certify_tangents(network, network.inputs, directions, found, "float64").links
        link = next(link for link in links if link.name == "tangent of y")
        return link.verdict, link.properties

    first, second = OPERANDS
    assert [verdict(t) for t in (1, 3, 2)] == [
        ("inside", (first,)),
        ("inside", (second,)),
        ("inside", ()),
    ]
    assert verdict(2.5) == ("refuted", ())


@pytest.mark.parametrize("op", ["max", "min"])
def test_at_a_tie_the_largest_entry_moves_as_one_of_them_or_as_their_mean(op: str) -> None:
    """Its tangent is that of the first or the last of equal entries, or the mean of all."""
    network = network_of(op, ([[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]],), axis=1)
    directions = {"x1": np.array([[1.0, 2.0, 6.0]] * 2), "c": np.zeros(2)}
    found = along(network, network.inputs, directions)

    def verdict(tangent: float) -> tuple[str, tuple[str, ...]]:
        found.tangents.values["y"][:] = tangent
        links = certify_tangents(network, network.inputs, directions, found, "float64").links
        link = next(link for link in links if link.name == "tangent of y")
        return link.verdict, link.properties

    assert [verdict(t) for t in (1, 6, 3)] == [
        ("inside", ()),
        ("inside", ("the last of equal entries",)),
        ("inside", ("shared among equal entries",)),
    ]
    assert verdict(2) == ("refuted", ())


def test_the_slope_of_softplus_may_be_constant_at_its_threshold() -> None:
    """There the tangent of its slope is that of either side: of the sigmoid, or zero."""
    kink = KINKS["softplus"]
    leaves, directions = kink.network.inputs, {"x1": np.ones(4), "c": np.ones(4)}
    found = along(kink.network, leaves, directions)
    slope = np.exp(1) / (1 + np.exp(1))

    def verdict(tangent: float) -> tuple[str, tuple[str, ...]]:
        found.tangents.gradients["x1"][[0, 2]] = tangent
        links = certify_tangents(kink.network, leaves, directions, found, "float64").links
        link = next(link for link in links if link.name == "tangent of dE/dx1")
        return link.verdict, link.properties

    assert verdict(slope) == ("inside", ("softplus'' 0 at its threshold",))
    assert verdict(slope / 2) == ("refuted", ())


def refuted(kink: Kink, dx: Array, precision: str) -> None:
    """Assert that dE/dx1 is not inside, and that the verdict points at a tie."""
    link = verdict_on(kink.network, precision, dx)

    assert link.verdict != "inside", str(link)
    assert link.index in kink.places


OUTSIDE = {
    "relu": (-1, -0.25, 1.25, 2),
    "leaky_relu": (-1, 0, 1.25),
    "elu": (0, 0.25, 1.25),
    "softplus": (0, 0.5, 1.25),
    "abs": (-1.25, 1.25),
    "clamp": (-0.25, 1.25),
    "hardsigmoid": (-0.25, 0.25),
    "prelu": (0, 1.25),
}
"""Name -> slopes that are none of those between both sides of the kink."""


@EVERY
@pytest.mark.parametrize(
    ("name", "slope"), [(name, slope) for name, slopes in OUTSIDE.items() for slope in slopes]
)
def test_no_other_slope_is_right(name: str, slope: float, precision: str) -> None:
    """A slope outside the subdifferential is refuted."""
    kink = KINKS[name]
    dx = np.array(kink.of("", precision))
    c = np.asarray(kink.network.inputs["c"]).astype(precision)
    dx[kink.ties] = slope * c[kink.ties]
    refuted(kink, dx, precision)


@EVERY
def test_max_pooling_that_gives_to_all_is_refuted(precision: str) -> None:
    """All of several equal entries do not receive the whole: that is no subgradient."""
    kink = KINKS["max_pool"]
    c = kink.network.inputs["c"]

    def backward(dy: Array, y: Array, x: Array, **_: int) -> tuple[Array]:
        whole = np.repeat(np.repeat(dy, 2, axis=2), 2, axis=3)
        return (np.where(x == np.repeat(np.repeat(y, 2, axis=2), 2, axis=3), whole, 0),)

    dx = handed_on(kink.network, precision, Op(OPS["max_pool"].forward, backward))
    assert np.count_nonzero(dx) == 3 * c.size
    refuted(kink, dx, precision)
