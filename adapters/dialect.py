"""How a script for one framework alone is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dialect:
    """Python expressions, as templates with fields in braces.

    full:     a tensor of one number: {shape}, {number}, {precision}.
    array:    a tensor of several: {numbers}, {precision}.
    value:    the value of the function f of {leaves}.
    gradient: the gradient of f with respect to the leaf {name}, the argument at {place}.
    setup:    precision -> the statement that has to come first.
    """

    full: str
    array: str
    value: str
    gradient: str
    setup: Mapping[str, str] = field(default_factory=dict)
