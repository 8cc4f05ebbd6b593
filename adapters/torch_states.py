"""What torch.optim's Muon and LBFGS compute: matrices on the way, and states that are lists."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from backproof.adapters.protocol import Tensor
from backproof.adapters.training import Named, Step


class Orthogonalized(TorchFunctionMode):
    """Muon's steps, in which each call is seen.

    of: the optimizer. moved: the matrices that it moves, in its order. parameters: all of them.
    Per matrix it reads its momentum in bfloat16 once, divides it by its norm, and multiplies it
    twice (`addmm`) in each Newton-Schulz step, the second time into the next matrix.
    """

    def __init__(
        self, of: torch.optim.Optimizer, moved: dict[str, Tensor], parameters: dict[str, Tensor]
    ) -> None:
        """Take the optimizer, of which nothing was seen yet."""
        super().__init__()
        self.of, self.moved, self.parameters = of, moved, parameters
        self.read: list[Tensor] = []
        self.divided: list[Tensor] = []
        self.multiplied: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function, and keep a copy of its result."""
        result = func(*args, **(kwargs or {}))
        kept = {
            torch.Tensor.bfloat16: self.read,
            torch.Tensor.div_: self.divided,
            torch.addmm: self.multiplied,
        }.get(func)
        if kept is not None:
            kept.append(result.clone())
        return result

    def step(self, gradients: Named) -> dict[str, Named]:
        """Step, and return "w", m and the matrices on the way, in the shapes of the parameters."""
        for kept in (self.read, self.divided, self.multiplied):
            kept.clear()
        for name, w in self.moved.items():
            w.grad = gradients[name]
        with self:
            self.of.step()
        names = [*self.moved]
        products = self.multiplied[1::2]
        steps = len(products) // len(names)
        shown = {"read": self.read, "x0": self.divided}
        shown |= {f"x{n + 1}": products[n::steps] for n in range(steps)}
        found = {
            line: {name: self.upright(name, x) for name, x in zip(names, seen, strict=True)}
            for line, seen in shown.items()
        }
        m = {name: self.of.state[w]["momentum_buffer"] for name, w in self.moved.items()}
        return {"w": self.parameters, "m": m, **found}

    def upright(self, name: str, x: Tensor) -> Tensor:
        """Return a matrix in the shape of its parameter: tall ones are transposed on the way."""
        return x if x.shape == self.moved[name].shape else x.T


def stepped(of: torch.optim.LBFGS, parameters: dict[str, Tensor]) -> Step:
    """Return the step of L-BFGS of one iteration, which evaluates the gradients once."""

    def step(gradients: Named) -> dict[str, dict[str, Tensor]]:
        def closure() -> float:
            for name, w in parameters.items():
                w.grad = gradients[name]
            return 0.0  # the loss decides about further iterations alone

        torch.optim.LBFGS.step(of, closure)  # type: ignore[no-untyped-call]
        return {"w": parameters, **states(of, parameters)}

    return step


def states(of: torch.optim.LBFGS, parameters: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the states: those of all parameters in one vector are split; pairs newest first."""
    state = of.state[next(iter(parameters.values()))]
    size = of.param_groups[0]["history_size"]
    flat = {"g_before": state["prev_flat_grad"], "d": state["d"]}
    one = {"rate": state["t"], "gamma": state["H_diag"]}
    nothing = torch.zeros_like(state["d"])
    for n in range(1, size + 1):
        there = n <= len(state["ro"])
        flat[f"s{n}"] = state["old_stps"][-n] if there else nothing
        flat[f"y{n}"] = state["old_dirs"][-n] if there else nothing
        one[f"rho{n}"] = state["ro"][-n] if there else 0.0
    sizes = [w.numel() for w in parameters.values()]
    return {
        line: {
            name: part.view_as(w)
            for (name, w), part in zip(parameters.items(), vector.split(sizes), strict=True)
        }
        for line, vector in flat.items()
    } | {
        line: {name: torch.full_like(w, float(number)) for name, w in parameters.items()}
        for line, number in one.items()
    }
