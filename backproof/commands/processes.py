"""Where links are judged and networks certified: here, in processes, or on a Dask cluster."""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context

from backproof.programs.memory import hold_to


def add_executor(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --workers and --dask. what: what they do, such as "judge the links"."""
    parser.add_argument("--workers", type=count, metavar="N", help=f"{what} in N processes")
    parser.add_argument("--dask", metavar="ADDRESS", help=f"{what} on a Dask cluster")


def count(text: str) -> int:
    """Return a number above zero. Raises ArgumentTypeError, ValueError."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return int(text)


@contextmanager
def executor_of(asked: argparse.Namespace, memory: int | None = None) -> Iterator[Executor | None]:
    """Yield a Dask cluster, processes, or None, as --dask and --workers say. Raises OSError.

    memory: in bytes, what each process may use.
    """
    if asked.dask:
        try:
            distributed = import_module("distributed")
        except ImportError:
            raise OSError("--dask: not installed; `pip install 'backproof[dask]'`") from None
        with distributed.Client(asked.dask) as client, client.get_executor() as executor:
            yield executor
    elif asked.workers:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker's NumPy reads this
        processes = get_context("spawn")
        with ProcessPoolExecutor(asked.workers, processes, hold_to, (memory,)) as executor:
            yield executor
    else:
        yield None
