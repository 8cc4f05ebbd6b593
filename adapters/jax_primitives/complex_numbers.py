"""Complex numbers: arrays of real ones, with the real and the imaginary part along a last axis.

A derivative by a complex number a + ib is dE/da - i dE/db in JAX: it is conjugated as it is read.
Most primitives are read as of real numbers, by ops that run over complex ones.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from backproof.adapters.jax_primitives import calls
from backproof.adapters.jax_primitives.calls import (
    COMPLEX,
    Call,
    NotKnown,
    Operand,
    Reader,
    Seen,
    made_of,
)
from backproof.reference import complex_calls
from backproof.reference.complex_calls import WIDENED
from backproof.reference.ops import Array
from backproof.reference.ops.cast import cast
from backproof.reference.ops.fourier import LONGEST, transforms
from backproof.reference.own import OWN

BOTH = {"axis": -1}
"""The option of the ops that put both parts beside each other, or take their length."""

ALIKE = {
    *("reshape", "squeeze", "expand_dims", "transpose", "broadcast_in_dim", "slice", "rev"),
    *("split", "tile", "concatenate", "pad", "unstack", "stack", "take", "select_n", "gather"),
    *("scatter", "scatter-add", "scatter_add", "dynamic_slice", "dynamic_update_slice"),
    *("copy", "copy_p", "name", "optimization_barrier", "device_put", "sharding_constraint"),
    *("add", "add_any", "sub", "mul", "div", "neg", "square", "integer_pow", "reduce_sum"),
    *("reduce_prod", "cumsum", "cumprod", "psum", "dot_general", "conv_general_dilated"),
    *("custom_linear_solve", "exp", "exp2", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin"),
    *("cos", "tan", "tanh"),
}
"""The primitives that are the same of complex numbers as of real ones."""

reads = partial(calls.reads, table=COMPLEX)
"""Return a decorator that registers a reader of complex numbers."""


def is_complex(x: Operand | Array) -> bool:
    """Return whether an operand, a result or a constant is complex."""
    return bool(jnp.issubdtype(x.dtype, jnp.complexfloating))


def part_of(dtype: Any) -> Any:
    """Return the dtype of the parts of complex numbers; of real numbers, their own."""
    dtype = jnp.dtype(dtype)
    return np.zeros((), dtype).real.dtype if dtype.kind == "c" else dtype


def any_complex(every: Iterable[Operand]) -> bool:
    """Return whether one is complex."""
    return any(map(is_complex, every))


def of_complex(call: Call | None) -> Call | None:
    """Return the call of complex numbers that is a call of real ones. Raises LookupError."""
    if call is None:
        return None
    kinds = [*map(is_complex, call.operands)]
    op, own, options = complex_calls.of_complex(call.op, call.own, call.options, kinds)
    return Call(op, call.operands, options, own)


def read_complex(reader: Reader | None, seen: Seen, *operands: Operand) -> list[Call | None]:
    """Return a primitive of complex numbers as ops; reader: of real ones. Raises NotKnown."""
    if own := COMPLEX.get(seen.name):
        return [own(seen, *operands)]
    if reader is None or seen.name not in ALIKE:
        raise NotKnown("complex numbers")
    found = reader(seen, *operands)
    return [*map(of_complex, found)] if isinstance(found, list) else [of_complex(found)]


@reads("complex")
def complex_(seen: Seen, re: Operand, im: Operand) -> Call:
    """Read it as both parts beside each other; a part that is one number stands for an array."""
    if re.shape == im.shape:
        return Call("stack", (re, im), BOTH)
    expand = {"shape": seen.shape}
    steps = (("expand", (0,), expand), ("expand", (1,), expand), ("stack", (-2, -1), BOTH))
    return made_of(seen.name, (re, im), *steps)


@reads("real")
def real(_: Seen, z: Operand) -> Call:
    return Call("slice", (z,), {"index": (..., 0)})


@reads("imag")
def imag(_: Seen, z: Operand) -> Call:
    return Call("slice", (z,), {"index": (..., 1)})


@reads("abs")
def size(_: Seen, z: Operand) -> Call:
    return Call("norm", (z,), BOTH)


@reads("conj")
def conj(_: Seen, z: Operand) -> Call:
    """Read the conjugate of a real number as the number itself, as a complex one."""
    op = "conjugate" if is_complex(z) else WIDENED
    return Call(op, (z,), own=OWN[op])


@reads("convert_element_type")
def convert(seen: Seen, z: Operand) -> Call:
    """Read a cast to real numbers as the real part."""
    if not is_complex(z):
        return Call(WIDENED, (z,), own=OWN[WIDENED])
    return Call("cast", (z,), own=cast) if is_complex(seen.results[0]) else real(seen, z)


@reads("sign")
def sign(*_: Any) -> Call:
    raise NotKnown("the sign of complex numbers, which JAX takes for a constant")


@reads("pow")
def power(seen: Seen, z: Operand, w: Operand) -> Call | None:
    """Read it as e^(w log z)."""
    if not np.all(z.read()):
        raise NotKnown("a power of zero")
    return of_complex(
        made_of(seen.name, (z, w), ("log", (0,)), ("multiply", (1, -1)), ("exp", (-1,)))
    )


@reads("fft")
def fft(seen: Seen, x: Operand) -> Call:
    """Read it as transforms along the last axes, one after another."""
    lengths, kind = seen.params["fft_lengths"], seen.params["fft_type"].name.lower()
    if max(lengths) > LONGEST:
        raise NotKnown(f"a transform of more than {LONGEST:,} entries")
    first, of = len(x.shape) - len(lengths), "ifft" if kind.startswith("i") else "fft"
    kinds = [(of, first + i, n) for i, n in enumerate(lengths)]
    if kind == "irfft":
        kinds[-1] = ("irfft", *kinds[-1][1:])
    matrices, steps = transforms(x.shape, kinds, is_complex=is_complex(x))
    if kind == "rfft":  # of which half is kept
        half = (*[slice(None)] * (len(x.shape) - 1), slice(lengths[-1] // 2 + 1))
        steps.append(("slice", (-1,), {"index": half}))
    return made_of(seen.name, (x, *matrices), *steps)
