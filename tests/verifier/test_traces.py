"""Recorded traces: what is read from files is what was recorded, and so is its certificate."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from backproof.adapters.recording import Recording
from backproof.programs.certificate import ProgramCertificate
from backproof.programs.certify import certify_recording
from backproof.programs.from_file import certify_trace
from backproof.programs.second import certify_second
from backproof.reference.article.figures import Article
from backproof.reference.backprop import Trace, backprop
from backproof.reference.fixtures import FIXTURES
from backproof.reference.network import Network
from backproof.reference.networks import mlp
from backproof.reference.ops import OPS, Op
from backproof.running.certificates import Certificates
from backproof.running.implementations import Implementations
from backproof.running.record import recorded
from backproof.traces.as_json import NotWritten, option_of_json, option_to_json
from backproof.traces.files import TraceError
from backproof.traces.messages import packed, unpacked
from backproof.traces.numbers import DTYPES
from backproof.traces.reading import read
from backproof.traces.writing import write
from tests.verifier.lazy import Lazy

torch, nn, F = map(Lazy, ("torch", "torch.nn", "torch.nn.functional"))
bt, models = map(Lazy, ("backproof.torch", "tests.verifier.models"))
program = Lazy("backproof.adapters.torch_program")
bj, jax, jnp = map(Lazy, ("backproof.jax", "jax", "jax.numpy"))

SCHEMA = Draft202012Validator(json.loads((FIXTURES / "trace.schema.json").read_text("utf-8")))


def recording_of(network: Network, precision: str = "float64") -> Recording:
    """Return the reference's own pass over a network."""
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    found = backprop(network, leaves)
    trace = Trace(
        *(
            {k: np.asarray(a, precision) for k, a in arrays.items()}
            for arrays in (found.values, found.cotangents, found.gradients)
        )
    )
    return Recording(network, leaves, trace, {}, (*network.parameters,))


def as_data(certificate: ProgramCertificate) -> str:
    """Return a certificate as JSON, without the time it took."""
    return replace(certificate, seconds=0.0, compiling=0.0).to_json()


def of_module(module: Any, *shape: int) -> tuple[Any, Callable[[], Any]]:
    """Return a module, and the sum of its outputs."""
    x = torch.randn(*shape)

    def loss() -> Any:
        y = module(x)
        return (y[0] if isinstance(y, tuple) else y).square().sum()

    return module, loss


def of_function(function: Callable[[Any], Any]) -> tuple[Any, Callable[[], Any]]:
    """Return a matrix as a parameter, and the sum of a function of it."""
    w = torch.randn(3, 4, requires_grad=True)
    return {"w": w}, lambda: function(w).sum()


def mixed() -> tuple[Any, Callable[[], Any]]:
    """Return a model and its loss under autocast."""
    model, loss = models.mlp(nn.Tanh())

    def lower() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return loss()

    return model, lower


PROGRAMS: dict[str, Callable[[], tuple[Any, Callable[[], Any]]]] = {
    "transformer": lambda: models.gpt(),  # noqa: PLW0108 imports nothing yet
    "mixed precision": mixed,
    "LSTM": lambda: of_module(nn.LSTM(3, 2), 4, 2, 3),
    "products up to each": lambda: of_function(lambda w: w.cumprod(1)),
    "a product": lambda: of_function(lambda w: w.prod(1) * w.prod(1, keepdim=True) * w.prod()),
    "custom function": lambda: of_function(lambda w: models.Square.apply(w)),  # noqa: PLW0108
    "not known": lambda: of_function(lambda w: torch.special.i0(w) + w),
    "indices": lambda: of_function(lambda w: w[[0, 2]][:, torch.tensor([True, False, True, True])]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_from_its_files(tmp_path: Path, name: str) -> None:
    """The certificate from files is the one from memory, and the files are as the schema says."""
    torch.manual_seed(0)
    model, loss = PROGRAMS[name]()
    bt.record(loss, model, tmp_path / "trace")

    SCHEMA.validate(json.loads((tmp_path / "trace" / "program.json").read_text("utf-8")))
    assert as_data(certify_trace(tmp_path / "trace")) == as_data(bt.certify(loss, model))


@pytest.mark.parametrize("right", [True, False])
def test_a_function_from_its_files(tmp_path: Path, right: bool) -> None:  # noqa: FBT001
    """A JAX function's certificate from files is the one from memory, and so is a wrong one's."""
    square = jax.custom_vjp(lambda x: x * x)
    square.defvjp(lambda x: (x * x, x), lambda x, dy: ((2 if right else 1) * dy * x,))

    def loss(params: Any, x: Any) -> Any:
        h = jnp.tanh(x @ params["W"])
        if not right:
            return jnp.sum(square(h))
        L = jnp.linalg.cholesky(h.T @ h + jnp.eye(2))
        return jnp.sum(square(h)) + jnp.sum(jnp.logaddexp(h, 2 * h)) + L[1, 0]

    given = {"W": jnp.ones((3, 2)) / 3}, jnp.ones((4, 3))
    bj.record(loss, *given, folder=tmp_path / "trace")
    certificate = certify_trace(tmp_path / "trace")

    SCHEMA.validate(json.loads((tmp_path / "trace" / "program.json").read_text("utf-8")))
    assert certificate.holds == right
    assert as_data(certificate) == as_data(bj.certify(loss, *given))


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_pass_from_its_files(article: Article, tmp_path: Path, precision: str) -> None:
    """A framework's certificate from files is that of `backproof verify`, both proofs of it."""
    pytest.importorskip("torch")
    write(recorded("torch", "article", precision), tmp_path / "trace")
    found = certify_trace(tmp_path / "trace")
    of_a_run = Certificates(Implementations(article, {"torch": None})).of(
        "torch", "article", precision, 0
    )

    SCHEMA.validate(json.loads((tmp_path / "trace" / "program.json").read_text("utf-8")))
    assert found.links == of_a_run.links
    assert found.end_to_end == of_a_run.end_to_end


@pytest.mark.parametrize(
    ("field", "name"), [("gradients", "gradient/W_o"), ("cotangents", "cotangent/net_h")]
)
def test_what_was_not_computed_is_refuted(
    article: Article, tmp_path: Path, field: str, name: str
) -> None:
    """An array that is missing from a pass is named in the files, and its link is refuted."""
    recording = recording_of(article.network)
    whole = dict(getattr(recording.trace, field))
    of = name.partition("/")[2]
    trace = replace(recording.trace, **{field: {k: a for k, a in whole.items() if k != of}})
    write(replace(recording, trace=trace), tmp_path)
    certificate = certify_trace(tmp_path)

    assert json.loads((tmp_path / "program.json").read_text("utf-8"))["missing"] == [name]
    assert [x.name for x in certificate.links if x.problem == "is missing"] == [f"dE/d{of}"]


def test_a_pass_that_starts_wrong(article: Article, tmp_path: Path) -> None:
    """A cotangent of the loss that is not the loss scale is named as the start of the pass."""
    recording = recording_of(article.network)
    cotangents = {**recording.trace.cotangents, "E": np.array(2.0)}
    write(replace(recording, trace=replace(recording.trace, cotangents=cotangents)), tmp_path)
    lines = str(certify_trace(tmp_path)).splitlines()

    assert lines[1:3] == [
        "  dE/dE: refuted",
        "    at        the start of the backward pass, from half_squared_error at E",
    ]
    assert "    hint      the cotangent of the loss is the loss scale itself" in lines


def test_a_parameter_that_is_no_number(article: Article, tmp_path: Path) -> None:
    """A parameter that is NaN is named as the cause of what it reaches first."""
    recording = recording_of(article.network)
    leaves = {**recording.leaves, "W_h": recording.leaves["W_h"] * np.nan}
    write(replace(recording, leaves=leaves), tmp_path)

    assert "    hint      W_h, which it is computed from, has entries that are NaN" in str(
        certify_trace(tmp_path)
    )


@pytest.mark.parametrize("lost", ["the loss", "a gradient", ""])
def test_what_users_run_is_in_the_files(article: Article, tmp_path: Path, lost: str) -> None:
    """The loss and the gradients as users run it are held to the pass, from files too."""
    recording = recording_of(article.network)
    loss, values = article.network.loss, recording.trace.values
    gradients = {k: recording.trace.gradients[k] for k in recording.parameters}
    if lost == "a gradient":
        gradients["W_o"] = gradients["W_o"] * 2
    as_run = Trace({loss: values[loss] * (2 if lost == "the loss" else 1)}, {}, gradients)
    write(replace(recording, as_run=as_run), tmp_path)
    certificate = certify_trace(tmp_path)

    SCHEMA.validate(json.loads((tmp_path / "program.json").read_text("utf-8")))
    assert certificate.holds == (not lost)
    assert [(one.name, one.verdict, one.of) for one in certificate.twin] == [
        (name, "refuted", "as users run it")
        for name, of in ((loss, "the loss"), ("W_o", "a gradient"))
        if of == lost
    ]


@pytest.mark.parametrize("wrong", [False, True], ids=["right", "wrong"])
def test_second_order_from_its_files(tmp_path: Path, wrong: bool) -> None:  # noqa: FBT001
    """A Hessian product from files is judged as in memory, and a wrong one is refuted."""
    torch.manual_seed(0)
    model, loss = models.mlp(nn.Tanh())
    recording = program.record(loss, model, "p", second=True)
    if wrong:
        moved = recording.along.tangents.cotangents
        moved[recording.network.nodes[1].name][:] *= 2
    write(recording, tmp_path / "trace")
    found = certify_trace(tmp_path / "trace")
    of_memory = certify_second(
        recording, certify_recording(recording, 0.0, progress=False), 0.0, progress=False
    )

    SCHEMA.validate(json.loads((tmp_path / "trace" / "program.json").read_text("utf-8")))
    assert found.second is not None
    assert of_memory.second is not None
    assert found.links == of_memory.links
    assert found.second.links == of_memory.second.links
    assert found.second.holds != wrong
    assert found.holds != wrong


def test_a_program_without_second_derivative(tmp_path: Path) -> None:
    """What has no second derivative is named in the files, and in the certificate."""
    params, loss = of_function(lambda w: F.hardsigmoid(w).square())
    bt.record(loss, params, tmp_path / "trace", second=True)
    _, *found = str(certify_trace(tmp_path / "trace")).splitlines()
    _, *expected = str(bt.certify(loss, params, second=True)).splitlines()

    assert found == expected
    assert any("it has no second derivative" in line for line in found)


@pytest.mark.parametrize(
    "option",
    [
        *(
            None,
            True,
            3,
            0.1,
            -0.0,
            float("inf"),
            float("-inf"),
            "same",
            (1, (2, 3)),
            [0, 1],
            (),
            [],
        ),
        *(slice(1, None, -1), (..., None, slice(None), [0, 1])),
    ],
    ids=repr,
)
def test_options(option: Any) -> None:
    """An option is the same after it was written and read, lists and tuples told apart."""
    written = json.dumps(option_to_json(option, pytest.fail), allow_nan=False)

    assert repr(option_of_json(json.loads(written), pytest.fail)) == repr(option)


def test_options_that_are_not_written() -> None:
    """What a file has no form for is refused by its type."""
    with pytest.raises(NotWritten, match="a dict cannot be written"):
        option_to_json((1, {"a": 1}), pytest.fail)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_numbers_are_the_same(tmp_path: Path, dtype: str) -> None:
    """Every number is read as it was written: in every precision, order in memory, and place."""
    recording = recording_of(mlp((3, 2), "tanh", batch=2), dtype)
    leaves = {k: np.asarray(a, order="F") for k, a in recording.leaves.items()}
    write(replace(recording, leaves=leaves), tmp_path, large=8)
    found = read(tmp_path)

    assert len(list(tmp_path.glob("*.safetensors"))) > len(leaves)
    for seen, expected in (
        *((found.leaves[k], a) for k, a in leaves.items()),
        *((found.trace.values[k], a) for k, a in recording.trace.values.items()),
        *((found.trace.cotangents[k], a) for k, a in recording.trace.cotangents.items()),
        *((found.trace.gradients[k], a) for k, a in recording.trace.gradients.items()),
    ):
        assert seen.dtype == expected.dtype
        assert seen.shape == expected.shape
        assert seen.tolist() == expected.tolist()


def test_ops_of_ones_own(tmp_path: Path) -> None:
    """An op that was given is known again where it is given again, and else it is not."""
    hypot = Op(lambda a, b: np.sqrt(a * a + b * b), lambda dy, y, a, b: (dy * a / y, dy * b / y))
    params, loss = of_function(lambda w: torch.hypot(w, w + 1))
    bt.record(loss, params, tmp_path / "trace", known={torch.hypot: hypot})

    assert certify_trace(tmp_path / "trace", known={"torch.hypot": hypot}).holds
    (unknown,) = certify_trace(tmp_path / "trace").unknown
    assert unknown.place.function == "torch.hypot"
    assert unknown.place.reason.startswith("its Op must be given again")


def test_an_op_that_there_is_not(article: Article, tmp_path: Path) -> None:
    """A node of another op is named, with the reason."""
    write(recording_of(article.network), tmp_path)
    path = tmp_path / "program.json"
    path.write_text(path.read_text("utf-8").replace('"sigmoid"', '"sigmold"'), "utf-8")

    assert "sigmold at out_h: there is no op of this name" in str(certify_trace(tmp_path))


def test_no_framework_is_needed(article: Article, tmp_path: Path) -> None:
    """The command certifies, reports and exits by the verdict, with no framework to import."""
    folder = tmp_path / "trace"
    write(recording_of(article.network), folder)
    wrong = recording_of(article.network)
    wrong.trace.gradients["W_o"][0] *= 2  # type: ignore[index]
    write(wrong, tmp_path / "wrong")
    blocked = "import sys; sys.modules.update(torch=None, jax=None); sys.argv = ['backproof', "
    for name, status in (("trace", 0), ("wrong", 1)):
        code = f"'certify', {name!r}, '--report', 'a.html', '--json', 'a.json']\n"
        done = subprocess.run(  # noqa: S603 our own command
            [sys.executable, "-c", f"{blocked}{code}from backproof.command import main; main()"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == status, done.stderr
        assert json.loads((tmp_path / "a.json").read_text("utf-8"))["holds"] == (status == 0)
        assert "dE/dW_o" in (tmp_path / "a.html").read_text("utf-8")


def test_a_folder_is_not_overwritten(article: Article, tmp_path: Path) -> None:
    """A trace is written to a new or empty folder alone."""
    write(recording_of(article.network), tmp_path)
    before = (tmp_path / "program.json").read_bytes()

    with pytest.raises(TraceError, match="is there already"):
        write(recording_of(mlp((2, 1))), tmp_path)
    assert (tmp_path / "program.json").read_bytes() == before


def test_what_is_not_as_declared_is_not_written(article: Article, tmp_path: Path) -> None:
    """An array of another dtype than was asked for is refused, and no program is written."""
    recording = recording_of(article.network)
    recording.trace.gradients["W_o"] = np.zeros((2, 1), np.float32)  # type: ignore[index]

    with pytest.raises(TraceError, match=r"gradient/W_o: expected float64 .*, found float32"):
        write(recording, tmp_path / "trace")
    assert not (tmp_path / "trace").exists()


def test_every_op_of_the_table_is_read_by_its_name() -> None:
    """No op of one's own has a name of the table."""
    from backproof.reference.own import OWN  # noqa: PLC0415 for this test alone

    assert not OWN.keys() & OPS.keys()


@pytest.mark.parametrize("dtype", DTYPES.values())
@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 3)], ids=str)
def test_messages(dtype: str, shape: tuple[int, ...]) -> None:
    """An array that is sent to another process is the same there, of every dtype and shape."""
    a = np.asarray(np.arange(np.prod(shape)).reshape(shape), dtype, order="F")
    (found,) = unpacked(packed((a,)))

    assert (found.dtype, found.shape) == (a.dtype, a.shape)
    assert found.tolist() == a.tolist()
    assert found.flags.writeable
