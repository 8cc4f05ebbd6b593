"""PyTorch's losses, read as ops: those of the table, and those that are composed of them.

A loss of few steps is a small network, whose derivative is that of its steps (`composed`). Its
constants, such as a margin, are operands of it.
"""

import math
from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

import torch
from torch.nn import functional as F

from backproof.adapters.torch_functions.arguments import after_seen
from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Reader,
    Seen,
    Step,
    Tensor,
    array,
    reads,
    refuse_narrow,
    steps,
)
from backproof.adapters.torch_functions.numbers import as_batches


def loss(name: str, *others: str) -> Callable[[Reader], Reader]:
    """Return a decorator that registers the reader of a loss.

    The reader is given all arguments of F's function of this name in their order; `reduction` is
    given by name, in the place of the three arguments that PyTorch has for it. others: more names.
    """
    own = signature(getattr(F, name))

    def register(reader: Reader) -> Reader:
        @reads(name, *others)
        def read(seen: Seen, *arguments: Any, **named: Any) -> Any:
            bound = own.bind(*arguments, **named)
            bound.apply_defaults()
            given = bound.arguments
            if (given.pop("size_average", None), given.pop("reduce", None)) != (None, None):
                raise NotKnown("size_average or reduce, in the place of reduction")
            reduction = given.pop("reduction")
            return reader(seen, *given.values(), reduction=reduction)

        read.__signature__ = after_seen(own)  # type: ignore[attr-defined]
        return reader

    return register


def reduction_of(name: str, of: str) -> tuple[Step, ...]:
    """Return the last step: the reduction of a step's losses."""
    return () if name == "none" else (("E", name, of),)


def constants(**arrays: Any) -> dict[str, Any]:
    """Return options that are arrays; those that are None are left out."""
    return {name: array(t.double()) for name, t in arrays.items() if t is not None}


# Of classes.


@loss("cross_entropy", "cross_entropy_loss")
@as_batches
def cross_entropy(
    seen: Seen,
    y: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
    *,
    reduction: str,
) -> Call:
    options = {"axis": 1, "reduction": reduction, **constants(weight=weight)}
    options["label_smoothing"] = label_smoothing
    if target.is_floating_point():
        refuse_narrow(y, seen.result)
        return Call("softmax_cross_entropy", (y, target), options)
    options |= {"target": array(target), "ignore_index": ignore_index}
    return Call("cross_entropy", (y,), options)


@loss("nll_loss", "nll_loss_nd", "nll_loss2d")
@as_batches
def nll_loss(
    _: Seen, y: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, *, reduction: str
) -> Call:
    options = {"axis": 1, "reduction": reduction, **constants(weight=weight)}
    options |= {"target": array(target), "ignore_index": ignore_index}
    return Call("nll_loss", (y,), options)


@loss("binary_cross_entropy_with_logits")
def bce_with_logits(
    seen: Seen,
    y: Tensor,
    t: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    *,
    reduction: str,
) -> Call:
    refuse_narrow(y, seen.result)
    options = constants(weight=weight, pos_weight=pos_weight)
    return Call("bce_with_logits", (y, t), {"reduction": reduction, **options})


@loss("binary_cross_entropy")
def bce(_: Seen, y: Tensor, t: Tensor, weight: Tensor | None, *, reduction: str) -> Call:
    """Read it as -w (t log y + (1 - t) log(1 - y))."""
    if ((y <= 0) | (y >= 1)).any():
        raise NotKnown("probabilities of 0 or 1, whose logarithms PyTorch bounds")
    operands: dict[str, Any] = {"y": y, "t": t, "one": 1.0}
    found: list[Step] = [
        ("log-y", "log", "y"),
        ("-y", "negative", "y"),
        ("log-1-y", "log1p", "-y"),
        ("1-t", "subtract", "one t"),
        ("true", "multiply", "t log-y"),
        ("false", "multiply", "1-t log-1-y"),
        ("both", "add", "true false"),
        ("E", "negative", "both"),
    ]
    if weight is not None:
        operands["w"] = weight
        found.append(("weighted", "multiply", "E w"))
    return steps("binary_cross_entropy", operands, *found, *reduction_of(reduction, found[-1][0]))


@loss("kl_div")
def kl_div(seen: Seen, y: Tensor, t: Tensor, log_target: bool, *, reduction: str) -> Call:
    refuse_narrow(t, seen.result)
    options: dict[str, Any] = {"log_target": log_target}
    if reduction == "batchmean":
        own = ("total", "kl_div", "y t", {**options, "reduction": "sum"})
        mean = ("E", "divide", "total n")
        return steps("kl_div_batchmean", {"y": y, "t": t, "n": len(y)}, own, mean)
    options["reduction"] = reduction
    return Call("kl_div", (y, t), options)


# Of distances.


@loss("smooth_l1_loss")
def smooth_l1_loss(_: Seen, y: Tensor, t: Tensor, beta: float, *, reduction: str) -> Call:
    """Read it as the Huber loss / beta."""
    if not beta:
        return Call("l1_loss", (y, t), {"reduction": reduction})
    own = ("huber", "huber", "y t", {"delta": beta, "reduction": reduction})
    divided = ("E", "divide", "huber beta")
    return steps("smooth_l1_loss", {"y": y, "t": t, "beta": beta}, own, divided)


@loss("poisson_nll_loss")
def poisson_nll_loss(
    _: Seen, y: Tensor, t: Tensor, log_input: bool, full: bool, eps: float, *, reduction: str
) -> Call:
    """Read it as e^y - t y, or y - t log(y + eps); full: with Stirling's formula of log t!."""
    if log_input:
        found = [
            ("mean", "exp", "y"),
            ("expected", "multiply", "t y"),
            ("losses", "subtract", "mean expected"),
        ]
    else:
        found = [
            ("more", "add", "y eps"),
            ("log", "log", "more"),
            ("expected", "multiply", "t log"),
            ("losses", "subtract", "y expected"),
        ]
    if full:
        found += [*stirling(array(t > 1)), ("all", "add", "losses counted")]
    operands = {"y": y, "t": t, "eps": eps, "one": 1.0, "zero": 0.0}
    return steps("poisson_nll_loss", operands, *found, *reduction_of(reduction, found[-1][0]))


def stirling(condition: Any) -> Iterator[Step]:
    """Yield the steps to t log t - t + log(2 pi t) / 2 where a condition holds, zero elsewhere."""
    chosen = {"condition": condition}
    yield "large", "where", "t one", chosen
    yield "log-t", "log", "large"
    yield "t-log-t", "multiply", "large log-t"
    yield "power", "subtract", "t-log-t large"
    yield "circle", "scale", "large", {"factor": 2 * math.pi}
    yield "log-circle", "log", "circle"
    yield "root", "scale", "log-circle", {"factor": 0.5}
    yield "stirling", "add", "power root"
    yield "counted", "where", "stirling zero", chosen


@loss("gaussian_nll_loss")
def gaussian_nll_loss(
    _: Seen, y: Tensor, t: Tensor, var: Any, full: bool, eps: float, *, reduction: str
) -> Call:
    """Read it as (log v + (y - t)^2 / v) / 2; full: and log(2 pi) / 2."""
    v = torch.as_tensor(var)
    if (v < eps).any():
        raise NotKnown("a variance below eps, through which PyTorch's gradients flow all the same")
    by_row = v.dim() and v.shape == y.shape[:-1]
    whole = [("whole", "add", "losses constant")] if full else []
    return steps(
        "gaussian_nll_loss",
        {"y": y, "t": t, "var": var, "constant": math.log(2 * math.pi) / 2},
        ("v", "reshape", "var", {"shape": (*v.shape, 1) if by_row else tuple(v.shape)}),
        ("log", "log", "v"),
        ("distance", "subtract", "y t"),
        ("square", "multiply", "distance distance"),
        ("share", "divide", "square v"),
        ("both", "add", "log share"),
        ("losses", "scale", "both", {"factor": 0.5}),
        *whole,
        *reduction_of(reduction, "whole" if full else "losses"),
    )


@loss("soft_margin_loss")
def soft_margin_loss(_: Seen, y: Tensor, t: Tensor, *, reduction: str) -> Call:
    """Read it as log(1 + e^(-t y))."""
    return steps(
        "soft_margin_loss",
        {"y": y, "t": t},
        ("sign", "negative", "t"),
        ("against", "multiply", "sign y"),
        ("losses", "softplus", "against"),
        *reduction_of(reduction, "losses"),
    )


# Of angles.


EPSILON = 1e-12
"""What cosine_embedding_loss adds to squared lengths."""


@loss("cosine_embedding_loss")
def cosine_embedding_loss(
    _: Seen, a: Tensor, b: Tensor, t: Tensor, margin: float, *, reduction: str
) -> Call:
    """Read it as 1 - cos where t is 1, max(0, cos - margin) where it is -1."""
    along = {"axis": -1}
    return steps(
        "cosine_embedding_loss",
        {"a": a, "b": b, "eps": EPSILON, "one": 1.0, "margin": margin, "zero": 0.0},
        ("products", "multiply", "a b"),
        ("product", "sum", "products", along),
        ("a-squares", "multiply", "a a"),
        ("a-square", "sum", "a-squares", along),
        ("a-more", "add", "a-square eps"),
        ("b-squares", "multiply", "b b"),
        ("b-square", "sum", "b-squares", along),
        ("b-more", "add", "b-square eps"),
        ("square", "multiply", "a-more b-more"),
        ("lengths", "sqrt", "square"),
        ("cosine", "divide", "product lengths"),
        ("apart", "subtract", "one cosine"),
        ("beyond", "subtract", "cosine margin"),
        ("hinge", "clamp", "beyond", {"low": 0.0}),
        ("alike", "where", "apart zero", {"condition": array(t == 1)}),
        ("unlike", "where", "hinge zero", {"condition": array(t == -1)}),
        ("losses", "add", "alike unlike"),
        *reduction_of(reduction, "losses"),
    )
