"""What an op's function may not use, and what to write instead."""

import re

import numpy as np

INSTEAD = {
    "sinh": "(np.exp(x) - np.exp(-x)) / 2",
    "cosh": "(np.exp(x) + np.exp(-x)) / 2",
    "exp2": "2.0**x",
    "cbrt": "x ** (1 / 3)",
    "float_power": "x**y",
    "arcsin": "np.arctan2(x, np.sqrt(1 - x * x))",
    "arccos": "np.arctan2(np.sqrt(1 - x * x), x)",
    "arccosh": "np.log(x + np.sqrt(x * x - 1))",
    "arctanh": "np.log1p(2 * x / (1 - x)) / 2",
    "hypot": "np.sqrt(x * x + y * y)",
    "logaddexp2": "np.logaddexp(x * np.log(2), y * np.log(2)) / np.log(2)",
    "heaviside": "np.where(x > 0, 1, 0)",
    "floor_divide": "np.floor(x / y)",
    "remainder": "x - y * np.floor(x / y)",
    "fabs": "np.abs(x)",
    "fmax": "np.maximum(x, y)",
    "fmin": "np.minimum(x, y)",
    "linalg.norm": "np.sqrt(np.sum(x * x))",
    "vdot": "np.sum(x * y)",
}
"""Function of NumPy -> the same in what is supported."""

FUNCTION = re.compile(
    r"__array_ufunc__\(<ufunc '([\w ()]+?)'>|no implementation found for 'numpy\.([\w.]+)'"
)
METHOD = re.compile(r"'(?:Ball|Dual|Terms)' object has no attribute '(\w+)'")


def unsupported(error: Exception) -> str | None:
    """Return in one sentence which function is not supported; None if the error is another."""
    said = str(error)
    if found := FUNCTION.search(said):
        name = found[1] or found[2]
        instead = INSTEAD.get(name)
        write = f"write {instead}" if instead else "write it with the functions of docs/own-op.md"
        return f"np.{name} is not supported; {write}"
    if found := METHOD.search(said):
        name = found[1]
        write = f"write np.{name}(x)" if hasattr(np, name) else "write it with NumPy's functions"
        return f"the attribute .{name} is not supported; {write}"
    if "no len()" in said:
        return "len(x) is not supported; write x.shape[0]"
    if "real number, not" in said or "converted to Python scalars" in said:
        return "functions of single numbers, such as math.sin, are not supported; write np.sin(x)"
    return None
