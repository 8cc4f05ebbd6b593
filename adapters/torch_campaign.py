"""What campaigns need to know about PyTorch: how scripts are written, which nodes abort it."""

from collections.abc import Sequence
from dataclasses import replace

from backproof.adapters.dialect import Dialect
from backproof.reference.network import Node
from backproof.reference.ops.windows import sliding

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
    if node.op != "conv" or precision != "float16":
        return None
    seen = sliding(shapes[1][2:], **{k: v for k, v in node.options.items() if k != "groups"})
    width, (padding, _) = shapes[0][-1], seen.padding[-1]
    if seen.size[-1] == 1 < seen.dilation[-1] and 0 < padding <= seen.stride[-1] - width:
        return (
            "F.conv2d ends the process in float16 (on processors with AVX512-FP16) where a "
            "dilated kernel is one wide and sees padding alone"
        )
    return None
