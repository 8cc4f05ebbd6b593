"""Print what certifying real models costs: each row is one model of transformers.

`--large`: GPT-2 alone, as it is, of 124 million parameters; and models beside their compiled twins.
`--seeds`: of each model, how many of 20 draws of weights and batches hold, in two precisions.
"""

import resource
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
import transformers

import backproof.torch as bt
from tests.verifier.real_models import MODELS

HEAD = "model, parameters, functions, links, numbers, digits proven, certify / own pass, peak GiB"

SEEDS = 20

PRECISIONS = ("float32", "bfloat16")

COMPILED = ("Llama", "ViT")
"""Models that the compiler takes, without dropout: it draws other random numbers."""


def large() -> tuple[Any, Callable[[], Any]]:
    """Return GPT-2 in its own size, and what computes its loss of 64 tokens."""
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config())
    tokens = torch.randint(0, model.config.vocab_size, (1, 64))
    return model, lambda: model(input_ids=tokens, labels=tokens).loss


def row(
    name: str, make: Callable[[], tuple[Any, Callable[[], Any]]], *, is_compiled: bool = False
) -> str:
    """Return what the certificate of a model says, and what it costs.

    is_compiled: whether the gradients of the compiled model are held to it.
    """
    torch.manual_seed(0)
    model, loss = make()
    model.train()
    started = perf_counter()
    loss().backward()
    own = perf_counter() - started
    model.zero_grad()
    certificate = bt.certify(loss, model, against=torch.compile(loss) if is_compiled else None)
    functions = {place.function for place in certificate.places.values()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    digits = certificate.worst.digits if certificate.worst else float("inf")
    verdict = "" if certificate.holds else f" DOES NOT HOLD: {certificate}"
    numbers = sum(p.numel() for p in model.parameters())
    return (
        f"{name}, {numbers:,}, {len(functions)}, {len(certificate.links):,}, "
        f"{certificate.entries:,}, {digits:.1f}, {certificate.seconds:.1f} s / {own:.2f} s, "
        f"{peak:.1f}{verdict}"
    )


def drawn(make: Callable[[], tuple[Any, Callable[[], Any]]], precision: str, seed: int) -> Any:
    """Return the certificate of a model that is drawn by a seed."""
    torch.manual_seed(seed)
    model, loss = make()
    return bt.certify(loss, model.train().to(getattr(torch, precision)), progress=False)


def seeds(name: str, make: Callable[[], tuple[Any, Callable[[], Any]]]) -> str:
    """Return how many draws of a model hold; and each that does not, with what it says."""
    cells, wrong = [name], []
    for precision in PRECISIONS:
        found = {seed: drawn(make, precision, seed) for seed in range(SEEDS)}
        bad = {seed: str(one) for seed, one in found.items() if not one.holds}
        cells.append(f"{SEEDS - len(bad)}/{SEEDS}")
        wrong += [f"\n  seed {seed}: {said}" for seed, said in bad.items()]
    return ", ".join(cells) + "".join(wrong)


def main() -> None:
    """Print the rows."""
    if "--seeds" in sys.argv:
        print(f"model, {', '.join(PRECISIONS)}")
        for name, make in MODELS.items():
            print(seeds(name, make), flush=True)
        return
    print(HEAD)
    if "--large" not in sys.argv:
        for name, make in MODELS.items():
            print(row(name, make), flush=True)
        return
    print(row("GPT-2 of 124M", large), flush=True)
    for name in COMPILED:
        print(row(f"{name}, and compiled", MODELS[name], is_compiled=True), flush=True)


if __name__ == "__main__":
    main()
