"""PyTorch's functions are read as ops: each spelling is certified, and a wrong one is located."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from backproof.reference.numbers.precision import FLOAT64, gamma
from backproof.reference.ops import Op
from tests.verifier.calls import FAMILIES
from tests.verifier.lazy import Lazy

torch, F = map(Lazy, ("torch", "torch.nn.functional"))
bt, models = map(Lazy, ("backproof.torch", "tests.verifier.models"))
calls = Lazy("backproof.adapters.torch_functions.calls")

pytestmark = pytest.mark.filterwarnings(
    "ignore:index_reduce.. is in beta", "ignore:torch.(qr|lu_solve) is deprecated"
)

ROWS = [(family, name) for family, rows in FAMILIES.items() for name in rows]


def certified(program: Any, known: Any = None) -> Any:
    """Return the certificate of a program of a matrix (4, 4)."""
    torch.manual_seed(0)
    w = torch.randn(4, 4, requires_grad=True)
    return bt.certify(lambda: torch.sigmoid(program(w)).sum(), {"w": w}, known=known)


@pytest.mark.parametrize(("family", "name"), ROWS)
def test_calls_are_read_as_ops(family: str, name: str) -> None:
    """Each spelling of a call is read as an op with the right options."""
    certificate = certified(FAMILIES[family][name])

    assert certificate.holds, str(certificate)


def test_an_infinite_mask_of_a_wider_precision_is_not_refuted() -> None:
    """Where an operand has no bound in the precision of a node, nothing is known of the node."""
    w = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    lowest = torch.full_like(w, torch.finfo(w.dtype).min, requires_grad=False).triu(1)

    def loss() -> Any:
        return ((w + lowest).softmax(-1, dtype=torch.float32) ** 2).sum()

    certificate = bt.certify(loss, {"w": w})

    assert {link.verdict for link in certificate.wrong} == {"undecided"}


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_rms_norm_of_small_numbers_holds(dtype: str) -> None:
    """The epsilon that counts beside small numbers is that of float32, if they are of fewer digits.

    PyTorch computes those in float32.
    """
    torch.manual_seed(0)
    w = (torch.randn(4, 4) / 30).to(getattr(torch, dtype)).requires_grad_()
    certificate = bt.certify(lambda: F.rms_norm(w, (4,)).sin().sum(), {"w": w})

    assert certificate.holds, str(certificate)


@pytest.mark.parametrize("halved", [None, "std"])
def test_a_deviation_of_numbers_that_lie_close_together_holds(halved: str | None) -> None:
    """PyTorch divides by the deviation that the forward pass has stored, in bfloat16.

    One that is computed anew, each step rounded, may be zero.
    """
    x = torch.tensor([[0.13086, 0.13672, 0.13086, 0.13574, 0.12256, 0.13574]])
    w = x.bfloat16().requires_grad_()
    with models.Halving(halved):
        certificate = bt.certify(lambda: w.std(1).float().sum(), {"w": w})

    assert certificate.holds == (halved is None), str(certificate)
    assert bool(certificate.refuted) == (halved is not None)


def test_a_saturated_probability_is_not_certified() -> None:
    """PyTorch bounds the logarithm of zero, and which the reference does not."""
    w = torch.tensor([0.0, 40.0], requires_grad=True)
    certificate = bt.certify(
        lambda: torch.nn.functional.binary_cross_entropy(w.sigmoid(), torch.ones(2)), {"w": w}
    )

    assert not certificate.holds
    assert "probabilities of 0 or 1" in str(certificate)


def test_a_function_has_one_reader() -> None:
    """A second row for a function is an error: it would take the place of the first."""
    with pytest.raises(ValueError, match="two readers: tan"):
        calls.reads("tan", "tangent")(lambda _: None)


WRONG = {
    "rsqrt": ("arithmetic", "roots"),
    "clamp": ("choices", "clamp"),
    "kthvalue": ("order", "ranks"),
    "quantile": ("order", "quantile"),
    "gather": ("indexing", "gather"),
    "scatter_reduce": ("writing", "scatter_reduce"),
    "__setitem__": ("writing", "write rows"),
    "embedding_bag": ("indexing", "embedding_bag"),
    "roll": ("moving", "roll"),
    "as_strided": ("moving", "places in memory"),
    "block_diag": ("joining", "block_diag"),
    "fold": ("blocks", "fold"),
    "kron": ("moving", "kron"),
    "diag_embed": ("moving", "off the diagonal"),
    "sinh": ("hyperbolic", "sinh"),
    "acosh": ("hyperbolic", "atanh"),
    "logaddexp": ("hyperbolic", "logaddexp"),
    "std": ("reductions", "std"),
    "xlogy": ("special", "xlogy"),
    "i0": ("special", "bessel"),
    "lgamma": ("special", "gamma below zero"),
    "cumprod": ("reductions", "cumprod"),
    "logcumsumexp": ("reductions", "logcumsumexp"),
    "cumulative_trapezoid": ("differences", "steps"),
    "bmm": ("products", "bmm"),
    "cholesky_solve": ("linear algebra", "cholesky's equations"),
    "logdet": ("linear algebra", "determinants"),
    "renorm": ("lengths", "renorm"),
    "cdist": ("lengths", "distances by a product"),
    "cov": ("lengths", "covariances"),
    "hardswish": ("activations", "hard"),
    "rrelu": ("activations", "drawn"),
    "feature_alpha_dropout": ("activations", "drawn"),
    "gradient": ("differences", "parabolas at the ends"),
    "segment_reduce": ("reductions", "segments"),
    "scaled_dot_product_attention": ("attention", "dropout"),
    "conv1d": ("images", "conv1d"),
    "interpolate": ("images", "linear in thirds"),
    "grid_sampler": ("images", "grid_sampler"),
    "group_norm": ("norms", "group_norm"),
    "gru_cell": ("recurrent", "GRU cell"),
    "cross_entropy": ("losses", "cross_entropy"),
    "ctc_loss": ("losses", "ctc_loss"),
    "multilabel_margin_loss": ("losses", "margins"),
}
"""Function -> a program that calls it, of each family."""


@pytest.mark.parametrize("function", WRONG)
def test_a_wrong_gradient_is_located(function: str) -> None:
    """A function whose gradient is half of what it must be is refuted, by its name and place."""
    family, name = WRONG[function]

    def program(w: Any) -> Any:
        with models.Halving(function):
            return FAMILIES[family][name](w)

    certificate = certified(program)
    link = certificate.refuted

    assert not certificate.holds
    assert link is not None, str(certificate)
    assert certificate.place_of(link).function.endswith(function)
    assert certificate.unknown == ()


REFUSED: dict[str, tuple[Any, str]] = {
    "vectors of equal eigenvalues": (
        lambda w: torch.linalg.eigh(w * 0 + torch.eye(4))[1],
        "equal eigenvalues",
    ),
    "vectors of no singular values": (
        lambda w: torch.linalg.svd(w[:, :3] * 0, full_matrices=False)[0],
        "singular values that are equal or zero",
    ),
    "vectors of nothing": (lambda w: torch.linalg.svd(w[:, :3])[0], "torch.linalg.svd"),
    "a pseudoinverse without small values": (
        lambda w: torch.linalg.pinv(w, rtol=0.5),
        "atol or rtol",
    ),
    "a pseudoinverse of a symmetric matrix": (
        lambda w: torch.linalg.pinv(w + w.T, hermitian=True),
        "hermitian",
    ),
    "columns that depend on others": (
        lambda w: torch.linalg.qr(w[:, :1].expand(4, 2) * 0)[1],
        "columns that depend on others",
    ),
    "factors of a singular matrix": (
        lambda w: torch.linalg.lu_factor_ex(torch.cat([w[:, :1] * 0, w[:, 1:]], 1))[0],
        "a singular matrix",
    ),
    "condition of a singular matrix": (lambda w: torch.linalg.cond(w * 0), "a singular matrix"),
    "condition of another order": (lambda w: torch.linalg.cond(w, "nuc"), "p='nuc'"),
    "root of zero": (lambda w: torch.norm(w * 0, 3), "p=3 of a vector of zeros"),
    "a normal sample": (lambda w: torch.normal(w, 1.0) * w, "a sample, which PyTorch takes"),
    "a slope that is rounded": (
        lambda w: F.rrelu(w.bfloat16(), training=True),
        "slopes that are rounded once they are used",
    ),
    "a pole": (lambda w: torch.lgamma(w.floor() - 1), "a pole of the gamma function"),
    "largest of nothing": (
        lambda w: F.embedding_bag(torch.tensor([0]), w, torch.tensor([0, 1]), mode="max"),
        "an empty bag",
    ),
    "entries behind its end": (
        lambda w: (w * 1)[:2].as_strided((4,), (3,)),
        "other places in memory",
    ),
    "writing by places in memory": (
        lambda w: torch.as_strided_scatter(w, w[0], (4,), (1,)),
        "the entries which are written over",
    ),
    "an equal entry that is written over": (
        lambda w: w.scatter_reduce(0, torch.tensor([[0]]), w[:1], "amax", include_self=False),
        "an entry equal to what is written over it",
    ),
    "a variance of zero": (lambda w: F.gaussian_nll_loss(w, w.T, w[0] * 0), "a variance below eps"),
    "differentiated labels": (
        lambda w: F.hinge_embedding_loss(w, w.sign()),
        "gradients flow through an option",
    ),
    "no triangle": (lambda w: torch.cholesky_solve(w, w), "a factor that is no triangle"),
    "logit": (lambda w: w.logit(), "numbers that are not all between 0 and 1"),
    "antialias": (
        lambda w: F.interpolate(w.view(1, 1, 4, 4), 3, mode="bilinear", antialias=True),
        "antialias",
    ),
    "nearest": (
        lambda w: F.interpolate(w.view(1, 1, 4, 4), scale_factor=1.1),
        "a gradient that goes to other entries than were taken",
    ),
    "unpooled twice": (
        lambda w: F.max_unpool1d(w, torch.zeros(4, 4, dtype=torch.int64), 2),
        "an index that names an entry twice",
    ),
    "a number in a custom function": (
        lambda w: models.Times.apply(w, w[0, 0].exp()),
        "in its forward pass torch.Tensor.item",
    ),
}
"""Name -> a program, and what it is not known for."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_op_is_named(name: str) -> None:
    """A call that the reference has no op for is named, and nothing is refuted for it."""
    program, reason = REFUSED[name]
    certificate = certified(program)

    assert reason in str(certificate)
    assert (certificate.proven, certificate.refuted) == ((), None)


def test_a_custom_function_may_be_known_by_an_op() -> None:
    """A custom function is certified by the op that is given for it, and refuted by a wrong one."""
    right = Op(lambda x: x * x, lambda dy, _, x: (2 * dy * x,))
    wrong = Op(lambda x: x * x, lambda dy, _, x: (dy * x,))
    square = models.Square
    found = [certified(lambda w: square.apply(w), {square: op}) for op in (right, wrong)]  # noqa: PLW0108 seen as it is called

    assert [one.holds for one in found] == [True, False], found[0]
    assert [one.unknown for one in found] == [(), ()]
    assert found[1].refuted.name == "dE/dw"


TWICE = Op(lambda x, **_: 2 * x, lambda dy, *_, **__: (2 * dy,))


@pytest.mark.parametrize("which", ["two results", "an option"])
def test_what_an_op_does_not_say_is_not_known(which: str) -> None:
    """An op that is given has one result, and options that are not differentiated."""
    if which == "two results":
        said = "an op has one result"
        certificate = certified(lambda w: sum(models.Both.apply(w)), {models.Both: TWICE})
    else:
        said, lerp = "gradients flow through an option", torch.lerp
        certificate = certified(lambda w: lerp(w, w, weight=w.exp()), {lerp: TWICE})

    assert said in str(certificate)
    assert (certificate.proven, certificate.refuted) == ((), None)


@pytest.mark.parametrize("error", [ZeroDivisionError("no axes"), RuntimeError("no axes")])
def test_no_reader_stops_a_program(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that its reader fails on is not known, whatever the error, and the program runs."""

    def reader(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setitem(calls.READERS, "tan", reader)

    assert "torch.tan (test_torch_functions.py" in str(certified(lambda w: torch.tan(w)))  # noqa: PLW0108 seen as it is called


def test_an_entry_is_not_taken_twice() -> None:
    """Of equal entries, the largest two are two, and not the same one twice."""
    x, seen = torch.ones(3), calls.Seen(torch.topk, (torch.ones(2), torch.tensor([0, 0])))

    with pytest.raises(calls.NotKnown, match="names an entry twice"):
        calls.READERS["topk"](seen, x, 2)


def test_a_fault_that_does_not_fit_explains_nothing() -> None:
    """Attention of fewer queries than keys is refuted, though faults take as many of both."""

    def program(w: Any) -> Any:
        with models.Halving("scaled_dot_product_attention"):
            q, k = w[:2].view(1, 1, 2, 4), w.view(1, 1, 4, 4)
            return F.scaled_dot_product_attention(q, k, k)

    assert certified(program).refuted is not None


def test_a_reader_that_fails_costs_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that cannot be read is not known, whatever its reader raises; the program goes on."""

    def divides(*_: Any) -> Any:
        return 1 // 0

    monkeypatch.setitem(calls.READERS, "sin", divides)
    certificate = certified(lambda w: w.sin())

    assert [one.place.reason for one in certificate.unknown] == [
        "integer division or modulo by zero"
    ]


@pytest.mark.parametrize("descending", [False, True])
def test_entries_that_are_not_in_order_are_not_sorted(*, descending: bool) -> None:
    """Every entry once, in the order in which they stood, is no sort of them."""
    x, index = torch.tensor([2.0, 3.0, 1.0]), torch.arange(3)

    with pytest.raises(calls.NotKnown, match="not in order"):
        calls.READERS["sort"](calls.Seen(torch.sort, (x, index)), x, descending=descending)


def right_steps() -> dict[str, tuple[Any, Any]]:
    """Return functions that are read as constants -> their operands, and what NumPy makes of it."""
    x, y = torch.tensor([2.5, -1.25, 0.75]), torch.tensor([0.5, 0.375, -2.0])
    a, b = x.numpy(), y.numpy()
    return {
        "round": ((x,), np.rint(a)),
        "frac": ((x,), np.trunc(a)),
        "copysign": ((x, y), np.sign(a) * np.copysign(1, b)),
        "frexp": ((x,), 0.5 ** np.frexp(a)[1]),
        "ldexp": ((x, torch.tensor([1, 2, -3])), np.array([2, 4, 1 / 8])),
    }


@pytest.mark.parametrize("name", ["round", "frac", "copysign", "frexp", "ldexp"])
def test_a_step_is_not_taken_from_what_is_certified(name: str) -> None:
    """The constants of a reader are NumPy's, whatever was seen of the call."""
    operands, right = right_steps()[name]
    wrong = torch.full((3,), 7.0)
    seen = calls.Seen(getattr(torch, name), (wrong, wrong.int()) if name == "frexp" else wrong)
    found = calls.READERS[name](seen, *operands)
    (call,) = found if isinstance(found, list) else [found]

    np.testing.assert_array_equal(call.tensors[-1], right)


def test_a_wrong_scale_of_a_dropout_is_refuted() -> None:
    """What a dropout keeps is held to 1 / (1 - p), whatever the framework made of ones."""
    with models.Scaling("dropout", 1.5):
        certificate = certified(lambda w: F.dropout(w, 0.5))

    assert certificate.refuted.name == "dropout"


def over_rows(op: Op) -> Op:
    """Return an op along the second axis alone."""
    forms = {name: over_rows(form) for name, form in op.forms.items()}
    return Op(partial(op.forward, axis=1), partial(op.backward, axis=1), forms)


@pytest.mark.parametrize("name", ["prod", "cumprod"])
def test_quotients_of_a_product_are_its_derivative(name: str) -> None:
    """Both ways to a product's gradient are its difference quotient, at zero as well.

    A product is linear in each factor, so that the quotient is exact.
    """
    x, step = np.array([[2.0, 4.0, -0.5], [1.0, 0.0, -2.0], [0.0, 0.0, 3.0]]), 0.25
    op = over_rows(calls.READERS[name](None, torch.tensor(x), 1).own)
    y = op.forward(x)
    dy = np.arange(1.0, 1 + y.size).reshape(y.shape)
    quotients = np.empty_like(x)
    for at in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[at] = step
        quotients[at] = np.sum(dy * (op.forward(x + e) - op.forward(x - e))) / (2 * step)
    (form,) = op.forms.values()

    np.testing.assert_array_equal(op.backward(dy, y, x)[0], quotients)
    np.testing.assert_array_equal(form.backward(dy, y, x)[0], quotients)


def test_both_derivatives_of_a_logarithm_of_sums_are_its_own() -> None:
    """They are dx[k] = sum of dy[j] e^(x[k] - y[j]) over all j from k on, wherever dy is negative.

    A logarithm of sums is one of ratios as well, so that numbers may be large.
    """
    op = calls.READERS["logcumsumexp"](None, torch.zeros(2, 3), 1).own
    x = np.array([[1000.0, 998.0, 1001.0], [-5.0, 3.0, -1.0]])
    dy = np.array([[1.0, -2.0, 0.5], [0.0, 4.0, -1.0]])
    y = op.forward(x, axis=1)
    later = np.arange(3)[:, None] <= np.arange(3)
    expected = np.sum(later * dy[:, None] * np.exp(x[:, :, None] - y[:, None]), axis=2)
    found = [one.backward(dy, y, x, axis=1)[0] for one in (op, *op.forms.values())]

    # An exponent has seven roundings at most, of numbers below 1024: so far e to it is off.
    of_value, of_exponent = gamma(8, FLOAT64.u), gamma(8 * 1024, FLOAT64.u)
    np.testing.assert_allclose(y, np.logaddexp.accumulate(x, axis=1), rtol=of_value)
    for dx in found:
        np.testing.assert_allclose(dx, expected, rtol=of_exponent)


@pytest.mark.parametrize("found", ["right", "one more", "zero", "nan"])
@pytest.mark.parametrize("name", ["prod", "cumprod"])
def test_the_gradient_at_a_factor_of_zero_is_held_to_the_product_of_the_others(
    name: str, found: str
) -> None:
    """Where dy y / x is 0/0 the gradient must be right all the same."""
    right = getattr(torch, name)
    x = torch.tensor([[2.0, 0.0, 3.0], [1.0, 0.5, -2.0]], requires_grad=True)
    at_zero = {"right": 1.0, "zero": 0.0, "nan": float("nan"), "one more": 2.0}[found]

    class Product(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return right(x, 1)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            x = ctx.saved_tensors[0].detach().requires_grad_()
            with torch.enable_grad():
                (dx,) = torch.autograd.grad(right(x, 1), x, dy)
            return torch.where(x == 0, at_zero * dx, dx)

    op = over_rows(calls.READERS[name](None, x, 1).own)
    certificate = bt.certify(lambda: Product.apply(x).sum(), {"x": x}, known={Product: op})

    assert certificate.holds == (found == "right"), str(certificate)
