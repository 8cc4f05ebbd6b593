"""The language of lines and quantities."""

from fractions import Fraction

import pytest

from backproof.reference.article.expression import LONGEST, ExpressionError, evaluate, parts


@pytest.mark.parametrize(
    ("text", "value", "printed"),
    [
        ("0.40 - (0.5 * 0.08217)", "0.358915", ["0.40", "0.5", "0.08217"]),
        ("(-0.74137) ** 2", "0.5496294769", ["-0.74137"]),
        ("-(-0.74137)", "0.74137", ["-0.74137"]),
        ("+0.74137 - (0.5)", "0.24137", ["+0.74137", "0.5"]),
        ("- 0.5 + 0.5", "0", ["0.5"]),
        ("1 / 4", "0.25", ["1", "4"]),
        ("abs(0.1 - 0.30)", "0.2", ["0.1", "0.30"]),
        ("(" * 150 + "1" + ")" * 150, "1", ["1"]),
        ("-" * (LONGEST - 1) + "1", "-1", ["-1"]),
    ],
)
def test_line(text: str, value: str, printed: list[str]) -> None:
    """A line is computed exactly from its numbers as printed."""
    assert Fraction(value) == evaluate(text, Fraction)
    assert parts(text) == ([], printed)


def test_names() -> None:
    """Names are quantities, unless they are called."""
    text = "abs(-net_h1) * w5 * w5"

    assert parts(text) == (["net_h1", "w5"], [])
    assert evaluate(text, int, {"net_h1": 2, "w5": 3}.__getitem__) == 18


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 +",
        "__import__('os')",
        "x.real",
        "open(1)",
        "x(1)",
        "1 if 2 else 3",
        "2 ** x",
        "2 ** 0.5",
        "2 ** -1",
        "2 ** True",
        "9 ** 9 ** 9",
        "'text'",
        "[1][0]",
        "abs(1, 2)",
        "0x1",
        "1e999",
        "1_000",
        ".5",
        "1j",
        "True",
        "None",
        "...",
        "\N{ARABIC-INDIC DIGIT THREE}",
        "1 \x00",
        "1" * 400,
        "(" * 400 + "1" + ")" * 400,
        "-" * 100_000 + "1",
    ],
)
def test_nothing_else_is_read(text: str) -> None:
    """Text that is not arithmetic of printed numbers is refused in one line, never executed."""
    with pytest.raises(ExpressionError, match=r"cannot read|not an expression|longer") as caught:
        evaluate(text, Fraction, {"x": 1}.__getitem__)
    with pytest.raises(ExpressionError, match=r"cannot read|not an expression|longer"):
        parts(text)
    assert "\n" not in str(caught.value)
