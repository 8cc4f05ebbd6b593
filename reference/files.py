"""Files: one reader of all data files, and one writer of all reports.

What a file must hold is said by a JSON schema in fixtures/; jsonschema checks it.
"""

import json
import os
import reprlib
import tomllib
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

LONGEST = 300
"""Characters of a message about a file, at most: what a file holds may be of any length."""


class FileError(ValueError):
    """A file is malformed, or cannot be read or written.

    The message is one line; it names the file, the place in it, and what is expected there.
    """


def read(path: Path, schema: str) -> Any:
    """Return the content of a TOML or JSON file of a schema, "report". Raises FileError."""
    is_toml = path.suffix == ".toml"
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if is_toml else json.loads(text, parse_constant=_no_number)
        wrong = best_match(_validator(schema).iter_errors(content))
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: byte {error.start} is not UTF-8") from None
    except ValueError as error:
        raise FileError(line(f"{path}: not {'TOML' if is_toml else 'JSON'}: {error}")) from None
    except (RecursionError, MemoryError):
        raise FileError(f"{path}: nested too deeply to be read") from None
    if wrong:
        raise FileError(line(f"{path}: {_place(wrong)}{_said(wrong)}"))
    return content


def write(path: Path, text: str) -> None:
    """Write a file as a whole, or not at all: to a temporary file beside it, which is renamed.

    A device, such as /dev/stdout, is written to directly. Lone surrogates, which UTF-8 does not
    have, are written as escapes. Raises FileError.
    """
    content = text.encode("utf-8", "backslashreplace")
    temporary = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
            return
        target = path.resolve()  # a link stays one
        with NamedTemporaryFile(dir=target.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        temporary.chmod(target.stat().st_mode if target.exists() else 0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                temporary.unlink()
        raise FileError(line(f"{path}: cannot be written: {error.strerror}")) from None


def line(text: str) -> str:
    """Return a message as one line that every terminal can show, and not too long a one."""
    shown = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    return (
        shown if len(shown) <= LONGEST else f"{shown[: LONGEST // 2]} ... {shown[-LONGEST // 3 :]}"
    )


@cache
def _validator(schema: str) -> Draft202012Validator:
    path = FIXTURES / f"{schema}.schema.json"
    return Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _place(wrong: ValidationError) -> str:
    """Return where in the file an error is: "step 2: figures 5: printed: ", counted from one."""
    parts: list[str] = []
    for key in wrong.absolute_path:
        if isinstance(key, int) and parts:
            parts[-1] += f" {key + 1}"
        else:
            parts.append(f"{key}")
    return "".join(f"{part}: " for part in parts)


def _said(wrong: ValidationError) -> str:
    """Return what is wrong, in the schema's own words for what is expected, if it has some."""
    expected = isinstance(wrong.schema, dict) and wrong.schema.get("$comment")
    return f"{reprlib.repr(wrong.instance)}: expected {expected}" if expected else wrong.message


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    found = os.umask(0)
    os.umask(found)
    return found
