"""One number of another pass, compared with the certified program's."""

from dataclasses import dataclass

TWIN = "twin"
"""What a line says that compares a gradient with one that is computed in another way."""

ON_PAPER = "with right derivatives in the loss"
"""What a line says that compares a gradient with that of the program on paper."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One gradient of a twin, held to the certified program's: how far apart, and how far allowed.

    Both are relative to the gradient, in the 1-norm over its entries.
    problem: what is wrong with it before any comparison of numbers. is_loss: whether it is the
    loss instead, by the name of its node. of: the pass that it is of.
    """

    name: str
    apart: float
    allowed: float
    verdict: str
    problem: str = ""
    is_loss: bool = False
    of: str = TWIN

    def __str__(self) -> str:
        name, kind = ("the loss", "loss") if self.is_loss else (f"dE/d{self.name}", "gradient")
        if self.problem:
            return f"{name}: {self.problem}"
        far = f"{name}: {self.apart:.2g} apart, relative to its size"
        if self.verdict == "inside" and self.allowed >= 1:
            return f"{name}: zero up to rounding in both: the same {kind}"
        if self.verdict == "inside":
            return f"{far}; rounding allows {self.allowed:.2g}: the same {kind}"
        if self.verdict == "refuted" and self.apart <= self.allowed:
            return f"{far}, most of it at one number, which rounding does not allow: another {kind}"
        if self.verdict == "refuted":
            return f"{far}; rounding allows only {self.allowed:.2g}: another {kind}"
        return f"{far}; rounding alone may be {self.allowed:.2g}: nobody can tell"
