"""Some variants run with two threads, as users do: tests that run side by side have one each."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from backproof import adapters
from backproof.adapters.column import Column
from backproof.reference.article.figures import Article
from backproof.reference.network import Network
from backproof.reference.networks.build import Builder
from backproof.reference.verdict.passes import certify_passes
from backproof.running.certificates import in_precision, replayed, traced
from backproof.running.implementations import Implementations

VARIANTS = ("torch.threads", "torch.compile_threads")


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[Callable[[], int]]:
    """Return the function that counts PyTorch's threads, of which the process has some others."""
    import torch  # noqa: PLC0415 only these tests need it

    left = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield torch.get_num_threads
    torch.set_num_threads(left)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_pass_has_two_threads(name: str, threads: Callable[[], int]) -> None:
    """A pass runs with two threads whatever the process has, which it has again afterwards."""
    before, state = threads(), adapters.load(name).state
    with state("float32"):
        within = threads()
    with pytest.raises(KeyError), state("float32"):
        raise KeyError

    assert before != 2
    assert (within, threads()) == (2, before)


def two_users() -> Network:
    """Return a convolution whose value a ReLU and a max pooling with overlapping windows use."""
    g = Builder(np.random.default_rng(0))
    x = g.input("x", g.rng.standard_normal((2, 3, 8, 8)))
    c = g.node("c", "conv", x, g.normal("W", 4, 3, 3, 3, scale=0.2), padding=1)
    pooled = g.node("p", "max_pool", c, kernel_size=3, stride=1, padding=1)
    both = g.node("both", "add", g.node("r", "relu", c), pooled)
    flat = g.node("flat", "reshape", both, shape=(2, 256))
    y = g.node("y", "dense", flat, g.normal("V", 256, 5, scale=0.1))
    g.node("E", "mean_squared_error", y, g.input("t", g.rng.standard_normal((2, 5))))
    return g.network("conv-relu-pool")


MISCOMPILED = """
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


@pytest.mark.parametrize(("count", "seen"), [(1, 768.0), (2, 128.0)])
def test_what_two_threads_miscompile_still_is(count: int, seen: float) -> None:
    """With two threads torch.compile loses what the pooling hands on: 640 of 768.

    The middle of the kernel sees a one at each of the 128 places of c. The ReLU hands one to each,
    and each of the 128 windows hands the five ones of its row of V to one place.
    """
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-W", "ignore", "-c", MISCOMPILED.format(threads=count)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert float(done.stdout) == seen


@pytest.mark.parametrize("threads", [1], indirect=True)
@pytest.mark.parametrize(
    ("variant", "wrong"), [("compile", "dE/dc"), ("compile_threads", "dE/dx without probes")]
)
@pytest.mark.usefixtures("threads")
def test_certificates_see_what_is_miscompiled(article: Article, variant: str, wrong: str) -> None:
    """With one thread the pass with probes is wrong, with two the pass that users run."""
    network = two_users()
    leaves, shapes = in_precision(network, "float32")
    implementations = Implementations(article, {"torch": None})
    found = traced(implementations, Column("torch", variant), network, leaves, shapes, scale=1.0)
    replay = replayed(network, leaves, *found, scale=1.0)
    refuted = certify_passes(replay, compiled=True).refuted

    assert refuted is not None
    assert refuted.name == wrong
