"""Certify your own PyTorch program, unchanged.

import backproof.torch as bt

certificate = bt.certify(lambda: loss_function(model(x), y), model)
assert certificate.holds, certificate
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from backproof.adapters.recording import NotRecorded
from backproof.adapters.torch_program import record as recorded
from backproof.adapters.torch_program import record_with_twin
from backproof.programs.certificate import ProgramCertificate
from backproof.programs.from_file import certify_recorded
from backproof.programs.second import certify_second
from backproof.programs.twins import against as held
from backproof.traces.files import TraceError
from backproof.traces.writing import write

__all__ = ["NotRecorded", "ProgramCertificate", "TraceError", "certify", "record"]


def certify(
    loss: Callable[[], Any],
    model: Any,
    *,
    against: Callable[[], Any] | None = None,
    known: Mapping[Any, Any] | None = None,
    second: bool | Mapping[str, Any] = False,
    executor: Executor | None = None,
    progress: bool = True,
) -> ProgramCertificate:
    """Return the certificate of one pass of a program: `print` it, and `assert` that it `holds`.

    loss:    computes the loss, a tensor of one number. It is called twice, with the same random
             state, so it must not change anything that it depends on; three times where it runs a
             recurrent layer, or takes a derivative itself.
    model:   a module, or name -> tensor: the parameters whose gradients are to be certified.
    against: computes the same loss by the same parameters in another way (compiled, checkpointed,
             on another device). Its gradients are held to the certified program's, end to end.
    known:   a function of your own, a custom autograd function, or an op of `torch.library` -> a
             plain function that computes the same of the same arguments, or its `Op`.
    second:  whether the derivatives of the gradients along a direction, a Hessian times a vector,
             are certified too. Each parameter's direction is drawn, or given: name -> tensor.
    executor: any of `concurrent.futures`; its workers judge the links of first order, from
             temporary files.
    progress: whether a terminal shows how far it is, once it takes more than two seconds.

    Nothing is left behind: parameters, gradients and buffers of all modules that run, all tensors
    that a call writes to, and the random states are as they were.
    Raises NotRecorded, with the reason, where there is nothing to certify: the loss is not one
    number, depends on no parameter, or differs from call to call; no parameter requires a gradient,
    or one is NaN or infinite; a tensor is sparse, nested, quantized or sharded, or has no numbers
    yet; the code is compiled. Raises whatever the program raises.
    """
    started = perf_counter()
    options = title(model), known or {}, second
    recording, gradients = record_with_twin(loss, against, model, *options)
    certificate = certify_recorded(recording, started, executor, progress=progress)
    if recording.along:
        certificate = certify_second(recording, certificate, started, progress=progress)
    if against is None:
        return certificate
    twin = held(recording, certificate, gradients)
    return replace(certificate, twin=(*certificate.twin, *twin))


def record(
    loss: Callable[[], Any],
    model: Any,
    folder: str | Path,
    *,
    known: Mapping[Any, Any] | None = None,
    second: bool | Mapping[str, Any] = False,
) -> None:
    """Record one pass of a program in a new or empty folder, or an archive ("a.zip").

    `backproof certify FOLDER` certifies it, on any machine, without PyTorch. loss, model, known,
    second: as in `certify`. Ops that are given by `known` are not in the files; their names are.

    Raises as `certify`, and TraceError where the folder cannot be written.
    """
    write(recorded(loss, model, title(model), known or {}, second), folder)


def title(model: Any) -> str:
    """Return the name of a program."""
    return "program" if isinstance(model, Mapping) else type(model).__name__
