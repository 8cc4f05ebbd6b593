"""Arithmetic as the article prints it: `0.5 * 0.54963`, `1 + exp(-net_h1)`.

One small expression language for quantities (over names) and for lines (over printed numbers),
evaluated over any kind of number. Python's own parser reads it; nothing is ever executed.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class ExpressionError(ValueError):
    """The text is no expression of this language, or uses a name that it does not know."""


def evaluate(
    text: str,
    number: Callable[[str], Any],
    functions: Mapping[str, Callable[[Any], Any]],
    quantity: Callable[[str], Any] | None = None,
) -> Any:
    """Return the value of an expression.

    number:    makes a number from a printed one ("0.40"; "-0.74137" with a sign before it).
    functions: by name, of one argument.
    quantity:  gives the value of a name; without it the expression may have no names.
    Raises ExpressionError.
    """

    def value(node: ast.AST) -> Any:
        if printed := _literal(node, text):
            return number(printed)
        match node:
            case ast.Name(id=name) if quantity is not None:
                return quantity(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=int(n))):
                return value(base) ** n
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _BINARY[type(op)](value(left), value(right))
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if (
                name in functions
            ):
                return functions[name](value(argument))
        raise ExpressionError(f"{text!r}: cannot read {ast.unparse(node)!r}")

    return value(_parse(text))


def quantities(text: str) -> list[str]:
    """Return the names of an expression that are not called as functions."""
    tree = _parse(text)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return [node.id for node in names if id(node) not in called]


def literals(text: str) -> list[str]:
    """Return the numbers of an expression as they are printed, exponents left out."""

    def walk(node: ast.AST) -> Iterator[str]:
        if printed := _literal(node, text):
            yield printed
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            yield from walk(node.left)
        else:
            for child in ast.iter_child_nodes(node):
                yield from walk(child)

    return list(walk(_parse(text)))


def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"{text!r}: not an expression ({error.msg})") from None


def _literal(node: ast.AST, text: str) -> str | None:
    """Return the printed number that a node is, with the sign directly before it."""
    match node:
        case ast.Constant(value=int() | float()):
            return ast.get_source_segment(text, node)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            return ast.get_source_segment(text, node)
    return None
