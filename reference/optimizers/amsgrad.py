"""AMSGrad (Reddi, Kale and Kumar 2018, alg. 2): Adam with the largest second moment so far.

Algorithm 2 corrects no bias. Libraries that do differ in what they take the maximum of.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.optimizers.adam import adam, decoupled, root, with_eps_hat
from backproof.reference.optimizers.optimizer import Formula, Optimizer


def amsgrad(
    lr: float = 1e-3, eps: float = 1e-8, *, eps_root: float = 0.0, **options: Any
) -> Optimizer:
    """Return AMSGrad whose maximum is of v, and corrected afterwards; the options are Adam's."""
    return _with_largest(
        adam(lr, eps=eps, **options),
        lambda v, v_max: np.maximum(v_max, v),
        lambda m, v_max, c1, c2: (m / c1) / (root(v_max, c2, eps_root) + eps),
    )


def amsgradw(lr: float = 1e-3, weight_decay: float = 1e-2, **options: Any) -> Optimizer:
    """Return `amsgrad` with decoupled decay."""
    return decoupled(amsgrad(lr, **options), lr, weight_decay)


def amsgrad_eps_hat(lr: float = 1e-3, eps: float = 1e-7, **options: Any) -> Optimizer:
    """Return `amsgrad` whose epsilon is added before the bias correction, as of `adam_eps_hat`."""
    return with_eps_hat(amsgrad(lr, **options), "v_max", eps)


def amsgrad_corrected(
    lr: float = 1e-3,
    eps: float = 1e-8,
    *,
    eps_root: float = 0.0,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
    **options: Any,
) -> Optimizer:
    """Return AMSGrad whose maximum is of the corrected v / c2; a correction can be left out."""

    def v_max(v: Any, v_max: Any, c2: Any) -> Any:
        return np.maximum(v_max, v / c2 if bias_correction_nu else v)

    def u(m: Any, v_max: Any, c1: Any) -> Any:
        largest = v_max + eps_root if eps_root else v_max
        return (m / c1 if bias_correction_mu else m) / (np.sqrt(largest) + eps)

    return _with_largest(adam(lr, eps=eps, **options), v_max, u)


def _with_largest(of: Optimizer, v_max: Formula, u: Formula) -> Optimizer:
    """Return an optimizer that keeps the largest v as v_max, and takes its direction from it."""
    lines = {name: line for name, line in of.lines.items() if name not in ("u", "w")}
    lines = {**lines, "v_max": v_max, "u": u, "w": of.lines["w"]}
    return replace(of, lines=lines, start={**of.start, "v_max": 0.0})
