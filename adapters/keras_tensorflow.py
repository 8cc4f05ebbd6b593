"""Keras on TensorFlow."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

from backproof.adapters.keras_ops import on
from backproof.adapters.tensorflow_tape import adapter as backend

adapter = on(
    backend,
    "tensorflow",
    {
        "batch_norm bfloat16": "its sums over images are bfloat16: ResNet-20's decide nothing",
        "attention float16": "a sum after it is off, for a reason that is not known yet",
        "conv dilation": (lambda d: not isinstance(d, int), "TensorFlow has no stride beside it"),
        "transpose axes": (lambda axes: min(axes) < 0, "its gradient raises for axes below zero"),
    },
)
