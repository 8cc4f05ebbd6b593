"""The article's formula reference, row by row, each in terms of the suite's own ops.

Shapes: B batch (1 in the article), I inputs, H hidden neurons, O outputs.
"""

import numpy as np

from backproof.reference.ops import Array
from backproof.reference.ops.dense import dense_forward, input_cotangent, weight_gradient
from backproof.reference.ops.losses import half_squared_error_backward, half_squared_error_forward
from backproof.reference.ops.sigmoid import sigmoid_backward, sigmoid_forward
from backproof.reference.optimizers import sgd


def net_input(x: Array, W: Array, b: Array) -> Array:
    """Row 1, steps 1.1 to 1.3: net = sum(w_i x_i) + b. (B, I), (I, O), () -> (B, O)."""
    return dense_forward(x, W, b)


def activation(net: Array) -> Array:
    """Row 2, steps 1.1 to 1.3: out = s(net), in the shape of net."""
    return sigmoid_forward(net)


def loss(t: Array, out: Array) -> Array:
    """Row 3, part 2: E = 0.5 (t - out)^2, summed. (B, O), (B, O) -> ()."""
    return half_squared_error_forward(out, t)


def output_delta(t: Array, out: Array, net_o: Array) -> Array:
    """Row 4, steps 3.1 and 3.2: delta_o = -(t - out) s'(net_o), all (B, O)."""
    dout, _ = half_squared_error_backward(np.ones(()), loss(t, out), out, t)
    return sigmoid_backward(dout, out, net_o)[0]


def output_weight_gradient(delta_o: Array, out_h: Array) -> Array:
    """Row 5, steps 3.1 and 3.2: dE/dw_o = delta_o out_h. (B, O), (B, H) -> (H, O)."""
    return weight_gradient(delta_o, out_h)


def hidden_delta(delta_o: Array, W_o: Array, net_h: Array) -> Array:
    """Row 6, steps 4.1 and 4.2: delta_h = (delta_o w_o) s'(net_h). (B, O), (H, O) -> (B, H)."""
    return sigmoid_backward(input_cotangent(delta_o, W_o), sigmoid_forward(net_h), net_h)[0]


def hidden_weight_gradient(delta_h: Array, x: Array) -> Array:
    """Row 7, steps 4.1 and 4.2: dE/dw_h = delta_h x. (B, H), (B, I) -> (I, H)."""
    return weight_gradient(delta_h, x)


def weight_update(w: Array, gradient: Array, eta: float) -> Array:
    """Row 8, steps 3.3 and 4.3: w_new = w - eta dE/dw, in the shape of w."""
    return sgd(w, gradient, eta)
