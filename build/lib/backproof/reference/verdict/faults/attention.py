"""Classical mistakes of causal self-attention: q, k, v (B, H, T, D), p and ds (B, H, T, T)."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.attention import earlier, weights
from backproof.reference.verdict.faults.fault import Fault, in_both, in_cotangents
from backproof.reference.verdict.faults.masks import masked, masks
from backproof.reference.verdict.faults.softmax import across


def attention() -> Iterator[Fault]:
    """Yield the faults of attention as one op."""
    both = partial(in_both, "attention")
    for name, gives, mask, source in masks():
        yield both(name, gives, attending(mask=masked(mask)), source)
    yield both(
        "mask after the softmax",
        "what probabilities give that were normalized over what is hidden, too",
        attending(mask=masked(lambda s: np.ones(s.shape[-2:], bool)), after=True),
        "a mask of zeros and ones on the weights",
    )
    yield both(
        "1 / sqrt D forgotten",
        "what q k^T gives",
        attending(lambda q: 1),
        "the paper's section 3.2.1 is on this factor",
    )
    yield both(
        "1 / D for 1 / sqrt D",
        "what q k^T / D gives",
        attending(lambda q: q.shape[-1]),
        "right for muP (Yang et al. 2022)",
    )
    yield both(
        "1 / sqrt D of all heads",
        "what q k^T / sqrt(H D) gives",
        attending(lambda q: (q.shape[-1] * q.shape[1]) ** 0.5),
        "the width in the place of a head's",
    )
    yield both(
        "softmax over the wrong axis",
        "what weights give that add up to one over the queries",
        attending(normalize=across("softmax")),
        "a wrong `dim`",
    )
    yield from _scores()


def attending(
    root: Callable[[Any], float] = lambda q: q.shape[-1] ** 0.5,
    mask: Op = OPS["causal_mask"],
    normalize: Op = OPS["softmax"],
    *,
    after: bool = False,
) -> Op:
    """Return attention with some part of it replaced, rightly differentiated.

    root: q -> what the scores are divided by. mask, normalize: the ops in between.
    after: whether what is hidden is zeroed after the softmax as well.
    """

    def probabilities(q: Any, k: Any) -> tuple[Any, Any]:
        scores = mask.forward((q @ np.swapaxes(k, -1, -2)) / root(q))
        return scores, normalize.forward(scores)

    def seen(p: Any) -> Any:
        return np.where(earlier(p), p, 0) if after else p

    def backward(dy: Any, y: Any, q: Any, k: Any, v: Any) -> tuple[Any, Any, Any]:
        scores, p = probabilities(q, k)
        dp = seen(dy @ np.swapaxes(v, -1, -2))
        (ds,) = mask.backward(*normalize.backward(dp, p, scores), None, scores)
        ds = ds / root(q)
        return ds @ k, np.swapaxes(ds, -1, -2) @ q, np.swapaxes(seen(p), -1, -2) @ dy

    return Op(lambda q, k, v: seen(probabilities(q, k)[1]) @ v, backward)


def _scores() -> Iterator[Fault]:
    """Yield the faults of dq = ds k and dk = ds^T q, ds = p (dp - sum dp p) / sqrt D."""

    def of(name: str, gives: str, scores: Callable[..., Any], source: str) -> Fault:
        def backward(dy: Any, y: Any, q: Any, k: Any, v: Any) -> tuple[Any, Any, Any]:
            p = weights(q, k)
            ds = scores(dy @ np.swapaxes(v, -1, -2), p, q.shape[-1] ** 0.5)
            return ds @ k, np.swapaxes(ds, -1, -2) @ q, np.swapaxes(p, -1, -2) @ dy

        return in_cotangents("attention", name, gives, backward, source)

    def right(dp: Any, p: Any) -> Any:
        return p * (dp - np.sum(dp * p, axis=-1, keepdims=True))

    yield of(
        "softmax Jacobian's sum left out",
        "what p dp gives, without - p sum dp p",
        lambda dp, p, root: p * dp / root,
        "p of exp' = exp alone",
    )
    yield of(
        "softmax Jacobian's diagonal alone",
        "what dp p (1 - p) gives, as of a sigmoid",
        lambda dp, p, root: dp * (p * (1 - p)) / root,
        "a derivative entry by entry",
    )
    yield of(
        "1 / sqrt D forgotten on the way back",
        "what ds gives without the factor",
        lambda dp, p, root: right(dp, p),
        "a scale that was applied outside of the graph",
    )
    yield of(
        "gradient leaks through the mask",
        "what dp hands on where it was hidden, too",
        lambda dp, p, root: (
            np.where(earlier(p), right(dp, p), dp - np.sum(dp * p, axis=-1, keepdims=True)) / root
        ),
        "a mask forgotten on the way back",
    )
    yield of(
        "queries and keys exchanged",
        "what ds^T gives in the place of ds",
        lambda dp, p, root: np.swapaxes(right(dp, p), -1, -2) / root,
        "the score matrix the wrong way round",
    )
