"""Adapters. Only `load` imports a framework, and only the one that is named."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backproof.adapters.column import Column
from backproof.adapters.frameworks import DEFAULT, TABLE
from backproof.adapters.protocol import Adapter, AdapterError, raised, said
from backproof.adapters.trial import refusal

__all__ = ["DEFAULT", "TABLE", "every", "load"]


def load(name: str, path: Path | None = None) -> Adapter:
    """Return the adapter of a name in TABLE, or of a file that defines `adapter`; or a variant.

    name: "torch", "torch.compile". Raises AdapterError where the framework cannot be imported, or
    the file defines no adapter.
    """
    column = Column.parse(name)
    return every(column.framework, path)[column.variant]


def every(name: str, path: Path | None = None) -> dict[str, Adapter]:
    """Return variant -> adapter, the plain one under "". Raises as `load`."""
    try:
        module = _from_file(name, path) if path else _of_framework(name)
    except ImportError as error:
        raise AdapterError(
            f"adapter {name}: cannot be imported: {said(error)}; install it, or leave it out"
        ) from error
    except AdapterError:
        raise
    except Exception as error:
        raise AdapterError(f"adapter {name}: its module {raised(error)}") from error
    where = f"adapter {name}: {path or module.__name__}: expected"
    adapter, variants = getattr(module, "adapter", None), getattr(module, "variants", {})
    if not isinstance(adapter, Adapter):
        raise AdapterError(
            f"{where} `adapter = Adapter(...)` (backproof.Adapter), found {adapter!r}"
        )
    if not isinstance(variants, Mapping):
        raise AdapterError(f"{where} `variants = {{...}}`, names -> adapters, found {variants!r}")
    for variant, one in variants.items():
        if not (str(variant).isidentifier() and isinstance(one, Adapter)):
            raise AdapterError(
                f"{where} variants: a name -> an Adapter, found {variant!r}: {one!r}"
            )
    return {"": adapter, **variants}


def _of_framework(name: str) -> Any:
    """Import an adapter of the table, which is tried before: one that exits costs no other."""
    module = TABLE[name].module
    if module not in sys.modules and (how := refusal(module)):
        raise AdapterError(f"adapter {name}: its import {how}")
    return importlib.import_module(module)


def _from_file(name: str, path: Path) -> Any:
    own = f"backproof.adapters.external.{name}"
    spec = importlib.util.spec_from_file_location(own, path)
    if spec is None or spec.loader is None:
        raise AdapterError(f"adapter {name}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
