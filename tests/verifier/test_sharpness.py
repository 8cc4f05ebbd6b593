"""Nothing is widened that is not rounded: counts, constants, values, entries beside infinities."""

import numpy as np
import pytest

from backproof.reference.backprop import RIGHT
from backproof.reference.composed import READS_STORED, composed
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.precision import BFLOAT16, FLOAT32
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.verdict.deciding import decided, measured
from backproof.reference.verdict.link import Quantity

NARROW = BFLOAT16.narrow()


def exact(a: Array) -> Ball:
    """Return numbers in bfloat16 as balls whose sums accumulate in it."""
    return Ball.exact(a, NARROW)


def test_a_share_of_many_equal_entries_is_known() -> None:
    """How many entries are equal is counted, not added up in the precision."""
    (dx,) = (
        OPS["max"]
        .forms["shared among equal entries"]
        .backward(exact(np.ones(())), exact(np.ones(())), exact(np.ones(128)))
    )

    assert np.all(dx.mid == 1 / 128)
    assert np.all(dx.rad <= 8 * BFLOAT16.u * dx.mid)


def test_a_shared_bias_may_be_stored_for_each_neuron() -> None:
    """Where what each neuron's bias receives is stored in bfloat16, the sum of all is as far off.

    The form's ball is small enough to decide, where most of the sum cancels.
    """
    dz = np.array([[1.0, -0.99609375, 0.5], [2**-7, 2**-8, 2**-9], [2**-8, 2**-8, -0.49]])
    dz = dz.astype(BFLOAT16.dtype).astype(float)
    each = np.sum(dz, axis=0).astype(BFLOAT16.dtype).astype(float)
    x, W, b = exact(np.ones((3, 1))), exact(np.ones((1, 3))), exact(np.zeros(1))
    dense = OPS["dense"].forms["stores the gradient of each neuron's bias"]
    p = BFLOAT16
    operands = [Ball.exact(ball.mid, p) for ball in (exact(dz), exact(dz), x, W, b)]
    db = dense.backward(*operands)[2]
    own = OPS["dense"].backward(*operands)[2]

    assert np.abs(each.sum() - own.mid) > own.rad
    assert db.contains(each.sum()).all()
    assert db.rad < np.abs(db.mid)


def test_windows_of_many_entries_are_counted() -> None:
    """How many entries of a window are no padding is a whole number."""
    options = {"kernel_size": 16, "stride": 16, "padding": 8, "count_include_pad": False}
    x, dy = exact(np.ones((1, 1, 16, 16))), exact(np.ones((1, 1, 2, 2)))
    (dx,) = OPS["average_pool"].backward(dy, dy, x, **options)

    assert np.all(dx.mid == 1 / 64)
    assert np.all(dx.rad <= 8 * BFLOAT16.u * dx.mid)


@pytest.mark.parametrize("op", ["maximum", "minimum", "glu", "mean_squared_error"])
def test_forms_of_a_tangent_have_the_op_s_own_value(op: str) -> None:
    """Where only the tangent differs, numbers without tangents are those of the op itself."""
    leaves = [exact(np.array([1.0, 0.3, -2.0, 0.7])), exact(np.array([0.25, -1.0, 3.0, 0.7]))]
    given = leaves[: 1 if op == "glu" else 2]
    own = OPS[op].forward(*given)

    for form in OPS[op].forms.values():
        found = form.forward(*given)
        assert np.all(found.mid == own.mid)
        assert np.all(np.asarray(found.rad) == own.rad)


def test_a_bound_of_the_format_is_exact() -> None:
    """What is clamped is the bound itself, not rounded once more."""
    y = OPS["clamp"].forward(exact(np.array([-3.0, 0.5, 3.0])), low=-1.0, high=1.0)

    assert np.all(y.mid == [-1, 0.5, 1])
    assert not np.any(y.rad)


def test_nothing_is_divided_by_one() -> None:
    """Softplus rounds a quotient by beta where beta is not one, and only there."""
    z = Ball.exact(np.full(1, 1e-3), FLOAT32)
    undivided = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))

    assert OPS["softplus"].forward(z).rad == undivided.rad
    assert (undivided / 1.0).rad > undivided.rad


def test_zero_to_the_power_of_zero_does_not_move() -> None:
    """x^0 is 1 everywhere, with the tangent zero, at zero as well."""
    y = Dual(np.zeros(2), np.ones(2)) ** 0

    assert np.all(y.value == 1)
    assert np.all(y.whole_tangent() == 0)


@pytest.mark.parametrize("seen", [[np.inf, 0.0, 0.0], [np.inf, -1.0, -2.0]])
def test_an_infinity_makes_nothing_cancel(seen: list[float]) -> None:
    """The infinite terms of a known infinity say nothing of the zeros beside it."""
    ball = Ball(np.array([np.inf, 1e-9, 1e-9]), np.array([0, 4.0, 4.0]), FLOAT32)
    numbers, terms = np.array(seen), np.array([np.inf, 1.0, 1.0])
    link = measured(Quantity("value", "y"), "float32", numbers, ball, ball.mid)

    assert link.share <= 1
    assert decided(link, numbers, ball, ball, lambda: terms, 8 * FLOAT32.u) is None


def network(op: str, *nodes: Node) -> Network:
    """Return a network of one input of four entries."""
    return Network(op, {"z": np.zeros(4)}, {}, nodes, frozenset())


def test_every_op_of_a_composed_one_has_its_forms() -> None:
    """A function of two ops may take either in any of its forms, or both, and read its result."""
    op = composed(network("f", Node("t", "tanh", ("z",)), Node("y", "relu", ("t",))))
    z = np.array([-1.0, 0.0, 0.0, 2.0])
    dz = [form.backward(np.ones(4), np.zeros(4), z)[0][1] for form in op.forms.values()]

    own, relu, tanh = 1, len(OPS["relu"].forms), len(OPS["tanh"].forms)
    assert len(op.forms) + own == 2 * (own + relu) * (own + tanh)
    assert {0.5, 1.0} <= {*map(float, dz)}


def test_many_forms_are_taken_one_op_at_a_time() -> None:
    """A function of many ops has as many forms as they have together, not their product."""
    names = ("tanh", "relu", "elu", "softplus", "log_sigmoid", "hardswish")
    nodes = [Node(b, b, (a,)) for a, b in zip(("z", *names), names, strict=False)]
    op = composed(network("f", *nodes))

    own = {"", *(form for name in names for form in OPS[name].forms)}
    stored = {", ".join(filter(None, (form, READS_STORED))) for form in own}

    assert {"", *op.forms} == own | stored


def test_a_function_of_one_s_own_is_not_another_of_its_name() -> None:
    """An op of a node's own that is called like one of the table is computed as it is."""
    negative = Op(np.negative, lambda dy, *_: (-dy,))

    assert RIGHT.op(Node("y", "exp", ("x",), own=negative)) is negative
