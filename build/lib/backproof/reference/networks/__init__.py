"""Networks to verify, built by their recipes from sizes and a seed."""

from backproof.reference.networks.gpt import gpt
from backproof.reference.networks.mlp import Draw, mlp
from backproof.reference.networks.resnet import resnet
from backproof.reference.networks.yolo import yolo

__all__ = ["Draw", "gpt", "mlp", "resnet", "yolo"]
