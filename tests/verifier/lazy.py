"""Modules that are imported when a test first uses them: collecting imports no framework."""

from importlib import import_module
from typing import Any

import pytest

from backproof.adapters.frameworks import TABLE


class Lazy:
    """A module, by its name. Only its public names are seen: pytest asks for others."""

    def __init__(self, name: str) -> None:
        """Import nothing yet."""
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Return what the module has, or skip the test where its framework is not installed.

        Raises AttributeError.
        """
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        try:
            module = import_module(self._name)
        except ModuleNotFoundError as error:
            if error.name not in TABLE:
                raise
            pytest.skip(f"{error.name} is not installed")
        return getattr(module, attribute)
