"""L-BFGS (Nocedal 1980): a Newton step whose inverse Hessian is made of the last few pairs (s, y).

s is a step, y the change of the gradient along it, and rho = 1 / s^T y. All parameters are one
vector. A pair that is not there yet is zero, and adds nothing.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from backproof.reference.optimizers.optimizer import Formula, Optimizer, reading


def lbfgs(lr: float = 1.0, history_size: int = 10, *, scale_init_precond: bool = True) -> Optimizer:
    """Return w - lr H g, H the inverse Hessian of the last pairs, without a search along the line.

    1. s = w - w_before, y = g - g_before: of the parameters and gradients of the step before.
    2. The pairs are handed on, the first to the second place, and so on; the last is forgotten.
    3. H starts as gamma times the identity, gamma = s^T y / y^T y; in the first step
       min(1, 1 / |g|). Without scale_init_precond gamma is one.
    4. H g is computed by two loops over the pairs.

    Source: Nocedal and Wright 2006, alg. 7.4 and 7.5, eq. 7.20.
    """

    def gamma(g: Any, s1: Any, y1: Any, t: Any) -> Any:
        if not scale_init_precond:
            return np.ones_like(g)
        first = np.minimum(1 / np.sqrt(dot(g, g)), 1)
        return np.where(t == 1, first, quotient(dot(s1, y1), dot(y1, y1), 1))

    def s(w: Any, w_before: Any, t: Any) -> Any:
        return np.where(t == 1, 0, w - w_before)

    def y(g: Any, g_before: Any, t: Any) -> Any:
        return np.where(t == 1, 0, g - g_before)

    def rho(s1: Any, y1: Any) -> Any:
        return for_all(quotient(1, dot(s1, y1), 0), s1)

    lines: dict[str, Formula] = {
        **handed_on("s", history_size),
        **handed_on("y", history_size),
        **handed_on("rho", history_size),
        "s1": s,
        "y1": y,
        "rho1": rho,
        "w_before": lambda w: w,
        "g_before": lambda g: g,
        "gamma": lambda g, s1, y1, t: for_all(gamma(g, s1, y1, t), g),
        "update": two_loops(history_size, lambda direction: lr * -direction),
        "w": lambda w, update: w + update,
    }
    start = dict.fromkeys([*pairs(history_size), "w_before", "g_before"], 0.0)
    # What is added in one operation was not rounded before.
    return Optimizer(lines, start, forms={"fused": {"w": lambda w, update: w + 1 * update}})


def lbfgs_of_steps(
    lr: float = 1.0,
    history_size: int = 100,
    *,
    tolerance_grad: float = 1e-7,
    tolerance_change: float = 1e-9,
    least_curvature: float = 1e-10,
) -> Optimizer:
    """Return `lbfgs` of the steps that were computed: s = rate d, d = -H g.

    1. A pair is kept only where s^T y is above least_curvature; else all pairs stay, and gamma.
    2. In the first step gamma is one and the rate is lr min(1, 1 / |g|_1); after it the rate is lr.
    3. A step whose gradient is nowhere above tolerance_grad changes nothing; one along which the
       loss does not fall, -g^T d < tolerance_change, changes all but w.

    Source: Nocedal and Wright 2006, alg. 7.4 and 7.5, eq. 7.20.
    """

    def kept(g: Any, g_before: Any, d: Any, rate: Any, t: Any) -> Any:
        return np.where(t == 1, 0, dot(g - g_before, rate * d)) > least_curvature

    def w(w: Any, g: Any, d: Any, rate: Any) -> Any:
        return np.where(dot(g, d) > -tolerance_change, w, w + rate * d)

    def rates(g: Any, t: Any) -> Any:
        total = np.sum(np.abs(g), axis=-1, keepdims=True)
        return for_all(np.where(t == 1, np.minimum(1 / total, 1) * lr, lr), g)

    lines: dict[str, Formula] = {
        **handed_on("s", history_size),
        **handed_on("y", history_size),
        **handed_on("rho", history_size),
        "s1": lambda d, rate: rate * d,
        "y1": lambda g, g_before: g - g_before,
        "rho1": lambda s1, y1: for_all(quotient(1, dot(s1, y1), 0), s1),
        "gamma": lambda s1, y1: for_all(quotient(dot(s1, y1), dot(y1, y1), 1), s1),
    }
    lines = {name: unless_not("kept", name, line) for name, line in lines.items()}
    lines |= {
        "g_before": lambda g: g,
        "d": two_loops(history_size, lambda direction: -direction),
        "rate": rates,
        "w": w,
    }
    moves: dict[str, Formula] = {
        "moves": lambda g: np.max(np.abs(g), axis=-1, keepdims=True) > tolerance_grad,
        "kept": kept,
    }
    start = dict.fromkeys([*pairs(history_size), "g_before", "d"], 0.0)
    return Optimizer(
        {**moves, **{name: unless_not("moves", name, line) for name, line in lines.items()}},
        {**start, "gamma": 1.0, "rate": lr},
    )


def pairs(size: int) -> list[str]:
    """Return the names of the pairs, the newest first: s1, y1, rho1, s2, ..."""
    return [f"{of}{n}" for n in range(1, size + 1) for of in ("s", "y", "rho")]


def handed_on(of: str, size: int) -> dict[str, Formula]:
    """Return the lines by which each pair takes the place of the one before it, the last first."""
    return {f"{of}{n}": reading(lambda a: a, f"{of}{n - 1}") for n in range(size, 1, -1)}


def two_loops(size: int, f: Callable[[Any], Any]) -> Formula:
    """Return the line f(H g) by the recursion in two loops.

    Source: Nocedal and Wright 2006, alg. 7.4; Nocedal 1980, sec. 4.

    1. From the newest pair to the oldest: alpha = rho s^T q, q <- q - alpha y. q starts as g.
    2. r = gamma q.
    3. From the oldest to the newest: beta = rho y^T r, r <- r + (alpha - beta) s. r is H g.
    """

    def line(g: Any, gamma: Any, *of: Any) -> Any:
        known, q, alphas = [*zip(of[::3], of[1::3], of[2::3], strict=True)], g, []
        for s, y, rho in known:
            alphas.append(rho * dot(s, q))
            q = q - alphas[-1] * y
        r = gamma * q
        for (s, y, rho), alpha in zip(reversed(known), reversed(alphas), strict=True):
            r = r + (alpha - rho * dot(y, r)) * s
        return f(r)

    return reading(line, "g", "gamma", *pairs(size))


def unless_not(condition: str, name: str, line: Formula) -> Formula:
    """Return a line that leaves what it assigns to as it is where a condition does not hold."""
    names = [*signature(line).parameters]
    every = [*dict.fromkeys([condition, name, *names])]

    def kept(*operands: Any) -> Any:
        known = dict(zip(every, operands, strict=True))
        return np.where(known[condition], line(**{k: known[k] for k in names}), known[name])

    return reading(kept, *every)


def dot(a: Any, b: Any) -> Any:
    """Return the inner product over all entries, (..., 1)."""
    return np.sum(a * b, axis=-1, keepdims=True)


def quotient(a: Any, b: Any, otherwise: float) -> Any:
    """Return a / b, or another number where b is zero."""
    is_number = np.abs(b) > 0
    return np.where(is_number, a / np.where(is_number, b, 1), otherwise)


def for_all(a: Any, like: Any) -> Any:
    """Return a number of each step for all entries."""
    return np.broadcast_to(a, np.shape(like))
