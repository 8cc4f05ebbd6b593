"""Small programs in plain jax.numpy, as people write them: a loss, its parameters, its batch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn

Array = Any


def drawn(seed: int = 0, dtype: str = "float32") -> Any:
    """Return what draws arrays of a shape."""
    rng = np.random.default_rng(seed)
    return lambda *shape: jnp.asarray(rng.normal(size=shape) * 0.5, dtype)


def mlp(seed: int = 0, dtype: str = "float32") -> tuple[Any, ...]:
    """Return two layers with ReLU, under cross entropy."""
    new = drawn(seed, dtype)
    params = {"hidden": {"kernel": new(5, 7), "bias": new(7)}, "out": {"kernel": new(7, 3)}}

    def loss(params: Any, x: Array, labels: Array) -> Array:
        h = nn.relu(x @ params["hidden"]["kernel"] + params["hidden"]["bias"])
        logits = h @ params["out"]["kernel"]
        return -jnp.mean(jnp.sum(nn.one_hot(labels, 3) * nn.log_softmax(logits), axis=-1))

    return loss, params, new(4, 5), jnp.array([0, 2, 1, 2])


def conv_net(seed: int = 0, dtype: str = "float32") -> tuple[Any, ...]:
    """Return a convolution of images (N, H, W, C), SiLU, a residual, pooling and a dense layer."""
    new = drawn(seed, dtype)
    params = {"stem": new(3, 3, 2, 4), "body": new(3, 3, 4, 4), "head": new(16, 3)}

    def conv(x: Array, W: Array) -> Array:
        return lax.conv_general_dilated(
            x, W, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    def loss(params: Any, x: Array, t: Array) -> Array:
        x = nn.silu(conv(x, params["stem"]))
        x = x + conv(x, params["body"])
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return jnp.mean(jnp.square(x.reshape(x.shape[0], -1) @ params["head"] - t))

    return loss, params, new(2, 4, 4, 2), new(2, 3)


def norm(x: Array, p: Any) -> Array:
    """Return a layer norm."""
    m = jnp.mean(x, axis=-1, keepdims=True)
    v = jnp.mean(jnp.square(x - m), axis=-1, keepdims=True)
    return (x - m) * lax.rsqrt(v + 1e-5) * p["scale"] + p["bias"]


def attention(x: Array, p: Any, heads: int = 2) -> Array:
    """Return causal attention with some heads."""
    B, T, C = x.shape
    q, k, v = jnp.split((x @ p["qkv"]).reshape(B, T, heads, -1), 3, axis=-1)
    scores = jnp.einsum("bthd,bshd->bhts", q, k) / jnp.sqrt(C / heads)
    scores = jnp.where(jnp.tril(jnp.ones((T, T), bool)), scores, -1e4)
    y = jnp.einsum("bhts,bshd->bthd", nn.softmax(scores), v)
    return y.reshape(B, T, C) @ p["proj"]


def block(x: Array, p: Any) -> Array:
    """Return what a block of a transformer makes of x."""
    x = x + attention(norm(x, p["ln_1"]), p["attn"])
    return x + nn.gelu(norm(x, p["ln_2"]) @ p["up"]) @ p["down"]


def transformer(seed: int = 0, dtype: str = "float32") -> tuple[Any, ...]:
    """Return a small language model; its embedding is its last layer too."""
    new, width = drawn(seed, dtype), 8

    def ln() -> Any:
        return {"scale": 1 + new(width), "bias": new(width)}

    attn = {"qkv": new(width, 3 * width), "proj": new(width, width)}
    parts = {"ln_1": ln(), "ln_2": ln(), "attn": attn}
    params = {
        "block_0": {**parts, "up": new(width, 2 * width), "down": new(2 * width, width)},
        "embed": new(11, width),
        "position": new(6, width),
        "ln": ln(),
    }

    def loss(params: Any, ids: Array, targets: Array) -> Array:
        x = block(params["embed"][ids] + params["position"], params["block_0"])
        logits = norm(x, params["ln"]) @ params["embed"].T
        picked = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        return jnp.mean(nn.logsumexp(logits, axis=-1) - picked)

    rng = np.random.default_rng(seed)
    return loss, params, *jnp.asarray(rng.integers(0, 11, (2, 2, 6)))


def biased_keys(layers: int = 2) -> tuple[Any, ...]:
    """Return attention whose keys have biases, under cross entropy: their gradients are zero."""
    new, (B, T, C) = drawn(), (2, 8, 16)
    shapes = {"qkv": (C, 3 * C), "proj": (C, C), "up": (C, 2 * C), "down": (2 * C, C)}
    params = {
        "embed": new(20, C),
        "layers": [
            {"bias": jnp.zeros(C), **{name: new(*shape) / 2 for name, shape in shapes.items()}}
            for _ in range(layers)
        ],
        "head": new(C, 20) / 2,
        "ln": {"scale": jnp.ones(C), "bias": jnp.zeros(C)},
    }

    def loss(params: Any, ids: Array) -> Array:
        x = params["embed"][ids]
        for p in params["layers"]:
            q, k, v = jnp.split(norm(x, params["ln"]) @ p["qkv"], 3, axis=-1)
            scores = jnp.einsum("btc,bsc->bts", q, k + p["bias"]) / jnp.sqrt(C)
            scores = jnp.where(jnp.tril(jnp.ones((T, T), bool)), scores, -1e30)
            x = x + nn.softmax(scores) @ v @ p["proj"]
            x = x + nn.gelu(norm(x, params["ln"]) @ p["up"]) @ p["down"]
        logits = norm(x, params["ln"]) @ params["head"]
        picked = jnp.take_along_axis(logits, ids[..., None], axis=-1)[..., 0]
        return jnp.mean(nn.logsumexp(logits, axis=-1) - picked)

    return loss, params, jnp.arange(B * T).reshape(B, T) * 7 % 20


def mixed_mlp(layers: int = 3) -> tuple[Any, ...]:
    """Return normed layers of bfloat16, under a cross entropy that subtracts the largest logit."""
    new = drawn()
    params = {
        "layers": [{"W": new(6, 6), "b": new(6)} for _ in range(layers)],
        "head": {"W": new(6, 3), "b": new(3)},
    }

    def loss(params: Any, x: Array, labels: Array) -> Array:
        for p in params["layers"]:
            low = jax.tree.map(lambda a: a.astype(jnp.bfloat16), (x, p))
            x = (low[0] @ low[1]["W"] + low[1]["b"]).astype(jnp.float32)
            x = nn.gelu((x - jnp.mean(x, 0)) * lax.rsqrt(jnp.var(x, 0) + 1e-5))
        logits = x @ params["head"]["W"] + params["head"]["b"]
        logits -= lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
        picked = jnp.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]
        return jnp.mean(jnp.log(jnp.sum(jnp.exp(logits), axis=-1)) - picked)

    return loss, params, new(8, 6), jnp.arange(8) % 3


def residual(
    activation: Any = jnp.tanh, wrong: Any = jnp.tanh, add: Any = jnp.add
) -> tuple[Any, ...]:
    """Return three layers with residuals. wrong: the activation of the second; add: its sum."""
    new = drawn()
    params = [{"W": new(4, 4)} for _ in range(3)]

    def loss(params: Any, x: Array) -> Array:
        x = x + activation(x @ params[0]["W"])
        x = add(x, wrong(x @ params[1]["W"]))
        x = x + activation(x @ params[2]["W"])
        return jnp.sum(x * x)

    return loss, params, new(3, 4)


def rnn(seed: int = 0, dtype: str = "float32") -> tuple[Any, ...]:
    """Return a recurrent network under scan."""
    new = drawn(seed, dtype)
    params = {"W": new(3, 3), "U": new(2, 3)}

    def loss(params: Any, xs: Array) -> Array:
        def step(h: Array, x: Array) -> tuple[Array, Array]:
            h = jnp.tanh(h @ params["W"] + x @ params["U"])
            return h, h

        last, every = lax.scan(step, jnp.zeros(3, xs.dtype), xs)
        return jnp.sum(last) + jnp.mean(every * every)

    return loss, params, new(4, 2)


def scaled(function: Any, factor: float) -> Any:
    """Return a function with a factor too much in its derivative."""

    @jax.custom_jvp
    def wrong(x: Array) -> Array:
        return function(x)

    @wrong.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        y, dy = jax.jvp(function, primals, tangents)
        return y, factor * dy

    return wrong


@jax.custom_vjp
def square(x: Array) -> Array:
    """Return x^2, with a derivative without its 2."""
    return x * x


square.defvjp(lambda x: (x * x, x), lambda x, dy: (dy * x,))


@jax.custom_vjp
def detached(x: Array, y: Array) -> Array:
    """Return x + y, with a residual x that receives nothing."""
    return x + y


detached.defvjp(lambda x, y: (x + y, None), lambda _, dy: (jnp.zeros_like(dy), dy))

MODELS = {"mlp": mlp, "conv net": conv_net, "rnn": rnn}
