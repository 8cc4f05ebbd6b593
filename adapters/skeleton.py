"""The skeleton of a new adapter, made from the reference's ops."""

from inspect import cleandoc

from backproof.reference.ops import OPS
from backproof.reference.ops.op import taken

SKELETON = '''"""An adapter: fill in the dots, and uncomment the ops that your framework has."""

from backproof import Adapter


def value_and_grad(loss, tensors):
    """Return the values that loss(tensors) returns beside the loss, and each tensor's gradient."""
    E, values = loss(tensors)
    gradients = {{name: ... for name in tensors}}
    return values, gradients


adapter = Adapter(
    version="0.1",
    array=lambda a: ...,  # a NumPy array -> a tensor of the same dtype and shape
    numpy=lambda tensor: ...,  # and back
    value_and_grad=value_and_grad,
    lacks="not written yet",  # why the ops that are not named are not supported
    ops={{
{rows}
    }},
)
'''


def skeleton() -> str:
    """Return the source of an adapter that names no op yet: each is a comment."""
    rows = (f"        # {name!r}: lambda {call(name)}: ...,".replace("'", '"') for name in OPS)
    return SKELETON.format(rows="\n".join(rows))


def call(op: str) -> str:
    """Return the parameters of an op: its inputs, and its options with their defaults."""
    return taken(OPS[op].forward)


def gives(op: str) -> str:
    """Return what an op gives: the first sentence of its forward function's docstring, or ""."""
    text = cleandoc(OPS[op].forward.__doc__ or "").removeprefix("Return ")
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|")
