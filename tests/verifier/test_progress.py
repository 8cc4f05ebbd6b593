"""The progress of a certificate is seen on a terminal."""

import io
import sys

import pytest

from backproof.programs import progress
from tests.verifier.lazy import Lazy

torch, bt = map(Lazy, ("torch", "backproof.torch"))


class Terminal(io.StringIO):
    """Keeps what is written to it, and says whether it is a terminal."""

    def __init__(self, *, is_terminal: bool) -> None:
        """Keep nothing yet."""
        super().__init__()
        self.isatty = lambda: is_terminal  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("options", "is_terminal", "lasts", "shown"),
    [
        ({}, True, True, True),
        ({}, True, False, False),
        ({}, False, True, False),
        ({"progress": False}, True, True, False),
    ],
    ids=["terminal", "quick", "pipe", "silenced"],
)
def test_progress_is_seen_on_a_terminal(
    options: dict[str, bool],
    is_terminal: bool,  # noqa: FBT001
    lasts: bool,  # noqa: FBT001
    shown: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A terminal counts the links of a certificate that takes long, and is empty afterwards."""
    w, terminal = torch.rand(3, requires_grad=True), Terminal(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    if lasts:
        monkeypatch.setattr(progress, "PATIENCE", 0.0)
        monkeypatch.setattr(progress, "SECONDS", 0.0)
    certificate = bt.certify(lambda: torch.tanh(w).sum(), {"w": w}, **options)
    lines = terminal.getvalue().split(progress.CLEAR)
    counts = [f"backproof: {n} of 5 links certified" for n in range(1, 6)]

    assert len(certificate.links) == 5
    assert [line.partition(",")[0] for line in lines] == (["", *counts, ""] if shown else [""])
