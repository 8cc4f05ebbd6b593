"""Speed, as ratios of two times measured in one run: `make bench`.

1. Certifying a pass / the framework's own forward and backward pass (JAX: jitted).
2. gradcheck, in both modes, and check_grads / the same.
3. The reference's forward and backward pass / PyTorch's and JAX's (jitted), in float64.
4. Collecting what `backproof verify` runs / collecting one empty test.
5. The memory that certifying ten million parameters takes.
"""

import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
from jax.test_util import check_grads

from backproof import adapters
from backproof.adapters import jax_grad, pytorch_autograd
from backproof.reference.backprop import backprop, forward
from backproof.reference.network import Network
from backproof.reference.networks import gpt, mlp, resnet, yolo
from backproof.reference.table import table
from backproof.reference.verdict.passes import certify
from tests.benchmarks.clock import seconds
from tests.benchmarks.detection import walk

OURS = (
    "import sys; from backproof.command import run; run(['verify', '--collect-only', '-q']);"
    "print(sorted({'torch', 'jax'} & set(sys.modules)))"
)
BARE = "import pytest; pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider'])"
ROOT = Path(__file__).resolve().parents[2]
BATCH = 64
SQUARES = {"10^4": 58, "10^5": 183, "10^6": 577, "10^7": 1826}
"""Parameters, roughly -> width of three square layers."""
DEPTHS = (4, 20, 100)
REAL: dict[str, Callable[[], Network]] = {
    "gpt, 2 layers of 64": lambda: gpt(2, 4, 64, context=32, vocabulary=256, batch=4),
    "gpt, 4 layers of 256": lambda: gpt(4, 8, 256, context=128, vocabulary=1024, batch=4),
    "resnet-20, 16 pixels": lambda: resnet(3, 16, image=16, batch=8),
    "resnet-20, 32 pixels": lambda: resnet(3, 16, image=32, batch=16),
    "yolo, 64 pixels": lambda: yolo(8, image=64, batch=4),
    "yolo, 128 pixels": lambda: yolo(16, image=128, batch=4),
}
"""Name -> network, at two sizes each."""


def square(width: int) -> Network:
    """Return three layers of one width."""
    return mlp((width,) * 4, "tanh", "mean_squared_error", batch=BATCH)


def deep(depth: int) -> Network:
    """Return `depth` layers of 64 neurons."""
    return mlp((64,) * (depth + 1), "tanh", "mean_squared_error", batch=BATCH)


def leaves_of(network: Network, precision: str) -> dict[str, Any]:
    """Return a network's leaves in a precision."""
    return network.leaves(lambda a: np.asarray(a).astype(precision))


def own_pass(name: str, network: Network, precision: str) -> Callable[[], object]:
    """Return a function that runs the framework's forward and backward pass, as users do."""
    leaves = leaves_of(network, precision)
    if name == "torch":
        tensors = {k: torch.tensor(a, requires_grad=True) for k, a in leaves.items()}

        def run_torch() -> object:
            loss = walk(network, pytorch_autograd.adapter.ops, dict(tensors))
            return torch.autograd.grad(loss, list(tensors.values()))

        return run_torch
    arrays = {k: jax.numpy.array(a) for k, a in leaves.items()}
    step = jax.jit(
        jax.value_and_grad(lambda known: walk(network, jax_grad.adapter.ops, dict(known)))
    )
    return lambda: jax.block_until_ready(step(arrays))


def certificate_ratio(name: str, network: Network, precision: str) -> float:
    """Return the time of certifying a pass / the time of the pass."""
    leaves = leaves_of(network, precision)
    exactly = leaves_of(network, "float64")
    shapes = {k: np.shape(a) for k, a in forward(network, exactly).items()}
    found = adapters.load(name).trace(network, leaves, shapes)
    certifying = partial(certify, network, leaves, found, precision)
    with jax.enable_x64(precision == "float64"):
        return seconds(certifying) / seconds(own_pass(name, network, precision))


def certificates() -> str:
    """Return the first table: by size, and by depth."""
    networks = {f"{n} parameters": square(width) for n, width in SQUARES.items()}
    networks |= {f"{depth} layers of 64": deep(depth) for depth in DEPTHS}
    networks |= {label: build() for label, build in REAL.items()}
    columns = [(name, p) for name in adapters.DEFAULT for p in ("float64", "float32")]
    rows = [
        [
            label,
            *(f"{certificate_ratio(*column[:1], network, column[1]):.1f}" for column in columns),
        ]
        for label, network in networks.items()
    ]
    return table(["certify / own pass", *(f"{name} {p}" for name, p in columns)], rows)


def checkers() -> str:
    """Return the second table: what finite differences cost, where they can finish."""
    rows = []
    for label, network in {"10^2 parameters": square(6), "10^4 parameters": square(58)}.items():
        leaves = leaves_of(network, "float64")
        tensors = {k: torch.tensor(a, requires_grad=True) for k, a in leaves.items()}

        def loss(*values: Any, network: Network = network, names: Any = tuple(tensors)) -> Any:
            known = dict(zip(names, values, strict=True))
            return walk(network, pytorch_autograd.adapter.ops, known)

        inputs = list(tensors.values())
        own = seconds(own_pass("torch", network, "float64"))
        cells = [f"{certificate_ratio('torch', network, 'float64'):.1f}"]
        for fast in (False, True):
            check = partial(torch.autograd.gradcheck, loss, inputs, fast_mode=fast)
            cells.append(f"{seconds(check) / own:,.0f}")
        with jax.enable_x64(True):
            arrays = tuple(jax.numpy.array(a) for a in leaves.values())

            def jax_loss(
                *values: Any, network: Network = network, names: Any = tuple(leaves)
            ) -> Any:
                known = dict(zip(names, values, strict=True))
                return walk(network, jax_grad.adapter.ops, known)

            check = partial(check_grads, jax_loss, arrays, order=1, modes=("rev",))
            cells.append(f"{seconds(check) / seconds(own_pass('jax', network, 'float64')):,.0f}")
        rows.append([label, *cells])
    head = ["check / own pass", "certify", "gradcheck", "gradcheck fast_mode", "check_grads"]
    return table(head, rows)


def references() -> str:
    """Return the third table."""
    rows = []
    networks = {f"{n} parameters": square(w) for n, w in SQUARES.items()}
    networks |= {label: build() for label, build in REAL.items()}
    for label, network in networks.items():
        own = seconds(partial(backprop, network, leaves_of(network, "float64")))
        with jax.enable_x64(True):
            others = [seconds(own_pass(name, network, "float64")) for name in adapters.DEFAULT]
        rows.append([label, *(f"{own / other:.2f}" for other in others)])
    return table(["reference / own pass", *adapters.DEFAULT], rows)


def collection() -> str:
    """Return the fourth table, and which frameworks were imported."""

    def collect(code: str, folder: str) -> str:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[-1]

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing(): pass\n", encoding="utf-8")
        ours, bare = partial(collect, OURS, folder), partial(collect, BARE, folder)
        ratio = seconds(ours) / seconds(bare)
        rows = [[f"{ratio:.1f}", ours()]]
    return table(["collecting / bare pytest", "frameworks imported"], rows)


def memory() -> str:
    """Return the fifth table, measured in a separate process."""
    code = "from tests.benchmarks.__main__ import peak; peak()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return table(
        ["memory of a certificate beside its trace, 10^7 parameters, float64"],
        [[done.stdout.strip()]],
    )


def peak() -> None:
    """Certify ten million parameters, and print the most memory that this takes at a time."""
    network = square(SQUARES["10^7"])
    leaves = leaves_of(network, "float64")
    shapes = {k: np.shape(a) for k, a in forward(network, leaves).items()}
    found = adapters.load("torch").trace(network, leaves, shapes)
    parts = (leaves, found.values, found.cotangents, found.gradients)
    trace = sum(a.nbytes for arrays in parts for a in arrays.values())
    tracemalloc.start()
    certify(network, leaves, found, "float64")
    _, most = tracemalloc.get_traced_memory()
    print(f"{most / 2**30:.2f} GiB, {most / trace:.1f} times the trace")


if __name__ == "__main__":
    for section in (certificates, checkers, references, collection, memory):
        print(section(), end="\n\n", flush=True)
