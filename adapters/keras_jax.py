"""Keras on JAX."""

import os

os.environ["KERAS_BACKEND"] = "jax"

from backproof.adapters.jax_grad import adapter as backend
from backproof.adapters.keras_ops import on

adapter = on(
    backend,
    "jax",
    {
        "float64": "Keras takes it for float32 on this backend",
        **dict.fromkeys(
            ("cross_entropy bfloat16", "cross_entropy float16"), "Keras returns float32 there"
        ),
    },
)
