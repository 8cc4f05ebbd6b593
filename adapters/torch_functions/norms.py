"""Normalization of activations and of weights."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import Call, Seen, Tensor, made_of, reads


def ones_and_zeros(x: Tensor, n: int, gamma: Any, beta: Any) -> tuple[Any, Any]:
    """Return the scale and shift of a norm; those that are left out are ones and zeros."""
    dtype = np.float64 if x.dtype == torch.float64 else np.float32
    gamma = np.ones(n, dtype) if gamma is None else gamma
    return gamma, np.zeros(n, dtype) if beta is None else beta


def both_or_none(x: Tensor, gamma: Any, beta: Any) -> tuple[Any, ...]:
    """Return the scale and shift of a norm, or nothing where both are left out."""
    return () if gamma is None and beta is None else ones_and_zeros(x, x.shape[1], gamma, beta)


@reads("batch_norm")
def batch_norm(
    _: Seen,
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor = None,
    bias: Tensor = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *__: Any,
) -> Call:
    if training:
        tensors = (input, *ones_and_zeros(input, input.shape[1], weight, bias))
        return Call("batch_norm", tensors, {"eps": eps})
    mean, variance = (t.detach().double().cpu().numpy().copy() for t in (running_mean, running_var))
    options = {"mean": mean, "variance": variance, "eps": eps}
    return Call("batch_norm_inference", (input, *both_or_none(input, weight, bias)), options)


@reads("layer_norm")
def layer_norm(
    _: Seen,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor = None,
    bias: Tensor = None,
    eps: float = 1e-5,
    *__: Any,
) -> Call:
    parameters = ones_and_zeros(input, prod(normalized_shape), weight, bias)
    return over_several("layer_norm", input, normalized_shape, parameters, eps)


@reads("rms_norm")
def rms_norm(
    _: Seen,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor = None,
    eps: float | None = None,
) -> Call:
    """Read it as computed in float32 at least, of which the default of `eps` is the epsilon."""
    gain, _ = ones_and_zeros(input, prod(normalized_shape), weight, None)
    computed = torch.promote_types(input.dtype, torch.float32)
    eps = torch.finfo(computed).eps if eps is None else eps
    return over_several("rms_norm", input, normalized_shape, (gain,), eps)


def over_several(
    op: str, x: Tensor, shape: Sequence[int], parameters: Sequence[Any], eps: float
) -> Call:
    """Return the norm over as many last axes as a shape has: they are made one before, and back.

    parameters: of the shape, or in one row.
    """
    if len(shape) == 1:
        return Call(op, (x, *parameters), {"eps": eps})
    n = len(parameters)
    return made_of(
        f"{op}_over_several",
        (x, *parameters),
        ("reshape", (0,), {"shape": (*x.shape[: -len(shape)], prod(shape))}),
        *(("reshape", (i,), {"shape": (-1,)}) for i in range(1, n + 1)),
        (op, tuple(range(-n - 1, 0)), {"eps": eps}),
        ("reshape", (-1,), {"shape": tuple(x.shape)}),
    )


@reads("group_norm")
def group_norm(
    _: Seen,
    input: Tensor,
    num_groups: int,
    weight: Tensor = None,
    bias: Tensor = None,
    eps: float = 1e-5,
    *__: Any,
) -> Call:
    tensors = (input, *both_or_none(input, weight, bias))
    return Call("group_norm", tensors, {"groups": num_groups, "eps": eps})


@reads("instance_norm")
def instance_norm(
    seen: Seen,
    input: Tensor,
    running_mean: Tensor = None,
    running_var: Tensor = None,
    weight: Tensor = None,
    bias: Tensor = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *_: Any,
) -> Call:
    if use_input_stats:
        return group_norm(seen, input, input.shape[1], weight, bias, eps)
    return batch_norm(seen, input, running_mean, running_var, weight, bias, eps=eps)


@reads("weight_norm")
def weight_norm(_: Seen, v: Tensor, g: Tensor, dim: int = 0) -> Call:
    return Call("weight_norm", (v, g), {"dim": dim})
