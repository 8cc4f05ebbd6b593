"""What the diagnosis calls faults that the catalogue does not have: nothing, it should be.

`python -m tests.benchmarks.names` plants more than a hundred invented faults, gross and small, in
op cases and small networks (`tests/verifier/inventions.py`), in each precision. For each kind it
prints how many were planted; how many were seen; and how many of these were said to be related to
what was expected, were taken for a lower precision, and were named after a fault of the catalogue.
"""

from collections.abc import Iterator

from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.table import table
from tests.verifier.inventions import KINDS, Invention, inventions

EACH = 4
"""How many of each kind are planted in each precision."""


def rows() -> Iterator[list[str]]:
    """Yield a row for each kind and, last, that of all kinds."""
    found = {p: list(inventions(p, EACH * len(KINDS))) for p in PRECISIONS}
    for kind in KINDS:
        of_kind = {p: [one for one in found[p] if one.kind == kind] for p in PRECISIONS}
        yield [kind, *(summary(of_kind[p]) for p in PRECISIONS)]
    yield ["all", *(summary(found[p]) for p in PRECISIONS)]


def summary(planted: list[Invention]) -> str:
    """Return how many were planted, seen, related, taken for a lower precision, and named."""
    seen = [one for one in planted if one.is_seen]
    counts = (
        len(planted),
        len(seen),
        sum(one.is_related for one in seen),
        sum(one.is_degraded for one in seen),
        sum(bool(one.names) for one in seen),
    )
    return " ".join(f"{count:3}" for count in counts)


def main() -> None:
    """Print the table and its legend."""
    print(table(["planted, seen, related, degraded, named", *PRECISIONS], list(rows())))
    print(
        "\nRelated: said to be a multiple or a rearrangement of what was expected. Degraded: taken"
        "\nfor a lower precision. Named: given the name of a fault that it is not."
    )


if __name__ == "__main__":
    main()
