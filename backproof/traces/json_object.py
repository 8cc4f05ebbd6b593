"""An object of JSON whose fields are checked as they are read."""

import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

KINDS: Mapping[str, Callable[[Any], bool]] = {
    "a string": lambda value: isinstance(value, str),
    "an integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "a number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "true or false": lambda value: isinstance(value, bool),
    "an array": lambda value: isinstance(value, list),
    "an array of strings": lambda value: _all(value, "a string"),
    "an array of integers": lambda value: _all(value, "an integer"),
    "an object": lambda value: isinstance(value, dict),
}
"""What JSON calls a kind of value -> whether a value is of this kind."""

LACKING = object()


def json_of(text: str) -> dict[str, Any]:
    """Return an object of JSON.

    Raises ValueError where it is none, has NaN or infinity, or has a key twice.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number of JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
            raise ValueError(f"{twice!r} is there twice")
        return found

    content = json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    if not isinstance(content, dict):
        raise ValueError("expected an object")  # noqa: TRY004 it is about a file
    return content


def _all(value: Any, kind: str) -> bool:
    """Return whether a value is an array of one kind."""
    return isinstance(value, list) and all(map(KINDS[kind], value))


def refuse_others(names: Iterable[str], known: Container[str], place: str, what: str) -> None:
    """Raise ValueError for a name that is not known. place, what: for the message."""
    for name in names:
        if name not in known:
            raise ValueError(f"{place}: {name!r} is no {what}")


@dataclass(frozen=True, slots=True)
class Object:
    """An object of JSON. place: what it is, for messages."""

    content: Mapping[str, Any]
    place: str

    @classmethod
    def of(cls, content: Any, place: str) -> "Object":
        """Return content as an object. Raises ValueError where it is none."""
        if not isinstance(content, dict):
            raise ValueError(f"{place}: expected an object")  # noqa: TRY004 it is about a file
        return cls(content, place)

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def get(self, key: str, kind: str, default: Any = LACKING) -> Any:
        """Return a field of a kind. Raises ValueError where it is lacking, or of another kind."""
        value = self.content.get(key, LACKING)
        if value is LACKING and default is not LACKING:
            return default
        if value is LACKING:
            raise ValueError(f"{self.place}: lacks {key!r}, expected {kind}")
        if not KINDS[kind](value):
            raise ValueError(f"{self.place}: {key}: expected {kind}")
        return value

    def one_of(self, key: str, known: Any, default: Any = LACKING) -> str:
        """Return a field that is one of several strings. Raises ValueError."""
        value: str = self.get(key, "a string", default)
        if value not in known:
            raise ValueError(f"{self.place}: {key}: {value!r} is none of {', '.join(known)}")
        return value

    def strings(self, key: str, default: Any = LACKING) -> tuple[str, ...]:
        """Return a field that is an array of strings. Raises ValueError."""
        return (*self.get(key, "an array of strings", default),)

    def names(self, key: str, known: Container[str], what: str) -> tuple[str, ...]:
        """Return a field that is an array of names, or nothing where it is lacking.

        known: the names that there are. what: what has them. Raises ValueError for another.
        """
        found = self.strings(key, [])
        refuse_others(found, known, f"{self.place}: {key}", what)
        return found

    def inner(self, key: str, place: str = "", default: Any = LACKING) -> "Object":
        """Return a field that is an object. place: what it is. Raises ValueError."""
        return Object(self.get(key, "an object", default), place or f"{self.place}: {key}")

    def named(self, key: str, what: str) -> Iterator["Object"]:
        """Yield the objects of an array, each of which has a name. Raises ValueError."""
        for one in self.get(key, "an array"):
            name = Object.of(one, f"a {what}").get("name", "a string")
            yield Object(one, f"{what} {name}")

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self.content["name"]
        return name
