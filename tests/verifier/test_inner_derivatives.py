"""Programs of PyTorch in whose loss a derivative is a part: penalties, equations, forces."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.verifier.lazy import Lazy

torch, nn, F, attention, bt, models = map(
    Lazy,
    (
        *("torch", "torch.nn", "torch.nn.functional", "torch.nn.attention"),
        *("backproof.torch", "tests.verifier.models"),
    ),
)

Case = tuple[Any, Callable[[], Any]]
"""A module, and its loss."""


def slope(y: Any, *x: Any) -> Any:
    """Return the derivative of all numbers in y, added up, as a part of the program."""
    return torch.autograd.grad(y.sum(), x, create_graph=True)


def perceptron(activation: Any, *sizes: int) -> Any:
    """Return a multilayer perceptron."""
    torch.manual_seed(0)
    layers = []
    for i, o in pairwise(sizes):
        layers += [nn.Linear(i, o), activation]
    return nn.Sequential(*layers[:-1])


def equation(activation: str, dtype: str = "float32") -> Case:
    """Burgers' equation, u_t + u u_x = u_xx / 100, as a loss: it has second derivatives."""
    of = models.Sine() if activation == "sin" else getattr(nn, activation)()
    model = perceptron(of, 2, 6, 6, 1).to(getattr(torch, dtype))

    def loss() -> Any:
        x = torch.linspace(0, 1, 10, dtype=getattr(torch, dtype)).reshape(5, 2).requires_grad_()
        u = model(x)
        (du,) = slope(u, x)
        u_x, u_t = du[:, :1], du[:, 1:]
        u_xx = slope(u_x, x)[0][:, :1]
        return (u_t + u * u_x - u_xx / 100).square().mean() + u[:2].square().mean()

    return model, loss


def penalty() -> Case:
    """A critic of images whose slope is held to 1 between right and wrong ones (WGAN-GP)."""
    torch.manual_seed(0)
    rest = nn.AvgPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 1)
    critic = nn.Sequential(nn.Conv2d(2, 4, 3, 2, 1), nn.LeakyReLU(0.2), *rest)
    right, wrong = torch.randn(2, 3, 2, 8, 8)

    def loss() -> Any:
        share = torch.rand(3, 1, 1, 1)
        between = (share * right + (1 - share) * wrong).requires_grad_()
        (d,) = slope(critic(between), between)
        return (critic(wrong) - critic(right)).mean() + 10 * (
            d.flatten(1).norm(dim=1) - 1
        ).square().mean()

    return critic, loss


def normalized(norm: str) -> Case:
    """The slope of a model in which something is normalized."""
    torch.manual_seed(0)
    of = {
        "layer": nn.LayerNorm(2),
        "batch": nn.BatchNorm2d(4),
        "running": nn.BatchNorm2d(4).eval(),
        "group": nn.GroupNorm(2, 4),
        "instance": nn.InstanceNorm2d(4, affine=True),
        "rms": nn.RMSNorm(2),
    }[norm]
    model = nn.Sequential(nn.Conv2d(2, 4, 3), of, nn.Tanh(), nn.Flatten(), nn.Linear(16, 1))
    x = torch.randn(3, 2, 4, 4)

    def loss() -> Any:
        own = x.clone().requires_grad_()
        y = model(own)
        return slope(y, own)[0].square().sum() + y.square().sum()

    return model, loss


def of_encoder() -> Case:
    """The slope of a transformer's layer, whose attention is computed without a fused kernel."""
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(4, 2, 6, 0.0, batch_first=True, norm_first=True)
    x = torch.randn(2, 3, 4)

    def loss() -> Any:
        own = x.clone().requires_grad_()
        with attention.sdpa_kernel(attention.SDPBackend.MATH):
            y = model(own)
            return slope(y.square(), own)[0].square().sum() + y.sin().sum()

    return model, loss


def of_recurrent(name: str) -> Case:
    """The slope of a recurrent layer."""
    torch.manual_seed(0)
    model = nn.ModuleList([getattr(nn, name)(3, 4), nn.Linear(4, 1)])
    x = torch.randn(4, 2, 3)

    def loss() -> Any:
        own = x.clone().requires_grad_()
        return slope(model[1](model[0](own)[0]).square(), own)[0].square().sum()

    return model, loss


def forces() -> Case:
    """Forces are slopes of an energy of distances (as in SchNet)."""
    model = perceptron(nn.SiLU(), 4, 6, 1)
    places, wanted = torch.randn(2, 4, 3)

    def loss() -> Any:
        x = places.clone().requires_grad_()
        i, j = torch.triu_indices(4, 4, 1)
        far = (x[i] - x[j]).norm(dim=-1)
        energy = model(torch.exp(-((far[:, None] - torch.arange(4)) ** 2)))
        return F.mse_loss(-slope(energy, x)[0], wanted) + energy.sum().square() / 100

    return model, loss


def adapted() -> Case:
    """Weights are tried after two steps of gradient descent (MAML)."""
    model = perceptron(nn.Tanh(), 3, 5, 2)
    x, t = torch.randn(6, 3), torch.tensor([0, 1, 0, 1, 1, 0])

    def of(weights: Any, x: Any) -> Any:
        return F.cross_entropy(F.linear(torch.tanh(F.linear(x, *weights[:2])), *weights[2:]), t)

    def loss() -> Any:
        weights = [*model.parameters()]
        for _ in range(2):
            moved = slope(of(weights, x), *weights)
            weights = [w - 0.1 * d for w, d in zip(weights, moved, strict=True)]
        return of(weights, x / 2)

    return model, loss


def jacobian(*, vectorize: bool = False) -> Case:
    """The square of a Jacobian matrix. vectorize: whether all of its rows are taken at once."""
    model = perceptron(nn.Softplus(), 3, 5, 2)
    x = torch.randn(3)
    of = partial(torch.autograd.functional.jacobian, create_graph=True, vectorize=vectorize)
    return model, lambda: of(model, x).square().sum()


def attack() -> Case:
    """A batch is moved along the signs of its slope, which is a constant."""
    model = perceptron(nn.ReLU(), 3, 5, 2)
    x, t = torch.randn(4, 3), torch.tensor([0, 1, 0, 1])

    def loss() -> Any:
        own = x.clone().requires_grad_()
        (d,) = torch.autograd.grad(F.cross_entropy(model(own), t), own)
        return F.cross_entropy(model(x + 0.1 * d.sign()), t)

    return model, loss


CASES: dict[str, Callable[[], Case]] = {
    **{
        f"an equation, {name}": lambda name=name: equation(name) for name in ("Tanh", "SiLU", "sin")
    },
    "an equation, float64": lambda: equation("Sigmoid", "float64"),
    "a penalty": penalty,
    **{
        f"{name} norm": lambda name=name: normalized(name)
        for name in ("layer", "batch", "running", "group", "instance", "rms")
    },
    "an encoder": of_encoder,
    **{f"an {name}": lambda name=name: of_recurrent(name) for name in ("LSTM", "GRU", "RNN")},
    "forces": forces,
    "adapted weights": adapted,
    "a Jacobian": jacobian,
    "a Jacobian at once": lambda: jacobian(vectorize=True),
    "an attack": attack,
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_may_be_a_part_of_the_loss(name: str) -> None:
    """Each call that autograd makes for them is a link, and every gradient is proven."""
    model, loss = CASES[name]()

    certificate = bt.certify(loss, model)

    assert certificate.holds, str(certificate)
    assert set(certificate.proven) | set(certificate.unused) == {*dict(model.named_parameters())}


STEPS: tuple[Callable[[Any], Any], ...] = (
    lambda x: torch.tanh(x) + x,
    lambda x: F.silu(x) * 2,
    lambda x: x.softmax(-1),
    lambda x: F.log_softmax(x, -1),
    lambda x: F.rms_norm(x, (4,)),
    lambda x: x.T @ x / 4,
    lambda x: x - x.sum(0),
    lambda x: torch.cat([x[:2], x[2:] * 2]),
    lambda x: x[[3, 1, 0, 2]] * x[:, :1],
    lambda x: x / (x.norm(dim=-1, keepdim=True) + 1),
    lambda x: x.cumsum(1) / 2,
    lambda x: sum(x.unbind(0)) * x,
    lambda x: torch.where(x > 0, x, x * x / 5),
    lambda x: (x * 1).mul_(2).add_(x),
    lambda x: x.reshape(2, 8).t().reshape(4, 4),
    lambda x: x * x.amax(1, keepdim=True),
    lambda x: F.conv2d(x[None, None], x[None, None, :3, :3] / 3, padding=1)[0, 0],
    lambda x: F.avg_pool2d(x[None, None], 3, 1, 1)[0, 0],
    lambda x: models.written_in_part(x) * 1,
    lambda x: x * x.detach(),
)
"""What a matrix (4, 4) may go through."""


def drawn(seed: int) -> Case:
    """A program of steps that are drawn, with a derivative of first or second order in its loss."""
    rng = np.random.default_rng(seed)
    steps = [STEPS[i] for i in rng.integers(len(STEPS), size=rng.integers(1, 5))]
    twice = rng.random() < 1 / 3
    torch.manual_seed(seed)
    w, x = torch.randn(4, 4, requires_grad=True), torch.randn(4, 4)

    def loss() -> Any:
        own = x.clone().requires_grad_()
        y = torch.tanh(own @ w)
        for step in steps:
            y = step(y)
        inside = slope(y.sin(), own, w)
        if twice:
            inside = slope(sum(one.square().sum() for one in inside), own, w)
        return sum(one.square().sum() for one in inside) / 10 + y.sin().sum() / 100

    return {"w": w}, loss


@pytest.mark.parametrize("seed", range(24))
def test_a_drawn_program(seed: int) -> None:
    """It holds, or what is not certified is named; halved at a place, it is refuted or named."""
    parameters, loss = drawn(seed)

    def wrong() -> Any:
        with models.Halving("sin"):
            return loss()

    certificate, other = (bt.certify(program, parameters) for program in (loss, wrong))

    assert certificate.holds or certificate.unknown, str(certificate)
    assert certificate.refuted is None, str(certificate)
    assert not other.holds
    assert other.refuted or other.unknown, str(other)


def test_most_drawn_programs_hold() -> None:
    """What is said of drawn programs is said of few that are not known."""
    certificates = (bt.certify(loss, parameters) for parameters, loss in map(drawn, range(24)))

    assert sum(one.holds for one in certificates) > 24 / 2


@pytest.mark.parametrize("function", ["tanh", "linear", "square"])
def test_a_wrong_derivative_is_refuted(function: str) -> None:
    """What a public function hands on is held to its op in such a program, too."""
    model, loss = equation("Tanh")

    with models.Halving(function):
        certificate = bt.certify(loss, model)

    assert certificate.refuted is not None, str(certificate)


def test_a_wrong_call_beneath_is_refuted() -> None:
    """What autograd computes for the program is held to its op."""
    model, loss = equation("Tanh")

    def program() -> Any:
        with models.Beneath(torch.ops.aten.tanh_backward.default, lambda dx: dx / 2):
            return loss()

    certificate = bt.certify(program, model)

    assert certificate.refuted is not None, str(certificate)
    assert certificate.place_of(certificate.refuted).function == "aten.tanh_backward"


NORMS: dict[str, Callable[[Any], Any]] = {
    "layer": lambda x: F.layer_norm(x, (4,)),
    "batch": lambda x: F.batch_norm(x, None, None, training=True),
}


@pytest.mark.parametrize("norm", NORMS)
def test_the_third_derivatives_of_norms_are_refuted(norm: str) -> None:
    """PyTorch's are wrong: it takes for a constant what it keeps of the forward pass."""
    torch.manual_seed(0)
    w = torch.randn(3, 4, requires_grad=True)

    def loss() -> Any:
        (once,) = slope(NORMS[norm](w).sin(), w)
        return slope(once.sin(), w)[0].sin().sum()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.refuted is None, str(certificate)
    assert [(one.name, one.verdict) for one in certificate.twin] == [("w", "refuted")]


def test_what_a_norm_keeps_is_held() -> None:
    """Where it keeps half of 1 / sqrt(variance + eps) for its derivative, that is refuted."""
    model, loss = normalized("layer")

    def program() -> Any:
        norm = torch.ops.aten.native_layer_norm.default
        with models.Beneath(norm, lambda found: (*found[:2], found[2] / 2)):
            return loss()

    certificate = bt.certify(program, model)

    assert not certificate.holds
    assert "refuted" in {one.verdict for one in (*certificate.wrong, *certificate.twin)}


SMOOTHED: dict[str, dict[str, Any]] = {
    "smoothed": {"label_smoothing": 0.1},
    "weighted": {"label_smoothing": 0.1, "weight": (0.5, 2.0, 1.0)},
    "ignored": {"label_smoothing": 0.2, "ignore_index": 1, "reduction": "sum"},
    "weighted, ignored": {"label_smoothing": 0.2, "ignore_index": 1, "weight": (0.5, 2.0, 1.0)},
    "each": {"label_smoothing": 0.3, "reduction": "none"},
    "shares": {"shares": True},
    "smoothed shares": {"shares": True, "label_smoothing": 0.1, "weight": (0.5, 2.0, 1.0)},
    "summed shares": {"shares": True, "label_smoothing": 0.1, "reduction": "sum"},
    "images": {"label_smoothing": 0.1, "weight": (0.5, 2.0, 1.0), "images": True},
    "images of shares": {"shares": True, "weight": (0.5, 2.0, 1.0), "images": True},
}
"""What cross entropy is called with."""


def cross_entropy(*, images: bool = False, shares: bool = False, **options: Any) -> Case:
    """The slope of a smoothed loss, or of one whose targets are probabilities."""
    model = perceptron(nn.Tanh(), 3, 5, 3)
    x, t = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    target = torch.rand(4, 3).softmax(-1) if shares else t
    if "weight" in options:
        options["weight"] = torch.tensor(options["weight"])

    def loss() -> Any:
        y = model(x)
        of = (y, target)
        if images:
            of = (
                y[None].mT[:, :, :, None],
                target[None].mT[..., None] if shares else t[None, :, None],
            )
        smooth = F.cross_entropy(*of, **options).square().sum()
        return slope(smooth, model[0].weight)[0].square().sum() + smooth

    return model, loss


@pytest.mark.parametrize("name", SMOOTHED)
def test_smoothed_losses_are_opened(name: str) -> None:
    """Cross entropy with label smoothing, or of probabilities, is recorded as its logarithms."""
    model, loss = cross_entropy(**SMOOTHED[name])
    certificate = bt.certify(loss, model)

    assert certificate.holds, str(certificate)


def test_a_wrong_smoothing_is_refuted() -> None:
    """The loss as it runs is held to the calls that it is made of."""
    model, loss = cross_entropy(label_smoothing=0.1)

    def program() -> Any:
        with models.Halving("cross_entropy"):
            return loss()

    certificate = bt.certify(program, model)

    assert not certificate.holds
    assert "refuted" in {one.verdict for one in (*certificate.wrong, *certificate.twin)}


def test_what_autograd_keeps_of_a_function_is_not_known() -> None:
    """Where it keeps what no call returns, the certificate says so, and nothing is refuted."""
    model = perceptron(nn.Tanh(), 3, 5, 2)
    x, t = torch.randn(4, 3), torch.tensor([0, 1, 0, 1])

    def loss() -> Any:
        near = F.cosine_similarity(model(x), t[:, None] + 1.0)
        return slope(near, model[0].weight)[0].square().sum()

    certificate = bt.certify(loss, model)

    assert not certificate.holds
    assert "LinalgVectorNormBackward0 (test_inner_derivatives.py:" in str(certificate)
    assert "a derivative uses what autograd kept of it" in str(certificate)
    assert certificate.refuted is None


def test_an_operand_of_a_derivative_that_is_written_over_is_pytorchs_error() -> None:
    """PyTorch asks for the operand's hooks while it holds a lock: nobody waits for it forever."""
    w, x = torch.randn(3, 3, requires_grad=True), torch.randn(4, 3)

    def loss() -> Any:
        p, h = w.clone(), torch.sin(x @ w)
        (g,) = torch.autograd.grad((h @ p).square().sum(), h, create_graph=True)
        p.mul_(2)
        return g.sum()

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        bt.certify(loss, {"w": w})
