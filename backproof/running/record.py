"""One pass of an implementation over a case, recorded as the files of a trace."""

from collections.abc import Collection
from difflib import get_close_matches

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.adapters.recording import Recording
from backproof.reference.article.figures import load
from backproof.reference.numbers.precision import PRECISIONS
from backproof.running.certificates import Certificates
from backproof.running.implementations import Implementations, Own
from backproof.running.options import REFERENCE, TIME_LIMIT
from backproof.scenarios.networks import CASES
from backproof.scenarios.op_cases import OP_CASES

COLUMNS = [
    name
    for of, one in adapters.TABLE.items()
    for name in (of, *(f"{of}.{v}" for v in one.variants))
]
"""The names of all frameworks and variants."""


def recorded(
    implementation: str,
    case: str,
    precision: str,
    seed: int = 0,
    own: Own | None = None,
    limit: float = TIME_LIMIT,
) -> Recording:
    """Return one pass of an implementation over a case, with probes and without.

    implementation: the reference, a framework, or a variant of one ("torch.func"); or the name of
    your own adapter. own: the file or the command of that. limit: seconds that a call of it may
    take.
    Raises ValueError for a name that is not known; AdapterError, Unsupported.
    """
    one_of("implementation", implementation, [implementation] if own else [REFERENCE, *COLUMNS])
    one_of("case", case, {**CASES, **OP_CASES})
    one_of("precision", precision, PRECISIONS)
    column = Column(implementation) if own else Column.parse(implementation)
    implementations = Implementations(load(), {implementation: own}, limit)
    replay = Certificates(implementations).replay(implementation, case, precision, seed)
    network = replay.network
    names = [*replay.leaves, *(node.name for node in network.nodes)]
    adapter = None if own or implementation == REFERENCE else adapters.load(implementation)
    return Recording(
        network,
        replay.leaves,
        replay.trace,
        {},
        (*network.parameters,),
        framework=column.framework,
        version=implementations.version(implementation) or "",
        processor=(*adapter.processor,) if adapter else (),
        compiled=traits(column).compiles_passes,
        scale=replay.scale,
        plain=replay.plain,
        precisions=dict.fromkeys(names, precision),
    )


SHOWN = 10
"""How many names are shown in the place of one that is not known."""


def one_of(what: str, name: str, known: Collection[str]) -> None:
    """Raise ValueError where a name is not known."""
    if name not in known:
        near = [one for one in known if name in one] or get_close_matches(name, known, SHOWN, 0.5)
        said, shown = ("nearest", near) if near else ("known", [*known])
        more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        raise ValueError(f"{what}: unknown {name!r}; {said}: {', '.join(shown[:SHOWN])}{more}")
