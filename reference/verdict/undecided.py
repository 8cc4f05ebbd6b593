"""What to do about an undecided link: why its ball is too wide, and what would make it decide."""

from backproof.reference.numbers.precision import FLOAT32, PRECISIONS
from backproof.reference.verdict.link import Link


def remedy(link: Link, scale: float) -> str:
    """Return one sentence about an undecided link. scale: the loss scale of its pass."""
    p = PRECISIONS[link.precision]
    if link.quantity.kind == "derivative" and p.exponent > FLOAT32.exponent and scale == 1:
        return (
            f"Certify it under a loss scale: {p.name} has few digits below {p.minimum:.2g}, where "
            "most cotangents are"
        )
    if link.underflows:
        under = f", under a loss scale of {scale:g} too" if scale != 1 else ""
        return (
            f"The true numbers underflow{under}: {p.name} has few digits below {p.minimum:.2g}, so "
            "only a wider precision can prove them"
        )
    return (
        f"Rounding to {p.name} may leave no digit of the numbers: their terms cancel, or are too "
        "many for its accumulator, so only a wider precision can prove them"
    )
