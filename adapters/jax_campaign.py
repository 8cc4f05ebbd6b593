"""What campaigns need to know about JAX: how scripts are written, which nodes abort the process."""

from collections.abc import Sequence
from dataclasses import replace

from backproof.adapters.dialect import Dialect
from backproof.reference.network import Node
from backproof.reference.ops.windows import sliding

DIALECT = Dialect(
    full="jnp.full({shape}, {number}, dtype=jnp.{precision})",
    array="jnp.array({numbers}, dtype=jnp.{precision})",
    value="f({leaves})",
    gradient="jax.grad(f, argnums={place})({leaves})",
    setup={"float64": 'jax.config.update("jax_enable_x64", True)'},
)
JITTED = replace(
    DIALECT,
    value="jax.jit(f)({leaves})",
    gradient="jax.jit(jax.grad(f, argnums={place}))({leaves})",
)


def aborts(node: Node, shapes: Sequence[tuple[int, ...]], precision: str) -> str | None:
    """Return why a node aborts the process; None if it does not."""
    if node.op != "conv":
        return None
    options = {k: v for k, v in node.options.items() if k != "groups"}
    seen = sliding(shapes[1][2:], **options)
    if any(
        stride in seen.size and before == stride - 1 > 0 and dilation == 1
        for stride, (before, _), dilation in zip(
            seen.stride, seen.padding, seen.dilation, strict=True
        )
    ):
        return (
            "XLA aborts on the gradient of a convolution whose stride is a side of the kernel, and "
            "whose padding is one less"
        )
    return None
