"""The functions beneath autograd whose arguments are others than the public functions' are.

The graphs that PyTorch's compilers make are of such calls. What they return for the backward pass,
such as a mean, is not known as an op. Source: native_functions.yaml in PyTorch's source.
"""

from typing import Any

from backproof.adapters.torch_functions.arguments import REDUCTIONS
from backproof.adapters.torch_functions.arithmetic import scaled
from backproof.adapters.torch_functions.backward import public
from backproof.adapters.torch_functions.calls import (
    ATEN,
    Call,
    NotKnown,
    Seen,
    Tensor,
    made_of,
    reads,
)

Calls = list[Call | None]


def first(seen: Seen, name: str, *args: Any, **named: Any) -> Calls:
    """Return the first result as a public function's, and the others as not known."""
    y, *others = seen.result
    return [public(name, y, *args, **named), *[None] * len(others)]


@reads("native_layer_norm", into=ATEN)
def native_layer_norm(seen: Seen, x: Tensor, shape: Any, W: Any, b: Any, eps: float) -> Calls:
    return first(seen, "layer_norm", x, shape, W, b, eps)


@reads("native_group_norm", into=ATEN)
def native_group_norm(
    seen: Seen, x: Tensor, W: Any, b: Any, N: int, C: int, size: int, groups: int, eps: float
) -> Calls:
    return first(seen, "group_norm", x, groups, W, b, eps)


@reads(
    *("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional"),
    into=ATEN,
)
def native_batch_norm(seen: Seen, x: Tensor, W: Any, b: Any, *rest: Any) -> Calls:
    """Read it; rest: the running mean and variance, if any, training, the momentum, and eps."""
    *running, training, momentum, eps = rest
    mean, variance = running or (None, None)
    return first(seen, "batch_norm", x, mean, variance, W, b, training, momentum, eps)


@reads("_native_batch_norm_legit_no_training", into=ATEN)
def batch_norm_at_rest(
    seen: Seen,
    x: Tensor,
    W: Any,
    b: Any,
    mean: Tensor,
    variance: Tensor,
    momentum: float,
    eps: float,
) -> Calls:
    return first(seen, "batch_norm", x, mean, variance, W, b, momentum=momentum, eps=eps)


@reads("nll_loss_forward", "nll_loss2d_forward", into=ATEN)
def nll_loss_forward(
    seen: Seen, x: Tensor, target: Tensor, weight: Any, reduction: int, ignore_index: int
) -> Calls:
    options = {"ignore_index": ignore_index, "reduction": REDUCTIONS[reduction]}
    return first(seen, "nll_loss", x, target, weight, **options)


@reads("elu", into=ATEN)
def elu(
    _: Seen, x: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0
) -> Call:
    """Read it as c / s times the `elu` of s x, where c and s are the scales."""
    if input_scale <= 0:
        raise NotKnown(f"input_scale={input_scale}")
    return made_of(
        *("elu", (x,)),
        ("scale", (0,), {"factor": input_scale}),
        ("elu", (-1,), {"alpha": alpha * input_scale}),
        ("scale", (-1,), {"factor": scale / input_scale}),
    )


@reads("embedding", into=ATEN)
def embedding(seen: Seen, W: Tensor, index: Tensor, padding_idx: int = -1, *rest: Any) -> Any:
    padding = None if padding_idx < 0 else padding_idx
    return public("embedding", seen.result, index, W, padding, None, 2.0, *rest)


BAGS = ("sum", "mean", "max")
"""What becomes of the rows of a bag, by PyTorch's numbers."""


@reads("embedding_bag", "_embedding_bag", into=ATEN)
def embedding_bag(
    seen: Seen,
    W: Tensor,
    index: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = -1,
) -> Calls:
    padding = None if padding_idx is None or padding_idx < 0 else padding_idx
    options = BAGS[mode], sparse, weights, include_last_offset, padding
    tensors = index, W, offsets, None, 2.0, scale_grad_by_freq
    return first(seen, "embedding_bag", *tensors, *options)


@reads("native_dropout", into=ATEN)
def native_dropout(seen: Seen, x: Tensor, p: float, training: bool | None = True) -> Calls:
    """Read it as a product with zeros, and 1 / (1 - p) for what the second result says is kept."""
    y, kept = seen.result
    if not training:
        return [public("dropout", y, x, p, training=False), None]
    return [Call("multiply", (x, scaled(kept, p, x))), None]


@reads("_cdist_forward", into=ATEN)
def cdist_forward(seen: Seen, a: Tensor, b: Tensor, p: float, mode: Any = None) -> Any:
    return public("cdist", seen.result, a, b, p)


@reads("_pdist_forward", into=ATEN)
def pdist_forward(seen: Seen, x: Tensor, p: float = 2.0) -> Any:
    return public("pdist", seen.result, x, p)


@reads("convolution", into=ATEN)
def convolution(
    seen: Seen,
    x: Tensor,
    W: Tensor,
    b: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Any:
    name = f"conv{'_transpose' if transposed else ''}{len(stride)}d"
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    options |= {"output_padding": output_padding} if transposed else {}
    return public(name, seen.result, x, W, b, **options)


@reads(
    *("_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu"),
    into=ATEN,
)
def attention(
    seen: Seen,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *_: Any,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> Calls:
    if dropout_p:
        raise NotKnown("dropout")
    options = {"is_causal": is_causal, "scale": scale}
    return first(seen, "scaled_dot_product_attention", q, k, v, attn_mask, **options)
