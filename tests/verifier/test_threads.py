"""Some variants run with two threads, as users do: tests that run side by side have one each."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from backproof import adapters
from backproof.adapters.column import Column
from backproof.reference.article.figures import Article
from backproof.reference.network import Network
from backproof.reference.networks.build import Builder
from backproof.reference.verdict.passes import certify_passes
from backproof.running.certificates import in_precision, replayed, traced
from backproof.running.implementations import Implementations

VARIANTS = ("torch.threads", "torch.compile_threads")


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("before", [1, 3])
def test_a_pass_has_two_threads(name: str, before: int) -> None:
    """A pass runs with two threads whatever the process has, which it has again afterwards."""
    left = torch.get_num_threads()
    torch.set_num_threads(before)
    try:
        with adapters.load(name).state("float32"):
            within = torch.get_num_threads()
        after = torch.get_num_threads()
        with pytest.raises(KeyError), adapters.load(name).state("float32"):
            raise KeyError
        after_an_error = torch.get_num_threads()
    finally:
        torch.set_num_threads(left)

    assert (within, after, after_an_error) == (2, before, before)


def two_users() -> Network:
    """Return a convolution whose value a ReLU and a max pooling with overlapping windows use."""
    g = Builder(np.random.default_rng(0))
    x = g.input("x", g.rng.standard_normal((2, 3, 8, 8)))
    c = g.node("c", "conv2d", x, g.normal("W", 4, 3, 3, 3, scale=0.2), padding=1)
    pooled = g.node("p", "max_pool", c, kernel_size=3, stride=1, padding=1)
    flat = g.node("flat", "reshape", pooled, shape=(2, 256))
    g.node("y", "dense", flat, g.normal("V", 256, 5, scale=0.1))
    parts = [g.node(f"sum of {k}", "sum", k) for k in (g.node("r", "relu", c), "y")]
    g.node("E", "add", *parts)
    return g.network("conv-relu-pool")


MISCOMPILED = """
import sys
import torch
torch.set_num_threads({threads})
x = torch.ones(2, 3, 8, 8)
W, V = (torch.ones(*shape, requires_grad=True) for shape in ((4, 3, 3, 3), (256, 5)))

@torch.compile
def loss(W, V):
    c = torch.nn.functional.conv2d(x, W, padding=1)
    p = torch.nn.functional.max_pool2d(c, 3, 1, 1)
    return c.relu().sum() + (p.flatten(1) @ V).sum()

print(torch.autograd.grad(loss(W, V), (W, V))[0][0, 0, 1, 1].item())
"""


@pytest.mark.parametrize(("threads", "seen"), [(1, 768.0), (2, 128.0)])
def test_what_two_threads_miscompile_still_is(threads: int, seen: float) -> None:
    """With two threads torch.compile loses what the pooling hands on, 640 of 768; else remove it.

    The middle of the kernel sees a one at each of the 128 places of c. The ReLU hands one to each,
    and each of the 128 windows hands the five ones of its row of V to one place.
    """
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-W", "ignore", "-c", MISCOMPILED.format(threads=threads)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert float(done.stdout) == seen


def test_certificates_see_what_two_threads_miscompile(article: Article) -> None:
    """The same network is right compiled for one thread, and refuted compiled for two."""
    network = two_users()
    leaves, shapes = in_precision(network, "float32")
    implementations = Implementations(article, {"torch": None})

    def refuted(variant: str) -> str | None:
        column = Column("torch", variant)
        found = traced(implementations, column, network, leaves, shapes, 1.0)
        certificate = certify_passes(replayed(network, leaves, *found, 1.0), compiled=True)
        return certificate.refuted.name if certificate.refuted else None

    left = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        one, two = refuted("compile"), refuted("compile_threads")
    finally:
        torch.set_num_threads(left)

    assert one is None
    assert two == "dE/dW without probes"
