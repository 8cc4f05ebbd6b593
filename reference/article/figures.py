"""A worked example as data: its network, its symbols, its printed figures."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backproof.reference.article import expression
from backproof.reference.article.program import printed_numbers
from backproof.reference.files import FIXTURES, FileError, read
from backproof.reference.fixtures import places
from backproof.reference.network import Network, Node
from backproof.reference.numbers.exact import enclosure, real, workprec
from backproof.reference.ops import Array
from backproof.reference.training import Iteration, iterations

FOLDER = FIXTURES / "articles"
"""The worked examples that are shipped, one file each."""

FIRST = "article"
"""The name of the first of them, which all frameworks are held to, quantity by quantity."""

RESERVED = ("eta", *expression.FUNCTIONS)
"""What no symbol may be called: the learning rate, and the functions of expressions."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed figure.

    id:        its own name.
    step:      of the article, "3.1".
    part:      of the article, "Part 3, output layer".
    at:        where in the step it stands.
    iteration: the pass that its quantity belongs to, from 1; the second has seen one update.
    quantity:  the quantity that it states, an expression over the trace.
    printed:   the figure, as printed.
    line:      the expression before it, operands as printed; None where it is given or claimed.
    operands:  printed operand -> id of the figure that it repeats.
    program:   whether the article claims that its program prints it.
    """

    id: str
    step: str
    part: str
    at: str
    iteration: int
    quantity: str
    printed: str
    line: str | None
    operands: Mapping[str, str]
    program: bool

    @property
    def places(self) -> int:
        """The number of decimal places printed."""
        return places(self.printed)


@dataclass(frozen=True, slots=True)
class Address:
    """Where in an iteration a scalar quantity stands.

    kind:  "leaves", "values", "cotangents", "gradients" or "updated".
    array: the node's or leaf's name.
    index: the entry.
    """

    kind: str
    array: str
    index: tuple[int, ...]

    def whole(self, iteration: Iteration) -> Array:
        """Return the array that holds the quantity. Raises KeyError where there is none."""
        here = iteration if self.kind in ("leaves", "updated") else iteration.trace
        arrays: Mapping[str, Array] = getattr(here, self.kind)
        return arrays[self.array]

    def of(self, iteration: Iteration) -> Any:
        """Return the quantity's value, a scalar of the iteration's kind of number."""
        array = self.whole(iteration)
        return array[self.index] if hasattr(array, "shape") else array


@dataclass(frozen=True, slots=True)
class Article:
    """A worked example: the first is an article.

    network:   its network, of the example's name.
    eta:       its learning rate, a decimal string; "0" where nothing is updated.
    addresses: scalar quantity -> where it stands: net_h1, dE_dnet_h1, dE_dw5, w5_new, ...
    figures:   in the article's order.
    prints:    id of a figure of the program's output -> what the program prints there.
    followed:  the quantities that are proven over many updates.
    updates:   how many updates that is.
    title:     of the text.
    """

    network: Network
    eta: str
    addresses: Mapping[str, Address]
    figures: tuple[Figure, ...]
    prints: Mapping[str, str] = field(default_factory=dict)
    followed: tuple[str, ...] = ()
    updates: int = 0
    title: str = ""

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.network.name

    @property
    def iterations(self) -> tuple[int, ...]:
        """The passes that figures belong to, counted from 1."""
        return tuple(sorted({figure.iteration for figure in self.figures}))

    def value(
        self, quantity: str, number: Callable[[str], Any], at: Callable[[Address], Any]
    ) -> Any:
        """Return the value of a quantity, which is an expression over the addresses' names.

        number: makes a number from a decimal string. at: gives the number at an address.
        """

        def named(name: str) -> Any:
            return number(self.eta) if name == "eta" else at(self.addresses[name])

        return expression.evaluate(quantity, number, named)

    def named_in(self, quantity: str) -> list[Address]:
        """Return where the numbers of a quantity stand, the learning rate aside."""
        names, _ = expression.parts(quantity)
        return [self.addresses[name] for name in names if name != "eta"]


def shipped() -> dict[str, Path]:
    """Return name -> file of the worked examples that are shipped, the first one first."""
    found = {path.stem: path for path in FOLDER.glob("*.toml")}
    return {name: found[name] for name in sorted(found, key=lambda name: (name != FIRST, name))}


def load(path: Path = FOLDER / f"{FIRST}.toml") -> Article:
    """Return the worked example of a TOML file. Raises FileError."""
    content = read(path, "article")
    try:
        return _article(path.stem, content)
    except FileError as error:
        raise FileError(f"{path}: {error}") from None


def _article(name: str, content: Mapping[str, Any]) -> Article:
    """Return the worked example of a name; what is wrong with it has no file yet."""
    network, eta = _network(name, content["network"])
    addresses = dict(_addresses(network, eta, content["network"]))
    figures = _figures(content["step"], {"eta", *addresses})
    followed = content.get("trajectory", {"quantities": [], "updates": 0})
    if unknown := [one for one in followed["quantities"] if one not in addresses]:
        raise FileError(f"trajectory: no quantities {unknown} in the trace")
    return Article(
        network,
        eta,
        addresses,
        figures,
        _printed([figure.id for figure in figures if figure.program], network, eta),
        tuple(followed["quantities"]),
        followed["updates"],
        content["title"],
    )


def _network(name: str, content: Mapping[str, Any]) -> tuple[Network, str]:
    """Return the network and its learning rate."""
    given, leaves = content["given"], {}
    for role in ("inputs", "parameters"):
        leaves[role] = {key: _layout(key, symbols) for key, symbols in content[role].items()}
        for key, layout in leaves[role].items():
            if missing := [symbol for symbol in layout.ravel().tolist() if symbol not in given]:
                raise FileError(f"network: given: lacks {missing}, which {key} holds")
            leaves[role][key] = np.array([given[s] for s in layout.ravel()]).reshape(layout.shape)
    trained = frozenset(content.get("trained", ()))
    if trained and "eta" not in given:
        raise FileError("network: given: lacks 'eta', the learning rate of what is trained")
    nodes = (
        Node(x["name"], x["op"], tuple(x["inputs"]), x.get("options", {})) for x in content["nodes"]
    )
    try:
        found = Network(name, leaves["inputs"], leaves["parameters"], tuple(nodes), trained)
    except ValueError as error:
        raise FileError(f"network: {error}") from None
    return found, given.get("eta", "0")


def _layout(name: str, symbols: Any) -> Array:
    """Return the symbols of an array in its shape."""
    try:
        return np.array(symbols, dtype=np.str_)
    except ValueError:
        raise FileError(f"network: {name} = {symbols!r}: expected rows of equal length") from None


def _addresses(
    network: Network, eta: str, content: Mapping[str, Any]
) -> Iterator[tuple[str, Address]]:
    """Yield quantity and address of every entry: dE_dw5 is the gradient at w5.

    The shapes are those of one pass. A node's symbols may be left out: net_2_1 is an entry of net.
    """
    try:
        with np.errstate(all="ignore"):
            start = network.leaves(lambda a: a.astype(float))
            shapes = next(iterations(network, start, float(eta))).trace.values
    except Exception as error:  # noqa: BLE001 whatever an op raises on these operands
        raise FileError(f"network: its pass raises {type(error).__name__}: {error}") from None
    if np.shape(shapes[network.loss]):
        shape = np.shape(shapes[network.loss])
        raise FileError(f"network: node {network.loss}: expected a number, found shape {shape}")
    kinds = {name: {"{}": "leaves", "dE_d{}": "gradients"} for name in start}
    for name in network.trained:
        kinds[name]["{}_new"] = "updated"
    symbols = {**content["inputs"], **content["parameters"]}
    for node in content["nodes"]:
        name, shape = node["name"], np.shape(shapes[node["name"]])
        symbols[name] = node.get("symbols", _numbered(name, shape))
        kinds[name] = {"{}": "values", "dE_d{}": "cotangents"}
        if (layout := _layout(name, symbols[name])).shape != shape:
            raise FileError(f"network: node {name}: symbols of shape {layout.shape}, not {shape}")
    layouts = {name: _layout(name, symbols[name]) for name in kinds}
    _check_symbols(symbol for layout in layouts.values() for symbol in layout.ravel().tolist())
    for name, layout in layouts.items():
        for called, kind in kinds[name].items():
            for index, symbol in np.ndenumerate(layout):
                yield called.format(symbol), Address(kind, name, index)


def _numbered(name: str, shape: Sequence[int]) -> Any:
    """Return symbols of a shape: the name, with an entry's indices counted from one."""
    entries = [f"{name}{''.join(f'_{i + 1}' for i in index)}" for index in np.ndindex(*shape)]
    return np.array(entries).reshape(shape).tolist()


def _check_symbols(symbols: Iterable[str]) -> None:
    """Raise FileError where a symbol is no name, or stands in two places."""
    counts = Counter(symbols)
    if bad := [one for one in counts if not one.isidentifier() or one in RESERVED]:
        raise FileError(f"network: symbols {bad}: expected names, as of variables")
    if twice := [one for one, n in counts.items() if n > 1]:
        raise FileError(f"network: symbols {twice} stand in two places")


def _printed(claimed: Sequence[str], network: Network, eta: str) -> dict[str, str]:
    """Return what the first article's program prints on this network, by the figures' ids."""
    if not claimed:
        return {}
    leaves: dict[str, Any] = network.leaves(lambda a: a.astype(float))
    try:
        numbers = printed_numbers(
            x=leaves["x"][0],
            t=leaves["t"][0, 0],
            eta=float(eta),
            W_h=leaves["W_h"],
            b_h=leaves["b_h"],
            W_o=leaves["W_o"][:, 0],
            b_o=leaves["b_o"],
        )
    except (LookupError, TypeError, ValueError) as error:
        raise FileError(f"the program does not run on this network: {error}") from None
    if len(numbers) != len(claimed):
        raise FileError(
            f"{len(claimed)} figures have program = true, "
            f"but the program prints {len(numbers)} numbers"
        )
    return dict(zip(claimed, numbers, strict=True))


def _figures(steps: Iterable[Mapping[str, Any]], known: set[str]) -> tuple[Figure, ...]:
    """Return the figures of all steps. known: the names that a quantity may have."""
    found: dict[str, Figure] = {}
    for step in steps:
        for n, content in enumerate(step["figures"], start=1):
            quantity, iteration = content["quantity"], step.get("iteration", 1)
            figure = Figure(
                id=content.get("id", f"{step['name']}-{quantity}"),
                step=step["name"],
                part=step.get("part", step["name"]),
                at=content.get("at", quantity),
                iteration=iteration,
                quantity=quantity,
                printed=content["printed"],
                line=content.get("line"),
                operands=content.get("operands", {}),
                program=content.get("program", False),
            )
            where = f"step {step['name']}: figure {n} ({figure.id})"
            try:
                _check(figure, content.get("constants", []), found, known)
            except (FileError, expression.ExpressionError) as error:
                raise FileError(f"{where}: {error}") from None
            found[figure.id] = figure
    return tuple(found.values())


def _check(
    figure: Figure, constants: Sequence[str], earlier: Mapping[str, Figure], known: set[str]
) -> None:
    """Raise FileError where a figure cannot be read, or refers to something that is not there.

    Every number of a line is an operand or, as the 0.5 of the loss, one of its `constants`.
    """
    if figure.id in earlier:
        raise FileError("this id is used twice")
    if figure.program and figure.line is not None:
        raise FileError("has a line and program = true, expected one of them")
    names, _ = expression.parts(figure.quantity)
    if unknown := [name for name in names if name not in known]:
        raise FileError(f"quantity = {figure.quantity!r}: no quantity {unknown} in the trace")
    numbers = [] if figure.line is None else _numbers(figure.line)
    declared = [*figure.operands, *constants]
    if unknown := [number for number in declared if number not in numbers]:
        raise FileError(f"operand {unknown[0]!r} does not stand in line {figure.line!r}")
    if unknown := [number for number in numbers if number not in declared]:
        raise FileError(f"line = {figure.line!r}: {unknown[0]!r} is no operand and no constant")
    if unknown := [operand for operand, id_ in figure.operands.items() if id_ not in earlier]:
        operand = unknown[0]
        raise FileError(
            f"operand {operand!r} repeats {figure.operands[operand]!r}, no earlier figure's id"
        )


def _numbers(text: str) -> list[str]:
    """Return the printed numbers of a line, which has a value and nothing but numbers."""
    names, numbers = expression.parts(text)
    if names:
        raise FileError(f"line = {text!r}: {names} are no printed numbers")
    try:
        with workprec():
            enclosure(expression.evaluate(text, real))
    except ArithmeticError as error:
        raise FileError(f"line = {text!r}: {error}") from None
    return numbers
