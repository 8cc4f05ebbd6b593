"""PyTorch: eager tensors and torch.autograd; and the same adapter under its transformations."""

import math
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from backproof.adapters.directional import nested
from backproof.adapters.protocol import Adapter, Directional, Loss, Tensor
from backproof.adapters.torch_campaign import COMPILED, DIALECT, aborts
from backproof.adapters.torch_optimizers import libraries


def processor() -> tuple[str, ...]:
    level = torch.backends.cpu.get_cpu_capability()
    features: Tensor = getattr(torch.cpu, "get_capabilities", dict)()  # older releases have none
    return (level, "AMX") if features.get("amx_bf16") else (level,)


def array(a: Tensor) -> Tensor:  # torch.tensor does not know NumPy's bfloat16
    bfloat16 = a.dtype.name == "bfloat16"
    return torch.tensor(a.astype("float32")).bfloat16() if bfloat16 else torch.tensor(a)


def numpy(t: Tensor) -> Tensor:
    bfloat16 = t.dtype == torch.bfloat16
    return t.detach().float().numpy().astype("bfloat16") if bfloat16 else t.numpy(force=True)


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    leaves = [tensor.requires_grad_() for tensor in tensors.values()]
    E, values = loss(tensors)
    return values, dict(zip(tensors, torch.autograd.grad(E, leaves), strict=True))


def func_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    gradients, (_, values) = torch.func.grad_and_value(loss, has_aux=True)(tensors)
    return values, gradients


def compiled(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    torch.compiler.reset()
    run = torch.compile(loss, fullgraph=True, dynamic=False)
    with warnings.catch_warnings(action="ignore"):  # PyTorch's, about its own code
        # Constants kept from this run would show. It has gradients, or the next one compiles anew.
        value_and_grad(run, {name: t / 2 for name, t in tensors.items()})
        return value_and_grad(run, tensors)


def per_example(
    loss: Loss, tensors: dict[str, Tensor], batched: Collection[str]
) -> tuple[Tensor, ...]:
    axes = {name: 0 if name in batched else None for name in tensors}
    gradient = torch.func.grad_and_value(loss, has_aux=True)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # about slow ops
        gradients, (_, values) = torch.func.vmap(gradient, in_dims=(axes,))(tensors)
    return values, gradients


def vmapped(loss: Loss, tensors: dict[str, Tensor], at: int = 1) -> tuple[Tensor, ...]:
    halves = {name: t / 2 for name, t in tensors.items()}  # another example, of other numbers
    both = {k: torch.stack([halves[k], t] if at else [t, halves[k]]) for k, t in tensors.items()}
    return tuple({k: t[at] for k, t in found.items()} for found in per_example(loss, both, both))


def checkpointed(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    with set_checkpoint_early_stop(False):
        return value_and_grad(lambda t: checkpoint(loss, t, use_reentrant=False), tensors)


@contextmanager
def two_threads(precision: str) -> Iterator[None]:
    """Compute with two threads, as users do: tests that run side by side have one each."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def jvp(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Tensor:
    return torch.func.jvp(loss, (tensors,), (directions,))


FORWARD = ("jvp", "forward-over-reverse", "reverse-over-forward")
"""The methods that use forward mode."""

SECOND = ("forward-over-reverse", "reverse-over-forward", "reverse-over-reverse")
"""The methods of second order."""


def unfused(method: Directional) -> Directional:
    """Return the method with unfused attention: fused has no forward mode or second derivative."""

    def along(*arguments: Any) -> Any:
        with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit.script`")  # PyTorch itself calls it
            return method(*arguments)

    return along


def dense(x: Tensor, W: Tensor, b: Tensor | None = None) -> Tensor:
    return F.linear(x, W.T, b if b is None else b.expand(W.shape[1]))


def around(x: Tensor, padding: Any, value: float = 0.0) -> tuple[Tensor, Any]:
    """Return x and what padding is left; PyTorch's own is the same before and after."""
    if isinstance(padding, int) or all(isinstance(n, int) for n in padding):
        return x, padding
    return F.pad(x, [n for pair in reversed(padding) for n in pair], value=value), 0


def conv(x: Tensor, W: Tensor, b: Tensor | None = None, padding: Any = 0, **o: Any) -> Tensor:
    x, padding = around(x, padding)
    return {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[x.ndim](x, W, b, padding=padding, **o)


def conv_transpose(x: Tensor, *leaves: Tensor, **options: Any) -> Tensor:
    functions = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}
    return functions[x.ndim](x, *leaves, **options)


def max_pool(x: Tensor, padding: Any = 0, **o: Any) -> Tensor:
    x, padding = around(x, padding, -math.inf)
    return {3: F.max_pool1d, 4: F.max_pool2d, 5: F.max_pool3d}[x.ndim](x, padding=padding, **o)


def average_pool(x: Tensor, **options: Any) -> Tensor:
    return {3: F.avg_pool1d, 4: F.avg_pool2d, 5: F.avg_pool3d}[x.ndim](x, **options)


def adaptive_average_pool(x: Tensor, output_size: Any) -> Tensor:
    functions = {3: F.adaptive_avg_pool1d, 4: F.adaptive_avg_pool2d, 5: F.adaptive_avg_pool3d}
    return functions[x.ndim](x, output_size)


def adaptive_max_pool(x: Tensor, output_size: Any) -> Tensor:
    functions = {3: F.adaptive_max_pool1d, 4: F.adaptive_max_pool2d, 5: F.adaptive_max_pool3d}
    return functions[x.ndim](x, output_size)


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], gamma, beta, eps)


def rms_norm(x: Tensor, gamma: Tensor, eps: float = 1e-5) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], gamma, eps)


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    return torch._weight_norm(v, g, dim)  # noqa: SLF001 what torch.nn.utils.parametrizations calls


def embedding(W: Tensor, index: Tensor, padding_index: int | None = None) -> Tensor:
    return F.embedding(torch.tensor(index), W, padding_index)


def pad(x: Tensor, width: Tensor, value: float = 0) -> Tensor:
    return F.pad(x, [n for pair in reversed(width) for n in pair], value=value)


def causal_mask(scores: Tensor, fill: float = -1e4) -> Tensor:
    later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(later, fill)


def attention(q: Tensor, k: Tensor, v: Tensor, *mask: Tensor, **options: Any) -> Tensor:
    causal, seen = options.pop("causal", True), options.pop("seen", None)
    options |= {} if seen is None else {"attn_mask": torch.tensor(seen)}
    options |= {"is_causal": causal, "enable_gqa": q.shape[1] != k.shape[1]}
    attend: Any = F.scaled_dot_product_attention
    return attend(q, k, v, *mask, **options)


def addmm(c: Tensor, a: Tensor, b: Tensor, **scales: float) -> Tensor:
    function: Any = torch.addmm if a.ndim == len("IK") else torch.baddbmm
    return function(c, a, b, **scales)


def softplus(z: Tensor, beta: float = 1.0, **threshold: float) -> Tensor:
    return F.softplus(z, beta, **threshold)


def of_classes(function: Any, y: Tensor, *t: Tensor, axis: int = -1, **options: Any) -> Tensor:
    t = t or (torch.tensor(options.pop("target")),)
    if axis != -1:
        return function(y, *t, **weights(y, options))
    batch, t = y.shape[:-1], tuple(a.flatten(0, a.ndim - y.ndim) for a in t)
    losses = function(y.flatten(0, -2), *t, **weights(y, options))
    return losses.unflatten(0, batch) if losses.ndim else losses


def weights(y: Tensor, options: Any) -> Any:
    arrays = {k: options[k] for k in ("weight", "pos_weight") if k in options}
    return options | {name: torch.tensor(a, dtype=y.dtype) for name, a in arrays.items()}


def kl_div(y: Tensor, t: Tensor, **options: Any) -> Tensor:
    with warnings.catch_warnings(action="ignore"):  # PyTorch would rather have another mean
        return F.kl_div(y, t, **options)


def bce_with_logits(y: Tensor, t: Tensor, **options: Any) -> Tensor:
    return F.binary_cross_entropy_with_logits(y, t, **weights(y, options))


def complete_iou(p: Tensor, t: Tensor, eps: float = 1e-7) -> Tensor:
    """Compose it as torchvision does: PyTorch itself has none."""
    (x1, y1, x2, y2), (X1, Y1, X2, Y2) = p.unbind(-1), t.unbind(-1)
    w, h, wt, ht = x2 - x1, y2 - y1, X2 - X1, Y2 - Y1
    inter = F.relu(torch.minimum(x2, X2) - torch.maximum(x1, X1))
    inter = inter * F.relu(torch.minimum(y2, Y2) - torch.maximum(y1, Y1))
    iou = inter / (w * h + wt * ht - inter + eps)
    c2 = (torch.maximum(x2, X2) - torch.minimum(x1, X1)).square() + eps
    c2 = c2 + (torch.maximum(y2, Y2) - torch.minimum(y1, Y1)).square()
    rho2 = ((x1 + x2 - X1 - X2).square() + (y1 + y2 - Y1 - Y2).square()) / 4
    v = 4 / math.pi**2 * (torch.atan(wt / ht) - torch.atan(w / h)).square()
    alpha = (v / (1 - iou + v + eps)).detach()
    return 1 - iou + rho2 / c2 + alpha * v


def where(a: Tensor, b: Tensor, condition: Any) -> Tensor:
    return torch.where(torch.tensor(condition), a, b)


def group_norm(x: Tensor, *parameters: Tensor, groups: int, eps: float = 1e-5) -> Tensor:
    gamma, beta = parameters or (None, None)
    return F.group_norm(x, groups, gamma, beta, eps)


def batch_norm_inference(
    x: Tensor, *parameters: Tensor, mean: Any, variance: Any, eps: float = 1e-5
) -> Tensor:
    m, v = (torch.tensor(a, dtype=x.dtype) for a in (mean, variance))
    gamma, beta = parameters or (None, None)
    return F.batch_norm(x, m, v, gamma, beta, eps=eps)


def logsumexp(x: Tensor, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return torch.logsumexp(x, tuple(range(x.ndim)) if axis is None else axis, keepdims)


def mean(x: Tensor, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return torch.mean(x, axis, keepdims)


def variance(x: Tensor, axis: Any = None, *, keepdims: bool = False, correction: int = 1) -> Tensor:
    return torch.var(x, axis, correction=correction, keepdim=keepdims)


def triangular_solve(
    A: Tensor,
    B: Tensor,
    *,
    lower: bool = True,
    transpose: bool = False,
    unit_diagonal: bool = False,
) -> Tensor:
    T = A.mT if transpose else A
    options = {"upper": lower == transpose, "unitriangular": unit_diagonal}
    return torch.linalg.solve_triangular(T, B, **options)


adapter = Adapter(
    version=str(torch.__version__),
    processor=processor(),
    ops={
        "dense": dense,
        "conv": conv,
        "conv_transpose": conv_transpose,
        "embedding": embedding,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": F.relu,
        "leaky_relu": F.leaky_relu,
        "elu": F.elu,
        "gelu": F.gelu,
        "silu": F.silu,
        "softplus": softplus,
        "softmax": lambda y, axis=-1: F.softmax(y, axis),
        "log_softmax": lambda y, axis=-1: F.log_softmax(y, axis),
        "batch_norm": batch_norm,
        "layer_norm": layer_norm,
        "rms_norm": rms_norm,
        "weight_norm": weight_norm,
        "max_pool": max_pool,
        "average_pool": average_pool,
        "adaptive_average_pool": adaptive_average_pool,
        "adaptive_max_pool": adaptive_max_pool,
        "upsample": F.interpolate,
        "causal_mask": causal_mask,
        "attention": attention,
        "matmul": torch.matmul,
        "einsum": lambda *operands, equation: torch.einsum(equation, *operands),
        "addmm": addmm,
        "add": torch.add,
        "multiply": torch.mul,
        "scale": lambda x, factor: factor * x,
        "sum": lambda x, axis=None, keepdims=False: torch.sum(x, axis, keepdims),
        "concatenate": lambda *parts, axis: torch.cat(parts, axis),
        "reshape": torch.reshape,
        "transpose": lambda x, axes: x.permute(axes),
        "slice": lambda x, index: x[index],
        "pad": pad,
        "stack": lambda *parts, axis: torch.stack(parts, axis),
        "expand": lambda x, shape: x.expand(shape),
        "add_at": lambda x, source, index: x.index_put(
            (torch.tensor(index),), source, accumulate=True
        ),
        "put": lambda x, values, index: x.index_put((torch.tensor(index),), values),
        "masked_fill": lambda x, mask, value: x.masked_fill(torch.tensor(mask), value),
        "half_squared_error": lambda y, t: 0.5 * F.mse_loss(y, t, reduction="sum"),
        "mean_squared_error": F.mse_loss,
        "huber": F.huber_loss,
        "softmax_cross_entropy": partial(of_classes, F.cross_entropy),
        "cross_entropy": partial(of_classes, F.cross_entropy),
        "nll_loss": partial(of_classes, F.nll_loss),
        "l1_loss": F.l1_loss,
        "kl_div": kl_div,
        "min": lambda x, axis=(), keepdims=False: torch.amin(x, axis, keepdims),
        "bce_with_logits": bce_with_logits,
        "complete_iou": complete_iou,
        "subtract": torch.sub,
        "divide": torch.div,
        "negative": torch.neg,
        "power": torch.pow,
        "exp": torch.exp,
        "expm1": torch.expm1,
        "log": torch.log,
        "log1p": torch.log1p,
        "sqrt": torch.sqrt,
        "rsqrt": torch.rsqrt,
        "reciprocal": torch.reciprocal,
        "sin": torch.sin,
        "cos": torch.cos,
        "erf": torch.erf,
        "abs": torch.abs,
        "clamp": lambda x, low=-math.inf, high=math.inf: torch.clamp(x, low, high),
        "maximum": torch.maximum,
        "minimum": torch.minimum,
        "where": where,
        "group_norm": group_norm,
        "batch_norm_inference": batch_norm_inference,
        "mean": mean,
        "max": lambda x, axis=(), keepdims=False: torch.amax(x, axis, keepdims),
        "logsumexp": logsumexp,
        "variance": variance,
        "norm": lambda x, axis=None, keepdims=False: torch.linalg.vector_norm(
            x, dim=axis, keepdim=keepdims
        ),
        "normalize": lambda x, axis=1, eps=1e-12: F.normalize(x, dim=axis, eps=eps),
        "cumsum": torch.cumsum,
        "log_sigmoid": F.logsigmoid,
        "mish": F.mish,
        "softsign": F.softsign,
        "hardsigmoid": F.hardsigmoid,
        "hardswish": F.hardswish,
        "prelu": F.prelu,
        "glu": lambda x, axis=-1: F.glu(x, axis),
        "atan2": torch.atan2,
        "erf_inv": torch.erfinv,
        "lgamma": torch.lgamma,
        "digamma": torch.digamma,
        "triangular_solve": triangular_solve,
        "solve": torch.linalg.solve,
        "cholesky": lambda A: torch.linalg.cholesky((A + A.mT) / 2),
    },
    array=array,
    numpy=numpy,
    value_and_grad=value_and_grad,
    per_example=per_example,
    libraries=libraries,
    dialect=DIALECT,
    aborts=aborts,
    unsupported={
        "huber forward-over-reverse": "huber_loss_backward has no forward mode",
        "glu reverse-over-forward": "glu_jvp has no derivative",
        **dict.fromkeys(
            (f"hardsigmoid {method}" for method in SECOND), "hardsigmoid has no second derivative"
        ),
        **dict.fromkeys(
            (f"weight_norm {method}" for method in FORWARD), "_weight_norm has no forward mode"
        ),
        **{f"embedding padding_index {way}": "forward mode moves its row" for way in FORWARD},
    },
    forward_mode={"jvp": unfused(jvp)},
    second_order={
        name: unfused(method) for name, method in nested(torch.func.grad, torch.func.jvp).items()
    },
)
variants = {
    "func": replace(adapter, value_and_grad=func_grad, dialect=None),
    "compile": replace(adapter, value_and_grad=compiled, dialect=COMPILED),
    "vmap": replace(adapter, value_and_grad=vmapped, dialect=None),
    "vmap_first": replace(adapter, value_and_grad=partial(vmapped, at=0), dialect=None),
    "checkpoint": replace(adapter, value_and_grad=checkpointed, dialect=None),
    "threads": replace(adapter, state=two_threads, dialect=None),
    "compile_threads": replace(adapter, value_and_grad=compiled, state=two_threads, dialect=None),
}
