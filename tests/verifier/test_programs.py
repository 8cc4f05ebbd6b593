"""Certificates of PyTorch programs: right ones hold; wrong ones are located; nothing is left."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof.reference.ops import Op
from tests.verifier.lazy import Lazy
from tests.verifier.sandbox import ROOT

torch, nn, F = map(Lazy, ("torch", "torch.nn", "torch.nn.functional"))
C = Lazy("torch._C")
bt, models, ranks = map(Lazy, ("backproof.torch", "tests.verifier.models", "tests.verifier.ranks"))

MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "mlp of ReLU": lambda: models.mlp(nn.ReLU()),
    "mlp of tanh": lambda: models.mlp(nn.Tanh()),
    "mlp of SiLU": lambda: models.mlp(nn.SiLU()),
    "conv net": lambda: models.conv_net(),  # noqa: PLW0108 imports nothing yet
    "transformer": lambda: models.gpt(),  # noqa: PLW0108 likewise
    "resnet": lambda: models.resnet(),  # noqa: PLW0108 likewise
    "detector": lambda: models.detector(),  # noqa: PLW0108 likewise
}


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(2))
def test_right_programs_hold(name: str, precision: str, seed: int) -> None:
    """Every gradient of a right program is proven, whatever the precision."""
    dtype = getattr(torch, precision)
    torch.manual_seed(seed)
    model, loss = MODELS[name]()
    certificate = bt.certify(loss, model.to(dtype))
    refuted = [link for link in certificate.wrong if link.verdict != "undecided"]

    assert (refuted, certificate.unknown, certificate.stray) == ([], (), ())
    if precision != "bfloat16":  # where some sums have no digits
        assert certificate.holds, certificate
        assert certificate.proven == tuple(name for name, _ in model.named_parameters())


@pytest.mark.parametrize("name", MODELS)
def test_mixed_precision_holds(name: str) -> None:
    """Under autocast each link is judged in the precision that it was computed in."""
    torch.manual_seed(0)
    model, loss = MODELS[name]()

    def lower() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return loss()

    certificate = bt.certify(lower, model)

    assert {link.precision for link in certificate.links} == {"float32", "bfloat16"}
    assert [link for link in certificate.wrong if link.verdict != "undecided"] == []


def test_casts_are_ops() -> None:
    """A program that casts by hand holds, and a wrong gradient behind the cast does not."""
    w = torch.randn(4, 3, requires_grad=True)
    x = torch.randn(5, 4, dtype=torch.float64)

    def loss() -> Any:
        y = x.float() @ w
        z = y.double().sigmoid().to(torch.bfloat16)
        return (z.float() * y).sum()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds, certificate
    assert certificate.precision == "float32, float64, bfloat16"


def test_nothing_is_left_behind() -> None:
    """Gradients, buffers, the random states and PyTorch's own functions are as they were."""
    model, loss = models.conv_net()
    model.head.weight.grad = kept = torch.ones_like(model.head.weight)
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002

    bt.certify(loss, model)

    assert model.head.weight.grad is kept
    assert torch.equal(kept, torch.ones_like(kept))
    assert model.stem.weight.grad is None
    assert all(torch.equal(b, buffers[name]) for name, b in model.named_buffers())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])  # noqa: NPY002
    assert "apply" not in vars(torch.autograd.function._SingleLevelFunction)  # noqa: SLF001
    assert not torch.nn.modules.module._global_forward_hooks  # noqa: SLF001
    assert not torch.overrides._get_current_function_mode_stack()  # noqa: SLF001


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_a_custom_function_is_held_to_its_forward_pass(
    right: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A custom function is held to the derivative of its own calls, and located if it is wrong."""
    monkeypatch.setattr(models.Square, "right", right)
    w, square = torch.randn(3, requires_grad=True), models.Square.apply  # as many keep it
    certificate = bt.certify(lambda: square(torch.sigmoid(w)).sum(), {"w": w})

    assert certificate.holds == right
    if not right:
        (link,) = certificate.wrong
        place = certificate.place_of(link)
        assert (link.name, link.verdict) == ("dE/dsigmoid", "refuted")
        assert (place.function, certificate.proven) == ("Square", ())
        assert place.file == Path(__file__).name


def test_a_factor_lost_in_one_block_is_located(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GELU whose gradient lost a factor is refuted at its module, its line and by name."""
    torch.manual_seed(0)
    model, loss = models.gpt()
    right, calls = F.gelu, []

    def patched(x: Any, approximate: str = "none") -> Any:
        calls.append(x)
        gelu = models.wrong_gelu(0.5) if len(calls) % len(model.h) == 0 else right
        return gelu(x, approximate=approximate)

    certify = bt.certify  # is imported here, and reads PyTorch's functions as they are
    monkeypatch.setattr("torch.nn.functional.gelu", patched)
    certificate = certify(loss, model)
    link = certificate.refuted
    place = certificate.place_of(link)

    assert not certificate.holds
    assert link.name == "dE/dh.1.mlp.0.linear"
    assert (place.module, place.file) == ("h.1.mlp.1", "models.py")
    assert "0.5 times what was expected" in certificate.diagnosis
    assert {"wte.weight", "h.1.mlp.0.weight"}.isdisjoint(certificate.proven)
    assert {"ln_f.weight", "h.1.mlp.2.weight"} <= {*certificate.proven}


def test_nothing_is_proven_by_a_wrong_value() -> None:
    """Where a value is refuted, no gradient is proven: neither before it nor after it."""
    a, b = (torch.rand(3, requires_grad=True) for _ in range(2))
    with models.Scaling("exp", 1.5):
        certificate = bt.certify(lambda: torch.exp(a) @ b, {"a": a, "b": b})

    assert certificate.refuted.name == "exp"
    assert certificate.proven == ()


def test_a_classical_mistake_is_named() -> None:
    """A custom function that makes a mistake of the catalogue is explained by its name."""
    model, x = nn.Linear(3, 2, bias=False), torch.randn(5, 3)
    certificate = bt.certify(lambda: torch.tanh(models.Linear.apply(x, model.weight)).sum(), model)

    assert [(one.name, one.verdict) for one in certificate.wrong] == [("dE/dweight", "refuted")]
    assert certificate.diagnosis.startswith("dense: ")
    assert "mean" in certificate.diagnosis


def test_gradients_that_are_exchanged_are_named() -> None:
    """A function that hands to each operand what the other one should receive is explained so."""
    a, b = (torch.rand(3, 4, requires_grad=True) for _ in range(2))
    product = models.crossed(lambda a, b: a * b + 0 * a, lambda a, b: (a * a + b * b) / 2)

    def loss() -> Any:
        return (
            torch.sin(product(a, b)).sum() + torch.special.zeta(2.0, b + 1).sum()
        )  # which is not known

    certificate = bt.certify(loss, {"a": a, "b": b})

    assert certificate.unknown
    assert certificate.diagnosis.startswith("dE/da is what b should receive: all 12 of 12")


def test_parameters_may_be_given_from_outside() -> None:
    """A module that is called with other parameters is certified by their names."""
    model = nn.Linear(3, 2)
    weights = {k: torch.randn_like(p).requires_grad_() for k, p in model.named_parameters()}

    def loss() -> Any:
        return torch.func.functional_call(model, weights, (torch.ones(4, 3),)).sigmoid().sum()

    certificate = bt.certify(loss, weights)

    assert certificate.holds, certificate
    assert certificate.proven == ("weight", "bias")


def test_a_hook_that_changes_a_gradient_is_found() -> None:
    """A gradient that a hook halves is no derivative."""
    model, loss = models.gpt()
    handle = model.wte.weight.register_hook(lambda gradient: gradient / 2)
    certificate = bt.certify(loss, model)
    handle.remove()

    assert [(one.name, one.verdict) for one in certificate.wrong] == [("dE/dwte.weight", "refuted")]


def test_a_twin_is_the_same_or_another() -> None:
    """A checkpointed twin has the same gradients; one with a tied weight counted once has not."""
    torch.manual_seed(0)
    model, _ = models.gpt()
    ids, targets = torch.randint(0, 11, (2, 2, 6))

    def walked(tied: Any, *, detached: bool = False) -> Any:
        x = model.wte(ids) + model.wpe(torch.arange(6))
        for block in model.h:
            y = torch.utils.checkpoint.checkpoint(block, x, use_reentrant=False)
            x = x.detach() + (y - x) if detached else y
        return F.cross_entropy(F.linear(model.ln_f(x), tied).flatten(0, 1), targets.flatten())

    weight = model.wte.weight

    def against(twin: Any) -> dict[str, str]:
        found = bt.certify(lambda: model(ids, targets), model, against=twin)
        return {one.name: one.verdict for one in found.twin}

    right = against(lambda: walked(weight))
    once = against(lambda: walked(weight.detach()))
    residual = against(lambda: walked(weight, detached=True))

    assert {*right.values()} == {"inside"}
    assert [name for name, verdict in once.items() if verdict == "refuted"] == ["wte.weight"]
    assert residual["wte.weight"] == "refuted"


def compiled(loss: Any, change: Any = None) -> Any:
    """Return the loss as a compiler sees it that changes the numbers among its arguments."""

    def backend(graph: Any, _: Any) -> Any:
        for node in graph.graph.nodes:
            if change:
                node.args = tuple(map(change, node.args))
        graph.recompile()
        return graph

    torch.compiler.reset()
    return torch.compile(loss, backend=backend)()


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong constant"])
def test_a_compiled_twin_is_the_same_or_another(right: bool) -> None:  # noqa: FBT001
    """A compiled twin has the same gradients; one with another epsilon has not."""
    torch.manual_seed(0)
    model, loss = models.gpt()
    change = None if right else lambda a: 1e-2 if a == 1e-5 else a
    found = bt.certify(loss, model, against=lambda: compiled(loss, change))

    assert found.holds == right, str(found)
    assert ("refuted" in {one.verdict for one in found.twin}) != right


def test_data_parallel_gradients_are_the_same_or_another(tmp_path: Path) -> None:
    """Two ranks have the gradients of the whole batch, but not without the mean over them.

    A rank's own gradients, before they are averaged, are those of its own half. A static graph
    averages them always, and is refused with what to do instead.
    """
    file = str(tmp_path / "store")
    command = (sys.executable, "-m", "tests.verifier.ranks", file)
    with subprocess.Popen(command, cwd=ROOT) as second, ranks.rank(0, file):  # noqa: S603 ours
        model, loss, half = ranks.program()
        found = [bt.certify(loss, model, against=partial(half, mean=m)) for m in (True, False)]
        flags = "require_forward_param_sync", "require_backward_grad_sync"
        before = [getattr(half.parallel, flag) for flag in flags]
        alone = bt.certify(partial(half, mean=True), model)
        after = [getattr(half.parallel, flag) for flag in flags]
        with pytest.raises(bt.NotRecorded, match="static_graph averages gradients always"):
            bt.certify(lambda: half.static(torch.ones(1, 2)).sum(), half.static)
        inside = bt.certify(lambda: half.static.module(torch.ones(1, 2)).sum(), half.static)

    assert after == before
    assert second.returncode == 0
    assert (alone.holds, inside.holds) == (True, True), (alone, inside)
    assert [one.holds for one in found] == [True, False], found[0]
    assert {one.verdict for one in found[1].twin} == {"refuted"}


COMPILED: dict[str, Callable[[Any], Any]] = {
    "whole": lambda w: in_eager(lambda: torch.tanh(w))(),
    "a part": lambda w: in_eager(lambda x: F.gelu(x) * 2)(w.sin()),
    "a module": lambda w: in_eager(torch.nn.GELU())(w.sin()),
}
"""Programs of which something is compiled."""


def in_eager(of: Any) -> Any:
    """Return a compiled function."""
    torch.compiler.reset()
    return torch.compile(of, backend="eager")


@pytest.mark.filterwarnings("ignore")  # the compiler's, about the recorder
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_code_is_not_recorded(name: str) -> None:
    """A program that is compiled, or a part of which is, is refused with what to do instead."""
    w = torch.rand(3, requires_grad=True)

    with pytest.raises(bt.NotRecorded, match="compiled code is not recorded"):
        bt.certify(lambda: COMPILED[name](w).sum(), {"w": w})


@pytest.mark.filterwarnings("ignore")  # as above
def test_a_compiled_model_is_not_recorded() -> None:
    """A model that is compiled is refused, too."""
    model = in_eager(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))

    with pytest.raises(bt.NotRecorded, match="compiled code is not recorded"):
        bt.certify(lambda: model(torch.ones(1, 2)).sum(), model)


@pytest.mark.filterwarnings("ignore")  # as above
def test_compiled_code_may_make_constants() -> None:
    """What is not differentiated may be computed by compiled code."""
    w, x = torch.rand(3, requires_grad=True), torch.rand(3)
    certificate = bt.certify(lambda: w.sin() @ in_eager(torch.tanh)(x), {"w": w})

    assert certificate.holds, certificate


def test_a_twin_may_have_a_parameter_without_entries() -> None:
    """Of an empty array there is nothing to be off."""
    w, none = torch.ones(3, requires_grad=True), torch.zeros(0, requires_grad=True)

    def loss() -> Any:
        return torch.cat([w, none]).square().sum()

    found = bt.certify(loss, {"w": w, "none": none}, against=loss)
    assert found.holds


def test_a_layer_without_neurons() -> None:
    """An adapter of rank zero, or the last tail of an adaptive softmax, has empty weights."""
    down, up = torch.zeros(0, 3, requires_grad=True), torch.zeros(2, 0, requires_grad=True)
    w, x = torch.randn(2, 3, requires_grad=True), torch.randn(4, 3)

    def loss() -> Any:
        return (F.linear(x, w) + F.linear(F.linear(x, down), up)).square().sum()

    certificate = bt.certify(loss, {"down": down, "up": up, "w": w})

    assert certificate.holds, certificate


TWINS: dict[str, tuple[Callable[[Any, Any], Any], bool]] = {
    "same": (lambda w, _: torch.tanh(w).sum(), True),
    "zero": (lambda w, _: 0 * torch.tanh(w).sum(), False),
    "negated": (lambda w, _: -torch.tanh(w).sum(), False),
    "missing": (lambda w, v: torch.tanh(w.detach()).sum() + v.sum(), False),
    "NaN": (lambda w, _: torch.tanh(w).sum() * float("nan"), False),
    "one too many": (lambda w, v: torch.tanh(w).sum() + v.sum(), False),
    "one of zeros": (lambda w, v: torch.tanh(w).sum() + (0 * v).sum(), True),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_gradient_of_a_twin_is_the_same_or_refuted(name: str) -> None:
    """Zero, negated, missing, NaN, or of a parameter that the program does not use: each fails."""
    w, v = (torch.rand(3, requires_grad=True) for _ in range(2))
    twin, same = TWINS[name]
    found = bt.certify(lambda: torch.tanh(w).sum(), {"w": w, "v": v}, against=lambda: twin(w, v))

    assert found.holds == same, found
    verdicts = {one.name: one.verdict for one in found.twin}
    assert verdicts["v" if name == "one too many" else "w"] == ("inside" if same else "refuted")
    assert ("twin: the same 1 gradient; the farthest: dE/dw" in str(found)) == same


def test_what_is_not_known_is_said() -> None:
    """A function without an op is named, with its place and the parameters it concerns."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))

    def loss() -> Any:
        y = model[0](torch.ones(3, 3))
        return model[1](torch.nextafter(y, y + 1)).sum()

    certificate = bt.certify(loss, model)

    assert not certificate.holds
    assert certificate.proven == ("1.weight", "1.bias")
    assert [link for link in certificate.wrong if link.verdict == "refuted"] == []
    assert "not certified: torch.nextafter (test_programs.py:" in str(certificate)
    assert "reached by 2 of 4 parameters" in str(certificate)


def expm1(x: Any) -> Any:
    """Return e^x - 1."""
    return np.expm1(x)


OWN = {
    "right": (Op(expm1, lambda dy, y, _: (dy * (y + 1),)), True),
    "wrong": (Op(expm1, lambda dy, y, _: (dy * y,)), False),
}


@pytest.mark.parametrize("name", OWN)
def test_an_op_of_your_own_makes_it_known(name: str) -> None:
    """A function is certified by the op that is given for it, and refuted by a wrong one."""
    w = torch.rand(3, requires_grad=True)
    op, holds = OWN[name]
    certificate = bt.certify(lambda: torch.expm1(w).sum(), {"w": w}, known={torch.expm1: op})

    assert (certificate.holds, certificate.unknown) == (holds, ())
    assert [link.name for link in certificate.wrong] == ([] if holds else ["dE/dw"])


def test_a_call_that_nobody_sees_is_not_green() -> None:
    """What a hidden call computes from a parameter is not known, and the parameter is named."""
    w, v = torch.randn(3, requires_grad=True), torch.randn(3, requires_grad=True)

    def loss() -> Any:
        with C.DisableTorchFunction():  # the one way to hide a call
            y = w * 2
        return (y * v).sum()

    certificate = bt.certify(loss, {"w": w, "v": v})

    assert not certificate.holds
    assert (certificate.stray, certificate.proven) == ((), ("v",))
    assert "MulBackward0" in str(certificate)
    assert (
        "no recorded call made it: compute it inside of the loss, reached by 1 of 2 parameters"
        in str(certificate)
    )


def test_a_module_may_be_made_by_the_program() -> None:
    """Weights that are drawn inside of the program are inputs of it, and properties are read."""
    w = torch.randn(2, 4, requires_grad=True)

    def loss() -> Any:
        layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        assert layer.norm1.weight.grad is None
        return layer(w[None]).square().sum()

    assert bt.certify(loss, {"w": w}).holds


CONSTANTS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "of a shape": (
        lambda x: torch.cat([x * 2, torch.ones_like(x), x.new_zeros(2), torch.full_like(x, 3)]),
        lambda x: F.pad(x * 2, (0, 8)),
    ),
    "of a number": (lambda x: x + torch.full_like(x, x.sum()), lambda x: x * 1),
}
"""Where a constant of a custom function is from -> its value, and what its derivative is of."""


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_of_a_custom_function(name: str) -> None:
    """They may have an operand's shape, but a fill that depends on its numbers is not green."""
    w, function = torch.randn(3, requires_grad=True), models.crossed(*CONSTANTS[name])
    certificate = bt.certify(lambda: function(w).square().sum(), {"w": w})

    assert certificate.holds == (name == "of a shape"), certificate


def test_a_function_that_asks_in_another_one_is_named() -> None:
    """A body that leads back to its own function is not opened for ever."""
    w = torch.rand(1, 1, 4, 4, 4, requires_grad=True)
    certificate = bt.certify(lambda: F.fractional_max_pool3d(w, 2, output_size=2).sum(), {"w": w})

    assert not certificate.holds
    assert "not certified: F.fractional_max_pool3d (test_programs.py:" in str(certificate)


def test_constants_are_not_judged() -> None:
    """Detached and frozen tensors are constants, and unused parameters are named."""
    model = nn.ModuleDict({k: nn.Linear(2, 2, bias=False) for k in ("a", "frozen", "unused")})
    model["frozen"].weight.requires_grad_(False)  # noqa: FBT003

    def loss() -> Any:
        x = model["a"](torch.ones(2, 2))
        with torch.no_grad():
            mask = x > 0
        return (model["frozen"](x) * x.detach() * mask).sum()

    certificate = bt.certify(loss, model)

    assert certificate.holds, certificate
    assert certificate.unused == ("unused.weight",)
    assert ", 1 parameter, proven to " in str(certificate)


def test_a_loss_may_have_axes() -> None:
    """One number is a loss in any shape, as it is to `backward`."""
    w = torch.arange(3.0, requires_grad=True)

    certificate = bt.certify(lambda: (w * w).sum(0, keepdim=True), {"w": w})

    assert certificate.holds, certificate
    assert certificate.proven == ("w",)


def test_what_is_not_finite_is_null_in_json() -> None:
    """JSON has no NaN: a twin's, and its distance, are null."""
    w = torch.rand(3, requires_grad=True)
    found = bt.certify(w.sum, {"w": w}, against=lambda: w.sum() * float("nan"))
    (twin,) = json.loads(found.to_json(), parse_constant=pytest.fail)["twin"]

    assert (twin["apart"], twin["problem"]) == (None, "is not finite")


def test_a_certificate_is_data(tmp_path: Path) -> None:
    """It is one line where it holds, a page, and JSON."""
    model, loss = models.mlp(nn.ReLU())
    certificate = bt.certify(loss, model)
    certificate.report(tmp_path / "page.html")
    content = json.loads(certificate.to_json())

    assert str(certificate).startswith("MLP, float32: holds: ")
    assert "\n" not in str(certificate)
    assert "net.0.linear" in (tmp_path / "page.html").read_text()
    assert content["proven"] == ["net.0.weight", "net.0.bias", "net.3.weight"]
    assert len(content["links"]) == len(certificate.links)


def test_a_derivative_that_is_none_is_zero() -> None:
    """What is handed on as None, as by a norm of order zero, is not missing, but zero."""
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    certificate = bt.certify(lambda: torch.linalg.vector_norm(torch.sin(x), 0) * 2, {"x": x})

    assert [one.place.reason for one in certificate.unknown] == ["p=0"]
    assert {link.verdict for link in certificate.wrong} == {"undecided"}
