"""Times a function. Benchmarks report only ratios of two times from one run."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

REPEATS = 5


def seconds(run: Callable[[], object]) -> float:
    """Return the median time of several runs after a first one that does not count."""
    run()
    times = []
    for _ in range(REPEATS):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return median(times)
