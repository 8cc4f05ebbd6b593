"""Models of transformers, unchanged: right ones hold, and planted faults are located."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy
from tests.verifier.real_models import MODELS

torch, F, bt = map(Lazy, ("torch", "torch.nn.functional", "backproof.torch"))
models = Lazy("tests.verifier.models")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", MODELS)
def test_a_real_model_holds(name: str, precision: str) -> None:
    """Every gradient of a model as people train it is right, and nothing is unknown."""
    torch.manual_seed(0)
    model, loss = MODELS[name]()
    certificate = bt.certify(loss, model.train().to(getattr(torch, precision)))

    assert certificate.holds, str(certificate)
    assert certificate.proven == trained(model)


def trained(model: Any) -> tuple[str, ...]:
    """Return the names of all parameters that require a gradient."""
    return tuple(name for name, p in model.named_parameters() if p.requires_grad)


@pytest.mark.parametrize("name", ["GPT-2", "BERT", "Mixtral", "ResNet"])
def test_a_real_model_holds_in_mixed_precision(name: str) -> None:
    """Under autocast each gradient is right in the precision that it was computed in."""
    torch.manual_seed(0)
    model, loss = MODELS[name]()

    def lower() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return loss()

    certificate = bt.certify(lower, model.train())

    assert certificate.holds, str(certificate)
    assert certificate.proven == trained(model)
    assert {link.precision for link in certificate.links} == {"float32", "bfloat16"}


@pytest.mark.parametrize("shape", [(3, 1), (1, 1, 1, 3)], ids=["rows", "images"])
@pytest.mark.parametrize("off", [0.0, 0.01])
def test_batch_norm_in_bfloat16_is_known(
    shape: tuple[int, ...], off: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the mean is large beside the spread, what it computes is known, and no other number.

    The values are as far from zero as ResNet's, of which such links were refuted in 3 of 20 draws.
    """
    right = torch.batch_norm
    monkeypatch.setattr("torch.batch_norm", lambda *operands: right(*operands) + off)
    x = torch.tensor([19, 21.5, 20.125], dtype=torch.bfloat16).reshape(shape).requires_grad_()
    gamma = torch.ones(1, dtype=torch.bfloat16, requires_grad=True)
    weights = torch.tensor([0.5, 0.25, -1.0], dtype=torch.bfloat16).reshape(shape)

    def loss() -> Any:
        return (F.batch_norm(x, None, None, gamma, 0 * gamma, training=True) * weights).sum()

    certificate = bt.certify(loss, {"x": x, "gamma": gamma})
    causes = {cause.partition(" rounds ")[0] for cause in certificate.known.values()}

    assert certificate.holds == (not off), str(certificate)
    assert ("F.batch_norm" in causes) == (not off)


def one_off(q: Any, k: Any, v: Any, *, is_causal: bool, **named: Any) -> Any:
    """Return attention in which each place sees the next one too."""
    assert is_causal
    seen = torch.ones(q.shape[-2], k.shape[-2]).tril(1).bool()
    return F.scaled_dot_product_attention(q, k, v, **{**named, "attn_mask": seen})


def in_bfloat16(x: Any) -> Any:
    """Return 1 / sqrt x, whose dtype was lost."""
    return torch.rsqrt(x.bfloat16()).to(x.dtype)


PLANTED = {
    "mask one off": (
        *("Llama", "scaled_dot_product_attention", 1, one_off),
        *("model.layers.1.self_attn", "sdpa_attention.py", "one later place seen"),
    ),
    "tied weight counted once": (
        *("GPT-2", "linear", 0, lambda x, W, b=None: F.linear(x, W.detach(), b)),
        *("lm_head", "modeling_gpt2.py", "only the last use counted"),
    ),
    "residual detached": (
        *("GPT-2", "add", 5, lambda a, b: a + b.detach()),
        *("transformer.h.0", "modeling_gpt2.py", "second operand's gradient lost"),
    ),
    "dtype lost in a norm": (
        *("Llama", "rsqrt", 2, in_bfloat16),
        *("model.layers.1.input_layernorm", "modeling_llama.py", "bfloat16"),
    ),
}
"""Fault -> model, function, which of its calls, its wrong derivative; module, file, diagnosis."""


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_located(fault: str) -> None:
    """One wrong derivative in a real model is refuted in its module and file, and named."""
    name, function, at, wrong, module, file, said = PLANTED[fault]
    torch.manual_seed(0)
    model, loss = MODELS[name]()

    def planted() -> Any:
        with models.Planted(function, at, wrong):
            return loss()

    certificate = bt.certify(planted, model)
    places = certificate.places_of(certificate.wrong[0])

    assert not certificate.holds
    assert (module, file) in [(place.module, place.file) for place in places]
    assert said in certificate.diagnosis
    assert f" at {module} ({file}:" in str(certificate)


def checkpointed(model: Any, loss: Any) -> Any:
    """Return the loss of a model that keeps no values of its blocks."""
    model.activation_checkpointing_enable()
    try:
        return loss()
    finally:
        model.activation_checkpointing_disable()


def test_a_checkpointed_twin_is_the_same() -> None:
    """A GPT-2 that computes its blocks again has the same gradients, dropout included."""
    torch.manual_seed(0)
    model, loss = MODELS["GPT-2"]()
    certificate = bt.certify(loss, model, against=lambda: checkpointed(model, loss))

    assert certificate.holds, str(certificate)
    assert len(certificate.twin) == len(certificate.proven)


@pytest.mark.filterwarnings("ignore")  # the compiler's, about its own code
def test_a_compiled_twin_is_the_same() -> None:
    """A Llama whose backward pass a compiler derived has the same gradients."""
    torch.manual_seed(0)
    model, loss = MODELS["Llama"]()
    torch.compiler.reset()
    certificate = bt.certify(loss, model, against=torch.compile(loss, backend="aot_eager"))

    assert certificate.holds, str(certificate)
    assert len(certificate.twin) == len(certificate.proven)


def test_a_checkpointed_model_holds() -> None:
    """What is computed again in the backward pass is not recorded twice."""
    torch.manual_seed(0)
    model, loss = MODELS["GPT-2"]()
    model.config.use_cache = False  # with checkpoints there is none
    runs: list[int] = []

    def certified(way: Callable[[], Any]) -> Any:
        runs.append(0)
        return bt.certify(way, model)

    def counted(*_: Any) -> None:
        runs[-1] += 1

    model.transformer.h[0].ln_1.register_forward_pre_hook(counted)
    plain, certificate = certified(loss), certified(lambda: checkpointed(model, loss))

    assert runs[0] < runs[1]
    assert certificate.holds, str(certificate)
    assert [link.name for link in certificate.links] == [link.name for link in plain.links]
