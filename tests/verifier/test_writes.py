"""PyTorch programs that write into what a function returned: its memory may be a hidden tensor."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, F, C = map(Lazy, ("torch", "torch.nn.functional", "torch._C"))
bt, recording = map(Lazy, ("backproof.torch", "backproof.adapters.recording"))


VIEWS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "linear": lambda x, W, b: F.linear(x, W, b),  # noqa: PLW0108 imports nothing yet
    "linear without a bias": lambda x, W, _: F.linear(x, W),
    "matmul": lambda x, W, _: x @ W.T,
    "einsum": lambda x, W, _: torch.einsum("bij,oj->boi", x, W),
    "tensordot": lambda x, W, _: torch.tensordot(x, W, ([2], [1])),
    "conv1d": lambda x, W, _: F.conv1d(x.mT, W[:, :, None]),
    "max_pool1d": lambda x, W, _: F.max_pool1d(x @ W.T, 2),
    "attention": lambda x, *_: F.scaled_dot_product_attention(x, x, x),
    "transpose": lambda x, W, _: (x @ W.T).transpose(1, 2),
}
"""Functions that return a view of a tensor that nobody sees: what they made, in its own shape."""

WRITES: dict[str, Callable[[Any], Any]] = {
    "all": lambda y: y.add_(1).mul_(2),
    "part": lambda y: y[0].mul_(3),
    "constant": lambda y: y.select(1, 0).fill_(3),
}
"""What the program writes into the result."""


def program(name: str, write: str) -> tuple[Callable[[], Any], Any]:
    """Return a program's loss, and its parameters."""
    torch.manual_seed(0)
    shapes = {"x": (2, 3, 4), "W": (5, 4), "b": (5,)}
    leaves = {k: torch.randn(shape, requires_grad=True) for k, shape in shapes.items()}

    def loss() -> Any:
        y = VIEWS[name](*leaves.values())
        WRITES[write](y)
        return y.square().sum()

    return loss, leaves


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("name", VIEWS)
def test_a_write_into_a_result_holds(name: str, write: str) -> None:
    """What the function made, its view and what is written are three links, and all hold."""
    certificate = bt.certify(*program(name, write))

    assert certificate.holds, certificate


def test_a_wrong_cotangent_of_the_hidden_tensor_is_refuted() -> None:
    """What the write hands on to the tensor beneath the view is a link, too."""
    torch.manual_seed(0)
    leaves = {"x": torch.randn(2, 3, 4, requires_grad=True), "W": torch.randn(5, 4)}
    b = torch.randn(5)

    def loss() -> Any:
        y = F.linear(leaves["x"], leaves["W"], b)
        with C.DisableTorchFunction():  # nobody sees the tensor
            y._base.register_hook(lambda cotangent: cotangent / 2)  # noqa: SLF001
        y[0].mul_(3)
        return y.square().sum()

    certificate = bt.certify(loss, leaves)

    assert [(one.verdict, one.name) for one in certificate.wrong] == [("refuted", "dE/dlinear 2")]


@pytest.mark.parametrize("start", [0.0, 1.0], ids=["zero", "one"])
def test_an_entry_may_be_multiplied_in_place(start: float) -> None:
    """What `y[2] *= 3` writes is written twice, also where it changes no number: to y[2], to y."""
    w = torch.randn(5, requires_grad=True)

    def loss() -> Any:
        y = torch.zeros(5)
        y[1], y[2] = w[1].exp(), torch.tensor(start)
        y[1] *= 2
        y[2] *= 3
        return (y * w).sum()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds, certificate


def test_a_custom_function_may_write_over_its_operand() -> None:
    """Its derivative is that at what the operand was."""

    class Squared(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """x^2, whose memory holds twice x afterwards."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            """Return x^2."""
            y = x * x
            ctx.save_for_backward(x.mul_(2).clone())
            return y

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            """Return 2 x dy."""
            return ctx.saved_tensors[0] * dy

    w = torch.randn(5, requires_grad=True)

    certificate = bt.certify(lambda: Squared.apply(w + 1).sum(), {"w": w})

    assert certificate.holds, certificate


UNWRITTEN: dict[str, Callable[[Any], Any]] = {
    "torch.empty": lambda _: torch.empty(2, 6),
    "new_empty": lambda w: w.new_empty(2, 6),
    "empty_like": lambda w: torch.empty_like(w).repeat(1, 2),
}
"""Functions that return memory as it is."""


@pytest.mark.parametrize("name", UNWRITTEN)
def test_memory_that_is_written_over_may_have_held_anything(name: str) -> None:
    """What was in memory before a program wrote to it, such as NaN, is no number of the program."""
    w = torch.randn(2, 3, requires_grad=True)

    def loss() -> Any:
        used = torch.full((12,), torch.nan)
        del used  # what is made next may get its memory
        y = UNWRITTEN[name](w)
        y[:, :3].copy_(w)
        y[:, 3:] = w * 2
        return y.square().sum()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds, certificate


def test_memory_that_nobody_wrote_is_no_number() -> None:
    """A program that reads it is not certified: its loss is what happens to be there."""
    w = torch.randn(2, 3, requires_grad=True)

    def loss() -> Any:
        y = torch.empty(2, 6)
        y[:, :3].copy_(w)
        return y.square().sum()

    with pytest.raises(recording.NotRecorded, match="memory that nobody has written"):
        bt.certify(loss, {"w": w})


def halved(t: Any) -> Any:
    """Write to a tensor by a call that no mode sees."""
    with C.DisableTorchFunction():
        return t.mul_(0.5)


def with_real_part(z: Any, x: Any) -> None:
    """Write to a tensor by an attribute, which no mode sees."""
    z.real = x


PARTS: dict[str, Callable[[Any, Any], Any]] = {
    "imaginary part": lambda z, x: z.imag.mul_(x),
    "real part of a transposed": lambda z, x: z.T.real[1].add_(x[:, 0]),
    "both parts": lambda z, x: torch.view_as_real(z)[1:, :, 1].mul_(x[1:]),
}
CONJUGATED: dict[str, Callable[[Any, Any], Any]] = {
    "conjugate": lambda z, x: z.conj().mul_(x * 1j),
    "adjoint": lambda z, x: z.mH[1:].mul_(2j),  # noqa: ARG005
    "imaginary part of a conjugate": lambda z, x: z.conj().imag.add_(x),
}
UNSEEN: dict[str, Callable[[Any, Any], Any]] = {
    "attribute": lambda z, x: with_real_part(z, x),  # noqa: PLW0108 defined as the others
    "call": lambda z, _: halved(z),
}


@pytest.mark.parametrize("name", [*PARTS, *CONJUGATED, *UNSEEN])
def test_writes_to_complex_numbers(name: str) -> None:
    """By way of their parts they are known; by way of a conjugate, or not seen, they are named."""
    torch.manual_seed(0)
    w = torch.randn(3, 3, dtype=torch.complex64, requires_grad=True)

    def loss() -> Any:
        z = w * w
        (PARTS | CONJUGATED | UNSEEN)[name](z, w.real * 2)
        return (z * z.exp()).real.sum()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds == (name in PARTS), certificate
    assert certificate.refuted is None, certificate
    reason = "conjugates or negates" if name in CONJUGATED else "overwritten by a call"
    assert (reason in str(certificate)) == (name not in PARTS)


def test_parts_of_real_numbers() -> None:
    """A complex view of real numbers is a part of them, too."""
    w = torch.randn(4, 2, requires_grad=True)

    def loss() -> Any:
        y = w * w
        torch.view_as_complex(y)[1:].mul_(2j)
        return (y * y * w).sum()

    assert bt.certify(loss, {"w": w}).holds


def test_a_wrong_derivative_of_parts_is_refuted() -> None:
    """A hook that changes what a written part hands on is found."""
    w = torch.randn(4, dtype=torch.complex64, requires_grad=True)

    def loss() -> Any:
        z = w * w
        z.register_hook(lambda d: d.conj())
        z.imag.mul_(w.real)
        return (z * z.exp()).real.sum()

    assert bt.certify(loss, {"w": w}).wrong


OVER: dict[str, Callable[[Any, Any], Any]] = {
    "remainder_": lambda y, _: y.remainder_(0.7),
    "fmod_": lambda y, _: y.fmod_(0.7),
    "frac_": lambda y, _: y.frac_(),
    "copysign_": lambda y, other: y.copysign_(other),
    "div_, rounded": lambda y, _: y.div_(0.3, rounding_mode="floor"),
    "renorm_": lambda y, _: y.renorm_(2, 0, 0.5),
    "erfinv_": lambda y, _: y.clamp_(-0.9, 0.9).erfinv_(),
    "mvlgamma_": lambda y, _: y.abs_().add_(1).mvlgamma_(2),
    "threshold_": lambda y, _: F.threshold(y, 0.1, 20, inplace=True),
    "as_strided_": lambda y, _: y.as_strided_((3, 2), (4, 1), 2),
    "remainder_ of a view": lambda y, _: y[1:].remainder_(0.7),
    "frac_ of parts": lambda y, _: torch.view_as_complex(y.view(-1, 2)).real.frac_(),
}
"""Functions that write over an operand, of whose numbers before that the op is."""


@pytest.mark.parametrize("name", OVER)
def test_a_call_is_read_from_what_it_writes_over(name: str) -> None:
    """The op is that of the numbers before the call, which are gone when it returns."""
    torch.manual_seed(0)
    w, x, other = (torch.randn(shape) for shape in ((4, 4), (5, 4), (5, 4)))

    def loss() -> Any:
        y = x @ w
        OVER[name](y, other)
        return (y + 0.1).sin().sum() + w.sum()

    certificate = bt.certify(loss, {"w": w.requires_grad_()})

    assert certificate.holds, certificate


def test_a_part_of_a_memory_that_is_taken_in_place_is_not_known() -> None:
    """Of a tensor that is changed to show other entries of a memory that is not all its own."""
    w = torch.randn(4, 4, requires_grad=True)

    certificate = bt.certify(
        lambda: (w * w)[1:].clone()[1:].as_strided_((2,), (1,), 5).sum(), {"w": w}
    )

    assert "a copy that is not of all of its memory" in str(certificate)
