"""PyTorch's functions, read as ops: the adapter's table backwards.

Where the adapter's function for an op is PyTorch's own, its calls are read by its signature
(`as_in_the_adapter`). Each of the others has a row here: a function with the signature of
PyTorch's, from the arguments of a call to the op, its tensors and its options. A method and an
in-place function have the name and the row of the function.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import Parameter, Signature, signature
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch.overrides import get_testing_overrides

from backproof.adapters.pytorch_autograd import adapter
from backproof.reference.ops import OPS, Op
from backproof.reference.ops.cast import cast
from backproof.reference.ops.dense import dense

Tensor = Any
Reader = Callable[..., Any]
"""(what was seen, *the call's arguments) -> a `Call`, or one for each of several results."""


class NotKnown(Exception):
    """The reference has no op for a call; the message names the argument to blame, or is empty."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a call: the function, and what it returned."""

    function: Callable[..., Any]
    result: Any


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the reference understands it.

    op:      a key of `OPS`, or the name of an op of its own.
    tensors: the operands: tensors, or NumPy arrays of constants.
    options: the op's options. own: the op, where the table does not have it.
    """

    op: str
    tensors: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    own: Op | None = None


READERS: dict[str, Reader] = {}
"""The name of a function -> what reads its calls."""


def reads(*names: str) -> Callable[[Reader], Reader]:
    """Return a decorator that registers a reader under the names of functions."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(names, reader))
        return reader

    return register


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function or property: "add" of torch.add, x + y, x += y and x.add_."""
    name: str = getattr(function, "__name__", type(function).__name__)
    if name == "__get__":  # a property
        return str(function.__self__.__name__)  # type: ignore[attr-defined]
    bare = name.strip("_")
    if name.startswith("__") and bare[:1] in "ir" and bare[1:] in OPERATORS:
        return bare[1:]
    return bare


OPERATORS = {"add", "sub", "mul", "matmul", "truediv", "pow"}
"""The operators of which there is an in-place and a reflected form."""


def writes(function: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    """Return whether a call writes to its first argument."""
    name: str = getattr(function, "__name__", "")
    in_place = name.endswith("_") and not name.endswith("__")
    operator = name.startswith("__i") and name.strip("_")[1:] in OPERATORS
    return in_place or operator or name == "__setitem__" or bool(arguments.get("inplace"))


def reader_of(function: Callable[..., Any]) -> Reader | None:
    """Return what reads the calls of a function; None where the reference has no op for it."""
    name = name_of(function)
    return READERS.get(name) or AS_IN_THE_ADAPTER.get(name)


def as_in_the_adapter(op: str, function: Callable[..., Any]) -> Reader:
    """Return the reader of calls of the function that the adapter has for an op.

    The first arguments are the op's inputs; an option has the same name in both. All other
    arguments must be left at their defaults.
    """
    parameters = signature(OPS[op].forward).parameters.values()
    inputs = [one for one in parameters if one.kind is Parameter.POSITIONAL_OR_KEYWORD]
    options = {one.name: one.default for one in parameters if one.kind is Parameter.KEYWORD_ONLY}
    own = signature_of(function)

    def read(_: Seen, *arguments: Any, **named: Any) -> Call:
        try:
            bound = own.bind(*arguments, **named).arguments
        except TypeError as error:
            raise NotKnown(str(error)) from None
        names = [*own.parameters]
        tensors = [bound.pop(name, None) for name in names[: len(inputs)]]
        given = {name: alike(value) for name, value in bound.items()}
        for name, value in given.items():
            default = alike(own.parameters[name].default)
            if name not in (*options, "inplace") and value != default:
                raise NotKnown(f"{name}={value!r}")
        if any(isinstance(t, bool | int | float) for t in tensors):
            tensors = [number(t) for t in tensors]
        used = {k: v for k, v in given.items() if k in options and v != options[k]}
        return Call(op, tuple(t for t in tensors if t is not None), used)

    return read


def as_given(name: str, op: Op) -> Reader:
    """Return the reader of calls of a function whose op is given: tensors, then options by name."""

    def read(_: Seen, *arguments: Any, **options: Any) -> Call:
        if not all(isinstance(t, torch.Tensor) for t in arguments):
            raise NotKnown("an option that is not given by name")
        return Call(f"op {name}", arguments, options, op)

    return read


def signature_of(function: Callable[..., Any]) -> Signature:
    """Return the signature of one of PyTorch's functions; those in C++ do not have one."""
    if isinstance(function, FunctionType):
        return signature(function)
    return signature(get_testing_overrides()[function])


def alike(value: Any) -> Any:
    """Return one number for several equal ones: (2, 2) is a stride of 2."""
    if isinstance(value, tuple | list) and value and len({*value}) == 1:
        return value[0]
    return value


def number(value: Any) -> Any:
    """Return a Python number as an array, in the lowest precision that has it."""
    if not isinstance(value, bool | int | float):
        return value
    low = np.float32(value)
    return np.asarray(low if float(low) == value else np.float64(value))


AS_IN_THE_ADAPTER: dict[str, Reader] = {
    name_of(function): as_in_the_adapter(op, function)
    for op, function in adapter.ops.items()
    if str(function.__module__ or "torch").startswith("torch")
}
"""The name of a function -> the reader of its calls, for all that the adapter calls directly."""


# Products and sums.


def turned(op: Op) -> Op:
    """Return an op with its second input, a matrix, transposed: PyTorch's weights are (O, I)."""

    def forward(x: Any, W: Any, *rest: Any) -> Any:
        return op.forward(x, np.swapaxes(W, 0, 1), *rest)

    def backward(dy: Any, y: Any, x: Any, W: Any, *rest: Any) -> tuple[Any, ...]:
        dx, dW, *others = op.backward(dy, y, x, np.swapaxes(W, 0, 1), *rest)
        return (dx, np.swapaxes(dW, 0, 1), *others)

    return Op(forward, backward, {name: turned(form) for name, form in op.forms.items()})


LINEAR = turned(dense)

DERIVED = {"linear": ("dense", turned)}
"""Op of its own -> the op of the table that it is made of, and how: what is known of that one, such
as its classical mistakes, is known of it as well."""


@reads("linear")
def linear(_: Seen, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Call:  # noqa: A002
    bias_too = () if bias is None else (bias,)
    return Call("linear", (input, weight, *bias_too), own=LINEAR)


@reads("addmm")
def addmm(_: Seen, bias: Tensor, x: Tensor, W: Tensor, **factors: float) -> Call:
    if {*factors.values()} - {1} or bias.dim() != 1:
        raise NotKnown("beta, alpha, or a matrix to add to")
    return Call("dense", (x, W, bias))


@reads("mul", "multiply")
def mul(_: Seen, a: Tensor, b: Tensor) -> Call:
    for x, factor in ((a, b), (b, a)):
        if isinstance(factor, int | float):
            return Call("scale", (x,), {"factor": float(factor)})
    return Call("multiply", (a, b))


@reads("dropout", "dropout1d", "dropout2d", "dropout3d")
def dropout(
    seen: Seen,
    x: Tensor,
    p: float = 0.5,
    training: bool = True,  # noqa: FBT001, FBT002 as PyTorch has it
    inplace: bool = False,  # noqa: FBT001, FBT002
    *,
    mask: Tensor = None,
) -> Call:
    """Read it as a product with the mask that came out: `mask` is the dropout of ones."""
    return Call("multiply", (x, mask)) if training and p else Call("cast", (x,), own=cast)


# Casts.


@reads("to", "type", "type_as", "float", "half", "double", "bfloat16", "clone", "contiguous")
@reads("alias", "cpu", "cuda")
def to(_: Seen, x: Tensor, *__: Any, **___: Any) -> Call:
    return Call("cast", (x,), own=cast)


# Moving.


@reads("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as")
def reshape(seen: Seen, x: Tensor, *_: Any, **__: Any) -> Call:
    if seen.result.dtype != x.dtype:
        raise NotKnown("dtype")
    return Call("reshape", (x,), {"shape": tuple(seen.result.shape)})


@reads("transpose", "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "t", "T", "mT")
def transpose(seen: Seen, x: Tensor, *arguments: Any, **named: Any) -> Call:
    other = torch.empty(tuple(range(x.dim())), device="meta")  # axis i has size i
    axes = tuple(seen.function(other, *arguments, **named).shape)
    return Call("transpose", (x,), {"axes": axes})


@reads("getitem")
def getitem(_: Seen, x: Tensor, index: Any) -> Call:
    places = tuple(map(place, index if isinstance(index, tuple) else (index,)))
    return Call("slice", (x,), {"index": places})


def place(one: Any) -> Any:
    """Return one part of an index as NumPy takes it."""
    if isinstance(one, slice):
        return slice(*(None if n is None else int(n) for n in (one.start, one.stop, one.step)))
    if one is None or one is Ellipsis or (isinstance(one, int) and not isinstance(one, bool)):
        return one
    raise NotKnown(f"an index that is a {type(one).__name__}")


@reads("split", "chunk", "split_with_sizes", "tensor_split")
def split(seen: Seen, x: Tensor, _: Any = None, dim: int = 0, **named: Any) -> list[Call]:
    found, start = [], 0
    for part in seen.result:
        end = start + part.shape[dim]
        found.append(Call("slice", (x,), {"index": along(x, dim, slice(start, end))}))
        start = end
    return found


@reads("unbind")
def unbind(_: Seen, x: Tensor, dim: int = 0) -> list[Call]:
    return [Call("slice", (x,), {"index": along(x, dim, i)}) for i in range(x.shape[dim])]


@reads("select")
def select(_: Seen, x: Tensor, dim: int, index: int) -> Call:
    return Call("slice", (x,), {"index": along(x, dim, int(index))})


@reads("narrow")
def narrow(_: Seen, x: Tensor, dim: int, start: int, length: int) -> Call:
    return Call("slice", (x,), {"index": along(x, dim, slice(int(start), int(start) + length))})


def along(x: Tensor, dim: int, one: Any) -> tuple[Any, ...]:
    """Return the index of a part of x along one axis."""
    return (*[slice(None)] * (dim % x.dim()), one)


@reads("cat", "concat", "concatenate")
def cat(_: Seen, tensors: Sequence[Tensor], dim: int = 0) -> Call:
    parts = tuple(t for t in tensors if t.shape != (0,))  # an empty cache
    return Call("concatenate", parts, {"axis": dim})


@reads("pad")
def pad(_: Seen, x: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Call:
    if mode != "constant" or value or min(pad) < 0:
        raise NotKnown(f"mode={mode!r}, value={value!r}")
    pairs = [*zip(pad[::2], pad[1::2], strict=True)][::-1]
    return Call("pad", (x,), {"width": tuple([(0, 0)] * (x.dim() - len(pairs)) + pairs)})


@reads("embedding")
def embedding(
    _: Seen,
    index: Tensor,
    W: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,  # noqa: FBT001, FBT002
    sparse: bool = False,  # noqa: FBT001, FBT002
) -> Call:
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotKnown("max_norm, scale_grad_by_freq or sparse")
    if padding_idx is not None and (index == padding_idx % len(W)).any():
        raise NotKnown(f"padding_idx={padding_idx}")
    return Call("embedding", (W,), {"index": array(index)})


def array(t: Tensor) -> Any:
    """Return integers as an array of their own."""
    return t.detach().cpu().numpy().copy()


# Norms, softmax, attention.


def is_last(dim: int | None, x: Tensor) -> bool:
    """Return whether an axis is the last."""
    return dim is not None and dim % x.dim() == x.dim() - 1


@reads("softmax")
def softmax(_: Seen, x: Tensor, dim: int | None = None, *__: Any, **___: Any) -> Call:
    if not is_last(dim, x):
        raise NotKnown(f"dim={dim}")
    return Call("softmax", (x,))


@reads("log_softmax")
def log_softmax(seen: Seen, x: Tensor, dim: int | None = None, *_: Any, **__: Any) -> Call:
    return replace(softmax(seen, x, dim), op="log_softmax")


def ones_and_zeros(x: Tensor, n: int, gamma: Any, beta: Any) -> tuple[Any, Any]:
    """Return the scale and shift of a norm; those that are left out are ones and zeros."""
    dtype = np.float64 if x.dtype == torch.float64 else np.float32
    gamma = np.ones(n, dtype) if gamma is None else gamma
    return gamma, np.zeros(n, dtype) if beta is None else beta


@reads("batch_norm")
def batch_norm(
    _: Seen,
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor = None,
    bias: Tensor = None,
    training: bool = False,  # noqa: FBT001, FBT002
    momentum: float = 0.1,
    eps: float = 1e-5,
    *__: Any,
) -> Call:
    if not training:
        raise NotKnown("training=False")
    return Call("batch_norm", (x, *ones_and_zeros(x, x.shape[1], weight, bias)), {"eps": eps})


@reads("layer_norm")
def layer_norm(
    _: Seen,
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor = None,
    bias: Tensor = None,
    eps: float = 1e-5,
    *__: Any,
) -> Call:
    if len(normalized_shape) != 1:
        raise NotKnown(f"normalized_shape={tuple(normalized_shape)}")
    return Call("layer_norm", (x, *ones_and_zeros(x, x.shape[-1], weight, bias)), {"eps": eps})


@reads("rms_norm")
def rms_norm(
    _: Seen,
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor = None,
    eps: float | None = None,
) -> Call:
    if len(normalized_shape) != 1:
        raise NotKnown(f"normalized_shape={tuple(normalized_shape)}")
    gamma, _ = ones_and_zeros(x, x.shape[-1], weight, None)
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    return Call("rms_norm", (x, gamma), {"eps": eps})


@reads("weight_norm")
def weight_norm(_: Seen, v: Tensor, g: Tensor, dim: int = 0) -> Call:
    return Call("weight_norm", (v, g), {"dim": dim})


@reads("scaled_dot_product_attention")
def attention(
    _: Seen,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,  # noqa: FBT001, FBT002
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Call:
    usual = attn_mask is None and not dropout_p and scale is None and not enable_gqa
    if not usual or not is_causal or q.shape[-2] != k.shape[-2]:
        raise NotKnown("other than is_causal=True alone, between equal lengths")
    return Call("attention", (q, k, v))


# Pooling.


@reads("max_pool2d")
def max_pool2d(
    _: Seen,
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,  # noqa: FBT001, FBT002
    return_indices: bool = False,  # noqa: FBT001, FBT002
) -> Call:
    if alike(dilation) != 1 or ceil_mode or return_indices:
        raise NotKnown("dilation, ceil_mode or return_indices")
    return Call("max_pool", (x,), windows(kernel_size, stride, padding))


@reads("avg_pool2d")
def avg_pool2d(
    _: Seen,
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,  # noqa: FBT001, FBT002
    count_include_pad: bool = True,  # noqa: FBT001, FBT002
    divisor_override: int | None = None,
) -> Call:
    if ceil_mode or divisor_override is not None:
        raise NotKnown("ceil_mode or divisor_override")
    options = windows(kernel_size, stride, padding) | {"count_include_pad": count_include_pad}
    return Call("average_pool", (x,), options)


def windows(kernel_size: Any, stride: Any, padding: Any) -> dict[str, int]:
    """Return the options of a pooling, which are the same along both axes."""
    stride = kernel_size if stride is None or stride == [] else stride
    options = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
    found = {name: alike(value) for name, value in options.items()}
    for name, value in found.items():
        if not isinstance(value, int):
            raise NotKnown(f"{name}={value!r}")
    return found


# Losses.


@reads("cross_entropy")
def cross_entropy(
    _: Seen,
    y: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Call:
    if weight is not None or reduction != "mean" or y.dim() != len(("N", "C")):
        raise NotKnown("weight, a reduction other than the mean, or more than two axes")
    if target.is_floating_point():
        return Call("softmax_cross_entropy", (y, target), {"label_smoothing": label_smoothing})
    options = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
    return Call("cross_entropy", (y,), {"target": array(target), **options})


@reads("binary_cross_entropy_with_logits")
def bce_with_logits(
    _: Seen,
    y: Tensor,
    t: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Call:
    if (
        weight is not None
        or reduction != "mean"
        or (pos_weight is not None and pos_weight.numel() > 1)
    ):
        raise NotKnown("weight, a reduction other than the mean, or several pos_weight")
    options = {} if pos_weight is None else {"pos_weight": float(pos_weight)}
    return Call("bce_with_logits", (y, t), options)


@reads("softplus")
def softplus(_: Seen, x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Call:
    return Call("softplus", (x,), {"beta": beta, "threshold": threshold})


@reads("interpolate", "upsample")
def interpolate(
    _: Seen,
    x: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    *__: Any,
    **___: Any,
) -> Call:
    factor = alike(scale_factor)
    if size is not None or mode != "nearest" or factor is None or int(factor) != factor:
        raise NotKnown(f"size={size!r}, scale_factor={scale_factor!r}, mode={mode!r}")
    return Call("upsample", (x,), {"scale_factor": int(factor)})
