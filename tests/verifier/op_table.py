"""PyTorch's own table of ops, with the sample inputs that it tests its derivatives on."""

import warnings
from collections.abc import Iterator
from typing import Any

import torch

import backproof.torch as bt

LARGE = 20_000
"""Samples with more numbers are left out."""


def ops(dtype: Any) -> Iterator[Any]:
    """Yield the ops of the table that have a derivative in a dtype."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db  # noqa: PLC0415

    for op in op_db:
        if op.supports_autograd and dtype in op.dtypes:
            yield op


def tensors(x: Any) -> list[Any]:
    """Return the tensors of an argument or a result."""
    return [t for t in torch.utils._pytree.tree_leaves(x) if isinstance(t, torch.Tensor)]  # noqa: SLF001


def verdicts(op: Any, dtype: Any, most: int) -> Iterator[tuple[str, str]]:
    """Yield for each of some sample inputs of an op the verdict, and what is to be said about it.

    most: how many samples there are at most, spread over all.
    """
    torch.manual_seed(0)
    samples = [*op.sample_inputs("cpu", dtype, requires_grad=True)]
    for sample in samples[:: -(-len(samples) // most) or 1]:
        every = tensors((sample.input, sample.args, sample.kwargs))
        leaves = {f"x{i}": t for i, t in enumerate(every) if t.requires_grad and t.is_leaf}
        if leaves and all(t.numel() < LARGE for t in leaves.values()):
            yield verdict(op, sample, leaves)


def verdict(op: Any, sample: Any, leaves: Any) -> tuple[str, str]:
    """Return the verdict on an op of a sample, and what is to be said about it.

    PyTorch's own wrapper makes an operand what the op takes, such as logarithms of probabilities.
    """

    def loss() -> Any:
        found = op.gradcheck_wrapper(op.op, sample.input, *sample.args, **sample.kwargs)
        found = (sample.output_process_fn_grad or (lambda y: y))(found)
        of = [torch.view_as_real(y) if y.is_complex() else y for y in tensors(found)]
        of = [y for y in of if y.requires_grad]
        return sum((y * torch.linspace(0.5, 1.5, y.numel()).to(y).view_as(y)).sum() for y in of)

    try:
        with torch.random.fork_rng():
            torch.autograd.grad(loss(), [*leaves.values()], allow_unused=True)
    except (RuntimeError, TypeError) as error:
        return "no derivative", str(error)
    try:
        certificate = bt.certify(loss, leaves, progress=False)
    except bt.NotRecorded as error:
        return "not recorded", str(error)
    except Exception as error:  # noqa: BLE001 that is what is looked for
        return "raises", f"{type(error).__name__}: {error}"
    if certificate.holds:
        return "holds", ""
    links = (*certificate.links, *certificate.end_to_end)
    red = [v for v in ("refuted", "degraded") if any(link.verdict == v for link in links)]
    return (red[0] if red else "unknown" if certificate.unknown else "undecided"), str(certificate)
