"""Definitions, and conventions where there is no derivative, by numbers worked out by hand."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.ops import OPS, Array
from tests.verifier.difference import close


def both(op: str, dy: Any, *inputs: Any, **options: Any) -> tuple[Any, ...]:
    """Return an op's value and the cotangents of its inputs, as nested lists."""
    arrays = [np.asarray(a, float) for a in inputs]
    y = OPS[op].forward(*arrays, **options)
    found = OPS[op].backward(np.asarray(dy, float), y, *arrays, **options)
    return tuple(np.asarray(a).tolist() for a in (y, *found))


KINKS = {
    "relu": ("relu", {}, 0, 0),
    "leaky_relu": ("leaky_relu", {"negative_slope": 0.25}, 0, 0.75),
    "elu": ("elu", {"alpha": 0.5}, 0, 1.5),
    "softplus-at-its-threshold": (
        *("softplus", {"beta": 2.0, "threshold": 0.0}),
        *(np.log1p(1.0) / 2, 1.5),
    ),
}
"""Name -> op, options, its value at zero, and its cotangent there where dy is 3."""


@pytest.mark.parametrize(("op", "options", "value", "cotangent"), KINKS.values(), ids=KINKS)
def test_at_zero(op: str, options: dict[str, Any], value: float, cotangent: float) -> None:
    """At zero, of either sign, an activation has the derivative from the left; above, it is z."""
    expected = [value, value, 2], [cotangent, cotangent, 3]

    assert expected == both(op, [3, 3, 3], [-0.0, 0.0, 2.0], **options)


POOLED = {
    "equal": ([[1, 1], [1, 1]], [[5]], 2, 1, 0, [[5, 0], [0, 0]]),
    "first-in-reading-order": ([[0, 2], [2, 1]], [[5]], 2, 1, 0, [[0, 5], [0, 0]]),
    "several-windows": ([[0, 3, 0]], [[5, 7, 11]], 1, 1, 0, [[5, 7, 11]]),
    "overlapping": (
        [[0, 0, 0], [0, 3, 0], [0, 0, 3]],
        [[5, 7], [11, 13]],
        *(2, 1, 0),
        [[0, 0, 0], [0, 36, 0], [0, 0, 0]],
    ),
    "padded": ([[-4, -4], [-9, -4]], [[5, 7], [11, 13]], 2, 2, 1, [[5, 7], [11, 13]]),
    "left-over": (
        [[1, 2, 9], [3, 4, 9], [9, 9, 9]],
        [[5]],
        2,
        2,
        0,
        [[0, 0, 0], [0, 5, 0], [0] * 3],
    ),
}
"""Name -> image, cotangent, kernel size, stride, padding, and what each entry receives."""


@pytest.mark.parametrize(
    ("x", "dy", "size", "stride", "padding", "dx"), POOLED.values(), ids=POOLED
)
def test_max_pooling(x: Any, dy: Any, size: int, stride: int, padding: int, dx: Any) -> None:
    """The first of equal entries receives all; padding and entries in no window receive nothing."""
    options = {"kernel_size": size, "stride": stride, "padding": padding}

    assert [[dx]] == both("max_pool", [[dy]], [[x]], **options)[1]


@pytest.mark.parametrize(("include", "share"), [(True, 0.25), (False, 1)])
def test_average_pooling_at_the_border(include: bool, share: float) -> None:  # noqa: FBT001 an option
    """A window with three entries of padding divides by four, or by one if they do not count."""
    options = {"kernel_size": 2, "stride": 2, "padding": 1, "count_include_pad": include}
    y, dx = both("average_pool", [[[[8, 16], [24, 32]]]], [[[[1, 2], [3, 4]]]], **options)

    assert [[[[share, 2 * share], [3 * share, 4 * share]]]] == y
    assert [[[[8 * share, 16 * share], [24 * share, 32 * share]]]] == dx


@pytest.mark.parametrize("delta", [1.0, 0.5])
def test_huber_where_it_turns(delta: float) -> None:
    """At |e| = delta both branches are delta^2 / 2; there and beyond, the derivative is delta."""
    y, t = [[0, 0, 0, 0]], [[delta, -delta, 3 * delta, 0]]
    value, dy, dt = both("huber", 4, y, t, delta=delta)

    assert (0.5 + 0.5 + 2.5) * delta**2 / 4 == value
    assert [[-delta, delta, -delta, 0]] == dy
    assert [[delta, -delta, delta, 0]] == dt


def test_embedding_of_a_repeated_index() -> None:
    """A row looked up three times receives the sum of three cotangents; an unused row gets zero."""
    index = np.array([[2, 0], [2, 2]])
    value, dW = both(
        "embedding", [[[1, 2], [3, 4]], [[5, 6], [7, 8]]], [[1, 2], [3, 4], [5, 6]], index=index
    )

    assert value == [[[5, 6], [1, 2]], [[5, 6], [5, 6]]]
    assert dW == [[3, 4], [0, 0], [13, 16]]


def test_causal_mask() -> None:
    """Entries above the diagonal are the fill, and receive nothing."""
    value, d = both("causal_mask", [[1, 2], [3, 4]], [[5, 6], [7, 8]], fill=-9.0)

    assert value == [[5, -9], [7, 8]]
    assert d == [[1, 0], [3, 4]]


def test_attention_sees_nothing_later() -> None:
    """The first row is the first value itself, and its cotangent reaches no later row."""
    q, k, v = np.random.default_rng(0).standard_normal((3, 1, 1, 4, 2))
    y = OPS["attention"].forward(q, k, v)
    dy = np.zeros_like(y)
    dy[..., 0, :] = 1
    dq, dk, dv = OPS["attention"].backward(dy, y, q, k, v)

    assert v[..., 0, :].tolist() == y[..., 0, :].tolist()
    assert not np.any(dq[..., 1:, :])
    assert not np.any(dk[..., 1:, :])
    assert dv.tolist() == [[[[1, 1], [0, 0], [0, 0], [0, 0]]]]


@pytest.mark.parametrize("label_smoothing", [0.0, 0.125])
def test_ignored_rows(label_smoothing: float) -> None:
    """Cross-entropy is that of the rows that are kept; ignored rows receive exactly zero."""
    y = np.random.default_rng(0).standard_normal((4, 3))
    target, kept = np.array([2, 1, 0, 1]), [0, 2]
    value, dy = both(
        "cross_entropy", 3, y, target=target, label_smoothing=label_smoothing, ignore_index=1
    )
    expected, d = both(
        "cross_entropy", 3, y[kept], target=target[kept], label_smoothing=label_smoothing
    )

    assert expected == value
    assert [d[0], [0] * 3, d[1], [0] * 3] == dy


@pytest.mark.parametrize("label_smoothing", ["0", "0.1"])
def test_one_class_is_one_hot(label_smoothing: str) -> None:
    """A class is a one-hot target, smoothed or not: the two cross-entropies agree on paper."""
    classes, one, two = np.array([2, 1, 0, 1]), OPS["cross_entropy"], OPS["softmax_cross_entropy"]
    with workprec():
        y, dE = exact(np.random.default_rng(0).standard_normal((4, 3))), exact(3)[()]
        target = exact(np.eye(3)[classes])
        smoothing = {"label_smoothing": exact(label_smoothing)[()]}
        E = one.forward(y, target=classes, **smoothing)
        dy, _ = two.backward(dE, E, y, target, **smoothing)

        assert close(two.forward(y, target, **smoothing), E)
        assert close(dy, *one.backward(dE, E, y, target=classes, **smoothing))


BOXES = {
    # U = 16, IoU = 1/4, c^2 = 32, rho^2 = 2, v = 0. dI = -5/64, dA = 1/64, drho^2 = 1/32,
    # dc^2 = -1/512. x1 = X1: dx1 = -1/32 - 2/64 + half of 2 5/64 + half of 8/512.
    "a-corner-shared": ((0, 0, 2, 2), (0, 0, 4, 4), "13/16", ("3/128",) * 2 + ("-5/32",) * 2),
    # They touch: IoU = 0, c^2 = 5, rho^2 = 1; I passes nothing on. dc^2 = -1/25, drho^2 = 1/5.
    # dx1 = -1/5 + 4/25, dx2 = -1/5; y1 = Y1 and y2 = Y2: half of 2/25.
    "touching": ((0, 0, 1, 1), (1, 0, 2, 1), "6/5", ("-1/25", "1/25", "-1/5", "-1/25")),
    # One box: dI = -2 / 2, dA = 1 / 2; half of what I passes on cancels what A passes on.
    "all-corners-shared": ((0, 0, 2, 1), (0, 0, 2, 1), "0", ("0",) * 4),
}
"""Name -> p, t, the loss, and its derivative with respect to p, where eps is next to zero."""


@pytest.mark.parametrize(("p", "t", "value", "dp"), BOXES.values(), ids=BOXES)
def test_equal_corners_share_by_halves(p: Any, t: Any, value: str, dp: tuple[str, ...]) -> None:
    """Each of two equal corners has half of the derivative that the larger one would have."""
    with workprec():
        boxes, eps = [exact([p]), exact([t])], exact("1e-40")[()]
        found = OPS["complete_iou"].forward(*boxes, eps=eps)
        d, _ = OPS["complete_iou"].backward(exact([1]), found, *boxes, eps=eps)

        assert close(exact([str(Fraction(value))]), found)
        assert close(exact([[str(Fraction(x)) for x in dp]]), d)


CONVOLUTIONS = {
    "plain": ((3, 3), {}),
    "one": ((1, 1), {}),
    "tall": ((4, 1), {}),
    "stride": ((3, 2), {"stride": 2}),
    "padding": ((2, 3), {"padding": 2}),
    "dilation": ((3, 2), {"dilation": 2}),
    "groups": ((2, 3), {"groups": 2}),
    "depthwise": ((3, 3), {"groups": 4, "padding": 1}),
    "together": ((3, 2), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}),
    "stride-3": ((2, 3), {"stride": 3, "padding": 2, "dilation": 1, "groups": 4}),
}
"""Name -> height and width of the kernel, options."""


@pytest.mark.parametrize(("kernel", "options"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolution_is_its_definition(kernel: tuple[int, int], options: dict[str, int]) -> None:
    """A convolution and its cotangents equal the sums that define them, over integers."""
    rng = np.random.default_rng(0)
    groups = options.get("groups", 1)
    x = rng.integers(-4, 5, (2, 4, 7, 6)).astype(float)
    W = rng.integers(-4, 5, (8, 4 // groups, *kernel)).astype(float)
    b = rng.integers(-4, 5, 8).astype(float)
    z = OPS["conv"].forward(x, W, b, **options)
    dz = rng.integers(-4, 5, z.shape).astype(float)
    expected = _by_definition(dz, x, W, b, **options)

    found = (z, *OPS["conv"].backward(dz, z, x, W, b, **options))
    assert [a.tolist() for a in expected] == [a.tolist() for a in found]


def _by_definition(
    dz: Array,
    x: Array,
    W: Array,
    b: Array,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> tuple[Array, ...]:
    """Return z, dx, dW and db, from every product of an entry of x and one of W."""
    z, dx, dW, db = np.zeros_like(dz), np.zeros_like(x), np.zeros_like(W), np.zeros_like(b)
    inside, outside = x.shape[1] // groups, W.shape[0] // groups
    for n, o, p, q in np.ndindex(dz.shape):
        z[n, o, p, q] += b[o]
        db[o] += dz[n, o, p, q]
        for c, k, l in product(*map(range, W.shape[1:])):  # noqa: E741 as in the definition
            i, j = stride * p + dilation * k - padding, stride * q + dilation * l - padding
            if 0 <= i < x.shape[2] and 0 <= j < x.shape[3]:
                channel = o // outside * inside + c
                z[n, o, p, q] += W[o, c, k, l] * x[n, channel, i, j]
                dx[n, channel, i, j] += W[o, c, k, l] * dz[n, o, p, q]
                dW[o, c, k, l] += x[n, channel, i, j] * dz[n, o, p, q]
    return z, dx, dW, db


@pytest.mark.parametrize("op", ["batch_norm", "layer_norm"])
def test_numbers_that_are_all_equal_are_normalized_to_zero(op: str) -> None:
    """Where the variance is zero, a norm returns its bias, and equal cotangents cancel in dx."""
    value, dx, _, db = both(op, [[2, 2], [2, 2]], [[3, 3], [3, 3]], [5, 5], [7, 7])

    assert value == [[7, 7], [7, 7]]
    assert dx == [[0, 0], [0, 0]]
    assert db == [4, 4]


@pytest.mark.parametrize("points", [[0.0], [1e3, -1e3], [88.0, 700.0, -700.0]])
@pytest.mark.parametrize("op", ["sigmoid", "softplus", "silu", "elu", "softmax", "log_softmax"])
def test_nothing_overflows(op: str, points: list[float]) -> None:
    """At no point does a stable formula overflow, warn or return NaN or infinity."""
    value, d = both(op, np.ones(len(points)), points)

    assert np.isfinite(value).all()
    assert np.isfinite(d).all()
