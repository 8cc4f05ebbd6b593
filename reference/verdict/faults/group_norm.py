"""Classical mistakes of group norm, and of batch norm in inference.

Shapes: x (N, C, ...); gamma and beta (C,), both or neither.
"""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.group_norm import in_groups, of_channels
from backproof.reference.ops.normalization import normalized, over_batch
from backproof.reference.verdict.faults.families import Cotangent, Table, fixed, seeing

dx, dgamma, dbeta = map(Cotangent, range(3))


def without_gain(x: Any, *parameters: Any) -> tuple[Any, ...]:
    """Return the inputs, with gains of one."""
    return x, *(np.ones_like(a) if i == 0 else a for i, a in enumerate(parameters))


PARAMETERS: Table = {
    ("gain forgotten", "xhat + beta"): seeing(without_gain),
    ("gain forgotten on the way back", "what dy gives for gamma dy"): dx.seeing(without_gain),
    ("gain's gradient of the input", "sum dy x instead of sum dy xhat"): dgamma(
        lambda dy, y, x, *_, **__: np.sum(dy * x, axis=over_batch(x)[0])
    ),
    ("shift's gradient averaged", "the sum over the batch / N"): dbeta.then(
        lambda d, x, *_, **__: d / x.shape[0]
    ),
}


def detached(right: Any, dy: Any, y: Any, x: Any, *a: Any, groups: int, eps: float = 1e-5) -> Any:
    """Return gamma dy / sqrt(variance + eps)."""
    _, inv = normalized(in_groups(x, groups), (2,), eps)
    gain = np.reshape(a[0], over_batch(x)[1]) if a else np.ones_like(x)
    return np.reshape(in_groups(dy * gain, groups) * inv, x.shape)


GROUP_NORM: Table = {
    **PARAMETERS,
    ("one group", "what statistics of the whole example give"): fixed(groups=1).known(
        "layer norm for group norm"
    ),
    ("epsilon forgotten", "what eps = 0 gives"): fixed(eps=0.0),
    ("statistics detached", "gamma dy / sqrt(variance + eps)"): dx.of_right(detached),
}

BATCH_NORM_INFERENCE: Table = {
    **PARAMETERS,
    ("epsilon forgotten", "what eps = 0 gives"): fixed(eps=0.0),
    ("statistics of the batch on the way back", "what training hands on"): dx(
        lambda dy, y, x, gamma, *a, eps=1e-5, **_: OPS["batch_norm"].backward(
            dy, y, x, gamma, gamma, eps=eps
        )[0]
    ).known("train() for eval()"),
    ("standard deviation forgotten", "gamma dy"): dx.of_right(
        lambda right, dy, y, x, *a, eps=1e-5, **o: (
            right(dy, y, x, *a, eps=eps, **o) * np.sqrt(of_channels(o["variance"], x) + eps)
        )
    ).known("a lost factor"),
}
