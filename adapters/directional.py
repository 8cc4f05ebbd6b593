"""Hessian-vector products, from a framework's own `grad` and `jvp`.

Each of the three ways to nest them also returns the values and tangents that it computed on the
way. `grad` and `jvp` are function transformations, as in torch.func and JAX.
"""

from collections.abc import Callable, Mapping
from typing import Any

from backproof.adapters.protocol import Directional, Loss, Tensor

Transformation = Callable[..., Any]


def forward_over_reverse(grad: Transformation, jvp: Transformation) -> Directional:
    """Return the tangent of the gradient."""

    def along(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Any:
        (g, v), (tg, tv) = jvp(grad(loss, has_aux=True), (tensors,), (directions,))
        return (v, g), (tv, tg)

    return along


def reverse_over_forward(grad: Transformation, jvp: Transformation) -> Directional:
    """Return the gradient of E's slope; with respect to the directions it is E's gradient."""

    def along(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Any:
        def slope(tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Any:
            (_, v), (tE, tv) = jvp(loss, (tensors,), (directions,))
            return tE, (v, tv)

        (tg, g), (v, tv) = grad(slope, argnums=(0, 1), has_aux=True)(tensors, directions)
        return (v, g), (tv, tg)

    return along


def reverse_over_reverse(
    grad: Transformation, zeros_like: Callable[[Tensor], Tensor] = lambda value: 0 * value
) -> Directional:
    """Return the gradient of <gradient of E, directions>.

    Every node's value is added to E with a weight of zero. The derivative of <gradient of E,
    directions> with respect to a node's weight is the node's tangent.
    """

    def along(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Any:
        def product(tensors: dict[str, Tensor], weights: dict[str, Tensor]) -> Any:
            def weighted(tensors: dict[str, Tensor]) -> Any:
                E, v = loss(tensors)
                return E + inner(weights, v), v

            g, v = grad(weighted, has_aux=True)(tensors)
            return inner(g, directions), (v, g)

        zeros = {name: zeros_like(value) for name, value in loss(tensors)[1].items()}
        (tg, tv), (v, g) = grad(product, argnums=(0, 1), has_aux=True)(tensors, zeros)
        return (v, g), (tv, tg)

    return along


def inner(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the products of all entries."""
    return sum((a[name] * b[name]).sum() for name in a)


def nested(grad: Transformation, jvp: Transformation) -> dict[str, Directional]:
    """Return the three ways by name."""
    return {
        "forward-over-reverse": forward_over_reverse(grad, jvp),
        "reverse-over-forward": reverse_over_forward(grad, jvp),
        "reverse-over-reverse": reverse_over_reverse(grad),
    }
