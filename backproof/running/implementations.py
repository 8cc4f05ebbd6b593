"""A worked example's iterations as every implementation computes them, each computed once."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.commanded import Commanded
from backproof.adapters.isolation import Isolated, isolated
from backproof.adapters.protocol import Adapter, AdapterError, Unsupported, check, raised
from backproof.reference.article.figures import Address, Article
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.training import Iteration, iterations
from backproof.reference.verdict.replay import Replay
from backproof.running.options import REFERENCE, TIME_LIMIT

Result = TypeVar("Result")

Own = Path | tuple[str, ...]
"""Your own adapter: its file, or the words of its command."""


class Implementations:
    """Runs each implementation in each precision once, and hands out single, checked numbers.

    article: its network is run.
    paths:   adapter's name -> its file or its command, or None for one of `adapters.TABLE`. Your
             own adapter runs in its own process.
    limit:   seconds that a call of your own adapter may take.

    Every iteration starts at the weights that the reference reaches in float64, and updates them by
    the reference's gradients: a wrong gradient does not make the second iteration wrong.
    """

    def __init__(
        self, article: Article, paths: Mapping[str, Own | None], limit: float = TIME_LIMIT
    ) -> None:
        """Run nothing yet."""
        self.article = article
        self.paths = paths
        self.limit = limit
        self.adapter = _remembered(self._load)
        self._run = _remembered(self._iterations)
        self._ball = cache(self._balls)
        self._others: dict[str, Implementations] = {}

    def of(self, article: Article) -> "Implementations":
        """Return the same implementations, loaded once, of another worked example."""
        if article.name not in self._others:
            other = Implementations(article, self.paths, self.limit)
            other.adapter = self.adapter
            self._others[article.name] = other
        return self._others[article.name]

    def value(self, implementation: str, precision: str, iteration: int, quantity: str) -> float:
        """Return a quantity (an expression) as an implementation computes it.

        Raises AdapterError, which names adapter, precision, iteration and place; Unsupported.
        """
        model = self._run(REFERENCE, precision)[iteration]
        found = self._run(implementation, precision)[iteration]

        def at(address: Address) -> float:
            place = f"{implementation}, {precision}, iteration {iteration}, {address.array}"
            try:
                number = check(address.whole(found), address.whole(model))[address.index]
            except KeyError:
                raise AdapterError(f"{place}: {address.kind} lacks it") from None
            except AdapterError as error:
                raise AdapterError(f"{place}, {address.kind}: {error}") from error
            if not np.isfinite(number):
                raise AdapterError(
                    f"{place}{list(address.index)}, {address.kind}: "
                    f"expected a finite number, found {number}"
                )
            return float(number)

        return float(self.article.value(quantity, float, at))

    def replay(self, implementation: str, precision: str, iteration: int) -> Replay:
        """Return the replay of an iteration's pass, without the update. Raises as `value`."""
        found = self._run(implementation, precision)[iteration]
        network = self.article.network
        return Replay(network, found.leaves, found.trace, PRECISIONS[precision])

    def pass_of(
        self, implementation: str, precision: str, iteration: int, quantity: str
    ) -> Replay | None:
        """Return the replay of the pass that gives a quantity; None of an updated parameter.

        Raises as `value`.
        """
        if any(at.kind == "updated" for at in self.article.named_in(quantity)):
            return None
        return self.replay(implementation, precision, iteration)

    def ball(self, precision: str, iteration: int, quantity: str) -> Ball:
        """Return the ball of a quantity in which any correct evaluation in a precision lies.

        In the first two iterations it holds the proven value too: those are evaluated over `Ball`
        from the start. A later one begins at the weights in float64.
        """
        found = self._ball(precision)[iteration]
        number = partial(Ball.rounded, precision=PRECISIONS[precision].flushing())
        ball: Ball = self.article.value(quantity, number, lambda at: at.of(found))
        return ball

    def version(self, implementation: str) -> str | None:
        """Return the version of an implementation; None if it cannot be loaded."""
        if implementation == REFERENCE:
            return f"numpy {np.__version__}"
        with suppress(AdapterError):
            adapter: Adapter | Isolated | Commanded = self.adapter(Column(implementation))
            return str(adapter.version)  # PyTorch's is a subclass of str
        return None

    def processor(self, framework: str) -> Collection[str]:
        """Return the processor features that a framework may use, if it is verified and says so."""
        with suppress(AdapterError):
            if framework in self.paths:
                return adapters.load(framework).processor
        return ()

    def _load(self, column: Column) -> Adapter | Isolated | Commanded:
        name, path = column.framework, self.paths.get(column.framework)
        if path is None:
            return adapters.load(str(column))
        try:
            if isinstance(path, Path):
                return isolated(str(column), path, self.limit)
            return Commanded(path, self.limit)
        except AdapterError as error:
            prefix = f"adapter {name}: "
            raise AdapterError(prefix + str(error).removeprefix(prefix)) from None

    def _balls(self, precision: str) -> dict[int, Iteration]:
        def rounded(values: Any) -> Any:
            return Ball.rounded(values, PRECISIONS[precision].flushing())

        network, eta = self.article.network, rounded(self.article.eta)
        first = iterations(network, network.leaves(rounded), eta)
        found = {n: next(first) for n in (1, 2)}
        for n, model in self._run(REFERENCE, "float64").items():
            if n not in found:
                leaves = {k: rounded(a) for k, a in model.leaves.items()}
                found[n] = next(iterations(network, leaves, eta))
        return found

    def _iterations(self, implementation: str, precision: str) -> dict[int, Iteration]:
        if implementation != REFERENCE:
            return self._adapted(implementation, precision)
        network, wanted = self.article.network, self.article.iterations
        eta = float(self.article.eta)
        if precision == "float64":
            trained = iterations(network, network.leaves(lambda a: a.astype(float)), eta)
            numbered = zip(range(1, wanted[-1] + 1), trained, strict=False)
            return {n: iteration for n, iteration in numbered if n in wanted}
        found = {}
        for n, model in self._run(REFERENCE, "float64").items():
            leaves = {k: a.astype(precision) for k, a in model.leaves.items()}
            found[n] = next(iterations(network, leaves, eta))
        return found

    def _adapted(self, name: str, precision: str) -> dict[int, Iteration]:
        adapter, network = self.adapter(Column(name)), self.article.network
        eta = float(self.article.eta)

        def run() -> dict[int, Iteration]:
            found = {}
            for n, model in self._run(REFERENCE, "float64").items():
                leaves = {k: a.astype(precision) for k, a in model.leaves.items()}
                shapes = {k: a.shape for k, a in model.trace.values.items()}
                updated = {
                    k: adapter.update(leaves[k], model.trace.gradients[k].astype(precision), eta)
                    for k in model.updated
                }
                found[n] = Iteration(leaves, adapter.trace(network, leaves, shapes), updated)
            return found

        return guarded(f"{name}, {precision}, {network.name}", run)


def guarded(place: str, run: Callable[[], Result]) -> Result:
    """Return what `run` returns. Any error but Unsupported becomes an AdapterError with `place`."""
    try:
        return run()
    except Unsupported:
        raise
    except AdapterError as error:
        raise AdapterError(f"{place}: {error}") from error
    except Exception as error:
        raise AdapterError(f"{place}: {raised(error)}") from error


def installed(package: str) -> str:
    """Return the installed version of a package, without importing it.

    What installs it may have another name, as paddlepaddle does.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        others = _distributions().get(package)
        return version(others[0]) if others else "not installed"


_distributions = cache(packages_distributions)


def _remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its results and errors remembered."""

    @cache
    def once(*arguments: Any) -> tuple[Any, Exception | None]:
        try:
            return function(*arguments), None
        except (AdapterError, Unsupported) as error:
            return None, error

    def remembered(*arguments: Any) -> Any:
        result, error = once(*arguments)
        if error is not None:
            raise error.with_traceback(None)
        return result

    return remembered
