"""Programs of flax, equinox and optax: right ones hold, and planted faults are located."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.lazy import Lazy
from tests.verifier.sandbox import ROOT

jax, jnp, equinox = map(Lazy, ("jax", "jax.numpy", "equinox"))
pallas, sharding = map(Lazy, ("jax.experimental.pallas", "jax.sharding"))
bj, models, real = map(
    Lazy, ("backproof.jax", "tests.verifier.jax_models", "tests.verifier.real_jax_models")
)

NAMES = (
    *("linen conv net", "linen encoder", "linen RNN"),
    *("nnx transformer", "nnx ResNet", "nnx U-Net", "nnx RNN"),
    *("equinox MLP", "equinox attention", "equinox GRU and LSTM", "equinox conv net"),
    *("activations", "losses", "CTC"),
)
LONG = (
    *("linen conv net", "nnx transformer", "nnx U-Net", "nnx RNN"),
    *("losses", "equinox attention", "equinox conv net"),
)
"""Programs that compile longest, or are nearly others; certified with --large alone."""

LOWER = ("equinox MLP", "equinox GRU and LSTM")
"""Programs that are certified in bfloat16 too."""

EAGER = ("equinox MLP",)
"""Programs that are certified eagerly too."""


def test_every_program_is_named() -> None:
    """The names that the tests are made of are those of all programs."""
    assert (*real.MODELS,) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_real_program_holds(name: str, pytestconfig: pytest.Config) -> None:
    """Every gradient of a jitted program as people write it is proven, and nothing is unknown."""
    if name in LONG and not pytestconfig.getoption("--large"):
        pytest.skip("compiles for half a minute: with --large")
    certificate = bj.certify(*real.program(name))

    assert [str(one.place) for one in certificate.unknown] == []
    assert certificate.holds, str(certificate)
    assert {*certificate.proven} == {*certificate.parameters} - {*certificate.unused}


@pytest.mark.parametrize("name", EAGER)
def test_a_real_program_holds_eagerly(name: str) -> None:
    """It holds where each primitive is compiled alone; the jitted function is the same."""
    loss, *arguments = real.program(name)
    certificate = bj.certify(loss, *arguments, jit=False, against=equinox.filter_jit(loss))

    assert certificate.holds, str(certificate)
    assert len(certificate.twin) == len(certificate.proven)


@pytest.mark.parametrize("name", LOWER)
def test_a_real_program_is_not_refuted_in_bfloat16(name: str) -> None:
    """In bfloat16 a sum may be left without digits, but nothing is refuted, and nothing unknown."""
    certificate = bj.certify(*real.program(name, dtype="bfloat16"))
    wrong = [link for link in certificate.wrong if link.verdict != "undecided"]

    assert "bfloat16" in certificate.precision
    assert (wrong, certificate.unknown, certificate.stray) == ([], (), ()), str(certificate)


def doubled_gelu(_: pytest.MonkeyPatch) -> Any:
    """Return a transformer whose activation has a factor too much in its derivative."""
    nnx = real.nnx
    model = real.Transformer(nnx.Rngs(0), [models.scaled(nnx.gelu, 2.0)])
    return real.of_nnx(model, real.tokens(0, 2, 6))


def norm_without_2(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an encoder whose last norm takes squares with a derivative without its 2."""
    monkeypatch.setattr("jax.lax.square", models.square)
    return real.program("linen encoder")


PLANTED = {
    "a factor in an activation": (
        *(doubled_gelu, "self.activation(self.up(self.ln_2(x)))"),
        "is 2 times what was expected",
    ),
    "a square without its 2": (
        *(norm_without_2, "linen.RMSNorm()(x)"),
        "multiply: second operand taken for a constant",
    ),
}
"""Fault -> the program with it, the line of the user's at which it is found, what is said."""


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_located(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong derivative is refuted at the user's line, though a library's code is within."""
    make, code, said = PLANTED[fault]
    certificate = bj.certify(*make(monkeypatch))
    place = certificate.place_of(certificate.wrong[0])
    source = Path(__file__).with_name("real_jax_models.py")

    assert not certificate.holds
    assert place.file == source.name
    assert code in source.read_text(encoding="utf-8").splitlines()[place.line - 1]
    assert said in certificate.diagnosis


def test_what_many_ops_hand_on_to_is_tried_in_few_ways() -> None:
    """A wrong gradient of what 35 activations take is refuted, though each has forms of its own."""
    loss, x, mask = real.activations(0)
    wrong = models.scaled(jnp.sin, 1.5)
    certificate = bj.certify(lambda x: loss(x, mask) + jnp.sum(wrong(x)) + jnp.sum(x), x)

    assert {link.name for link in certificate.wrong} == {"dE/dx"}


def test_a_checkpointed_twin_is_the_same() -> None:
    """A program that computes its values again has the same gradients."""
    loss, *arguments = real.program("nnx ResNet")
    certificate = bj.certify(loss, *arguments, against=jax.checkpoint(loss))

    assert certificate.holds, str(certificate)
    assert len(certificate.twin) == len(certificate.proven)


@pytest.mark.parametrize("factor", [1.0, 2.0], ids=["right", "wrong"])
def test_a_kernel_is_a_twin(factor: float) -> None:
    """A kernel in Pallas, with its backward pass by hand, has the same gradients, or others."""

    def kernel(compute: Any, *arrays: Any) -> Any:
        def into(*references: Any) -> None:
            *operands, out = references
            out[...] = compute(*(one[...] for one in operands))

        of = jax.ShapeDtypeStruct(arrays[0].shape, arrays[0].dtype)
        return pallas.pallas_call(into, of, interpret=True)(*arrays)

    @jax.custom_vjp
    def tanh(x: Any) -> Any:
        return kernel(jnp.tanh, x)

    def backward(y: Any, dy: Any) -> Any:
        return (kernel(lambda y, dy: factor * dy * (1 - y * y), y, dy),)

    tanh.defvjp(lambda x: (tanh(x), tanh(x)), backward)
    loss, *arguments = models.residual()
    twin, *_ = models.residual(activation=tanh, wrong=tanh)
    certificate = bj.certify(loss, *arguments, against=twin)

    assert certificate.wrong == ()
    assert certificate.holds == (factor == 1.0), str(certificate)


def test_a_sharded_twin_is_the_same_or_another() -> None:
    """A batch split over two devices has the same gradients; with one device's lost it has not."""
    flag = "--xla_force_host_platform_device_count=2"  # before JAX is imported
    done = subprocess.run(
        [sys.executable, "-m", "tests.verifier.sharded"],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split() == ["True", "False"], done.stderr


def test_a_program_over_devices_is_named() -> None:
    """What JAX splits over devices is not recorded: it is named, with the line where it begins."""

    def part(w: Any) -> Any:
        return jnp.sum(w * w)

    mesh, every = sharding.Mesh(jax.devices(), ("data",)), sharding.PartitionSpec()
    split = jax.shard_map(part, mesh=mesh, in_specs=every, out_specs=every)
    (one,) = bj.certify(split, jnp.ones(2), jit=False).unknown

    assert one.place.function == "shard_map"
    assert (one.place.file, one.place.line) == (Path(__file__).name, part.__code__.co_firstlineno)


def test_options_of_a_module_are_no_parameters() -> None:
    """A Python float among flags and functions, as in a module of equinox, is not a parameter."""
    model = {"w": jnp.ones(2), "rate": 0.0, "is_trained": True, "activation": jnp.sin}

    def loss(model: Any) -> Any:
        assert model["rate"] == 0
        return jnp.sum(model["activation"](model["w"]))

    certificate = bj.certify(loss, model)

    assert certificate.holds, str(certificate)
    assert certificate.parameters == ("model/w",)


def test_underflow_is_undecided() -> None:
    """Where all numbers of a step are as small as e^-100, float32 has too few digits to tell."""
    certificate = bj.certify(lambda x: jnp.sum(jnp.exp(x)), jnp.full(3, -100.0))

    assert {link.verdict for link in certificate.wrong} == {"undecided"}
    assert "underflow" in str(certificate)
