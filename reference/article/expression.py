"""Arithmetic as a worked example prints it: `0.5 * 0.54963`, `1 + exp(-net_h1)`.

One small expression language for quantities (over names) and for lines (over printed numbers),
evaluated over any kind of number. Python's own parser reads it; nothing is ever executed.
"""

import ast
import operator
from collections.abc import Callable
from math import nan
from typing import Any

import numpy as np

from backproof.reference.fixtures import NUMBER
from backproof.reference.ops.activations import relu_forward
from backproof.reference.ops.sigmoid import sigmoid_forward

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "relu": relu_forward,
    "sigmoid": sigmoid_forward,
}
"""The functions that an expression may call."""

LONGEST = 500
"""Characters of the longest expression: so many parentheses or signs nest without harm."""

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class ExpressionError(ValueError):
    """The text is no expression of this language, or uses a name that it does not know."""


def evaluate(
    text: str, number: Callable[[str], Any], quantity: Callable[[str], Any] | None = None
) -> Any:
    """Return the value of an expression.

    number:   makes a number from a printed one ("0.40"; "-0.74137" with a sign before it).
    quantity: gives the value of a name; without it the expression may have no names.
    Raises ExpressionError; ArithmeticError, where it divides by zero.
    """

    def value(node: ast.expr) -> Any:
        if printed := _printed(node, text):
            return number(printed)
        match node:
            case ast.Name(id=name) if quantity is not None:
                return quantity(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.BinOp(left=base, op=ast.Pow(), right=right) if (
                exponent := _printed(right, text) or ""
            ).isdigit():
                return value(base) ** int(exponent)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _BINARY[type(op)](value(left), value(right))
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if (
                name in FUNCTIONS
            ):
                return FUNCTIONS[name](value(argument))
        raise ExpressionError(f"{text!r}: cannot read {ast.get_source_segment(text, node)!r}")

    return value(_parse(text))


def parts(text: str) -> tuple[list[str], list[str]]:
    """Return the names and the printed numbers of an expression, each once, without exponents.

    It is evaluated over NaN, which every operation passes on. Raises ExpressionError.
    """
    names: dict[str, float] = {}
    numbers: dict[str, float] = {}
    evaluate(
        text,
        lambda number: numbers.setdefault(number, nan),
        lambda name: names.setdefault(name, nan),
    )
    return list(names), list(numbers)


def _parse(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ExpressionError(f"{text[:20]!r}...: longer than {LONGEST} characters")
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError) as error:
        reason = getattr(error, "msg", error)
        raise ExpressionError(f"{text!r}: not an expression ({reason})") from None


def _printed(node: ast.expr, text: str) -> str | None:
    """Return the printed number that a node is, with the sign directly before it."""
    match node:
        case ast.Constant() | ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant()):
            segment = ast.get_source_segment(text, node) or ""
            return segment if NUMBER.fullmatch(segment) else None
    return None
