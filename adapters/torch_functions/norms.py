"""Normalization of activations and of weights."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import Call, NotKnown, Seen, Tensor, made_of, reads


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
    shape = tuple(normalized_shape)
    if len(shape) == 1:
        n = input.shape[-1]
        return Call("layer_norm", (input, *ones_and_zeros(input, n, weight, bias)), {"eps": eps})
    gamma, beta = (
        a.reshape(shape) if isinstance(a, np.ndarray) else a
        for a in ones_and_zeros(input, prod(shape), weight, bias)
    )
    flat = {"shape": (*input.shape[: -len(shape)], prod(shape))}
    return made_of(
        "layer_norm",
        (input, gamma, beta),
        ("reshape", (0,), flat),
        ("reshape", (1,), {"shape": (-1,)}),
        ("reshape", (2,), {"shape": (-1,)}),
        ("layer_norm", (-3, -2, -1), {"eps": eps}),
        ("reshape", (-1,), {"shape": tuple(input.shape)}),
    )


@reads("rms_norm")
def rms_norm(
    _: Seen,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor = None,
    eps: float | None = None,
) -> Call:
    if len(normalized_shape) != 1:
        raise NotKnown(f"normalized_shape={tuple(normalized_shape)}")
    gamma, _ = ones_and_zeros(input, input.shape[-1], weight, None)
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    return Call("rms_norm", (input, gamma), {"eps": eps})


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
