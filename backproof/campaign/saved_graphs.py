"""Findings of campaigns, kept as data in fixtures/campaign/: one file per graph, digits in hex."""

import json
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from backproof.adapters.column import Column
from backproof.reference.files import FIXTURES, FileError, read, write
from backproof.reference.network import Network, Node
from backproof.reference.ops import Array
from backproof.reference.verdict.link import Quantity
from backproof.traces.as_json import option_of_json, option_to_json

FOLDER = Path("fixtures", "campaign")
"""Where a campaign keeps its findings, relative to the working directory."""

Place = tuple[str, str]
"""An op, and "forward" or "backward"."""


@dataclass(frozen=True, slots=True)
class Found:
    """One graph with a link that was not inside its ball.

    column, version: an adapter or a variant of one; the framework's version.
    precision: its name. quantity: what the link produced. index: the worst entry's.
    says: the verdict in words: the number seen, the ball allowed.
    network: the graph; its leaves are of that precision.
    """

    column: Column
    version: str
    precision: str
    quantity: Quantity
    index: tuple[int, ...]
    says: str
    network: Network

    @property
    def leaves(self) -> dict[str, Array]:
        """The leaves in the precision."""
        return self.network.leaves(lambda a: a.astype(self.precision))

    @property
    def name(self) -> str:
        """The name of its file: column, precision, ops, and a digest of its content."""
        ops = "-".join(sorted({op for op, _ in places(self.network, self.quantity)}))
        digest = sha256(text(self).encode()).hexdigest()[:8]
        return f"{self.column}-{self.precision}-{ops}-{digest}"


def places(network: Network, of: Quantity) -> frozenset[Place]:
    """Return the ops that make a quantity: a value's own op; a derivative's, those of its users."""
    if of.kind == "derivative":
        return frozenset((node.op, "backward") for node in network.nodes if of.of in node.inputs)
    return frozenset((node.op, "forward") for node in network.nodes if node.name == of.of)


def quantities(network: Network) -> list[Quantity]:
    """Return the quantities that passes over a graph compute, with probes and without."""
    nodes = [node.name for node in network.nodes]
    names = [*network.inputs, *nodes]
    return [
        *(Quantity("value", name) for name in nodes),
        *(Quantity("derivative", name, probes=p) for name in names for p in (True, False)),
    ]


def text(found: Found) -> str:
    """Return a finding as JSON, with one line per leaf and per node."""
    head = {
        "column": str(found.column),
        "version": found.version,
        "precision": found.precision,
        "link": str(found.quantity),
        "index": found.index,
        "says": found.says,
    }
    leaves = {
        name: {"shape": a.shape, "hex": [x.hex() for x in a.ravel().tolist()]}
        for name, a in found.network.inputs.items()
    }
    inline = partial(option_to_json, keep=np.ndarray.tolist)
    nodes = [
        [n.name, n.op, n.inputs, {k: inline(v) for k, v in n.options.items()}]
        for n in found.network.nodes
    ]
    lines = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in head.items()]
    inner = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in leaves.items())
    lines.append(f'  "leaves": {{\n{inner}\n  }}')
    inner = ",\n".join(f"    {json.dumps(node)}" for node in nodes)
    lines.append(f'  "nodes": [\n{inner}\n  ]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def keep(found: Found) -> Path:
    """Write a finding to its own file, and return the path."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{found.name}.json"
    write(path, text(found))
    return path


def load(path: Path) -> Found:
    """Return the finding of a file. Raises FileError."""
    content = read(path, "campaign")
    try:
        leaves = {
            k: np.array([float.fromhex(x) for x in a["hex"]]).reshape(a["shape"])
            for k, a in content.pop("leaves").items()
        }
        option = partial(option_of_json, read=np.array)
        nodes = tuple(
            Node(node, op, tuple(inputs), {k: option(v) for k, v in options.items()})
            for node, op, inputs, options in content.pop("nodes")
        )
        column, index = Column.parse(content.pop("column")), tuple(content.pop("index"))
        network = Network(f"campaign/{path.stem}", leaves, {}, nodes, frozenset())
        quantity = {str(one): one for one in quantities(network)}[content.pop("link")]
        return Found(column, **content, quantity=quantity, index=index, network=network)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise FileError(f"{path}: {type(error).__name__}: {error}") from None


def kept() -> dict[str, Path]:
    """Return name -> file of all findings kept in this package and in FOLDER."""
    folders = (FIXTURES / "campaign", FOLDER)
    found = {path.stem: path for folder in folders for path in folder.glob("*.json")}
    return dict(sorted(found.items()))
