"""The derivative of an op as an op: for programs in which a derivative is a part of the loss.

Shapes: y and dy those of the op's result; x_i those of its inputs.
"""

from dataclasses import dataclass, field
from typing import Any

from backproof.reference.numbers.dual import Dual
from backproof.reference.ops import Op


@dataclass(frozen=True, slots=True)
class Derivative(Op):
    """The derivative of an op. of: the op. name: its name. k: the place of the input."""

    of: Op = field(kw_only=True)
    name: str = field(kw_only=True)
    k: int = field(kw_only=True)


def derivative(op: Op, k: int = 0, name: str = "") -> Derivative:
    """Return the op (dy, x_0, x_1, ...) -> dx_k, what an op hands on to its k-th input.

    name: the op's.

    With d the cotangent of dx_k, this op hands on, for any direction of the inputs,

        to dy: the tangent of y along d, since <d, J_k^T dy> = <J_k d, dy>;
        to x_j: d<d, dx_k>/dx_j, which is the tangent of dx_j along d, dy being constant, by the
        symmetry of second derivatives (Pearlmutter, Fast Exact Multiplication by the Hessian,
        Neural Computation 6(1), 1994);

    where x_k moves along d, and the other inputs do not move.
    """

    def forward(dy: Any, *x: Any, **options: Any) -> Any:
        return op.backward(dy, op.forward(*x, **options), *x, **options)[k]

    def backward(d: Any, _: Any, dy: Any, *x: Any, **options: Any) -> tuple[Any, ...]:
        moved = [Dual(a, d if i == k else 0.0) for i, a in enumerate(x)]
        y = op.forward(*moved, **options)
        handed_on = op.backward(Dual(dy, 0.0), y, *moved, **options)
        return tuple(Dual.whole_tangent(one) for one in (y, *handed_on))

    forms = {form: derivative(one, k) for form, one in op.forms.items()}
    return Derivative(forward, backward, forms, of=op, name=name, k=k)
