"""How long JAX compiles."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def compiling() -> Iterator[list[float]]:
    """Yield a list that receives the seconds of each compilation."""
    taken = list[float]()

    def ended(event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            taken.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(ended)
    try:
        yield taken
    finally:
        jax.monitoring.unregister_event_duration_listener(ended)
