"""Certify your own JAX function, unchanged.

import backproof.jax as bj

certificate = bj.certify(loss, params, batch)
assert certificate.holds, certificate
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from time import perf_counter
from typing import Any

from backproof.adapters.jax_compiling import compiling
from backproof.adapters.jax_program import Run, by_name
from backproof.adapters.jax_program import record as recorded
from backproof.adapters.recording import NotRecorded
from backproof.programs.certificate import ProgramCertificate
from backproof.programs.from_file import certify_recorded
from backproof.programs.twins import against as held
from backproof.traces.files import TraceError
from backproof.traces.writing import write

__all__ = ["NotRecorded", "ProgramCertificate", "TraceError", "certify", "record"]


def certify(
    loss: Callable[..., Any],
    *arguments: Any,
    argnums: int | tuple[int, ...] = 0,
    jit: bool = True,
    against: Callable[..., Any] | None = None,
    known: Mapping[Any, Any] | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> ProgramCertificate:
    """Return the certificate of one gradient of a function, as jax.grad(loss)(*arguments) is one.

    loss:    a function of trees of arrays to one number.
    argnums: which arguments hold the parameters: all arrays of floats in them. They are named by
             their paths, "params/block_3/kernel". All other arrays are constants.
    jit:     whether the pass is compiled as a whole, as users run it.
    against: computes the same loss of the same arguments in another way (checkpointed, on another
             device). Its gradients are held to the certified program's, end to end.
    known:   a primitive, or a function with a custom derivative, or its name -> a plain function
             that computes the same of the same arrays, or its `Op`, where backproof has none.
    executor: any of `concurrent.futures`; its workers judge the links, from temporary files.
    progress: whether a terminal shows how far it is, once it takes more than two seconds.

    The function is traced, and evaluated primitive by primitive with a zero added to every result:
    the gradients of these zeros are the cotangents. The loss and the gradient that users compute,
    of the function itself, must be the same numbers, or are held to them: end to end, and as links
    from the same cotangents. A scan is certified step by step, up to 256 steps,
    and a `cond` along the branch that was taken. A custom derivative is held to that of its own
    forward pass, also where a derivative inside of the loss applies it.

    Raises NotRecorded, with the reason, where there is nothing to certify: the loss is not one
    number, depends on no parameter, or two traces of it differ; `argnums` names no argument, or one
    that holds no array of floats; a parameter is NaN or infinite; two arrays have one name; a
    number is of a format that backproof does not have; `known` gives no op and no function. Raises
    whatever the function raises.
    """
    started = perf_counter()
    run = running(loss, arguments, argnums, jit=jit)
    second = None if against is None else callable_(against)
    with compiling() as taken:
        recording = recorded(run, by_name(known or {}))
    certificate = certify_recorded(recording, started, executor, progress=progress)
    certificate = replace(certificate, compiling=sum(taken))
    if second is None:
        return certificate
    _, gradients = run.plain(second)
    twin = held(recording, certificate, gradients)
    return replace(certificate, twin=(*certificate.twin, *twin))


def running(
    loss: Callable[..., Any], arguments: Sequence[Any], argnums: int | tuple[int, ...], *, jit: bool
) -> Run:
    """Return a loss with what it is called with. Raises NotRecorded."""
    n = len(arguments)
    places: Any = (argnums,) if isinstance(argnums, Integral) else argnums
    are_places = isinstance(places, Sequence) and all(isinstance(i, Integral) for i in places)
    if not (are_places and places and all(-n <= i < n for i in places)):
        raise NotRecorded(
            f"argnums: expected places of the {n} arguments of the loss, found {argnums!r}"
        )
    return Run(callable_(loss), arguments, tuple(i % n for i in places), jit)


def callable_(loss: Any) -> Callable[..., Any]:
    """Return a loss. Raises NotRecorded where it is no function."""
    if not callable(loss):
        raise NotRecorded(f"the loss: expected a function, found {type(loss).__name__}")
    return loss


def record(
    loss: Callable[..., Any],
    *arguments: Any,
    folder: str | Path,
    argnums: int | tuple[int, ...] = 0,
    jit: bool = True,
    known: Mapping[Any, Any] | None = None,
) -> None:
    """Record one gradient of a function in a new or empty folder, or an archive ("a.zip").

    `backproof certify FOLDER` certifies it, on any machine, without JAX. All other arguments are
    those of `certify`; ops that are given by `known` are not in the files, but their names are.

    Raises as `certify`, and TraceError where the folder cannot be written.
    """
    run = running(loss, arguments, argnums, jit=jit)
    write(recorded(run, by_name(known or {})), folder)
