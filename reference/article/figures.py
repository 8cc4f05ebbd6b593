"""The article as data: its network, its symbols, its printed figures."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backproof.reference.article import expression
from backproof.reference.article.program import printed_numbers
from backproof.reference.fixtures import FIXTURES, NUMBER, FixtureError, places
from backproof.reference.network import Network, Node
from backproof.reference.numbers.exact import enclosure, real, workprec
from backproof.reference.ops import Array
from backproof.reference.training import Iteration

ITERATIONS = (1, 2)
"""The article's forward and backward passes."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed figure.

    id:        its own name.
    step:      of the article, "3.1".
    part:      of the article, "Part 3, output layer".
    at:        where in the step it stands.
    iteration: the pass that its quantity belongs to, 1 or 2.
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
    """The article.

    network:   its network.
    eta:       its learning rate, a decimal string.
    addresses: scalar quantity -> where it stands: net_h1, dE_dnet_h1, dE_dw5, w5_new, ...
    figures:   in the article's order.
    prints:    id of a figure of the program's output -> what the program prints there.
    """

    network: Network
    eta: str
    addresses: Mapping[str, Address]
    figures: tuple[Figure, ...]
    prints: Mapping[str, str]

    def value(
        self, quantity: str, number: Callable[[str], Any], at: Callable[[Address], Any]
    ) -> Any:
        """Return the value of a quantity, which is an expression over the addresses' names.

        number: makes a number from a decimal string. at: gives the number at an address.
        """

        def named(name: str) -> Any:
            return number(self.eta) if name == "eta" else at(self.addresses[name])

        return expression.evaluate(quantity, number, named)


def load(path: Path = FIXTURES / "article.toml") -> Article:
    """Return the article of a TOML file. Raises FixtureError."""
    try:
        return _article(_Table(path.name, tomllib.loads(path.read_text(encoding="utf-8"))))
    except OSError as error:
        raise FixtureError(f"{path}: cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise FixtureError(f"{path.name}: not TOML: {error}") from None


@dataclass
class _Table:
    """A TOML table that knows its place in the file, for error messages."""

    where: str
    content: Any

    def fail(self, message: str) -> FixtureError:
        return FixtureError(f"{self.where}: {message}")

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        if not isinstance(self.content, dict):
            raise self.fail(f"expected a table, found {self.content!r}")
        value = self.content.pop(key, default)
        if value is None:
            raise self.fail(f"lacks {key!r}, expected a {kind.__name__}")
        if type(value) is not kind:  # True is no int
            raise self.fail(f"{key} = {value!r}: expected a {kind.__name__}")
        return value

    def number(self, key: str) -> str:
        text: str = self.take(key, str)
        if not NUMBER.fullmatch(text):
            raise self.fail(f"{key} = {text!r}: not a number; expected digits, as printed")
        return text

    def finished(self) -> None:
        if self.content:
            raise self.fail(f"unknown keys: {', '.join(self.content)}")


def _article(root: _Table) -> Article:
    root.take("title", str)
    table = _Table(f"{root.where}: [network]", root.take("network", dict))
    network, eta, addresses = _network(table)
    figures: list[Figure] = []
    for i, content in enumerate(root.take("step", list), start=1):
        figures += _step(_Table(f"{root.where}: step {i}", content), figures, {"eta", *addresses})
    root.finished()
    if not figures:
        raise root.fail("has no figures")
    claimed = [figure.id for figure in figures if figure.program]
    numbers = _printed(root, network, eta) if claimed else []
    if len(numbers) != len(claimed):
        raise root.fail(
            f"{len(claimed)} figures have program = true, "
            f"but the program prints {len(numbers)} numbers"
        )
    prints = dict(zip(claimed, numbers, strict=True))
    return Article(network, eta, addresses, tuple(figures), prints)


def _printed(root: _Table, network: Network, eta: str) -> list[str]:
    """Return the numbers that the article's program prints on its network."""
    leaves: dict[str, Any] = network.leaves(lambda a: a.astype(float))
    try:
        return printed_numbers(
            x=leaves["x"][0],
            t=leaves["t"][0, 0],
            eta=float(eta),
            W_h=leaves["W_h"],
            b_h=leaves["b_h"],
            W_o=leaves["W_o"][:, 0],
            b_o=leaves["b_o"],
        )
    except (LookupError, TypeError, ValueError) as error:
        raise root.fail(f"the program does not run on this network: {error}") from None


def _network(table: _Table) -> tuple[Network, str, dict[str, Address]]:
    """Return the network, the learning rate and the address of every quantity."""
    givens = _Table(f"{table.where[:-1]}.given]", table.take("given", dict))
    given = {symbol: givens.number(symbol) for symbol in list(givens.content)}
    if "eta" not in given:
        raise givens.fail("lacks 'eta', expected a number")
    addresses: dict[str, Address] = {}
    leaves: dict[str, dict[str, Array]] = {"inputs": {}, "parameters": {}}
    trained = frozenset(map(str, table.take("trained", list)))
    for role, arrays in leaves.items():
        for name, symbols in table.take(role, dict).items():
            layout = _layout(table, name, symbols)
            if missing := [symbol for symbol in layout.ravel().tolist() if symbol not in given]:
                raise givens.fail(f"lacks {missing}, which {name} holds")
            arrays[name] = np.array([given[s] for s in layout.ravel()]).reshape(layout.shape)
            addresses |= _addresses(name, layout, {"{}": "leaves", "dE_d{}": "gradients"})
            if name in trained:
                addresses |= _addresses(name, layout, {"{}_new": "updated"})
    nodes = []
    for i, content in enumerate(table.take("nodes", list), start=1):
        node = _Table(f"{table.where}: node {i}", content)
        name, op = node.take("name", str), node.take("op", str)
        nodes.append(Node(name, op, tuple(node.take("inputs", list))))
        layout = _layout(node, name, node.content.pop("symbols", name))
        node.finished()
        addresses |= _addresses(name, layout, {"{}": "values", "dE_d{}": "cotangents"})
    table.finished()
    try:
        network = Network("article", leaves["inputs"], leaves["parameters"], tuple(nodes), trained)
    except ValueError as error:
        raise table.fail(str(error)) from None
    return network, given["eta"], addresses


def _layout(table: _Table, name: str, symbols: Any) -> Array:
    try:
        layout = np.array(symbols, dtype=np.str_)
    except ValueError:
        raise table.fail(f"{name} = {symbols!r}: expected rows of equal length") from None
    return layout


def _addresses(array: str, layout: Any, kinds: Mapping[str, str]) -> dict[str, Address]:
    """Return quantity -> address of every entry: {"dE_d{}": "gradients"} names w5's dE_dw5."""
    return {
        name.format(symbol): Address(kind, array, index)
        for name, kind in kinds.items()
        for index, symbol in np.ndenumerate(layout)
    }


def _step(step: _Table, before: list[Figure], known: set[str]) -> list[Figure]:
    """Return the figures of one step; `before` holds the figures of all earlier steps."""
    name, part = step.take("name", str), step.take("part", str)
    step.where = f"{step.where.partition(':')[0]}: step {name}"
    iteration = step.take("iteration", int)
    if iteration not in ITERATIONS:
        raise step.fail(f"iteration = {iteration}: expected one of {ITERATIONS}")
    figures: list[Figure] = []
    for i, content in enumerate(step.take("figures", list), start=1):
        table = _Table(f"{step.where}: figure {i}", content)
        figure = Figure(
            id=table.take("id", str),
            step=name,
            part=part,
            at=table.take("at", str),
            iteration=iteration,
            quantity=table.take("quantity", str),
            printed=table.number("printed"),
            line=table.take("line", str) if "line" in table.content else None,
            operands=table.take("operands", dict, {}),
            program=table.take("program", bool, default=False),
        )
        constants = table.take("constants", list, [])
        table.finished()
        table.where += f" ({figure.id})"
        _check(table, figure, constants, [earlier.id for earlier in [*before, *figures]], known)
        figures.append(figure)
    step.finished()
    return figures


def _check(
    table: _Table, figure: Figure, constants: list[str], earlier: list[str], known: set[str]
) -> None:
    """Raise FixtureError where a figure cannot be read, or refers to something that is not there.

    Every number of a line is an operand or, as the 0.5 of the loss, one of its `constants`.
    """
    if figure.id in earlier:
        raise table.fail("this id is used twice")
    if figure.program and figure.line is not None:
        raise table.fail("has a line and program = true, expected one of them")
    names, _ = _parts(table, figure.quantity)
    if unknown := [name for name in names if name not in known]:
        raise table.fail(f"quantity = {figure.quantity!r}: no quantity {unknown} in the trace")
    numbers = [] if figure.line is None else _numbers(table, figure.line)
    declared = [*figure.operands, *constants]
    if unknown := [number for number in declared if number not in numbers]:
        raise table.fail(f"operand {unknown[0]!r} does not stand in line {figure.line!r}")
    if unknown := [number for number in numbers if number not in declared]:
        raise table.fail(f"line = {figure.line!r}: {unknown[0]!r} is no operand and no constant")
    if unknown := [operand for operand, id_ in figure.operands.items() if id_ not in earlier]:
        operand = unknown[0]
        raise table.fail(
            f"operand {operand!r} repeats {figure.operands[operand]!r}, no earlier figure's id"
        )


def _numbers(table: _Table, line: str) -> list[str]:
    """Return the printed numbers of a line, which has a value and nothing but numbers."""
    names, numbers = _parts(table, line)
    if names:
        raise table.fail(f"line = {line!r}: {names} are no printed numbers")
    try:
        with workprec():
            enclosure(expression.evaluate(line, real))
    except ArithmeticError as error:
        raise table.fail(f"line = {line!r}: {error}") from None
    return numbers


def _parts(table: _Table, text: str) -> tuple[list[str], list[str]]:
    try:
        return expression.parts(text)
    except expression.ExpressionError as error:
        raise table.fail(str(error)) from None
