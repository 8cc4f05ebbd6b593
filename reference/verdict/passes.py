"""Certificates of a framework's two passes over one network: with probes, and as users run it.

The two passes are different programs. A probe makes a new array in row-major layout, and keeps a
compiler from fusing across it. So the pass without probes may round differently: its gradients may
leave the balls of the pass with probes by as much as rounding explains.
"""

from backproof.reference.verdict.certificate import Certificate, Replay
from backproof.reference.verdict.recomputed import recomputed
from backproof.reference.verdict.sensitivity import held_to_each_other


def certify_passes(replay: Replay, *, compiled: bool = False) -> Certificate:
    """Return the certificate of a trace and of the gradients without probes.

    replay: of both. compiled: whether a compiler built the passes; it may compute a number twice.
    """
    certificate = replay.certificate()
    if compiled:
        certificate = recomputed(certificate, replay)
    return held_to_each_other(certificate, replay)
