"""backproof: are these gradients right?

The names below are what users import. Each is loaded when it is first used, so that
`import backproof` imports nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backproof.adapters.protocol import Adapter, AdapterError, Unsupported
    from backproof.programs.from_file import TraceError, certify_trace
    from backproof.reference.backprop import Trace, backprop
    from backproof.reference.network import Network, Node
    from backproof.reference.ops import OPS, Op
    from backproof.reference.verdict.certificate import Certificate
    from backproof.reference.verdict.custom import OpCertificate, certify_op
    from backproof.reference.verdict.passes import certify

__all__ = [
    "OPS",
    "Adapter",
    "AdapterError",
    "Certificate",
    "Network",
    "Node",
    "Op",
    "OpCertificate",
    "Trace",
    "TraceError",
    "Unsupported",
    "__version__",
    "backprop",
    "certify",
    "certify_op",
    "certify_trace",
]

_HOMES = {
    "adapters.protocol": ("Adapter", "AdapterError", "Unsupported"),
    "programs.from_file": ("TraceError", "certify_trace"),
    "reference.backprop": ("Trace", "backprop"),
    "reference.network": ("Network", "Node"),
    "reference.ops": ("OPS", "Op"),
    "reference.verdict.certificate": ("Certificate",),
    "reference.verdict.custom": ("OpCertificate", "certify_op"),
    "reference.verdict.passes": ("certify",),
}
"""Module -> the public names that it defines."""


def __getattr__(name: str) -> Any:
    """Return a public name, from the module that defines it."""
    if name == "__version__":
        return import_module("importlib.metadata").version("backproof")
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"backproof.{module}"), name)
    raise AttributeError(f"module 'backproof' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
