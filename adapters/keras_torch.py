"""Keras on PyTorch."""

import os

os.environ["KERAS_BACKEND"] = "torch"

from backproof.adapters.keras_ops import on
from backproof.adapters.pytorch_autograd import adapter as backend

adapter = on(
    backend,
    "torch",
    {
        "float64": "Keras takes it for float32 on this backend",
        "batch_norm bfloat16": "its sums over images are bfloat16: ResNet-20's decide nothing",
    },
)
