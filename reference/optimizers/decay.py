"""Weight decay before the step of any rule (Loshchilov and Hutter 2019, alg. 1, SGDW)."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from inspect import signature
from typing import Any

from backproof.reference.optimizers.optimizer import Formula, Optimizer, reading


def decaying(definition: Callable[..., Optimizer]) -> Callable[..., Optimizer]:
    """Return a definition with one option more: decay_first, after which w <- w - lr decay_first w.

    That is a line before all others, which read its result in the place of w.
    """

    @wraps(definition)
    def decayed(*, decay_first: float = 0.0, **options: Any) -> Optimizer:
        right = definition(**options)
        if not decay_first:
            return right
        lr = options.get("lr", signature(definition).parameters["lr"].default)
        lines = {name: of_decayed(line) for name, line in right.lines.items()}
        return replace(
            right,
            lines={"decayed": lambda w: w - lr * decay_first * w, **lines},
            forms={
                "decays by a product": {"decayed": lambda w: w * (1 - lr * decay_first)},
                **{
                    form: {name: of_decayed(line) for name, line in changed.items()}
                    for form, changed in right.forms.items()
                },
            },
        )

    return decayed


def of_decayed(line: Formula) -> Formula:
    """Return a line that reads "decayed" in the place of w."""
    names = [*signature(line).parameters]

    def read(*operands: Any) -> Any:
        return line(**dict(zip(names, operands, strict=True)))

    return reading(read, *("decayed" if name == "w" else name for name in names))
