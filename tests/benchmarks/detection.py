"""The detection floor: the smallest relative error in one entry of one gradient that is refuted.

`python -m tests.benchmarks.detection` prints, for each case and precision, the median over
entries and seeds of the smallest error that a certificate refutes, beside the largest that
`torch.autograd.gradcheck` (both modes) and `jax.test_util.check_grads` let through at their
defaults. They check a custom function whose derivative has that error in one entry.
"""

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import numpy as np

from backproof.adapters.column import Column
from backproof.reference.article.figures import load
from backproof.reference.backprop import backprop, forward
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.table import table
from backproof.running.certificates import replayed, traced
from backproof.running.implementations import Implementations
from backproof.running.loss_scale import loss_scale
from backproof.scenarios.networks import CASES

ENTRIES = 64
"""Entries of each gradient array in which an error is planted, one at a time."""
ERRORS = 2.0 ** np.arange(-60, 21)
"""The relative errors planted, from the smallest to the largest."""
SLOW, LARGE = 10_000, 200_000
"""The most parameters for gradcheck's slow mode; for fast_mode, check_grads and five seeds."""


def floors(
    implementations: Implementations, network: Network, precision: str, seed: int
) -> list[float]:
    """Return, entry by entry, the smallest planted error that leaves the link's ball.

    An entry that is zero cannot be off by a factor, and is left out.
    """
    leaves = network.leaves(lambda a: np.asarray(a).astype(float).astype(precision))
    exactly = network.leaves(lambda a: np.asarray(a).astype(float))
    shapes = {name: np.shape(value) for name, value in forward(network, exactly).items()}
    scale = loss_scale(network, leaves)
    found, _ = traced(implementations, Column("torch"), network, leaves, shapes, scale)
    replay = replayed(network, leaves, found, None, scale)
    rng = np.random.default_rng(seed)
    smallest = []
    for name in network.parameters:
        ball = replay.receives(name, replay.precision)
        gradient = found.gradients[name]
        for flat in rng.integers(gradient.size, size=min(ENTRIES, gradient.size)):
            index = np.unravel_index(flat, gradient.shape)
            value = np.float64(gradient[index])
            with np.errstate(over="ignore"):
                planted = (value * (1 + ERRORS)).astype(precision)
            seen = ~ball[index].contains(planted)
            if value:
                smallest.append(float(ERRORS[np.argmax(seen)]) if seen.any() else np.inf)
    return smallest


def let_through(passes: Callable[[float], bool]) -> str:
    """Return the largest planted error that a check passes, by bisection over powers of two."""
    low, high = -1, len(ERRORS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(float(ERRORS[middle])) else (low, middle)
    if low < 0:
        return "false alarm"  # the smallest error is far below a unit roundoff: it is no error
    return "all" if high == len(ERRORS) else f"{ERRORS[low]:.1e}"


def walk(network: Network, ops: Mapping[str, Any], known: dict[str, Any]) -> Any:
    """Return the loss of a network over a framework's own functions."""
    for node in network.nodes:
        known[node.name] = ops[node.op](*(known[name] for name in node.inputs), **node.options)
    return known[network.loss]


def of_torch(network: Network, planted: str, index: tuple[int, ...], *, fast: bool) -> str:
    """Return the largest error that gradcheck lets through in float64."""
    import torch  # noqa: PLC0415 a framework is imported where it is used

    from backproof.adapters.pytorch_autograd import adapter  # noqa: PLC0415 likewise

    class Off(torch.autograd.Function):
        """Identity, whose derivative is off in one entry."""

        factor = 1.0

        @staticmethod
        def forward(ctx: Any, w: Any) -> Any:
            return w.clone()

        @staticmethod
        def backward(ctx: Any, dw: Any) -> Any:
            wrong = dw.clone()
            wrong[index] *= Off.factor
            return wrong

    leaves = network.leaves(lambda a: np.asarray(a).astype(float))
    names = list(network.parameters)
    fixed = {name: torch.tensor(a) for name, a in leaves.items()}
    inputs = [torch.tensor(leaves[name], requires_grad=True) for name in names]

    def loss(*tensors: Any) -> Any:
        known = {**fixed, **dict(zip(names, tensors, strict=True))}
        known[planted] = Off.apply(known[planted])
        return walk(network, adapter.ops, known)

    def passes(error: float) -> bool:
        Off.factor = 1 + error
        torch.manual_seed(0)
        return torch.autograd.gradcheck(loss, inputs, fast_mode=fast, raise_exception=False)

    return let_through(passes)


def of_jax(network: Network, planted: str, index: tuple[int, ...], precision: str) -> str:
    """Return the largest error that check_grads lets through."""
    import jax  # noqa: PLC0415 a framework is imported where it is used
    from jax.test_util import check_grads  # noqa: PLC0415 likewise

    from backproof.adapters.jax_grad import adapter  # noqa: PLC0415 likewise

    with jax.enable_x64(precision == "float64"):
        leaves = network.leaves(lambda a: np.asarray(a).astype(float).astype(precision))
        arrays = {name: jax.numpy.array(a) for name, a in leaves.items()}
        names = list(network.parameters)

        def passes(error: float) -> bool:
            @jax.custom_vjp
            def off(w: Any) -> Any:
                return w

            off.defvjp(lambda w: (w, None), lambda _, dw: (dw.at[index].multiply(1 + error),))

            def loss(*tensors: Any) -> Any:
                known = {**arrays, **dict(zip(names, tensors, strict=True))}
                return walk(network, adapter.ops, {**known, planted: off(known[planted])})

            try:
                check_grads(loss, tuple(arrays[n] for n in names), order=1, modes=("rev",))
            except AssertionError:
                return False
            return True

        return let_through(passes)


def row(implementations: Implementations, case: str, precision: str) -> list[str]:
    """Return one row of the table."""
    size = sum(np.size(a) for a in CASES[case].network().parameters.values())
    seeds = range(1 if size > LARGE else 5)
    found = [
        f for s in seeds for f in floors(implementations, CASES[case].network(s), precision, s)
    ]
    network = CASES[case].network()
    planted = next(iter(network.parameters))
    index = largest_entry(network, planted)
    cells = [f"{median(found):.1e}" if found else "all zero"]
    for fast in (False, True):
        wanted = precision == "float64" and size <= (LARGE if fast else SLOW)
        cells.append(of_torch(network, planted, index, fast=fast) if wanted else "-")
    wanted = precision in ("float64", "float32") and size <= LARGE
    cells.append(of_jax(network, planted, index, precision) if wanted else "-")
    return [case, precision, f"{size:,}", *cells]


def largest_entry(network: Network, name: str) -> tuple[int, ...]:
    """Return the index of a gradient's largest entry: where a check sees most."""
    leaves = network.leaves(lambda a: np.asarray(a).astype(float))
    gradient: Array = np.abs(backprop(network, leaves).gradients[name])
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(gradient)), gradient.shape))


def main() -> None:
    """Print the table."""
    implementations = Implementations(load(), {"torch": None})
    cases = [name for name, scenario in CASES.items() if not scenario.is_large]
    head = ["", "", "parameters", "certificate", "gradcheck", "fast_mode", "check_grads"]
    print(
        table(
            head,
            [row(implementations, case, precision) for case in cases for precision in PRECISIONS],
        )
    )
    print(
        "\nRelative error in one entry of one gradient: the smallest that a certificate refutes"
        "\n(median), and the largest that the others let through at their defaults (all: any;"
        "\nfalse alarm: they refuse the right gradient; -: too large, or not for this precision)."
    )


if __name__ == "__main__":
    main()
