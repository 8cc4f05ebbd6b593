"""Print what certifying programs of flax, equinox and optax costs: each row is one of them.

Compilation is counted apart: each program is compiled as it is, and with its probes. The last rows
are a transformer at three sizes. `--seeds`: how many programs hold for each of 20 seeds.
"""

import sys
from time import perf_counter
from typing import Any

import equinox
import jax
from flax import nnx

import backproof.jax as bj
from tests.verifier.real_jax_models import MODELS, Program, Transformer, of_nnx, program, tokens

HEAD = (
    "program, parameters, primitives, links, numbers, digits proven, "
    "certify / own jitted pass, compiled in"
)
SEEDS = 20
PASSES = 10
SIZES = {"nnx transformer of 64": (64, 32), "of 128": (128, 64), "of 256": (256, 128)}
"""Name -> width, context. Each has two blocks, and a batch of 4."""


def own_pass(loss: Any, *arguments: Any) -> float:
    """Return the seconds of one pass as users run it, compiled before."""
    run = equinox.filter_jit(equinox.filter_value_and_grad(loss))
    jax.block_until_ready(run(*arguments))
    started = perf_counter()
    for _ in range(PASSES):
        jax.block_until_ready(run(*arguments))
    return (perf_counter() - started) / PASSES


def sized(width: int, context: int) -> Program:
    """Return a transformer of a size."""
    model = Transformer(nnx.Rngs(0), width=width, context=context, vocabulary=256)
    return of_nnx(model, tokens(0, 4, context))


def row(name: str, loss: Any, *arguments: Any) -> str:
    """Return what the certificate of a program says, and what it costs."""
    own = own_pass(loss, *arguments)
    certificate = bj.certify(loss, *arguments)
    primitives = {place.function for place in certificate.places.values()}
    parameters = {name: certificate.program.parameters[name] for name in certificate.proven}
    digits = certificate.worst.digits if certificate.worst else float("inf")
    verdict = "" if certificate.holds else f" DOES NOT HOLD: {certificate}"
    return (
        f"{name}, {sum(a.size for a in parameters.values()):,}, {len(primitives)}, "
        f"{len(certificate.links):,}, {certificate.entries:,}, {digits:.1f}, "
        f"{certificate.seconds - certificate.compiling:.1f} s / {1000 * own:.2f} ms, "
        f"{certificate.compiling:.1f} s{verdict}"
    )


def held(seed: int) -> str:
    """Return how many programs hold for a seed, and what is said of those that do not."""
    certificates = {name: bj.certify(*program(name, seed)) for name in MODELS}
    red = [f"{name}: {one}" for name, one in certificates.items() if not one.holds]
    return "\n".join([f"seed {seed}: {len(MODELS) - len(red)} of {len(MODELS)} hold", *red])


def main() -> None:
    """Print the rows."""
    if "--seeds" in sys.argv:
        for seed in range(SEEDS):
            print(held(seed), flush=True)
        return
    jax.config.update("jax_enable_compilation_cache", False)
    print(HEAD)
    for name in MODELS:
        print(row(name, *program(name)), flush=True)
    for name, size in SIZES.items():
        print(row(name, *sized(*size)), flush=True)


if __name__ == "__main__":
    main()
