"""Certificates of a framework's two passes over one network: with probes, and as users run it.

They are two programs. A probe makes a new array, laid out in rows, and stands where a compiler
would fuse: so the pass without probes may round otherwise, and is held to its own balls only as
far as that reaches.
"""

from backproof.reference.verdict.certificate import Certificate, Replay
from backproof.reference.verdict.recomputed import recomputed
from backproof.reference.verdict.sensitivity import held_to_each_other


def certify_passes(replay: Replay, *, compiled: bool = False) -> Certificate:
    """Return the certificate of a trace, and of the gradients without probes beside it.

    replay: of both. compiled: whether a compiler made them, which may compute a number twice.
    """
    certificate = replay.certificate()
    if compiled:
        certificate = recomputed(certificate, replay)
    return held_to_each_other(certificate, replay)
