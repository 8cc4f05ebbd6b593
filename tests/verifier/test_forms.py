"""Who is more accurate than the textbook's formula is right, and how it was done is named."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import Rules, Trace, backprop
from backproof.reference.network import Network
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, PRECISIONS, Precision
from backproof.reference.numbers.stepwise import Stepwise
from backproof.reference.ops import OPS, Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.forms import of_op
from backproof.reference.verdict.passes import certify
from backproof.scenarios.op_cases import OP_CASES
from tests.verifier.one_op import network_of, verdict_on

FINE = pytest.mark.parametrize("precision", ["float64", "float32"])

Z = np.concatenate([np.linspace(-20, 20, 41), [30.0, -30.0]])


def sigmoid_slope(z: Array) -> Array:
    """Return s'(z) = s(z) s(-z)."""
    return 1 / (1 + np.exp(-z)) / (1 + np.exp(z))


def tanh_slope(z: Array) -> Array:
    """Return tanh'(z) = 1 / cosh(z)^2."""
    return 1 / np.cosh(z) ** 2


SLOPES: dict[str, Callable[[Array], Array]] = {"sigmoid": sigmoid_slope, "tanh": tanh_slope}


@FINE
@pytest.mark.parametrize("op", SLOPES)
def test_a_slope_that_does_not_cancel(op: str, precision: str) -> None:
    """Slopes computed from the input are right, also where the output is rounded to one."""
    network = network_of(op, [Z])
    c, z = (np.asarray(network.inputs[name]).astype(precision) for name in ("c", "x1"))
    link = verdict_on(network, precision, c * SLOPES[op](z))

    assert link.verdict == "inside", str(link)
    assert {*link.properties} <= {f"{op}' from the input"}


def test_the_sigmoid_at_30() -> None:
    """The exact c s'(30) is 9.1701835820647458e-15; from the output it is 9.1608e-15."""
    network = weighted(network_of("sigmoid", [[30.0]]), [0.09799693375766619])
    link = verdict_on(network, "float64", np.array([9.170183582064748e-15]))

    assert link.verdict == "inside", str(link)
    assert link.properties == ("sigmoid' from the input",)


def weighted(network: Network, c: Any) -> Network:
    """Return the network with other weights in its loss."""
    return replace(network, inputs={**network.inputs, "c": np.asarray(c, float)})


LOGITS = 40 * np.random.default_rng(0).standard_normal((8, 5))


def softmax(y: Array) -> Array:
    """Return e^y / sum e^y over the last axis."""
    e = np.exp(y - np.max(y, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def through_softmax(c: Array, y: Array) -> Array:
    """Return p[k] sum_o p[o] (c[k] - c[o]): where p[k] is near one, nothing cancels."""
    p = softmax(y)
    differences = c[..., :, None] - c[..., None, :]
    return p * np.sum(p[..., None, :] * differences, axis=-1)


def through_log_softmax(c: Array, y: Array) -> Array:
    """Return c - p sum c, with p computed from the logits, not from their rounded logarithms."""
    return c - softmax(y) * np.sum(c, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("op", "backward"), [("softmax", through_softmax), ("log_softmax", through_log_softmax)]
)
def test_softmaxes_from_the_input(op: str, backward: Any) -> None:
    """Derivatives in float64 of float32 logits are right, also where probabilities are tiny."""
    network = weighted(network_of(op, [LOGITS]), np.eye(8, 5))
    c, y = (np.float32(network.inputs[name]).astype(float) for name in ("c", "x1"))
    link = verdict_on(network, "float32", np.float32(backward(c, y)))

    assert link.verdict == "inside", str(link)
    assert link.properties == (f"{op.replace('_', ' ')}' from the input",)


BOTH = [(p, z) for p in (FLOAT64, FLOAT32) for z in (20.0, 100.0, 700.0, 1e13)]


@pytest.mark.parametrize(("p", "z"), [*BOTH, *((FLOAT64, z) for z in (1e75, 1e103))])
def test_gelu_far_from_zero(p: Precision, z: float) -> None:
    """Where tanh is one, GELU's tanh form is z, and its slope is one: one percent more is wrong."""
    op, x, dy = OPS["gelu"], Ball.exact([z], p), Ball.exact([1.0], p)
    value = op.forward(x, approximate="tanh")
    (slope,) = op.backward(dy, value, x, approximate="tanh")

    for ball, exactly in ((value, z), (slope, 1.0)):
        assert ball.contains([exactly]).all()
        assert not ball.contains([1.01 * exactly]).any()


def test_a_square_by_the_power_function() -> None:
    """A square that is a power may be 16 ulps off, as OpenCL's powers may; a product is rounded."""
    op, x, u = OPS["power"], Ball.exact([2.0], FLOAT32), FLOAT32.u
    power = op.forms["a square as any power"].forward(x, exponent=2)
    product = op.forward(x, exponent=2)

    assert power.contains([4 * (1 + 30 * u)]).all()
    assert not power.contains([4 * (1 + 34 * u)]).any()
    assert not product.contains([4 * (1 + 3 * u)]).any()


def test_a_gain_that_underflows() -> None:
    """Where g / ||v|| has one digit of float16 or none, what is computed from it is not wrong."""
    v = np.array([[-1.5, 1.5, 1.5, -1.5], [1.5, 1.5, 1.5, -1.5]])
    g = np.array([[1.2e-7, 1.2e-7, 1.2e-7, 6e-7]])
    c = np.array([[-51.0, -25, 2, -93], [-9, -50, -29, -22]])
    n = np.sqrt(np.float16(4.5))
    r = np.float16(g) / n
    dn = np.sum(c * v, axis=0) * np.float64(r / n) / n
    network = weighted(network_of("weight_norm", [v, g], dim=1), c)
    link = verdict_on(network, "float16", np.float16(np.float64(r) * c - v * dn))

    assert link.verdict != "refuted", str(link)


OF_TANGENTS = {
    "ELU'' 0 at zero",
    "each operand's tangent alone",
    "log s'' as (s - 1) s",
    "softplus'' 0 at its threshold",
    "tanh'' from the input's tangent",
    "the tangent from the output",
    "the tangents' difference",
}
OF_OTHER_NUMBERS = {
    "a square as any power",
    "adds up in one sum",
    "digamma in Lanczos's terms",
    "erf_inv of a rounded operand",
    "erf_inv' from the output",
    "folded into scale and shift",
    "hard swish' multiplied out, mean of both slopes",
    "lgamma in Lanczos's terms",
    "log s' as 1 - s",
    "log s' as e^(y - z)",
    "log softmax' from the input",
    "mish' from the input",
    "rsqrt' from both",
    "rsqrt' from the output",
    "scaled by g / ||v||",
    "scales the products",
    "sigmoid' from the input in glu",
    "sigmoid' from the output",
    "slope -1 at zero in l1_loss",
    "slope 1 at its threshold",
    "slope 1 at zero in l1_loss",
    "slope 1 at zero in prelu",
    "softmax' multiplied out",
    "sums the bias among the products",
    "tanh short of 1 far out",
}
"""Forms that only tangents show, and those that need other numbers than the cases of ops have."""

EVERY = [(name, form) for name, op in OPS.items() for form in op.forms]
FORMS = [
    (name, form)
    for name, form in EVERY
    if not {form, of_op(form, name)} & (OF_TANGENTS | OF_OTHER_NUMBERS)
]


def test_every_form_that_is_left_out_is_one() -> None:
    """The forms that the cases of ops do not show exist, and each is left out once."""
    names = {name for op, form in EVERY for name in (form, of_op(form, op))}

    assert names >= OF_TANGENTS | OF_OTHER_NUMBERS
    assert not OF_TANGENTS & OF_OTHER_NUMBERS


def passes_by(name: str, form: str) -> Iterator[Certificate]:
    """Yield the certificates of an op's cases, each step computed in a form in the precision."""
    rules = Rules(ops={**OPS, name: OPS[name].forms[form]})
    for case, precision in product(OP_CASES.values(), PRECISIONS):
        network = case.network()
        if network.nodes[0].op == name:
            leaves = network.leaves(lambda a, p=precision: Stepwise.of(a.astype(p)))
            with np.errstate(all="ignore"):
                trace = backprop(network, leaves, rules)
                kept = [
                    {k: np.asarray(a) for k, a in arrays.items()}
                    for arrays in (leaves, trace.values, trace.cotangents, trace.gradients)
                ]
                yield certify(network, kept[0], Trace(*kept[1:]), precision)


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_a_form_shows(name: str, form: str) -> None:
    """Numbers computed in a form are inside because of it, and the link names it."""
    called = {form, of_op(form, name)}
    links = (link for found in passes_by(name, form) for link in found.links)

    assert any(link.verdict == "inside" and called & {*link.properties} for link in links)
