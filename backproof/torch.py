"""Certify your own PyTorch program, unchanged.

import backproof.torch as bt

certificate = bt.certify(lambda: loss_function(model(x), y), model)
assert certificate.holds, certificate
"""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from backproof.adapters.pytorch_autograd import adapter
from backproof.adapters.recording import NotRecorded
from backproof.adapters.torch_program import FRAMEWORK, gradients_of, record
from backproof.programs.certificate import ProgramCertificate
from backproof.programs.certify import against as held
from backproof.programs.certify import certify_recording
from backproof.programs.second import certify_second
from backproof.reference.findings import load, seen_here

__all__ = ["NotRecorded", "ProgramCertificate", "certify"]


def certify(
    loss: Callable[[], Any],
    model: Any,
    *,
    against: Callable[[], Any] | None = None,
    known: Mapping[Any, Any] | None = None,
    second: bool | Mapping[str, Any] = False,
    progress: bool = True,
) -> ProgramCertificate:
    """Return the certificate of one pass of a program: `print` it, and `assert` that it `holds`.

    loss:    computes the loss, a tensor of one number. It is called twice, with the same random
             state, so it must not change anything that it depends on.
    model:   a module, or name -> tensor: the parameters whose gradients are to be certified.
    against: computes the same loss by the same parameters in another way (compiled, checkpointed,
             on another device). Its gradients are held to the certified program's, end to end.
    known:   a function of your own, or a custom autograd function -> its `Op`, where backproof has
             none.
    second:  whether the derivatives of the gradients along a direction, a Hessian times a vector,
             are certified too. Each parameter's direction is drawn, or given: name -> tensor.
    progress: whether a terminal shows how far it is, once it takes more than two seconds.

    Nothing is left behind: gradients, buffers and the random state are as they were.
    Raises NotRecorded, with the reason, where there is nothing to certify: the loss is not one
    number, depends on no parameter, or differs from call to call; no parameter requires a gradient,
    or one is NaN or infinite; a tensor is complex, sparse, nested or quantized; the code is
    compiled. Raises whatever the program raises.
    """
    started = perf_counter()
    name = type(model).__name__ if not isinstance(model, Mapping) else "program"
    recording = record(loss, model, name, known or {}, second)
    version = adapter.version
    findings = [x for x in load() if x.adapter == FRAMEWORK and x.releases.include(version)]
    here = seen_here(findings, lambda _: adapter.processor)
    certificate = certify_recording(recording, FRAMEWORK, here, started, progress=progress)
    if recording.along:
        of = recording, certificate, FRAMEWORK, here, started
        certificate = certify_second(*of, progress=progress)
    if against is None:
        return certificate
    return held(recording, certificate, gradients_of(against, model))
