"""Connectionist temporal classification: the loss of all ways to read a target in a sequence.

Graves, Fernandez, Gomez and Schmidhuber, Connectionist Temporal Classification: Labelling
Unsegmented Sequence Data with Recurrent Neural Networks (ICML 2006), in logarithms.

Shapes: T times, N sequences, C classes; S labels of the longest target; L = 2 S + 1 states: all
labels of a target, with a blank before, between and behind them. Options:

target:  (N, S), classes, none of which is the blank; what is behind the end of a target is ignored.
times:   (N,), how many of the T times a sequence has, 1 or more.
lengths: (N,), how many labels a target has.
blank:   the class that says nothing.
"""

from typing import Any

import numpy as np

from backproof.reference.ops.factors import stacked
from backproof.reference.ops.functions import constant, logaddexp, rounding, stop
from backproof.reference.ops.log_sums import NONE
from backproof.reference.ops.op import Array, Op

ROUNDINGS = 13
"""What log(e^(a - m) + e^(b - m) + e^(c - m)), m the largest, may be off, in roundings of 1.

The largest is 1; each other e^-d is off by d e^-d as d is rounded, and by 3 ulp of its own, which
are 6 roundings. The sum s = 1 + 2 e^-d is rounded twice, and its logarithm is off by 3 ulp: in all
(6 + d) 2 e^-d / s + 2 + 6 log s, which falls with d. At d = 0 it is 4 + 2 + 6 log 3 < 13.
"""


def states(target: Array, blank: int) -> Array:
    """Return the class of each state, (N, L)."""
    N, S = target.shape
    found = np.full((N, 2 * S + 1), blank)
    found[:, 1::2] = target
    return found


def behind(a: Array, k: int, first: Array) -> Array:
    """Return what each state has k states before it, and the first states something else."""
    return np.concatenate([first[:, :k], a[:, : a.shape[1] - k]], axis=1) if k else a


def rounded(y: Array) -> Array:
    """Return the logarithm of a sum, off by what the steps to it may lose."""
    return y + rounding(ROUNDINGS * np.ones_like(y))


def skips_of(classes: Array) -> Array:
    """Return the states, (N, L), to which a way may skip the blank before them.

    They are the labels that differ from the label before (eq. 6).
    """
    is_label = np.arange(classes.shape[1]) % 2 == 1
    return is_label & (classes != behind(classes, 2, np.full(classes.shape, -1)))


def reached(classes: Array, T: int) -> Array:
    """Return whether a way leads to each state so soon, (T, N, L)."""
    nowhere, skips = np.zeros(classes.shape, bool), skips_of(classes)
    is_first = np.arange(classes.shape[1]) <= 1
    found = [np.broadcast_to(is_first, classes.shape)]
    for _ in range(1, T):
        near, far = (behind(found[-1], k, nowhere) for k in (1, 2))
        found.append(found[-1] | near | (far & skips))
    return np.stack(found)


def log_paths(q: Array, classes: Array) -> Array:
    """Return log alpha, (T, N, L): that of the probability of all ways to each state.

    q: (T, N, L), the logarithm of the probability of each state's class at each time.

    1. A way begins at the first blank or at the first label (between eq. 5 and eq. 6).
    2. It comes from the same state, the one before, or the one before that (eq. 6 and 7).
    """
    never, skips = constant(np.full(classes.shape, NONE), q), skips_of(classes)
    may = reached(classes, q.shape[0])
    alpha = [np.where(may[0], q[0], never)]
    for t in range(1, q.shape[0]):
        a, near, far = (behind(alpha[-1], k, never) for k in (0, 1, 2))
        ways = rounded(logaddexp(logaddexp(a, near), np.where(skips, far, never)))
        alpha.append(np.where(may[t], q[t] + ways, never))
    return stacked(alpha, 0)


def ctc_forward(lp: Array, *, target: Array, times: Array, lengths: Array, blank: int) -> Array:
    """Return y = -log p(target), (N,), for logarithms of probabilities lp (T, N, C) (eq. 8).

    A way ends at the last blank or at the last label.
    """
    classes, n = states(target, blank), np.arange(lp.shape[1])
    alpha = log_paths(lp[np.arange(lp.shape[0])[:, None, None], n[:, None], classes], classes)
    at_blank, at_label = (alpha[times - 1, n, 2 * lengths - k] for k in (0, 1))
    never = constant(np.full(n.shape, NONE), lp)
    return -rounded(logaddexp(at_blank, np.where(lengths > 0, at_label, never)))


def log_joint(q: Array, classes: Array, times: Array, lengths: Array) -> tuple[Array, Array]:
    """Return log(alpha beta), (T, N, L), and where a way leads through a state.

    beta is what alpha is for the sequence and the target read backwards (eq. 9 to 11). Both count
    the probability at their own time.
    """
    t, n, s = np.ogrid[tuple(map(slice, q.shape))]
    ends = times[:, None] - 1, 2 * lengths[:, None]
    inside = (t <= ends[0]) & (s <= ends[1])
    back = np.maximum(ends[0] - t, 0), n, np.maximum(ends[1] - s, 0)
    backwards = classes[back[1:]][0]
    may = reached(classes, len(t)) & reached(backwards, len(t))[back]
    return log_paths(q, classes) + log_paths(q[back], backwards)[back], inside & may


def ctc_backward(
    dy: Array, y: Array, lp: Array, *, target: Array, times: Array, lengths: Array, blank: int
) -> tuple[Array]:
    """Return dlp, (T, N, C).

    1. P[t, n, s] = alpha beta / q e^y is the probability to be in a state at a time, given the
       target: the share of such ways in p(target) = e^-y (eq. 14).
    2. p(target) is linear in e^lp at each time, so dy/dlp is the share of the ways through a class
       at that time, negative: the sum of P over its states (eq. 15).
    3. An implementation may sum up in logarithms: a class of m states m times, with numbers between
       the logarithm of alpha beta and that of the sum, which is at most q - y.
    """
    classes = states(target, blank)
    T, N, _ = lp.shape
    places = np.arange(T)[:, None, None], np.arange(N)[:, None], classes
    q = lp[places]
    joint, inside = log_joint(q, classes, times, lengths)
    y = y[:, None]
    count = np.sum(classes[:, :, None] == classes[:, None, :], axis=2)
    size = np.maximum(np.abs(stop(joint)), np.abs(stop(q - y)))
    share = joint + rounding(count * (size + ROUNDINGS)) + y - q
    P = np.exp(np.where(inside, share, constant(np.full(q.shape, NONE), q)))
    posterior = np.zeros_like(lp)
    np.add.at(posterior, places, P)
    return (-(dy[:, None] * posterior),)


def ctc_backward_of_normalized(
    dy: Array, y: Array, lp: Array, *, times: Array, **options: Any
) -> tuple[Array]:
    """Return dlp and dy e^lp, which eq. 16 has for the outputs before a softmax.

    It is no derivative by lp. Where lp = log_softmax(z), e^lp sums to 1 in each row, and what is
    added makes no difference to dz = dlp - e^lp sum dlp.
    """
    (dlp,) = ctc_backward(dy, y, lp, times=times, **options)
    inside = np.arange(lp.shape[0])[:, None, None] < times[:, None]
    return (np.where(inside, dy[:, None] * np.exp(lp) + dlp, dlp),)


ctc = Op(ctc_forward, ctc_backward)
ctc_of_log_softmax = Op(
    ctc_forward,
    ctc_backward,
    forms={"ctc' of normalized probabilities": Op(ctc_forward, ctc_backward_of_normalized)},
)
