"""Networks to verify, built by their recipes from sizes and a seed."""

from reference.networks.mlp import Draw, mlp

__all__ = ["Draw", "mlp"]
