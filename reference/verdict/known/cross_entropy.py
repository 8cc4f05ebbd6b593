"""What cross-entropies are known to compute instead. Shapes as in `reference.ops.cross_entropy`."""

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.sigmoid import sigmoid_forward


def difference_of_complements() -> dict[str, Op]:
    """Return the sigmoid's cross-entropy whose dy is (1 - t) - (1 + (w - 1) t)(1 - s(y)).

    It is s(y) - t on paper, for a weight w of 1; what is small of s(y) is lost in 1 - s(y).
    """
    right = OPS["bce_with_logits"]

    def backward(
        dE: Array, E: Array, y: Array, t: Array, *, pos_weight: float = 1.0
    ) -> tuple[Array, Array]:
        rest = 1 - sigmoid_forward(y)
        dy = dE * ((1 - t) - (1 + (pos_weight - 1) * t) * rest) / y.size
        return dy, right.backward(dE, E, y, t, pos_weight=pos_weight)[1]

    return {"bce_with_logits": Op(right.forward, backward)}
