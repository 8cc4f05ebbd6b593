"""Files: one reader of all data files, and one writer of all reports.

What a file must hold is said by a JSON schema in fixtures/; jsonschema checks it.
"""

import json
import math
import os
import reprlib
import tomllib
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

LONGEST = 300
"""Characters of a message about a file, at most: what a file holds may be of any length."""


UNWRITTEN = 6
"""The exit status of a command whose report could not be written; pytest's own end at 5."""


class FileError(ValueError):
    """A file is malformed, or cannot be read or written.

    The message is one line, and not a long one, whatever it quotes of a file; it names the file,
    the place in it, and what is expected there.
    """

    def __init__(self, message: str) -> None:
        """Keep the message as one line."""
        super().__init__(line(message))


class UnwrittenError(FileError):
    """A file cannot be written."""


def read(path: Path, schema: str) -> Any:
    """Return the content of a TOML or JSON file of a schema, "report". Raises FileError."""
    is_toml = path.suffix == ".toml"
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if is_toml else _json(text)
        wrong = wrong_in(content, schema)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: byte {error.start} is not UTF-8") from None
    except ValueError as error:
        raise FileError(f"{path}: not {'TOML' if is_toml else 'JSON'}: {error}") from None
    except (RecursionError, MemoryError):
        raise FileError(f"{path}: nested too deeply to be read") from None
    if wrong:
        raise FileError(f"{path}: {wrong}")
    return content


def write(path: Path, text: str) -> None:
    """Write a file as a whole, or not at all: to a temporary file beside it, which is renamed.

    A device, such as /dev/stdout, is written to directly. Lone surrogates, which UTF-8 does not
    have, are written as escapes. Raises UnwrittenError.
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
        raise UnwrittenError(f"{path}: cannot be written: {error.strerror}") from None


def line(text: str) -> str:
    """Return a message as one line that every terminal can show, and not too long a one."""
    shown = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    return (
        shown if len(shown) <= LONGEST else f"{shown[: LONGEST // 2]} ... {shown[-LONGEST // 3 :]}"
    )


def _json(text: str) -> Any:
    """Return the content of a JSON text, in which NaN and infinity are no numbers."""

    def finite(number: str) -> float:
        if not math.isfinite(found := float(number)):
            raise ValueError(f"{number} is no finite number")
        return found

    return json.loads(text, parse_float=finite, parse_constant=finite)


def wrong_in(content: Any, schema: str) -> str:
    """Return what is wrong first in a content, and where; empty where nothing is.

    schema: the name of one in fixtures/, such as "report".
    """
    from jsonschema.exceptions import best_match  # noqa: PLC0415 it is imported for files alone

    errors = [*_validator(schema).iter_errors(content)]
    if not errors:
        return ""
    # Of another schema, or another version of it, nothing else is to be said.
    wrong = next((one for one in errors if one.validator == "const"), best_match(errors))
    expected = isinstance(wrong.schema, dict) and wrong.schema.get("$comment")
    said = f"{reprlib.repr(wrong.instance)}: expected {expected}" if expected else wrong.message
    return f"{_place(wrong.absolute_path)}{said}"


@cache
def _validator(schema: str) -> Any:
    """Return the validator of a schema in fixtures/."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 as above
    from jsonschema.validators import extend  # noqa: PLC0415 likewise

    path = FIXTURES / f"{schema}.schema.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    words = set(_enumerated(content))
    each = Draft202012Validator.VALIDATORS["prefixItems"]
    known: set[Any] = set()

    def once(validator: Any, prefix: Any, rows: Any, within: Any) -> Iterator[Any]:
        """Check a row, such as a link of a report, where none of its kind was right before."""
        kind = (id(prefix), *(_kind(x, words) for x in rows)) if isinstance(rows, list) else None
        if kind not in known:
            wrong = [*each(validator, prefix, rows, within)]
            known.update([] if wrong or kind is None else [kind])
            yield from wrong

    made = extend(Draft202012Validator, {"prefixItems": once})
    return made(content)


def _enumerated(schema: Any) -> Iterator[str]:
    """Yield the texts that a schema enumerates, anywhere."""
    if isinstance(schema, dict):
        yield from (word for word in schema.get("enum", ()) if isinstance(word, str))
    for part in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(part, dict | list):
            yield from _enumerated(part)


def _kind(entry: Any, words: Collection[str]) -> Any:
    """Return what a schema of rows asks of an entry: its type, its sign, whether it is a word."""
    if isinstance(entry, str):
        return entry if entry in words else str
    if isinstance(entry, int | float):
        return type(entry), entry >= 0
    return None if entry is None else repr(entry)


def _place(path: Iterable[str | int]) -> str:
    """Return where in the file something is: "step 2: figures 5: printed: ", counted from one."""
    parts: list[str] = []
    for key in path:
        if isinstance(key, int) and parts:
            parts[-1] += f" {key + 1}"
        else:
            parts.append(f"{key}")
    return "".join(f"{part}: " for part in parts)


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    found = os.umask(0)
    os.umask(found)
    return found
