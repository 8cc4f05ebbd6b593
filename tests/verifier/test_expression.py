"""The language of lines and quantities."""

from fractions import Fraction

import pytest

from backproof.reference.article.expression import ExpressionError, evaluate, literals, quantities


@pytest.mark.parametrize(
    ("text", "value", "printed"),
    [
        ("0.40 - (0.5 * 0.08217)", "0.358915", ["0.40", "0.5", "0.08217"]),
        ("(-0.74137) ** 2", "0.5496294769", ["-0.74137"]),
        ("-(-0.74137)", "0.74137", ["-0.74137"]),
        ("1 / 4", "0.25", ["1", "4"]),
        ("abs(0.1 - 0.30)", "0.2", ["0.1", "0.30"]),
    ],
)
def test_line(text: str, value: str, printed: list[str]) -> None:
    """A line is computed exactly from its numbers as printed."""
    assert Fraction(value) == evaluate(text, Fraction, {"abs": abs})
    assert printed == literals(text)


def test_names() -> None:
    """Names are quantities, unless they are called."""
    text = "exp(-net_h1) * w5"

    assert sorted(quantities(text)) == ["net_h1", "w5"]
    assert evaluate(text, int, {"exp": lambda x: x}, {"net_h1": 2, "w5": 3}.__getitem__) == -6


@pytest.mark.parametrize(
    "text",
    [
        "1 +",
        "__import__('os')",
        "x.real",
        "open(1)",
        "1 if 2 else 3",
        "2 ** x",
        "2 ** 0.5",
        "'text'",
        "[1][0]",
        "abs(1, 2)",
    ],
)
def test_nothing_else_is_read(text: str) -> None:
    """Text that is not arithmetic is refused, never executed."""
    with pytest.raises(ExpressionError, match=r"cannot read|not an expression"):
        evaluate(text, Fraction, {"abs": abs}, {"x": 1}.__getitem__)
