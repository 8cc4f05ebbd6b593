"""Links judged by executors: the certificate is that of one process, byte for byte."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof.adapters.recording import Recording
from backproof.programs.from_file import certify_trace
from backproof.reference.networks import gpt, mlp
from backproof.reference.ops import Op
from backproof.traces.writing import write
from tests.verifier.lazy import Lazy
from tests.verifier.test_traces import as_data, of_function, recording_of

torch, bt, distributed = map(Lazy, ("torch", "backproof.torch", "distributed"))


def right() -> Recording:
    """Return a right pass over a transformer."""
    return recording_of(gpt(1, 2, 8, context=4, vocabulary=7, batch=2))


def wrong() -> Recording:
    """Return a pass with a cotangent that is wrong."""
    found = recording_of(mlp((3, 4, 4, 2), "tanh", batch=2))
    found.trace.cotangents["net2"][:] *= 2  # type: ignore[index]
    return found


def not_finite() -> Recording:
    """Return a pass with NaN, from which the links after it cannot be judged."""
    found = recording_of(mlp((3, 4, 4, 2), "tanh", batch=2))
    found.trace.cotangents["net2"][0, 0] = np.nan  # type: ignore[index]
    return found


def failing() -> Recording:
    """Return a pass with a node whose op does not take its operands."""
    found = recording_of(mlp((3, 4, 2), "tanh", batch=2))
    network = found.network
    nodes = tuple(
        replace(n, op="sum", options={"axis": 9}) if n.op == "tanh" else n for n in network.nodes
    )
    return replace(found, network=replace(network, nodes=nodes))


@pytest.mark.parametrize("make", [right, wrong, not_finite, failing])
def test_threads(tmp_path: Path, make: Callable[[], Recording]) -> None:
    """Any executor of the standard library does: of right passes, and of whatever is wrong."""
    write(make(), tmp_path / "trace")
    with ThreadPoolExecutor(2) as executor:
        found = certify_trace(tmp_path / "trace", executor=executor)

    assert as_data(found) == as_data(certify_trace(tmp_path / "trace"))


def test_a_program_in_memory() -> None:
    """A program's workers read it from temporary files, ops of one's own included."""
    op = length()
    params, loss = of_function(lambda w: torch.hypot(w, w + 1))
    with ThreadPoolExecutor(2) as executor:
        found = bt.certify(loss, params, known={torch.hypot: op}, executor=executor)

    assert found.holds
    assert as_data(found) == as_data(bt.certify(loss, params, known={torch.hypot: op}))


def length() -> Op:
    """Return the op of the length of two numbers."""
    return Op(lambda a, b: np.sqrt(a * a + b * b), lambda dy, y, a, b: (dy * a / y, dy * b / y))


def test_processes(tmp_path: Path) -> None:
    """`--workers 2` judges in two processes, here each of them under a limit of memory."""
    write(right(), tmp_path / "trace")
    command = [sys.executable, "-m", "backproof", "certify", "trace", "--json", "a.json"]
    subprocess.run([*command, "--workers", "2", "--memory", "1G"], cwd=tmp_path, check=True)  # noqa: S603
    found = json.loads((tmp_path / "a.json").read_text("utf-8"))
    one = json.loads(certify_trace(tmp_path / "trace").to_json())

    assert found | {"seconds": 0} == one | {"seconds": 0}


class Killing(Executor):
    """Hands tasks on to an executor, and kills a process once some were handed on."""

    def __init__(self, inner: Any, pid: int, after: int) -> None:
        """Kill nothing yet."""
        self.inner, self.pid, self.after = inner, pid, after

    def submit(self, *task: Any, **named: Any) -> Future[Any]:  # type: ignore[override]
        """Hand a task on."""
        self.after -= 1
        if not self.after:
            os.kill(self.pid, signal.SIGKILL)
        found: Future[Any] = self.inner.submit(*task, **named)
        return found


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A Dask cluster of two processes."""
    pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as made,
        distributed.Client(made) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_loses_a_worker(tmp_path: Path, cluster: Any) -> None:
    """One of two workers is killed in the middle: the certificate is the same."""
    write(right(), tmp_path / "trace")
    first, *_ = cluster.run(os.getpid).values()
    with cluster.get_executor() as inner:
        killing = Killing(inner, first, after=16)
        found = certify_trace(tmp_path / "trace", executor=killing)

    assert killing.after <= 0
    assert found.holds
    assert as_data(found) == as_data(certify_trace(tmp_path / "trace"))
