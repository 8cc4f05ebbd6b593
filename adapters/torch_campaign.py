"""What campaigns need to know about PyTorch: how scripts are written, which nodes abort it."""

from collections.abc import Sequence
from dataclasses import replace

from backproof.adapters.dialect import Dialect
from backproof.reference.network import Node

DIALECT = Dialect(
    full="torch.full({shape}, {number}, dtype=torch.{precision}, requires_grad=True)",
    array="torch.tensor({numbers}, dtype=torch.{precision}, requires_grad=True)",
    value="f({leaves})",
    gradient="torch.autograd.grad(f({leaves}), {name})[0]",
)
COMPILED = replace(
    DIALECT,
    value="torch.compile(f)({leaves})",
    gradient="torch.autograd.grad(torch.compile(f)({leaves}), {name})[0]",
)


def aborts(node: Node, shapes: Sequence[tuple[int, ...]], precision: str) -> str | None:
    """Return why a node aborts the process; None if it does not."""
    if node.op != "conv2d" or precision != "float16":
        return None
    options = {"stride": 1, "padding": 0, "dilation": 1, **node.options}
    width, kernel_width = shapes[0][3], shapes[1][3]
    if (
        kernel_width == 1 < options["dilation"]
        and 0 < options["padding"] <= options["stride"] - width
    ):
        return (
            "F.conv2d ends the process in float16 (on processors with AVX512-FP16) where a "
            "dilated kernel is one wide and sees padding alone"
        )
    return None
