"""Adapters. Only `load` imports a framework, and only the one that is named."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from backproof.adapters.column import Column
from backproof.adapters.frameworks import DEFAULT, TABLE
from backproof.adapters.protocol import Adapter, AdapterError, raised

__all__ = ["DEFAULT", "TABLE", "load"]


def load(name: str, path: Path | None = None) -> Adapter:
    """Return the adapter of a name in TABLE or a variant, or of a file that defines `adapter`.

    Raises AdapterError where the framework cannot be imported or the file defines no adapter.
    """
    column = Column(name) if path else Column.parse(name)
    try:
        if path:
            module = _from_file(name, path)
        else:
            module = _of_framework(name, TABLE[column.framework].module)
    except ImportError as error:
        raise AdapterError(
            f"adapter {name}: was asked for and cannot be imported: {error}; "
            f"install it, or leave it out with {'--adapter' if path else '--frameworks'}"
        ) from error
    except Exception as error:
        raise AdapterError(f"adapter {name}: its module {raised(error)}") from error
    if column.variant:
        adapter = module.variants[column.variant]
    else:
        adapter = getattr(module, "adapter", None)
    if not isinstance(adapter, Adapter):
        raise AdapterError(
            f"adapter {name}: {path or module.__name__}: expected `adapter = Adapter(...)` "
            f"(backproof.Adapter), found {adapter!r}"
        )
    return adapter


def _of_framework(name: str, module: str) -> Any:
    """Import an adapter of the table; a framework that exits costs no other its verdict."""
    try:
        return importlib.import_module(module)
    except SystemExit as error:
        raise AdapterError(f"adapter {name}: exits when it is imported ({error})") from error


def _from_file(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"backproof.adapters.external.{name}", path)
    if spec is None or spec.loader is None:
        raise AdapterError(f"adapter {name}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
