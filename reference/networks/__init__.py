"""Networks to verify, built by their recipes from sizes and a seed."""

from reference.networks.gpt import gpt
from reference.networks.mlp import Draw, mlp
from reference.networks.resnet import resnet
from reference.networks.yolo import yolo

__all__ = ["Draw", "gpt", "mlp", "resnet", "yolo"]
