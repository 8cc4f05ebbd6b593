"""Distances by a matrix product are proven as far as they do not cancel."""

from typing import Any

import numpy as np
import pytest

from backproof import certify_op
from backproof.reference.ops.distances import distances_backward, distances_forward
from tests.verifier.lazy import Lazy

torch, bt = map(Lazy, ("torch", "backproof.torch"))

PLACES = {
    "a": np.random.default_rng(0).standard_normal((2, 3, 4)),
    "b": np.random.default_rng(1).standard_normal((5, 4)),
}


def test_the_derivative_is_that_of_the_distances() -> None:
    """The backward function is the derivative of the forward function."""
    verdict = certify_op(distances_forward, distances_backward, PLACES)

    assert verdict.holds, verdict


def certified(dtype: str, shift: float = 0.0, *, own: bool = False) -> Any:
    """Return the certificate of the distances of 30 places, and these or 7 others, far from 0."""
    torch.manual_seed(0)
    x, y = (torch.randn(n, 5, dtype=getattr(torch, dtype)) for n in (30, 7))
    a, b = (t.requires_grad_() for t in (x, x.detach() if own else y))

    def loss() -> Any:
        return (torch.cdist(a + shift, b + shift) ** 1.5).sum()

    return bt.certify(loss, {"a": a, "b": b})


@pytest.mark.parametrize("own", [False, True], ids=["others", "own"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_distances_by_a_product_hold(dtype: str, own: bool) -> None:  # noqa: FBT001 a parameter
    """They hold in every precision, also where some are zero on paper."""
    certificate = certified(dtype, own=own)

    assert certificate.holds, str(certificate)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_distances_that_cancel_are_undecided(dtype: str) -> None:
    """Far from zero, all digits of a distance may cancel: nothing is proven, nor refuted."""
    certificate = certified(dtype, shift=1e5)

    assert not certificate.holds
    assert {link.verdict for link in certificate.wrong} == {"undecided"}
