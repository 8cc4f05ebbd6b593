"""The functions beneath autograd by which PyTorch differentiates others, read as ops.

Most are the derivative of an op, as a function of the cotangent and of the op's inputs. Those of a
result are written out. Source: derivatives.yaml in PyTorch's source.
"""

from functools import cache
from typing import Any

import torch
from torch.nn import functional as F

from backproof.adapters.torch_functions import of_name
from backproof.adapters.torch_functions.arguments import REDUCTIONS
from backproof.adapters.torch_functions.calls import (
    ATEN,
    Call,
    NotKnown,
    Seen,
    Tensor,
    array,
    reads,
    steps,
)
from backproof.reference.derivative import derivative
from backproof.reference.ops import OPS, Op


def derivatives_of(call: Any, dy: Tensor, *places: int) -> list[Call]:
    """Return the calls that make of dy what a call hands on to its inputs at some places."""
    name, operands = f"{call.op} backwards", (dy, *call.tensors)
    own = [
        derivative(call.own, k, call.op) if call.own else derivative_of(call.op, k) for k in places
    ]
    return [Call(name, operands, call.options, op) for op in own]


@cache
def derivative_of(name: str, k: int) -> Op:
    """Return the derivative of an op of the table: one op, whose nodes all have one name."""
    return derivative(OPS[name], k, name)


def public(name: str, dy: Tensor, *args: Any, **named: Any) -> Any:
    """Return the call of a public function, whose result is of dy's shape. Raises NotKnown."""
    reader = of_name(name)
    if reader is None:
        raise NotKnown(f"the derivative of {name}")
    function = getattr(torch, name, None) or getattr(F, name)
    return reader(Seen(function, dy), *args, **named)


def as_public(name: str, last: int | None = None) -> None:
    """Read name_backward(dy, x, ...) as the derivative of the public function of that name.

    last: how many of the arguments behind dy the function has, if not all.
    """

    @reads(f"{name}_backward", into=ATEN)
    def read(seen: Seen, dy: Tensor, *args: Any, **named: Any) -> Call:
        return derivatives_of(public(name, dy, *args[:last], **named), dy, 0)[0]


for one in (
    "gelu",
    "silu",
    "softplus",
    "hardtanh",
    "hardswish",
    "mish",
    "avg_pool2d",
    "avg_pool3d",
):
    as_public(one)
as_public("leaky_relu", 2)


@reads("max_pool2d_with_indices_backward", into=ATEN)
def max_pool2d_backward(seen: Seen, dy: Tensor, x: Tensor, *options: Any) -> Call:
    """Read it as the derivative of the pooling. The last of the options are the indices."""
    return derivatives_of(public("max_pool2d", dy, x, *options[:-1]), dy, 0)[0]


@reads("upsample_nearest1d_backward", "upsample_nearest2d_backward", into=ATEN)
def upsample_backward(seen: Seen, dy: Tensor, size: Any, input_size: Any, *scales: Any) -> Call:
    """Read it as the derivative of the interpolation, which is the same for all inputs."""
    call = public("interpolate", dy, dy.new_zeros(tuple(input_size)), [*size])
    return derivatives_of(call, dy, 0)[0]


@reads("mse_loss_backward", into=ATEN)
def mse_loss_backward(seen: Seen, dy: Tensor, x: Tensor, target: Tensor, reduction: int) -> Call:
    """Read it as the derivative of the loss, of its input."""
    call = public("mse_loss", dy, x, target, reduction=REDUCTIONS[reduction])
    return derivatives_of(call, dy, 0)[0]


@reads("smooth_l1_loss_backward", "huber_loss_backward", into=ATEN)
def smooth_loss_backward(
    seen: Seen, dy: Tensor, x: Tensor, target: Tensor, reduction: int, size: float
) -> Call:
    """Read it as the derivative of the loss, of its input. size: where its parts meet."""
    is_huber = "huber" in str(seen.function)
    name, option = ("huber_loss", "delta") if is_huber else ("smooth_l1_loss", "beta")
    options = {"reduction": REDUCTIONS[reduction], option: size}
    return derivatives_of(public(name, dy, x, target, **options), dy, 0)[0]


@reads("binary_cross_entropy_backward", into=ATEN)
def binary_cross_entropy_backward(
    _: Seen, dy: Tensor, x: Tensor, target: Tensor, weight: Any = None, reduction: int = 1
) -> Call:
    """Read it as the derivative of the loss, of the probabilities."""
    call = public("binary_cross_entropy", dy, x, target, weight, reduction=REDUCTIONS[reduction])
    return derivatives_of(call, dy, 0)[0]


@reads("embedding_dense_backward", into=ATEN)
def embedding_backward(
    _: Seen, dy: Tensor, index: Tensor, rows: int, padding_idx: int, scale_grad_by_freq: bool
) -> Call:
    """Read it as the derivative of the rows that were taken, which is the same for all weights."""
    options = None if padding_idx < 0 else padding_idx, None, 2.0, scale_grad_by_freq
    call = public("embedding", dy, index, dy.new_zeros(rows, dy.shape[-1]), *options)
    return derivatives_of(call, dy, 0)[0]


@reads("nll_loss_backward", "nll_loss2d_backward", into=ATEN)
def nll_loss_backward(
    seen: Seen,
    dy: Tensor,
    x: Tensor,
    target: Tensor,
    weight: Any,
    reduction: int,
    ignore_index: int,
    total_weight: Tensor,
) -> Call:
    """Read it as the derivative of the loss, of the logarithms of the probabilities."""
    options = {"ignore_index": ignore_index, "reduction": REDUCTIONS[reduction]}
    return derivatives_of(public("nll_loss", dy, x, target, weight, **options), dy, 0)[0]


@reads("threshold_backward", into=ATEN)
def threshold_backward(seen: Seen, dy: Tensor, x: Tensor, threshold: float) -> Call:
    """Read it as the derivative of the function that is zero up to the threshold."""
    return derivatives_of(public("threshold", dy, x, threshold, 0), dy, 0)[0]


@reads("elu_backward", into=ATEN)
def elu_backward(
    seen: Seen, dy: Tensor, alpha: Any, scale: Any, input_scale: Any, is_result: bool, x: Tensor
) -> Call:
    """Read it as the derivative of elu, of its input."""
    if is_result or (scale, input_scale) != (1, 1):
        raise NotKnown("a derivative from the result, or of a scaled function")
    return derivatives_of(public("elu", dy, x, alpha), dy, 0)[0]


@reads("tanh_backward", into=ATEN)
def tanh_backward(_: Seen, dy: Tensor, y: Tensor) -> Call:
    """Read it as dy (1 - y^2)."""
    return steps(
        "tanh backwards",
        {"dy": dy, "y": y, "one": 1.0},
        ("square", "multiply", "y y"),
        ("slope", "subtract", "one square"),
        ("dx", "multiply", "dy slope"),
    )


@reads("sigmoid_backward", into=ATEN)
def sigmoid_backward(_: Seen, dy: Tensor, y: Tensor) -> Call:
    """Read it as dy (1 - y) y."""
    return steps(
        "sigmoid backwards",
        {"dy": dy, "y": y, "one": 1.0},
        ("rest", "subtract", "one y"),
        ("slope", "multiply", "rest y"),
        ("dx", "multiply", "dy slope"),
    )


@reads("_softmax_backward_data", into=ATEN)
def softmax_backward_data(_: Seen, dy: Tensor, y: Tensor, dim: int, input_dtype: Any) -> Call:
    """Read it as y (dy - sum(y dy))."""
    return steps(
        "softmax backwards",
        {"dy": dy, "y": y},
        ("product", "multiply", "dy y"),
        ("sum", "sum", "product", {"axis": dim, "keepdims": True}),
        ("rest", "subtract", "dy sum"),
        ("dx", "multiply", "y rest"),
    )


@reads("_log_softmax_backward_data", into=ATEN)
def log_softmax_backward_data(_: Seen, dy: Tensor, y: Tensor, dim: int, input_dtype: Any) -> Call:
    """Read it as dy - e^y sum(dy)."""
    return steps(
        "log_softmax backwards",
        {"dy": dy, "y": y},
        ("p", "exp", "y"),
        ("sum", "sum", "dy", {"axis": dim, "keepdims": True}),
        ("share", "multiply", "p sum"),
        ("dx", "subtract", "dy share"),
    )


@reads("convolution_backward", into=ATEN)
def convolution_backward(
    seen: Seen,
    dy: Tensor,
    x: Tensor,
    W: Tensor,
    bias_sizes: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    output_mask: Any,
) -> list[Call]:
    """Read it as the derivatives of the convolution without bias, and as a sum."""
    name = f"conv{'_transpose' if transposed else ''}{len(stride)}d"
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    options |= {"output_padding": output_padding} if transposed else {}
    found = derivatives_of(public(name, dy, x, W, **options), dy, 0, 1)
    axes = tuple(i for i in range(dy.dim()) if i != 1)
    found.append(Call("sum", (dy,), {"axis": axes, "keepdims": False}))
    return asked(found, output_mask)


def asked(calls: list[Call], mask: Any) -> list[Call]:
    """Return the calls of the results that were asked for."""
    return [one for one, is_asked in zip(calls, mask, strict=True) if is_asked]


@reads("glu_backward", into=ATEN)
def glu_backward(_: Seen, dy: Tensor, x: Tensor, dim: int) -> Call:
    return derivatives_of(public("glu", dy, x, dim), dy, 0)[0]


@reads("_prelu_kernel_backward", into=ATEN)
def prelu_backward(_: Seen, dy: Tensor, x: Tensor, weight: Tensor) -> list[Call]:
    """Read the derivative by a slope as that of one entry: those of one slope are summed later."""
    above = {"condition": array(x) > 0}
    of_x = steps(
        "prelu backwards",
        {"dy": dy, "w": weight},
        ("below", "multiply", "dy w"),
        ("dx", "where", "dy below", above),
    )
    of_w = steps(
        "prelu backwards",
        {"dy": dy, "x": x},
        ("below", "multiply", "dy x"),
        ("above", "scale", "below", {"factor": 0.0}),
        ("dw", "where", "above below", above),
    )
    return [of_x, of_w]


@reads("log_sigmoid_backward", into=ATEN)
def log_sigmoid_backward(_: Seen, dy: Tensor, x: Tensor, buffer: Tensor) -> Call:
    return derivatives_of(Call("log_sigmoid", (x,)), dy, 0)[0]


@reads("_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward", into=ATEN)
def adaptive_pool_backward(seen: Seen, dy: Tensor, x: Tensor) -> Call:
    """Read it as the derivative of the pooling, which is the same for all inputs."""
    n = x.dim() - 2
    return derivatives_of(public(f"adaptive_avg_pool{n}d", dy, x, dy.shape[-n:]), dy, 0)[0]


@reads("upsample_linear1d_backward", "upsample_bilinear2d_backward", into=ATEN)
@reads("upsample_trilinear3d_backward", "upsample_bicubic2d_backward", into=ATEN)
def linear_upsample_backward(
    seen: Seen, dy: Tensor, size: Any, input_size: Any, align_corners: bool, *scales: Any
) -> Call:
    """Read it as the derivative of the interpolation, which is the same for all inputs.

    Raises NotKnown where a scale is given that is not the one of the sizes.
    """
    _, name, _ = str(seen.function).split(".")
    kind = name.removeprefix("upsample_").removesuffix("_backward")
    for scale, n, m in zip(scales, size, input_size[2:], strict=False):
        if scale is not None and scale * m != n:
            raise NotKnown("a scale that is not that of the sizes")
    options = {"mode": kind.rstrip("123d"), "align_corners": align_corners}
    call = public("interpolate", dy, dy.new_zeros(tuple(input_size)), [*size], **options)
    return derivatives_of(call, dy, 0)[0]
