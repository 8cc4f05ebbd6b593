"""GPT-2: a decoder of pre-norm blocks (Radford et al. 2019, sec. 2.3; blocks as in 2018, fig. 1).

Shapes: B batch, T time, C width, H heads, D = C/H features of a head, V vocabulary.
"""

from math import sqrt

import numpy as np

from backproof.reference.network import Network
from backproof.reference.networks.build import Builder


def gpt(
    layers: int = 2,
    heads: int = 4,
    width: int = 32,
    *,
    context: int = 16,
    vocabulary: int = 64,
    batch: int = 2,
    attention: str = "composed",
    seed: int = 0,
) -> Network:
    """Return GPT-2 with the loss of predicting every next token.

    GPT-2 itself has 12 layers, 12 heads, width 768, context 1024 and a vocabulary of 50257.
    attention: "composed" of matmul, scale, mask and softmax, each a link of its own; or "fused",
    one link. Weights are drawn as GPT-2 draws them (0.02, and less before each residual sum), but
    gains are only near one and biases only near zero.
    """
    g = Builder(np.random.default_rng(seed))
    tokens = g.rng.integers(vocabulary, size=(batch, context + 1))
    # 1. Token and position embeddings.
    g.normal("wte", vocabulary, width, scale=0.02)
    g.node("tokens", "embedding", "wte", index=tokens[:, :-1])
    x = g.node("x0", "add", "tokens", g.normal("wpe", context, width, scale=0.01))
    # 2. The blocks.
    for n in range(1, layers + 1):
        x = block(g, x, n, heads, layers, attention)
    # 3. The head, tied to the token embedding.
    h = norm(g, "norm", x)
    g.node("head", "transpose", "wte", axes=(1, 0))
    logits = g.node("logits", "dense", h, "head")
    g.node("E", "cross_entropy", logits, target=tokens[:, 1:])
    return g.network(f"gpt-{layers}-{heads}-{width}")


def block(g: Builder, x: str, n: int, heads: int, layers: int, attention: str) -> str:
    """Add a block: x + attention(norm(x)), then x + mlp(norm(x))."""
    width, context = g.parameters["wte"].shape[1], g.parameters["wpe"].shape[0]
    batch = len(g.nodes[0].options["index"])
    small = 0.02 / sqrt(2 * layers)
    # 1. Queries, keys and values from one matrix, then split into heads: (B, H, T, D).
    h = norm(g, f"norm{n}a", x)
    qkv = dense(g, f"qkv{n}", h, (width, 3 * width), 0.02)
    parts = []
    for i, part in enumerate("qkv"):
        where = (slice(None), slice(None), slice(i * width, (i + 1) * width))
        g.node(f"{part}{n}.all", "slice", qkv, index=where)
        split = (batch, context, heads, width // heads)
        g.node(f"{part}{n}.split", "reshape", f"{part}{n}.all", shape=split)
        parts.append(g.node(f"{part}{n}", "transpose", f"{part}{n}.split", axes=(0, 2, 1, 3)))
    # 2. Each head attends to its own place and earlier ones.
    if attention == "fused":
        y = g.node(f"attention{n}", "attention", *parts)
    else:
        y = attend(g, n, *parts, factor=1 / sqrt(width // heads))
    # 3. The heads side by side again, and back onto the stream.
    g.node(f"merge{n}", "transpose", y, axes=(0, 2, 1, 3))
    g.node(f"heads{n}", "reshape", f"merge{n}", shape=(batch, context, width))
    proj = dense(g, f"proj{n}", f"heads{n}", (width, width), small)
    x = g.node(f"x{n}a", "add", x, proj)
    # 4. The MLP, four times as wide, with GELU in its tanh form.
    h = norm(g, f"norm{n}b", x)
    up = dense(g, f"up{n}", h, (width, 4 * width), 0.02)
    g.node(f"gelu{n}", "gelu", up, approximate="tanh")
    down = dense(g, f"down{n}", f"gelu{n}", (4 * width, width), small)
    return g.node(f"x{n}", "add", x, down)


def attend(g: Builder, n: int, q: str, k: str, v: str, *, factor: float) -> str:
    """Add softmax(q k^T / sqrt D, masked) v, link by link."""
    g.node(f"k{n}.T", "transpose", k, axes=(0, 1, 3, 2))
    g.node(f"qk{n}", "matmul", q, f"k{n}.T")
    g.node(f"scores{n}", "scale", f"qk{n}", factor=factor)
    g.node(f"masked{n}", "causal_mask", f"scores{n}")
    g.node(f"weights{n}", "softmax", f"masked{n}")
    return g.node(f"attention{n}", "matmul", f"weights{n}", v)


def norm(g: Builder, name: str, x: str) -> str:
    """Add a layer norm."""
    width = g.parameters["wte"].shape[1]
    gain, bias = g.near(f"{name}.gain", width, mean=1.0), g.near(f"{name}.bias", width)
    return g.node(name, "layer_norm", x, gain, bias)


def dense(g: Builder, name: str, x: str, shape: tuple[int, int], scale: float) -> str:
    """Add a dense layer of a shape (I, O)."""
    weight = g.normal(f"{name}.weight", *shape, scale=scale)
    return g.node(name, "dense", x, weight, g.near(f"{name}.bias", shape[1]))
