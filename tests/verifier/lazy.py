"""Modules that are imported when a test first uses them: collecting imports no framework."""

from importlib import import_module
from typing import Any


class Lazy:
    """A module, by its name. Only its public names are seen: pytest asks for others."""

    def __init__(self, name: str) -> None:
        """Import nothing yet."""
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Return what the module has. Raises AttributeError."""
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)
