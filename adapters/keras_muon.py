"""Keras's Muon, whose matrices are seen after each of its Newton-Schulz steps."""

from typing import Any

from keras import optimizers

from backproof.adapters.protocol import Tensor


class Muon(optimizers.Muon):  # type: ignore[misc]
    """Keras's Muon, whose matrices are seen after each Newton-Schulz step; all else is AdamW's."""

    seen: Any = ()

    def zeropower_via_newtonschulz5(self, x: Tensor, steps: int) -> Tensor:
        """Return Keras's own result, after keeping those of none, one, two, ... of the steps."""
        of = super().zeropower_via_newtonschulz5
        self.seen = (*self.seen, [of(x, n) for n in range(steps + 1)])
        return self.seen[-1][-1]


def muon(
    learning_rate: Any = 1e-3,
    momentum: float = 0.95,
    weight_decay: float = 4e-3,
    ns_steps: int = 5,
    coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
    *,
    nesterov: bool = True,
    rms_rate: float = 0.2,
) -> Any:
    """Return Muon, with one rate of decay for all parameters; its epsilon is that of AdamW."""
    named = dict(zip(("muon_a", "muon_b", "muon_c"), coefficients, strict=True))
    named |= {"momentum": momentum, "weight_decay": weight_decay, "adam_weight_decay": weight_decay}
    return Muon(learning_rate, ns_steps=ns_steps, nesterov=nesterov, rms_rate=rms_rate, **named)
