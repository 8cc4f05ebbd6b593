"""Programs of flax, equinox and optax as people write them: a loss, its parameters, its batch."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen, nnx
from jax import lax

Array = Any
Program = tuple[Any, ...]
"""A loss, and its arguments."""


def numbers(seed: int, *shape: int) -> Array:
    """Return numbers of a batch."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), "float32")


def tokens(seed: int, *shape: int) -> Array:
    """Return tokens of a vocabulary of 11."""
    return jnp.asarray(np.random.default_rng(seed).integers(0, 11, shape))


# flax linen


class ConvNet(linen.Module):
    """Convolutions, each with a norm, pooled and classified."""

    @linen.compact
    def __call__(self, x: Array) -> Array:
        """Return the scores of images, (B, H, W, C)."""
        x = linen.Conv(4, (3, 3), strides=2)(x)
        x = linen.relu(linen.BatchNorm(use_running_average=False)(x))
        x = linen.avg_pool(x, (2, 2), strides=(2, 2))
        x = linen.silu(linen.GroupNorm(num_groups=2)(linen.ConvTranspose(4, (2, 2))(x)))
        x = linen.max_pool(x, (2, 2))
        return linen.WeightNorm(linen.Dense(3))(linen.LayerNorm()(x.reshape(len(x), -1)))


class Encoder(linen.Module):
    """An embedding, attention, a residual, a norm."""

    @linen.compact
    def __call__(self, ids: Array) -> Array:
        """Return the scores of tokens, (B, T)."""
        embed = linen.Embed(11, 8)
        x = embed(ids)
        mask = linen.make_causal_mask(ids)
        x = x + linen.MultiHeadDotProductAttention(num_heads=2)(x, mask=mask)
        return embed.attend(linen.RMSNorm()(x))


class Recurrent(linen.Module):
    """A recurrent layer."""

    @linen.compact
    def __call__(self, x: Array) -> Array:
        """Return the numbers of sequences, (B, T, F)."""
        x = linen.RNN(linen.OptimizedLSTMCell(4))(x)
        return linen.Dense(3)(linen.RNN(linen.LSTMCell(4), reverse=True)(x)[:, -1])


def of_linen(seed: int, model: Any, x: Array, *labels: int) -> Program:
    """Return a linen module under cross entropy. labels: if there are none, the tokens."""
    state = dict(model.init(jax.random.key(seed), x))
    params = state.pop("params")

    def loss(params: Any, x: Array, labels: Array) -> Array:
        logits, _ = model.apply({"params": params, **state}, x, mutable=[*state])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    return loss, params, x, jnp.array(labels) if labels else x


# flax nnx


class Block(nnx.Module):
    """A block of a transformer, the norms first."""

    def __init__(self, width: int, activation: Any, rngs: nnx.Rngs) -> None:
        """Draw the parameters."""
        self.activation = activation
        self.ln_1, self.ln_2 = nnx.LayerNorm(width, rngs=rngs), nnx.LayerNorm(width, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(2, width, decode=False, rngs=rngs)
        self.up = nnx.Linear(width, 2 * width, rngs=rngs)
        self.down = nnx.Linear(2 * width, width, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x: Array, mask: Array) -> Array:
        """Return what it makes of x, (B, T, C)."""
        x = x + self.dropout(self.attention(self.ln_1(x), mask=mask))
        return x + self.dropout(self.down(self.activation(self.up(self.ln_2(x)))))


class Transformer(nnx.Module):
    """A small language model."""

    def __init__(
        self,
        rngs: nnx.Rngs,
        activations: Any = (nnx.gelu, nnx.gelu),
        width: int = 8,
        context: int = 6,
        vocabulary: int = 11,
    ) -> None:
        """Draw the parameters. activations: of the blocks."""
        self.embed = nnx.Embed(vocabulary, width, rngs=rngs)
        self.position = nnx.Param(0.1 * rngs.params.normal((context, width)))
        self.blocks = nnx.List([Block(width, activation, rngs) for activation in activations])
        self.norm = nnx.RMSNorm(width, rngs=rngs)

    def __call__(self, ids: Array) -> Array:
        """Return the scores of tokens, (B, T)."""
        mask = nnx.make_causal_mask(ids)
        x = self.embed(ids) + self.position[...]
        for block in self.blocks:
            x = block(x, mask)
        return self.embed.attend(self.norm(x))


class Residual(nnx.Module):
    """The basic block of a ResNet, which halves the image."""

    def __init__(self, c: int, width: int, rngs: nnx.Rngs) -> None:
        """Draw the parameters."""
        self.conv_1 = nnx.Conv(c, width, (3, 3), strides=2, use_bias=False, rngs=rngs)
        self.conv_2 = nnx.Conv(width, width, (3, 3), use_bias=False, rngs=rngs)
        self.bn_1, self.bn_2 = nnx.BatchNorm(width, rngs=rngs), nnx.BatchNorm(width, rngs=rngs)
        self.short = nnx.Conv(c, width, (1, 1), strides=2, use_bias=False, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Return what it makes of images, (B, H, W, C)."""
        y = nnx.relu(self.bn_1(self.conv_1(x)))
        return nnx.relu(self.bn_2(self.conv_2(y)) + self.short(x))


class ResNet(nnx.Module):
    """A stem, a block, a mean over the image, a classifier."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        """Draw the parameters."""
        self.stem = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.block = Residual(4, 6, rngs)
        self.head = nnx.Linear(6, 3, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """Return the scores of images, (B, H, W, C)."""
        x = nnx.max_pool(nnx.relu(self.stem(x)), (2, 2), strides=(2, 2), padding="SAME")
        return self.head(self.block(x).mean((1, 2)))


class UNetBlock(nnx.Module):
    """A block of a diffusion model's U-Net: down, attention, up, with the time added."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        """Draw the parameters."""
        self.stem = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.time = nnx.Linear(4, 4, rngs=rngs)
        self.norm_1, self.norm_2 = (nnx.GroupNorm(4, num_groups=2, rngs=rngs) for _ in range(2))
        self.down = nnx.Conv(4, 4, (3, 3), strides=2, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(1, 4, decode=False, rngs=rngs)
        self.up = nnx.ConvTranspose(4, 4, (2, 2), strides=(2, 2), rngs=rngs)
        self.out = nnx.Conv(8, 2, (3, 3), rngs=rngs)

    def __call__(self, x: Array, t: Array) -> Array:
        """Return the noise of images, (B, H, W, C), at times (B)."""
        at = t[:, None] * jnp.exp(-jnp.log(1e4) * jnp.arange(2) / 2)
        at = nnx.swish(self.time(jnp.concatenate([jnp.sin(at), jnp.cos(at)], -1)))
        kept = self.stem(x)
        x = self.down(nnx.swish(self.norm_1(kept)) + at[:, None, None])
        flat = self.norm_2(x).reshape(len(x), -1, 4)
        x = x + self.attention(flat).reshape(x.shape)
        near = jax.image.resize(x, kept.shape, "nearest")
        return self.out(jnp.concatenate([kept, self.up(x) + near], -1))


class NnxRecurrent(nnx.Module):
    """A recurrent layer under a scan."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        """Draw the parameters."""
        self.rnn = nnx.RNN(nnx.LSTMCell(2, 3, rngs=rngs))
        self.back = nnx.RNN(nnx.GRUCell(3, 3, rngs=rngs), reverse=True)

    def __call__(self, x: Array) -> Array:
        """Return the scores of sequences, (B, T, F)."""
        return self.back(self.rnn(x))[:, -1]


def of_nnx(model: Any, x: Array, *labels: int) -> Program:
    """Return an nnx module under cross entropy. labels: if there are none, the tokens."""

    def loss(model: Any, x: Array, labels: Array) -> Array:
        return optax.softmax_cross_entropy_with_integer_labels(model(x), labels).mean()

    return loss, model, x, jnp.array(labels) if labels else x


def diffusion(seed: int) -> Program:
    """Return the loss of a U-Net's block that predicts noise."""

    def loss(model: Any, x: Array, noise: Array, t: Array) -> Array:
        a = jnp.cos(t)[:, None, None, None]
        return jnp.mean((model(a * x + jnp.sqrt(1 - a * a) * noise, t) - noise) ** 2)

    noise, x = numbers(seed, 2, 2, 4, 4, 2)
    return loss, UNetBlock(nnx.Rngs(seed)), x, noise, jnp.array([0.3, 0.9])


# equinox


def of_eqx(model: Any, x: Array) -> Program:
    """Return an equinox module of one example, over a batch, under the mean square."""

    def loss(model: Any, x: Array) -> Array:
        return jnp.mean(jnp.square(jax.vmap(model)(x) - 0.5))

    return loss, model, x


def key(seed: int) -> Any:
    """Return what equinox draws parameters of."""
    return jax.random.key(seed)


class Rotary(eqx.Module):
    """Attention with a rotary embedding of positions."""

    attention: eqx.nn.MultiheadAttention
    rotary: eqx.nn.RotaryPositionalEmbedding
    norm: eqx.nn.RMSNorm

    def __init__(self, key: Any) -> None:
        """Draw the parameters."""
        self.attention = eqx.nn.MultiheadAttention(2, 8, key=key)
        self.rotary = eqx.nn.RotaryPositionalEmbedding(4)
        self.norm = eqx.nn.RMSNorm(8)

    def __call__(self, x: Array) -> Array:
        """Return what it makes of x, (T, C)."""

        def turned(q: Array, k: Array, v: Array) -> Any:
            turn = jax.vmap(self.rotary, in_axes=1, out_axes=1)
            return turn(q), turn(k), v

        y = jax.vmap(self.norm)(x)
        mask = jnp.tril(jnp.ones((len(x), len(x)), bool))
        return x + self.attention(y, y, y, mask=mask, process_heads=turned)


class Cells(eqx.Module):
    """A GRU and an LSTM, each under a scan."""

    gru: eqx.nn.GRUCell
    lstm: eqx.nn.LSTMCell

    def __init__(self, key: Any) -> None:
        """Draw the parameters."""
        one, other = jax.random.split(key)
        self.gru, self.lstm = eqx.nn.GRUCell(2, 3, key=one), eqx.nn.LSTMCell(3, 3, key=other)

    def __call__(self, x: Array) -> Array:
        """Return the last state, of a sequence (T, F)."""

        def step(state: Any, x: Array) -> Any:
            h, both = state
            h = self.gru(x, h)
            return (h, self.lstm(h, both)), None

        zero = jnp.zeros(3, x.dtype)
        (_, (h, _)), _ = lax.scan(step, (zero, (zero, zero)), x)
        return h


def eqx_conv(key: Any) -> Any:
    """Return convolutions, norms and pooling of one image, (C, H, W)."""
    a, b, c, d = jax.random.split(key, 4)
    return eqx.nn.Sequential(
        [
            eqx.nn.Conv2d(2, 4, 3, padding=1, groups=2, key=a),
            eqx.nn.GroupNorm(2, 4),
            eqx.nn.Lambda(eqx.nn.PReLU()),
            eqx.nn.MaxPool2d(2, 2),
            eqx.nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1, key=b),
            eqx.nn.LayerNorm((3, 6, 6)),
            eqx.nn.Lambda(jax.nn.gelu),
            eqx.nn.AvgPool2d(2, 2),
            eqx.nn.WeightNorm(eqx.nn.Conv2d(3, 2, 2, dilation=2, key=c)),
            eqx.nn.AdaptiveAvgPool2d(1),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(2, 2, key=d),
        ]
    )


# jax.nn and optax

ACTIVATIONS = (
    *("celu", "elu", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "identity", "leaky_relu"),
    *("log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu"),
    *("soft_sign", "softmax", "softplus", "sparse_plus", "sparse_sigmoid", "squareplus"),
    *("standardize", "glu", "logsumexp", "tanh"),
)
"""All of jax.nn of one array."""


def activations(seed: int) -> Program:
    """Return the sum of all activations of an array."""

    def loss(x: Array, mask: Array) -> Array:
        made = [getattr(jax.nn, name)(x) for name in ACTIVATIONS]
        made += [jax.nn.gelu(x, approximate=False), jax.nn.softmax(x, where=mask, axis=0)]
        made += [jax.nn.logmeanexp(x), jax.nn.log1mexp(jnp.exp(x))]
        made.append(jax.nn.dot_product_attention(*(x.reshape(1, 3, 2, 2) * i for i in (1, 2, 3))))
        return sum(jnp.sum(jnp.sin(one) * (i + 1)) for i, one in enumerate(made))

    x = numbers(seed, 3, 4)
    return loss, x, x > -1


def losses(seed: int) -> Program:
    """Return the sum of the losses of optax."""

    def loss(p: Array, t: Array) -> Array:
        of = optax.losses
        q, u, y, k = jax.nn.softmax(p), jax.nn.softmax(t), jnp.sign(t), jnp.array([0, 3, 1])
        made = [
            of.squared_error(p, t),
            of.l2_loss(p, t),
            of.huber_loss(p, t, delta=0.5),
            of.log_cosh(p, t),
            of.cosine_distance(p, t),
            of.cosine_similarity(p, t),
            of.hinge_loss(p, y),
            of.sigmoid_binary_cross_entropy(p, u),
            of.sigmoid_focal_loss(p, u),
            of.softmax_cross_entropy(p, u),
            of.safe_softmax_cross_entropy(p, u),
            of.softmax_cross_entropy_with_integer_labels(p, k),
            of.kl_divergence(jnp.log(q), u),
            of.kl_divergence_with_log_targets(jnp.log(q), jnp.log(u)),
            of.generalized_kl_divergence(jnp.log(q), u),
            of.poly_loss_cross_entropy(p, u),
            of.multiclass_hinge_loss(p, k),
            of.multiclass_perceptron_loss(p, k),
            of.perceptron_loss(p, y),
            of.ntxent(p, k // 2),
            of.triplet_margin_loss(p, t, -t),
            of.ranking_softmax_loss(p, u),
            of.multiclass_sparsemax_loss(p, k),
            of.sparsemax_loss(p, y > 0),
            of.smooth_labels(u, 0.1) * p,
            of.dice_loss(p, u),
            of.binary_dice_loss(p, u),
            of.multiclass_generalized_dice_loss(p, u),
        ]
        return sum(jnp.sum(one) * (i + 1) for i, one in enumerate(made))

    return loss, *numbers(seed, 2, 3, 4)


def ctc(seed: int) -> Program:
    """Return the loss of sequences whose labels are not aligned."""

    def loss(logits: Array, labels: Array) -> Array:
        padded = jnp.zeros(logits.shape[:2]), jnp.zeros(labels.shape)
        return jnp.mean(optax.ctc_loss(logits, padded[0], labels, padded[1]))

    return loss, numbers(seed, 2, 5, 4), jnp.array([[1, 2], [3, 3]])


MODELS: dict[str, Callable[[int], Program]] = {
    "linen conv net": lambda s: of_linen(s, ConvNet(), numbers(s, 3, 8, 8, 2), 0, 2, 1),
    "linen encoder": lambda s: of_linen(s, Encoder(), tokens(s, 2, 5)),
    "linen RNN": lambda s: of_linen(s, Recurrent(), numbers(s, 2, 4, 2), 0, 2),
    "nnx transformer": lambda s: of_nnx(Transformer(nnx.Rngs(s)), tokens(s, 2, 6)),
    "nnx ResNet": lambda s: of_nnx(ResNet(nnx.Rngs(s)), numbers(s, 3, 8, 8, 3), 0, 2, 1),
    "nnx U-Net": diffusion,
    "nnx RNN": lambda s: of_nnx(NnxRecurrent(nnx.Rngs(s)), numbers(s, 2, 4, 2), 0, 2),
    "equinox MLP": lambda s: of_eqx(eqx.nn.MLP(3, 2, 5, 2, key=key(s)), numbers(s, 4, 3)),
    "equinox attention": lambda s: of_eqx(Rotary(key(s)), numbers(s, 2, 5, 8)),
    "equinox GRU and LSTM": lambda s: of_eqx(Cells(key(s)), numbers(s, 2, 4, 2)),
    "equinox conv net": lambda s: of_eqx(eqx_conv(key(s)), numbers(s, 2, 2, 6, 6)),
    "activations": activations,
    "losses": losses,
    "CTC": ctc,
}


def program(name: str, seed: int = 0, dtype: str = "float32") -> Program:
    """Return a program, with all its floats in a dtype."""

    def cast(leaf: Any) -> Any:
        is_float = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf.astype(dtype) if is_float else leaf

    loss, *arguments = MODELS[name](seed)
    return loss, *jax.tree.map(cast, arguments)
