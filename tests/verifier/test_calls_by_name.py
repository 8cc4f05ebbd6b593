"""Calls of PyTorch's functions whose arguments are given by the names of its documentation."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, F = Lazy("torch"), Lazy("torch.nn.functional")
bt = Lazy("backproof.torch")


CALLS: dict[str, Callable[..., Any]] = {
    "addmm": lambda A, B, *_: torch.addmm(input=A, mat1=B, mat2=A, alpha=2),
    "baddbmm": lambda A, B, *_: A[None].baddbmm(batch1=B[None], batch2=A[None], beta=0.5),
    "addbmm": lambda A, B, *_: torch.addbmm(input=A, batch1=B[None], batch2=A[None]),
    "addr": lambda A, _, v, w: torch.addr(input=A, vec1=v, vec2=w),
    "bmm": lambda A, B, *_: A[None].bmm(mat2=B[None]),
    "mv": lambda A, _, v, w: torch.mv(input=A, vec=v) * w,
    "dot": lambda _A, _B, v, w: torch.dot(input=v, tensor=w),
    "prod": lambda A, *_: A.prod(0, dtype=torch.float64) * torch.prod(A, 1, dtype=torch.float32),
    "tensordot": lambda A, B, *_: torch.tensordot(a=A, b=B, dims=1),
    "cdist": lambda A, B, *_: torch.cdist(x1=A, x2=B),
    "cosine_similarity": lambda A, B, *_: F.cosine_similarity(x1=A, x2=B, dim=0),
    "pairwise_distance": lambda A, B, *_: F.pairwise_distance(x1=A, x2=B),
    "kl_div": lambda A, *_: F.kl_div(input=A, target=torch.ones(3, 3), reduction="sum"),
    "bce": lambda A, *_: F.binary_cross_entropy(input=A.sigmoid(), target=torch.full((3, 3), 0.2)),
    "smooth_l1_loss": lambda A, B, *_: F.smooth_l1_loss(input=A, target=B, beta=0.5),
    "split": lambda A, *_: torch.split(tensor=A, split_size_or_sections=2)[0],
    "split of a method": lambda A, *_: A.split(split_size=2, dim=1)[1],
    "chunk": lambda A, *_: torch.chunk(input=A, chunks=2, dim=0)[1],
    "tensor_split": lambda A, *_: torch.tensor_split(input=A, sections=2)[0],
    "matrix_norm": lambda A, *_: torch.linalg.matrix_norm(input=A, ord="fro", keepdim=True),
    "max": lambda A, B, *_: torch.max(input=A, other=B),
    "where": lambda A, B, *_: torch.where(condition=A > 0, input=A, other=B),
    "repeat_interleave": lambda A, *_: A.repeat_interleave(2, dim=1, output_size=6),
    "sum by NumPy's names": lambda A, *_: torch.sum(A, axis=1, keepdims=True),
    "max by NumPy's names": lambda A, *_: A.max(axis=1, keepdims=True)[0],
    "cat and mean by NumPy's names": lambda A, *_: torch.cat([A, A], axis=1).mean(axis=0),
    "sum_to_size": lambda A, *_: A.sum_to_size(size=(1, 3)),
    "solve": lambda A, B, *_: torch.linalg.solve(A=A + 4 * torch.eye(3), B=B),
    "attention": lambda A, B, *_: F.scaled_dot_product_attention(
        query=A[None], key=B[None], value=A[None]
    ),
}
"""Calls of two matrices (3, 3) and two vectors (3,)."""


@pytest.mark.parametrize("name", CALLS)
def test_an_argument_by_name_is_read(name: str) -> None:
    """A call is read alike whether its arguments stand in order or are named."""
    torch.manual_seed(0)
    shapes = {"A": (3, 3), "B": (3, 3), "v": (3,), "w": (3,)}
    leaves = {k: torch.randn(shape, requires_grad=True) for k, shape in shapes.items()}
    certificate = bt.certify(lambda: CALLS[name](*leaves.values()).square().sum(), leaves)

    assert certificate.holds, certificate
