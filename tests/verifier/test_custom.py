"""Your own ops: right ones hold, wrong ones are refuted, and bad input gets one clear error."""

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.op import sum_to_shape
from backproof.reference.verdict.custom import OpCertificate, certify_op
from backproof.reference.verdict.faults import FAULTS
from backproof.scenarios.op_options import OP_OPTIONS, filled


def verdict(name: str, op: Op, precision: str = "float64") -> OpCertificate:
    """Return the verdict on an op, right or wrong, at the ordinary points of a case."""
    inputs = {f"x{i}": a for i, a in enumerate(inputs_of(name))}
    options = OP_OPTIONS[name].options
    return certify_op(op.forward, op.backward, inputs, options=options, precision=precision)


def inputs_of(name: str) -> list[Array]:
    """Return the ordinary points of a case."""
    return filled(OP_OPTIONS[name], "ordinary", np.random.default_rng(3))


@pytest.mark.parametrize("name", OP_OPTIONS)
def test_right_ops_hold(name: str, precision: str) -> None:
    """The backward function of every op, with every option, is proven to twelve digits."""
    found = verdict(name, OPS[OP_OPTIONS[name].op], precision)

    assert found.holds, str(found)
    assert found.proof > 12
    assert len(found.links) == 1 + 2 * len(OP_OPTIONS[name].shapes)


def wrong_backwards() -> dict[str, list[tuple[str, Op]]]:
    """Return the catalogue's wrong backward functions, at each case of their op."""
    found: dict[str, list[tuple[str, Op]]] = {}
    for name, one in OP_OPTIONS.items():
        right = OPS[one.op]
        for fault in FAULTS[one.op]():
            wrong = fault.rules.ops[one.op].backward
            if wrong != right.backward:
                found.setdefault(fault.name, []).append((name, Op(right.forward, wrong)))
    return found


WRONG = wrong_backwards()


def differs(name: str, wrong: Op) -> bool:
    """Return whether a wrong backward function returns other numbers than the right one."""
    arrays, options = inputs_of(name), OP_OPTIONS[name].options
    right = OPS[OP_OPTIONS[name].op]
    y = right.forward(*arrays, **options)
    dy = np.random.default_rng(0).standard_normal(np.shape(y))
    with np.errstate(all="ignore"):
        found = [op.backward(dy, y, *arrays, **options) for op in (right, wrong)]
    return not all(np.array_equal(*pair, equal_nan=True) for pair in zip(*found, strict=True))


NONE_HERE = {
    "max_pool: all equal entries",
    "add: first operand's gradient not summed",
    "multiply: first operand's gradient not summed",
    "subtract: first operand's gradient not summed",
    "divide: second operand's gradient not summed",
}
"""Faults that show only at ties or if the other operand is broadcast: no case has any."""


@pytest.mark.parametrize("fault", [fault for fault in WRONG if fault not in NONE_HERE])
def test_wrong_derivatives_are_refuted(fault: str) -> None:
    """Every wrong backward function of the catalogue is refuted at one of its op's cases."""
    found = (verdict(name, wrong) for name, wrong in WRONG[fault] if differs(name, wrong))

    assert any(one.refuted and one.refuted.name.startswith("backward: dE/d") for one in found)


def dense(x: Any, W: Any, b: Any) -> Any:
    """Return y (B, O) from x (B, I), W (I, O), b (O,)."""
    return x @ W + b


def dense_backward(dy: Any, y: Any, x: Any, W: Any, b: Any) -> tuple[Any, ...]:
    """Return dx, dW, db."""
    return dy @ W.T, x.T @ dy, np.sum(dy, axis=0)


def swish(z: Any) -> Any:
    """Return z / (1 + e^-z)."""
    return z / (1 + np.exp(-z))


def swish_backward(dy: Any, y: Any, z: Any) -> tuple[Any, ...]:
    """Return dz, with s = 1 / (1 + e^-z): s + z s (1 - s) = s + y (1 - s)."""
    s = 1 / (1 + np.exp(-z))
    return (dy * (s + y * (1 - s)),)


def gated(a: Any, b: Any, *, power: float = 2.0) -> Any:
    """Return power a b tanh(b), b broadcast."""
    return power * a * (b * np.tanh(b))


def gated_backward(dy: Any, y: Any, a: Any, b: Any, *, power: float = 2.0) -> tuple[Any, ...]:
    """Return da, db."""
    t = np.tanh(b)
    db = dy * power * a * (t + b * (1 - t * t))
    return dy * power * (b * t), sum_to_shape(db, b.shape)


MINE: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[str, ...]]] = {
    "dense": (dense, dense_backward, ("BI", "IO", "O")),
    "swish": (swish, swish_backward, ("BI",)),
    "gated": (gated, gated_backward, ("BI", "I")),
    "softmax": (OPS["softmax"].forward, OPS["softmax"].backward, ("BO",)),
    "layer_norm": (OPS["layer_norm"].forward, OPS["layer_norm"].backward, ("BO", "O", "O")),
}
"""Name -> forward, backward, the axes of the inputs."""


@st.composite
def points(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw an op and ordinary inputs of any small shape, with entries that are not alike."""
    name = draw(st.sampled_from(sorted(MINE)))
    # The derivative of a norm over two entries is next to nothing.
    sizes = {axis: draw(st.integers(low, 5)) for axis, low in (("B", 1), ("I", 1), ("O", 3))}
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = 2.0 ** draw(st.integers(-2, 1))
    shapes = [[sizes[axis] for axis in axes] for axes in MINE[name][2]]
    return name, {f"x{i}": scale * rng.standard_normal(shape) for i, shape in enumerate(shapes)}


@given(points(), st.sampled_from(["float64", "float32"]), st.integers(0, 9))
def test_right_ones_hold_anywhere(
    point: tuple[str, dict[str, Any]], precision: str, seed: int
) -> None:
    """A right op holds at any ordinary point, of any shape, in both precisions."""
    name, inputs = point
    forward, backward, _ = MINE[name]

    found = certify_op(forward, backward, inputs, precision=precision, seed=seed)
    assert found.holds, str(found)


@given(points(), st.sampled_from([-1.0, 0.5, 1 + 1e-7, 1 + 1e-9]), st.data())
def test_a_factor_is_refuted_anywhere(
    point: tuple[str, dict[str, Any]], factor: float, data: st.DataObject
) -> None:
    """A factor on the gradient of any one input is refuted there, and nowhere else.

    The factor is far enough from one to move the largest entry by more than the bound.
    """
    name, inputs = point
    forward, backward, _ = MINE[name]
    assume(abs(factor - 1) > 2 * 10 ** -certify_op(forward, backward, inputs).proof)
    wrong = data.draw(st.integers(0, len(inputs) - 1))

    def planted(*arguments: Any) -> list[Any]:
        found = list(backward(*arguments))
        found[wrong] = found[wrong] * factor
        return found

    links = certify_op(forward, planted, inputs).links
    assert [f"backward: dE/dx{wrong}"] == [ln.name for ln in links if ln.verdict != "inside"]


X = np.array([[0.5, -1.25, 2.0], [0.25, 0.75, -0.5]])
POINT = {"x": X, "W": np.array([[1, -2, 0.5], [0.25, 3, -1], [2, 1, 0.75]]), "b": X[0]}


def run_dense(dy: Any, x: Any, W: Any, b: Any) -> tuple[Any, list[Any]]:
    """Compute a dense layer as an implementation would."""
    return dense(x, W, b), list(dense_backward(dy, None, x, W, b))


def in_float64(found: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
    """Return a value and gradients as float64."""
    y, gradients = found
    return y.astype(float), [d.astype(float) for d in gradients]


PLANTED = {
    "a forgotten factor": (
        lambda dy, x, W, b: (dense(x, W, b), [dy @ W.T, x.T @ dy / 2, np.sum(dy, axis=0)]),
        "dE/dW[0, 1]: refuted: 9 of 9 entries outside; expected ",
    ),
    "a transposed matrix": (
        lambda dy, x, W, b: (dense(x, W, b), [dy @ W, x.T @ dy, np.sum(dy, axis=0)]),
        "dE/dx[0, 1]: refuted: 6 of 6 entries outside; expected ",
    ),
    "a missing sum over the batch": (
        lambda dy, x, W, b: (dense(x, W, b), [dy @ W.T, x.T @ dy, dy]),
        "dE/db: refuted: expected shape (3,), found (2, 3)",
    ),
    "float32 inside float64": (
        lambda *given: in_float64(run_dense(*(a.astype("f4") for a in given))),
        "dE/dx[1, 0]: degraded: 6 of 6 entries outside; ",
    ),
    "a relative error of 1e-7": (
        lambda dy, x, W, b: (dense(x, W, b), [dy @ W.T * (1 + 1e-7), x.T @ dy, np.sum(dy, axis=0)]),
        "dE/dx[",
    ),
    "a wrong value": (
        lambda dy, x, W, b: (x @ W, run_dense(dy, x, W, b)[1]),
        "y[1, 2]: refuted: 6 of 6 entries outside; expected ",
    ),
    "a gradient too few": (
        lambda dy, x, W, b: (dense(x, W, b), [dy @ W.T, x.T @ dy]),
        "dE/db: refuted: is missing",
    ),
    "no gradient": (
        lambda dy, x, W, b: (dense(x, W, b), [dy @ W.T, None, np.sum(dy, axis=0)]),
        "dE/dW: refuted: is missing",
    ),
    "NaN": (
        lambda dy, x, W, b: (dense(x, W, b), [dy @ W.T, np.nan * W, np.sum(dy, axis=0)]),
        "dE/dW[0, 0]: refuted: expected a finite number, found nan",
    ),
    "another dtype": (
        lambda dy, x, W, b: (dense(x, W, b), [dy @ W.T, x.T @ dy, np.sum(dy, axis=0).astype("f4")]),
        "dE/db: refuted: expected dtype float64, found float32",
    ),
}
"""Wrong implementations of a dense layer, and how the message begins."""


@pytest.mark.parametrize(("run", "said"), PLANTED.values(), ids=PLANTED)
def test_wrong_numbers_are_refuted(run: Callable[..., Any], said: str) -> None:
    """An implementation's wrong numbers are refuted, with place, both numbers and bound."""
    found = certify_op(dense, dense_backward, POINT, run=run)

    assert not found.holds
    assert str(found).startswith(f"dense, float64: wrong: {said}")


def test_right_numbers_hold() -> None:
    """The right implementation holds, and the line says to how many digits that is proven."""
    assert str(certify_op(dense, dense_backward, POINT, run=run_dense)) == (
        "dense, float64: right: backward is the derivative of forward to 14.5 digits; "
        "all 42 numbers are inside, the worst using 0.04 of its ball"
    )


def test_copies_are_handed_out() -> None:
    """An implementation that writes to what it is given changes only its own numbers."""

    def run(dy: Any, z: Any) -> tuple[Any, list[Any]]:
        y, gradients = swish(z), swish_backward(dy, swish(z), z)
        z[:], dy[:] = 0, 0
        return y, list(gradients)

    assert certify_op(swish, swish_backward, {"z": X}, run=run).holds


@pytest.mark.parametrize(("step", "digits"), [(1e-12, 2.4), (1e-16, 0.0)])
def test_a_difference_quotient_is_undecided(step: float, digits: float) -> None:
    """A backward function that loses its own digits is undecided, and does not hold."""

    def quotient(dy: Any, y: Any, z: Any) -> tuple[Any]:
        return (dy * ((swish(z + step) - swish(z)) / step),)

    found = certify_op(swish, quotient, {"z": X})
    assert str(found).endswith(f"proven to {digits} digits only, fewer than float32 has")


def test_options_are_handed_on() -> None:
    """Options reach both functions: a backward function that ignores one is refuted."""
    inputs = {"a": X, "b": X[0]}

    def ignores(*arguments: Any, power: float) -> tuple[Any, ...]:
        return gated_backward(*arguments)

    assert certify_op(gated, gated_backward, inputs, options={"power": 3.0}).holds
    assert not certify_op(gated, ignores, inputs, options={"power": 3.0}).holds


def test_a_certificate_is_as_true_as_it_holds() -> None:
    """`assert certify_op(...)` fails for a wrong backward function."""
    assert certify_op(swish, swish_backward, {"z": X})
    assert not certify_op(swish, lambda dy, _, __: (dy,), {"z": X})


def test_what_numpy_reads_is_an_array() -> None:
    """`run` may return lists, and a backward function of one input its one array."""
    found = certify_op(
        lambda z: z * z,
        lambda dy, _, z: 2 * dy * z,
        {"z": [0.5, 2.0]},
        run=lambda dy, z: ((z * z).tolist(), [(2 * dy * z).tolist()]),
    )

    assert found.holds, str(found)


def test_a_branch_on_the_data_is_refused() -> None:
    """A function that asks `if z > 0` gets an error that says what to write instead."""

    def branches(z: Any) -> Any:
        return z if z[0, 0] > 0 else -z

    with pytest.raises(ValueError, match=r"a ball has no truth value; write np\.where"):
        certify_op(branches, lambda dy, *_: (dy,), {"z": X})


def raises(*_: Any) -> Any:
    """Raise."""
    raise KeyError("no")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no inputs": ({"inputs": {}}, 'array, such as {"x": [0.5, 2.0]}, found dict'),
    "no names": ({"inputs": [1.0]}, "swish: inputs: expected a dict from each input's name"),
    "no entries": ({"inputs": {"z": []}}, "swish: input z: has no entries"),
    "a string": ({"inputs": {"z": ["a"]}}, "swish: input z: expected an array of real numbers,"),
    "complex numbers": ({"inputs": {"z": [1j]}}, "found dtype complex128"),
    "a mask": ({"inputs": {"z": [True]}}, "found dtype bool"),
    "NaN": ({"inputs": {"z": [0, np.nan]}}, "input z[1]: expected a finite number, found nan"),
    "overflow": (
        {"inputs": {"z": [1e6]}, "precision": "float16"},
        "input z[0]: expected a finite number, found inf",
    ),
    "a precision": ({"precision": "f8"}, "swish: unknown precision 'f8'; known: float64, float32,"),
    "no derivative there": ({"forward": np.log}, "log: y[0, 1]: expected a finite number, found"),
    "forward raises": ({"forward": raises}, "raises: forward, run over ndarray, raised KeyError"),
    "backward raises": ({"backward": raises}, "swish: backward, run over Ball, raised KeyError"),
    "another function": (
        {"backward": lambda dy, _, z: (dy * np.heaviside(z, 0),)},
        "swish: backward: np.heaviside is not supported; write np.where(x > 0, 1, 0)",
    ),
    "no tuple": (
        {"backward": lambda *_: "dz"},
        "backward: expected a tuple of 1 gradients, one an input, found str",
    ),
    "too many": (
        {"backward": lambda dy, _, z: (dy, z)},
        "backward: expected a tuple of 1 gradients, one an input, found tuple of 2",
    ),
    "run raises": ({"run": raises}, "swish: run, run over ndarray, raised KeyError: 'no'"),
    "no pair": ({"run": lambda dy, _: dy}, "run: expected (y, gradients), found ndarray"),
    "no gradients": (
        {"run": lambda dy, _: (dy, "dz")},
        "run: expected a tuple of 1 gradients, one an input, found str",
    ),
    "no number": (
        {"run": lambda dy, _: (dy, [object()])},
        "run: the gradient of z: expected numbers, found object",
    ),
}
"""Wrong arguments, and what the error says."""


@pytest.mark.parametrize(("wrong", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_clear_error(wrong: Mapping[str, Any], message: str) -> None:
    """Bad input raises ValueError, with the op, the place and what was expected."""
    given = {"forward": swish, "backward": swish_backward, "inputs": {"z": X}, **wrong}

    with pytest.raises(ValueError, match=re.escape(message)):
        certify_op(**given)


def torch_swish(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a torch.autograd.Function of swish, as `run`."""
    torch = import_module("torch")

    class Swish(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, z: Any) -> Any:
            ctx.save_for_backward(z)
            return z * torch.sigmoid(z)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return backward(torch, dy, *ctx.saved_tensors)

    def run(dy: Any, z: Any) -> tuple[Any, list[Any]]:
        leaf = torch.from_numpy(z).requires_grad_()
        y = Swish.apply(leaf)
        y.backward(torch.from_numpy(dy))
        return y.detach().numpy(), [leaf.grad.numpy()]

    return run


def jax_swish(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a jax.custom_vjp of swish, as `run`."""
    jax = import_module("jax")
    swish = jax.custom_vjp(lambda z: z * jax.nn.sigmoid(z))
    swish.defvjp(lambda z: (swish(z), z), lambda z, dy: (backward(jax.nn, dy, z),))

    def run(dy: Any, z: Any) -> tuple[Any, list[Any]]:
        with jax.enable_x64(new_val=True):
            y, pullback = jax.vjp(swish, jax.numpy.asarray(z))
            return np.asarray(y), [np.asarray(d) for d in pullback(jax.numpy.asarray(dy))]

    return run


def right(of: Any, dy: Any, z: Any) -> Any:
    """Return dz."""
    s = of.sigmoid(z)
    return dy * (s + z * s * (1 - s))


def forgotten(of: Any, dy: Any, z: Any) -> Any:
    """Return dz without the factor z."""
    s = of.sigmoid(z)
    return dy * (s + s * (1 - s))


def at_the_output(of: Any, dy: Any, z: Any) -> Any:
    """Return dz with the sigmoid taken of its own output."""
    s = of.sigmoid(of.sigmoid(z))
    return dy * (s + z * s * (1 - s))


FRAMEWORKS = pytest.mark.parametrize(
    "custom", [torch_swish, jax_swish], ids=["autograd.Function", "custom_vjp"]
)


@FRAMEWORKS
def test_custom_autograd_ops_hold(custom: Callable[..., Any], precision: str) -> None:
    """A right custom op of a framework holds."""
    found = certify_op(swish, swish_backward, {"z": X}, run=custom(right), precision=precision)

    assert found.holds, str(found)


@FRAMEWORKS
@pytest.mark.parametrize("wrong", [forgotten, at_the_output])
def test_wrong_custom_autograd_ops_are_refuted(
    custom: Callable[..., Any], wrong: Callable[..., Any], precision: str
) -> None:
    """A wrong one is refuted at its gradient."""
    found = certify_op(swish, swish_backward, {"z": X}, run=custom(wrong), precision=precision)

    assert found.refuted
    assert found.refuted.name == "dE/dz"
