"""Classical mistakes of Adafactor, Muon and L-BFGS."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import numpy as np

from backproof.reference.optimizers import Optimizer
from backproof.reference.optimizers.lbfgs import dot, pairs
from backproof.reference.optimizers.optimizer import Formula, reading
from backproof.reference.verdict.faults.optimizer_fault import (
    Of,
    Options,
    line,
    right,
    scalars,
    with_line,
)


def renamed(formula: Formula, names: Mapping[str, str]) -> Formula:
    """Return a line that reads other operands. names: of an operand -> of the other one."""
    own = [*signature(formula).parameters]

    def wrong(*operands: Any) -> Any:
        return formula(**dict(zip(own, operands, strict=True)))

    return reading(wrong, *(names.get(name, name) for name in own))


def changed(formula: Formula, operand: str, change: Callable[[Any], Any]) -> Formula:
    """Return a line that reads an operand as another number."""
    names = [*signature(formula).parameters]

    def wrong(*operands: Any) -> Any:
        known = dict(zip(names, operands, strict=True))
        return formula(**{**known, operand: change(known[operand])})

    return reading(wrong, *names)


def exchanged(definition: str, options: Options) -> Optimizer | None:
    """Return Adafactor that takes the mean of each column for that of the row, and conversely."""
    optimizer = right(definition, options)
    if "row" not in optimizer.lines:
        return None
    row, column = (optimizer.lines[name] for name in ("row", "column"))
    wrong = with_line(optimizer, "row", renamed(column, {"column": "row"}))
    return with_line(wrong, "column", renamed(row, {"row": "column"}))


def not_divided(definition: str, options: Options) -> Optimizer | None:
    """Return Adafactor whose v is the product of row and column alone."""
    optimizer = right(definition, options)
    if "row" not in optimizer.lines:
        return None
    return with_line(optimizer, "v", lambda row, column: row * column)


def not_scaled(definition: str, options: Options) -> Optimizer | None:
    """Return Adafactor whose steps are not relative to the parameter."""
    if definition != "adafactor" or not options.get("multiply_by_parameter_scale", True):
        return None
    return right(definition, {**options, "multiply_by_parameter_scale": False})


def last_matrix(optimizer: Optimizer) -> int:
    """Return how many Newton-Schulz steps an optimizer has."""
    return sum(name.startswith("x") for name in optimizer.lines) - 1


def step_left_out(definition: str, options: Options) -> Optimizer | None:
    """Return Muon without its last Newton-Schulz step."""
    if not definition.startswith("muon"):
        return None
    optimizer = right(definition, options)
    last = last_matrix(optimizer)
    return with_line(optimizer, f"x{last}", reading(lambda x: 1 * x, f"x{last - 1}"))


def cubic(definition: str, options: Options) -> Optimizer | None:
    """Return Muon with the coefficients of the Newton-Schulz iteration of third degree."""
    if not definition.startswith("muon"):
        return None
    return right(definition, {**options, "coefficients": (1.5, -0.5, 0.0)})


def not_normalized(definition: str, options: Options) -> Optimizer | None:
    """Return Muon whose first matrix is not divided by its norm."""
    if not definition.startswith("muon"):
        return None
    read = "read" if definition == "muon" else "ahead"
    return with_line(right(definition, options), "x0", reading(lambda a: 1 * a, read))


def transposed(definition: str, options: Options) -> Optimizer | None:
    """Return Muon whose rate is that of the transposed shape."""
    if not definition.startswith("muon") or "consistent_rms" in options:
        return None
    optimizer = right(definition, options)
    wrong = changed(
        optimizer.lines["w"], "shapes", lambda shapes: tuple(shape[::-1] for shape in shapes)
    )
    return with_line(optimizer, "w", wrong)


def oldest_first(definition: str, options: Options) -> Optimizer | None:
    """Return L-BFGS whose first loop begins with the oldest pair."""
    size = options.get("history_size", 1)
    if not definition.startswith("lbfgs") or size == 1:
        return None
    optimizer = right(definition, options)
    name = "update" if definition == "lbfgs" else "d"
    backwards = [f"{of}{n}" for n in range(size, 0, -1) for of in ("s", "y", "rho")]
    names = dict(zip(pairs(size), backwards, strict=True))
    return with_line(optimizer, name, renamed(optimizer.lines[name], names))


def gamma_of_one(definition: str, options: Options) -> Optimizer | None:
    """Return L-BFGS whose inverse Hessian starts as the identity."""
    if not definition.startswith("lbfgs") or not options.get("scale_init_precond", True):
        return None
    optimizer = right(definition, options)
    name = "update" if definition == "lbfgs" else "d"
    wrong = changed(optimizer.lines[name], "gamma", lambda _: 1.0)
    return with_line(optimizer, name, wrong)


def one_loop(definition: str, options: Options) -> Optimizer | None:
    """Return L-BFGS whose second loop adds alpha s, and not (alpha - beta) s."""
    if definition != "lbfgs" or "lr" not in options:
        return None

    def update(g: Any, gamma: Any, *of: Any) -> Any:
        q, r = g, 0
        for s, y, rho in zip(of[::3], of[1::3], of[2::3], strict=True):
            alpha = rho * dot(s, q)
            q, r = q - alpha * y, r + alpha * s
        return options["lr"] * -(gamma * q + r)

    names = ("g", "gamma", *pairs(options["history_size"]))
    return with_line(right(definition, options), "update", reading(update, *names))


OF_MATRICES: Mapping[tuple[str, str], Of] = {
    ("decay a step ahead", "of the beta2 of the step after"): scalars(
        ("beta2",), lambda f, t: f(t + 1)
    ),
    ("rows and columns exchanged", "means along the other axis"): exchanged,
    ("product of means not divided", "row column alone"): not_divided,
    ("update not clipped", "of any root mean square"): line("capped", lambda o, u: 1 * u),
    ("scale of the parameter forgotten", "of the rate alone"): not_scaled,
    ("relative step without a bound", "of 1 / sqrt(t), whatever lr"): scalars(
        ("rho",), lambda f, t: 1 / np.sqrt(t)
    ),
    ("Newton-Schulz step left out", "the matrix before it"): step_left_out,
    ("coefficients of the cubic iteration", "of 1.5 and -0.5"): cubic,
    ("momentum not normalized", "not divided by its norm"): not_normalized,
    ("rate of the transposed shape", "of columns for rows"): transposed,
    ("pairs in the wrong order", "the oldest pair first"): oldest_first,
    ("inverse Hessian not scaled", "gamma of one"): gamma_of_one,
    ("second loop without beta", "alpha s, not (alpha - beta) s"): one_loop,
    ("change of the gradient negated", "of before - g"): line(
        "y1", lambda o, g, g_before: g_before - g
    ),
    ("curvature of y alone", "1 / y^T y"): line(
        "rho1", lambda o, y1, t: np.where(t == 1, 0, 1 / np.where(t == 1, 1, dot(y1, y1))) + 0 * y1
    ),
}
"""(Name, what it gives) -> what makes it."""
