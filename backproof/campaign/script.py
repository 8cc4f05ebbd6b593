"""A finding as a script for the framework alone, which the framework's maintainers can run."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from backproof import adapters
from backproof.adapters.dialect import Dialect
from backproof.campaign.adapter_source import Source
from backproof.campaign.saved_graphs import Found
from backproof.reference.backprop import forward
from backproof.reference.network import Network, Node, behind
from backproof.reference.ops import Array
from backproof.running.loss_scale import loss_scale

PROBE = "probe"
"""The name of the zero that is added to a node to get its cotangent."""


def script(found: Found) -> str:
    """Return a script that prints the worst entry; one over an adapter's ops without a dialect."""
    network, leaves, precision = found.network, found.leaves, found.precision
    framework = found.column.framework
    known = framework in adapters.TABLE
    dialect = adapters.load(str(found.column)).dialect if known else None
    if dialect is None:
        return "\n".join(by_ops(network, leaves))
    source, backward = Source(framework), found.quantity.kind == "derivative"
    name = found.quantity.of
    scale = loss_scale(network, leaves) if backward else 1
    nodes = network.nodes if backward else (*behind(network.nodes, {name}),)
    given = {k: a for k, a in leaves.items() if any(k in node.inputs for node in nodes)}
    probed = name if backward and name not in leaves else None
    if probed:
        with np.errstate(all="ignore"):
            values = forward(network, network.inputs)
        given[PROBE] = np.zeros(values[probed].shape, precision)
        name = PROBE
    body = [
        f"    {node.name} = {source.call(node, arguments(node))}"
        + (f" + {PROBE}" if node.name == probed else "")
        for node in nodes
    ]
    tensors = [f"{k} = {tensor(dialect, precision, a)}" for k, a in given.items()]
    ask = (dialect.gradient if backward else dialect.value).format(
        leaves=", ".join(given), name=name, place=[*given].index(name) if backward else None
    )
    lines = [
        f"def f({', '.join(given)}):",
        *body,
        f"    return {'' if scale == 1 else f'{scale} * '}{nodes[-1].name}",
        "",
        *tensors,
        f"print({ask}{list(found.index) or ''}.item())",
    ]
    setup = [dialect.setup[precision]] if precision in dialect.setup else []
    tree = ast.parse("\n".join([*setup, *lines]))
    used = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}
    return "\n".join(
        [
            *(["import numpy as np"] if "np" in used - source.defined.keys() else []),
            *source.definitions([node.op for node in nodes], used),
            *setup,
            "",
            *lines,
            f"# {found.says}",
        ]
    )


def shown(found: Found) -> str:
    """Return the finding in words, and its script."""
    return f"{found.column}, {found.precision}: {found.says}\n{script(found)}"


def by_ops(network: Network, leaves: Mapping[str, Array]) -> Iterator[str]:
    """Yield the lines of a pass as calls of an adapter's `ops`, with its leaves' numbers."""
    yield "from numpy import array"
    for name, a in leaves.items():
        yield f"{name} = array({a.astype(float).tolist()}, {a.dtype.name!r})"
    for node in network.nodes:
        options = (f"{k}={v!r}" for k, v in node.options.items())
        yield f"{node.name} = ops[{node.op!r}]({', '.join((*node.inputs, *options))})"


def arguments(node: Node) -> list[str]:
    """Return the arguments of a node's function as source code."""
    return [*node.inputs, *(f"{k}={literal(value)}" for k, value in node.options.items())]


def literal(value: Any) -> str:
    """Return an option as source code."""
    if isinstance(value, tuple):
        return f"({''.join(f'{literal(part)}, ' for part in value)})"
    return f"np.array({value.tolist()})" if isinstance(value, np.ndarray) else repr(value)


def tensor(dialect: Dialect, precision: str, array: Array) -> str:
    """Return a tensor as source code, with every digit."""
    numbers = array.astype(float)
    if array.size and len({*map(repr, numbers.ravel().tolist())}) == 1:
        number = numbers.ravel()[0].item()
        return dialect.full.format(shape=array.shape, number=number, precision=precision)
    return dialect.array.format(numbers=numbers.tolist(), precision=precision)
