"""Classical mistakes of causal self-attention and of its mask.

Shapes: q (B, H, T, D), k, v (B, H/G, S, D), scores, p and ds (B, H, T, S).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.attention import earlier, scaled, shared, summed, weights
from backproof.reference.ops.op import sum_to_shape
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    both,
    cotangents,
    function,
    seeing,
)
from backproof.reference.verdict.faults.softmax import across, total

Mask = Callable[[Any], Any]
"""scores -> which columns each row may see, an array of booleans (T, T)."""


def tri(scores: Any, k: int) -> Any:
    """Return which columns are at most k after the row."""
    return np.tri(scores.shape[-2], scores.shape[-1], k, dtype=bool)


MASKS: dict[tuple[str, str], tuple[Mask, str]] = {
    ("no mask", "what every place gives that sees all others"): (
        lambda s: tri(s, s.size),
        "a mask that is not applied, or has no effect",
    ),
    ("diagonal hidden", "what places give that do not see themselves"): (
        lambda s: tri(s, -1),
        "a comparison > for >=",
    ),
    ("one later place seen", "what places give that see the next one as well"): (
        lambda s: tri(s, 1),
        "diagonal=1 for diagonal=0",
    ),
    ("mask transposed", "what places give that see themselves and what is later"): (
        lambda s: ~tri(s, -1),
        "triu for tril",
    ),
}
"""(Name, what it gives) -> a wrong mask, source."""


def masked(mask: Mask) -> Op:
    """Return causal_mask with another mask."""
    return Op(
        lambda scores, fill=-1e4: np.where(mask(scores), scores, fill),
        lambda dy, y, scores, fill=-1e4: (np.where(mask(scores), dy, 0),),
    )


CAUSAL_MASK: Table = {
    **{said: both(masked(mask)).known(source) for said, (mask, source) in MASKS.items()},
    ("multiplied by the mask", "what a score of 0 gives where a place is hidden"): function(
        lambda scores, **_: np.where(earlier(scores), scores, 0), OPS["causal_mask"].backward
    ).known("a mask of zeros and ones before the softmax: e^0 is one"),
    ("gradient leaks through the mask", "dy, where it was hidden as well"): Cotangent().passed_on,
}


def attending(
    root: Callable[[Any], float] | None = None,
    mask: Op = OPS["causal_mask"],
    normalize: Op = OPS["softmax"],
    *,
    after: bool = False,
) -> Wrong:
    """Replace some part of attention.

    root: q -> what the scores are divided by. mask, normalize: the ops in between.
    after: whether what is hidden is zeroed after the softmax as well.
    """

    def divided(scores: Any, q: Any, scale: float | None = None, **_: Any) -> Any:
        return scores / root(q) if root else scaled(scores, q, scale)

    def probabilities(q: Any, k: Any, *bias: Any, **options: Any) -> tuple[Any, Any]:
        scores = sum(bias, start=divided(q @ np.swapaxes(k, -1, -2), q, **options))
        if options.get("causal", True):
            scores = mask.forward(scores)
        if options.get("seen") is not None:
            scores = np.where(options["seen"], scores, -1e4)
        return scores, normalize.forward(scores)

    def hidden(p: Any) -> Any:
        return np.where(earlier(p), p, 0) if after else p

    def value(q: Any, k: Any, v: Any, *bias: Any, **options: Any) -> Any:
        return hidden(probabilities(q, shared(k, q), *bias, **options)[1]) @ shared(v, q)

    def backward(
        dy: Any, y: Any, q: Any, k: Any, v: Any, *bias: Any, **options: Any
    ) -> tuple[Any, ...]:
        keys, values = shared(k, q), shared(v, q)
        scores, p = probabilities(q, keys, *bias, **options)
        dp = hidden(dy @ np.swapaxes(values, -1, -2))
        (ds,) = normalize.backward(dp, p, scores)
        if options.get("causal", True):
            (ds,) = mask.backward(ds, None, scores)
        dqk = divided(ds, q, **options)
        dq, dk = dqk @ keys, np.swapaxes(dqk, -1, -2) @ q
        dv = np.swapaxes(hidden(p), -1, -2) @ dy
        found = (dq, summed(dk, k), summed(dv, v))
        return (*found, *(sum_to_shape(ds, one.shape) for one in bias))

    return function(value, backward)


def scored(scores: Callable[[Any, Any, float], Any]) -> Wrong:
    """Give dq = ds k and dk = ds^T q of another ds: scores(dp, p, sqrt D)."""

    def backward(
        dy: Any, y: Any, q: Any, k: Any, v: Any, *bias: Any, **options: Any
    ) -> tuple[Any, ...]:
        keys, values = shared(k, q), shared(v, q)
        p = weights(q, keys, *bias, **options)
        scale = options.get("scale")
        root = q.shape[-1] ** 0.5 if scale is None else 1 / scale
        ds = scores(dy @ np.swapaxes(values, -1, -2), p, root)
        dq, dk = ds @ keys, np.swapaxes(ds, -1, -2) @ q
        found = (dq, summed(dk, k), summed(np.swapaxes(p, -1, -2) @ dy, v))
        return (*found, *(sum_to_shape(root * ds, one.shape) for one in bias))

    return cotangents(backward)


def right(dp: Any, p: Any) -> Any:
    """Return sqrt D ds as it should be, zero where p is."""
    return p * (dp - total(dp * p))


def in_turn(a: Any, q: Any) -> Any:
    """Return heads dealt out to those of q in turn, not in blocks."""
    times = q.shape[-3] // a.shape[-3]
    return np.concatenate([a] * times, axis=a.ndim - 3)


ATTENTION: Table = {
    **{said: attending(mask=masked(mask)).known(source) for said, (mask, source) in MASKS.items()},
    (
        "mask after the softmax",
        "what probabilities give that were normalized over what is hidden, too",
    ): attending(mask=masked(lambda s: np.ones(s.shape[-2:], bool)), after=True).known(
        "a mask of zeros and ones on the weights"
    ),
    ("1 / sqrt D forgotten", "what q k^T gives"): attending(lambda q: 1).known(
        "the paper's section 3.2.1 is on this factor"
    ),
    ("1 / D for 1 / sqrt D", "what q k^T / D gives"): attending(lambda q: q.shape[-1]).known(
        "right for muP (Yang et al. 2022)"
    ),
    ("1 / sqrt D of all heads", "what q k^T / sqrt(H D) gives"): attending(
        lambda q: (q.shape[-1] * q.shape[1]) ** 0.5
    ).known("the width in the place of a head's"),
    (
        "softmax over the wrong axis",
        "what weights give that add up to one over the queries",
    ): attending(normalize=across("softmax")).known("a wrong `dim`"),
    ("softmax Jacobian's sum left out", "what p dp gives, without - p sum dp p"): scored(
        lambda dp, p, root: p * dp / root
    ).known("p of exp' = exp alone"),
    ("softmax Jacobian's diagonal alone", "what dp p (1 - p) gives, as of a sigmoid"): scored(
        lambda dp, p, root: dp * (p * (1 - p)) / root
    ).known("a derivative entry by entry"),
    ("1 / sqrt D forgotten on the way back", "what ds gives without the factor"): scored(
        lambda dp, p, root: right(dp, p)
    ).known("a scale that was applied outside of the graph"),
    ("gradient leaks through the mask", "what dp hands on where it was hidden, too"): scored(
        lambda dp, p, root: np.where(earlier(p), right(dp, p), dp - total(dp * p)) / root
    ).known("a mask forgotten on the way back"),
    ("queries and keys exchanged", "what ds^T gives in the place of ds"): scored(
        lambda dp, p, root: np.swapaxes(right(dp, p), -1, -2) / root
    ).known("the score matrix the wrong way round"),
    ("bias's gradient scaled", "ds / sqrt D for ds"): Cotangent(3)
    .then(lambda d, q, *_, scale=None, **__: d / q.shape[-1] ** 0.5)
    .known("a bias that is added before the scale"),
    ("shared heads mixed up", "what the heads of k and v dealt out in turn give"): seeing(
        lambda q, k, v, *bias: (q, *(in_turn(a, q) for a in (k, v)), *bias)
    ).known("repeat() for repeat_interleave()"),
}
