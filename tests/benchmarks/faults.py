"""How many of the catalogue's faults each kind of check kills.

`python -m tests.benchmarks.faults` plants every fault on thirteen small networks, and prints
kills / planted for certificates beside those of other checks at their defaults: agreement with the
right numbers to five decimals, `numpy.testing.assert_allclose`, `torch.testing.assert_close` (these
three are given the right loss and gradients; certificates are not), `torch.autograd.gradcheck` and
`jax.test_util.check_grads`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.backprop import backprop, forward
from backproof.reference.table import table
from backproof.report.cells import FIVE_DECIMALS
from tests.verifier.planting import NETWORKS, Planted, plant_all


def numbers(planted: Planted) -> list[tuple[Any, Any]]:
    """Return pairs of right and wrong: the loss, every gradient, every updated parameter."""
    replay = planted.replay
    network, leaves = replay.network, replay.leaves
    right, wrong = backprop(network, leaves), replay.trace
    pairs = [(right.values[network.loss], wrong.values[network.loss])]
    pairs += [(right.gradients[name], wrong.gradients[name]) for name in leaves]
    if replay.update:
        eta = replay.update.eta
        for name, updated in replay.update.updated.items():
            pairs.append((leaves[name] - eta * right.gradients[name], updated))
    return pairs


def refuses(check: Callable[[], object]) -> bool:
    """Return whether a check raises AssertionError."""
    try:
        check()
    except AssertionError:
        return True
    return False


def five_decimals(planted: Planted) -> bool:
    """Return whether some number differs by more than half a unit of the fifth decimal."""
    return not all(np.all(np.abs(a - b) <= float(FIVE_DECIMALS)) for a, b in numbers(planted))


def assert_allclose(planted: Planted) -> bool:
    """Return whether NumPy's comparison refuses some array."""
    return any(
        refuses(lambda a=a, b=b: np.testing.assert_allclose(b, a)) for a, b in numbers(planted)
    )


def assert_close(planted: Planted) -> bool:
    """Return whether PyTorch's comparison refuses some array."""
    import torch  # noqa: PLC0415 a framework is imported where it is used

    def compare(a: Any, b: Any) -> None:
        torch.testing.assert_close(torch.tensor(np.array(b, order="C")), torch.tensor(np.array(a)))

    return any(refuses(lambda a=a, b=b: compare(a, b)) for a, b in numbers(planted))


def wrong_loss(planted: Planted) -> tuple[Callable[..., Any], Callable[..., list[Any]], list[Any]]:
    """Return the faulty loss and its faulty gradients as functions of arrays, and the arrays."""
    network, leaves, rules = planted.replay.network, planted.replay.leaves, planted.fault.rules
    names = list(leaves)

    def loss(*arrays: Any) -> Any:
        given = dict(zip(names, map(np.asarray, arrays), strict=True))
        return np.asarray(forward(network, given, rules)[network.loss])

    def gradients(*arrays: Any) -> list[Any]:
        given = dict(zip(names, map(np.asarray, arrays), strict=True))
        found = backprop(network, given, rules).gradients
        return [np.array(found[name], order="C") for name in names]

    return loss, gradients, [np.asarray(leaves[name]) for name in names]


def gradcheck(planted: Planted) -> bool:
    """Return whether gradcheck refuses the faulty function."""
    import torch  # noqa: PLC0415 a framework is imported where it is used

    loss, gradients, arrays = wrong_loss(planted)

    class Wrong(torch.autograd.Function):
        """The faulty network as one function."""

        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            ctx.save_for_backward(*tensors)
            return torch.tensor(loss(*(t.detach().numpy() for t in tensors)))

        @staticmethod
        def backward(ctx: Any, dE: Any) -> Any:
            found = gradients(*(t.detach().numpy() for t in ctx.saved_tensors))
            return tuple(dE * torch.tensor(g) for g in found)

    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    return not torch.autograd.gradcheck(Wrong.apply, inputs, raise_exception=False)


def check_grads(planted: Planted) -> bool:
    """Return whether check_grads refuses the faulty function."""
    import jax  # noqa: PLC0415 a framework is imported where it is used
    from jax.test_util import check_grads as check  # noqa: PLC0415 likewise

    loss, gradients, arrays = wrong_loss(planted)
    with jax.enable_x64(True):
        scalar = jax.ShapeDtypeStruct((), np.float64)
        shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays]

        @jax.custom_vjp
        def wrong(*tensors: Any) -> Any:
            return jax.pure_callback(loss, scalar, *tensors)

        def backward(tensors: Any, dE: Any) -> Any:
            return tuple(dE * g for g in jax.pure_callback(gradients, shapes, *tensors))

        wrong.defvjp(lambda *tensors: (wrong(*tensors), tensors), backward)
        inputs = tuple(map(jax.numpy.array, arrays))
        return refuses(lambda: check(wrong, inputs, order=1, modes=("rev",)))


CHECKS: dict[str, Callable[[Planted], bool]] = {
    "certificate": lambda planted: bool(planted.red),
    "five decimals": five_decimals,
    "assert_allclose": assert_allclose,
    "assert_close": assert_close,
    "gradcheck": gradcheck,
    "check_grads": check_grads,
}


def main() -> None:
    """Print the table and its legend."""
    rows = []
    for name in NETWORKS:
        planted = plant_all(name)
        visible = [one for one in planted if one.red]
        located = sum(one.is_located for one in visible)
        named = sum(one.is_named for one in visible)
        kills = [f"{sum(map(check, planted))}/{len(planted)}" for check in CHECKS.values()]
        rows.append([name, *kills, f"{located}/{len(visible)}", f"{named}/{len(visible)}"])
    print(table(["kills / planted", *CHECKS, "located", "named"], rows))
    print(
        "\nA fault that a certificate does not kill is proven invisible: it changes nothing on that"
        "\nnetwork (tests/verifier/test_faults.py). Located: the first refuted link is the fault's."
        "\nNamed: the fault is among the first two that the diagnosis names."
    )


if __name__ == "__main__":
    main()
