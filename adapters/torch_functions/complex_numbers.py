"""Complex numbers: arrays of real ones, with the real and the imaginary part along a last axis.

A derivative by a complex number has those by its two parts in PyTorch, too: dE/da + i dE/db.
Most functions are read as of real numbers, by ops that run over complex ones (`over_complex`).
"""

from functools import wraps
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    COMPLEX,
    Call,
    NotKnown,
    Reader,
    Seen,
    Step,
    Tensor,
    made_of,
    reads,
    refuse_several_dtypes,
    steps,
)
from backproof.reference import complex_calls
from backproof.reference.complex_calls import WIDENED, with_parts
from backproof.reference.ops.cast import cast
from backproof.reference.own import OWN

RE, IM = {"index": (..., 0)}, {"index": (..., 1)}
BOTH = {"axis": -1}
"""The options of the ops that take the parts, and that put them beside each other."""

ALIKE = {
    *("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "ravel", "view_as"),
    *("reshape_as", "transpose", "permute", "swapaxes", "swapdims", "movedim", "moveaxis", "t"),
    *("T", "mT", "expand", "expand_as", "broadcast_to", "repeat", "tile", "contiguous", "clone"),
    *("alias", "positive", "pos", "roll", "flip", "fliplr", "flipud", "rot90", "fft_fftshift"),
    *("fft_ifftshift", "getitem", "select", "narrow", "index_select", "diagonal", "unbind"),
    *("linalg_diagonal", "split", "chunk", "unsafe_split", "unsafe_chunk", "split_with_sizes"),
    *("tensor_split", "hsplit", "vsplit", "dsplit", "take", "take_along_dim", "gather", "diag"),
    *("diagflat", "diag_embed", "masked_select", "unfold", "repeat_interleave", "pad", "tril"),
    *("constant_pad_nd", "triu", "meshgrid", "broadcast_tensors", "atleast_1d", "atleast_2d"),
    *("atleast_3d", "cat", "concat", "concatenate", "stack", "hstack", "vstack", "row_stack"),
    *("dstack", "column_stack", "block_diag", "cartesian_prod", "combinations", "setitem", "put"),
    *("index_put", "index_add", "index_copy", "index_fill", "scatter", "scatter_add", "fill"),
    *("zero", "masked_fill", "masked_scatter", "select_scatter", "slice_scatter", "where"),
    *("diagonal_scatter", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"),
    *("neg", "negative", "add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide"),
    *("true_divide", "truediv", "reciprocal", "square", "addcmul", "addcdiv", "lerp", "sum"),
    *("mean", "nansum", "cumsum", "cumprod", "prod", "trace", "diff", "trapezoid", "trapz"),
    *("cumulative_trapezoid", "gradient", "sum_to_size", "matmul", "mm", "bmm", "mv", "dot"),
    *("outer", "ger", "inner", "kron", "einsum", "tensordot", "addmm", "baddbmm"),
    *("addmv", "addbmm", "addr", "linear", "cross", "linalg_cross", "matrix_power"),
    *("linalg_matrix_power", "linalg_multi_dot", "linalg_vander", "conv1d", "conv2d", "conv3d"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "exp", "log", "log2", "log10"),
    *("linalg_solve", "linalg_solve_ex", "linalg_inv", "linalg_inv_ex", "inverse"),
    *("linalg_tensorinv", "linalg_tensorsolve", "exp2", "log1p", "sqrt", "rsqrt", "sin", "cos"),
    *("tan", "sinh", "cosh", "tanh"),
}
"""The functions that are the same of complex numbers as of real ones."""


def is_complex(x: Any) -> bool:
    """Return whether a tensor, an array or a number is complex."""
    return x.is_complex() if isinstance(x, torch.Tensor) else np.iscomplexobj(x)


def over_complex(read: Reader) -> Reader:
    """Return the reader of a function's calls of complex numbers; read: of those of real ones."""

    @wraps(read)
    def read_complex(seen: Seen, *arguments: Any, **named: Any) -> Any:
        found = read(seen, *arguments, **named)
        return (
            [one and of_complex(one) for one in found]
            if isinstance(found, list)
            else (of_complex(found))
        )

    return read_complex


def of_complex(call: Call) -> Call:
    """Return the call of complex numbers that is a call of real ones.

    It is as it is where no operand is complex, as in `x.expand_as(z)`. Raises NotKnown where
    operands are of several dtypes, and LookupError where an op is not one of complex numbers.
    """
    kinds = [*map(is_complex, call.tensors)]
    if not any(kinds):
        return call
    refuse_several_dtypes(call.tensors)
    op, own, options = complex_calls.of_complex(call.op, call.own, call.options, kinds)
    every = (t if isinstance(t, torch.Tensor) else with_parts(t) for t in call.tensors)
    return Call(op, (*every,), options, own)


def parts_of(z: str, re: str, im: str) -> tuple[Step, Step]:
    """Return the steps that take the parts of a complex operand."""
    return (re, "slice", z, RE), (im, "slice", z, IM)


@reads("copy", into=COMPLEX)
def copy(_: Seen, z: Tensor, src: Tensor, non_blocking: bool = False) -> Call:
    return of_complex(Call("expand", (src,), {"shape": tuple(z.shape)}))


@reads("resolve_conj", "resolve_neg", into=COMPLEX)
def resolve(_: Seen, z: Tensor) -> Call:
    return Call("cast", (z,), own=cast)


@reads("view_as_real", into=COMPLEX)
def view_as_real(seen: Seen, z: Tensor) -> Call:
    return Call("reshape", (z,), {"shape": (*seen.result.shape,)})


@reads("view_as_complex", into=COMPLEX)
def view_as_complex(_: Seen, input: Tensor) -> Call:
    return Call("reshape", (input,), {"shape": (*input.shape,)})


@reads("complex", into=COMPLEX)
def complex_(seen: Seen, real: Tensor, imag: Tensor) -> Call:
    """Read it as both parts beside each other; they broadcast."""
    if real.shape == imag.shape:
        return Call("stack", (real, imag), BOTH)
    whole = {"shape": tuple(seen.result.shape)}
    wide = ("expand", (0,), whole), ("expand", (1,), whole)
    return made_of("complex", (real, imag), *wide, ("stack", (-2, -1), BOTH))


@reads("polar", into=COMPLEX)
def polar(_: Seen, abs: Tensor, angle: Tensor) -> Call:
    """Read it as r cos t + i r sin t."""
    return steps(
        "polar",
        {"r": abs, "t": angle},
        ("c", "cos", "t"),
        ("s", "sin", "t"),
        ("a", "multiply", "r c"),
        ("b", "multiply", "r s"),
        ("y", "stack", "a b", BOTH),
    )


@reads("real", into=COMPLEX)
def real(_: Seen, z: Tensor) -> Call:
    return Call("slice", (z,), RE)


@reads("imag", into=COMPLEX)
def imag(_: Seen, z: Tensor) -> Call:
    return Call("slice", (z,), IM)


@reads("abs", "absolute", into=COMPLEX)
def size(_: Seen, z: Tensor) -> Call:
    return Call("norm", (z,), BOTH)


@reads("linalg_vector_norm", into=COMPLEX)
def vector_norm(
    _: Seen, z: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, **__: Any
) -> Call:
    """Read the root of the sum of squares as that of all parts."""
    if ord != len("ab"):
        raise NotKnown(f"ord={ord!r} of complex numbers")
    dims = range(z.dim()) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = (*(i % z.dim() for i in dims), z.dim())
    if not keepdim:
        return Call("norm", (z,), {"axis": axes})
    shape = {"shape": tuple(1 if i in axes else n for i, n in enumerate(z.shape))}
    return made_of("norm", (z,), ("norm", (0,), {"axis": axes}), ("reshape", (-1,), shape))


@reads("angle", into=COMPLEX)
def angle(_: Seen, z: Tensor) -> Call:
    return steps("angle", {"z": z}, *parts_of("z", "re", "im"), ("y", "atan2", "im re"))


@reads("sgn", into=COMPLEX)
def sgn(_: Seen, z: Tensor) -> Call:
    """Read it as z over its size. Raises NotKnown for zero, which PyTorch leaves as it is."""
    if not z.detach().abs().all():
        raise NotKnown("the sign of zero")
    return made_of("sgn", (z,), ("normalize", (0,), {"axis": -1, "eps": 0.0}))


@reads("conj", "conj_physical", into=COMPLEX)
def conj(_: Seen, z: Tensor) -> Call:
    return Call("conjugate", (z,), own=OWN["conjugate"])


@reads("mH", "H", "adjoint", into=COMPLEX)
def adjoint(_: Seen, z: Tensor) -> Call:
    i = z.dim()
    rows: Step = ("transpose", (-1,), {"axes": (*range(i - 2), i - 1, i - 2, i)})
    return made_of("adjoint", (z,), ("conjugate", (0,), {}, OWN["conjugate"]), rows)


@reads("vdot", "linalg_vecdot", "vecdot", into=COMPLEX)
def vdot(_: Seen, input: Tensor, other: Tensor, *, dim: int = -1) -> Call:
    """Read it as a sum of products with conjugates."""
    if not is_complex(input) or not is_complex(other):
        raise NotKnown("real numbers among complex ones")
    first: Step = ("conjugate", (0,), {}, OWN["conjugate"])
    times: Step = ("complex multiply", (-1, 1), {}, OWN["complex multiply"])
    total: Step = ("complex sum", (-1,), {"axis": dim}, OWN["complex sum"])
    return made_of("vdot", (input, other), first, times, total)


@reads("to", "type", "type_as", "cfloat", "cdouble", "float", "double", into=COMPLEX)
def to(seen: Seen, z: Tensor, *_: Any, **__: Any) -> Call:
    """Read a cast to real numbers as the real part, of which PyTorch warns."""
    if not is_complex(z):
        return Call(WIDENED, (z,), own=OWN[WIDENED])
    return Call("cast", (z,), own=cast) if is_complex(seen.result) else Call("slice", (z,), RE)


@reads("pow", into=COMPLEX)
def power(_: Seen, z: Any, exponent: Any) -> Call:
    """Read it as one power, or as e^(w log z)."""
    if isinstance(exponent, bool | int | float):
        return of_complex(Call("power", (z,), {"exponent": exponent}))
    if isinstance(z, torch.Tensor) and not z.detach().abs().all():
        raise NotKnown("a power of zero")
    found = ("log", (0,)), ("multiply", (1, -1)), ("exp", (-1,))
    return of_complex(made_of("pow", (z, exponent), *found))
