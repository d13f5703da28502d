"""Why a field is refused, in words: what came, and what to write instead.

msgspec's messages name types and patterns; who reads a dead letter has a producer to mend.
"""

import json
import re
import unicodedata
from collections.abc import Collection
from itertools import islice
from typing import Any

from bannerstream.contracts.scalars import UNSEEN

_AT = re.compile(r" - at `(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]")
_TYPES = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<came>[^`]+)`")
_LENGTH = re.compile(r"Expected `(?P<type>str|array)` of length (?P<bound>>=|<=) (?P<count>\d+)")
_RANGE = re.compile(r"Expected `int` (?P<bound>>=|<=) (?P<limit>-?\d+)")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]+)`")

_NAMES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
_CAME: dict[type, str] = {
    type(None): "null",
    bool: "a truth value",
    str: "text",
    int: "a whole number",
    float: "a number with a fraction",
    list: "a list",
}
_UNSEEN = re.compile(rf"[{UNSEEN}]")
_SHOWN_CHARACTERS = 40
_SHOWN_FIELDS = 8


def shown(value: object) -> str:
    """Return a value as reasons quote it: short, on one line, in single quotes, which `events check` masks."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    except ValueError:  # more digits than Python writes
        text = "a number of thousands of digits"
    return "'" + repr(text[:_SHOWN_CHARACTERS])[1:-1].replace("\\'", "'").replace("'", "’") + "'"


def in_words(message: str, tree: object, path: str) -> str:
    """Return the reason for an error of msgspec about `tree`, which stands at `path` of the record."""
    match = _AT.search(message)
    inner = match["path"] if match else "$"
    message = _AT.sub("", message)
    value = _value_at(tree, inner)
    path += inner.removeprefix("$")
    return f"{_reason(message, value, path)} - at `{path}`"


def field_names(tree: Collection[str]) -> str:
    """Return the names of an object's fields, as reasons list them."""
    return ", ".join(f"`{name[:_SHOWN_CHARACTERS]}`" for name in islice(tree, _SHOWN_FIELDS)) or "no fields"


def unseen_character(text: str) -> str | None:
    """Return the words for the first character of `text` that no id may hold; None without one."""
    found = _UNSEEN.search(text)
    if found is None:
        return None
    character = found[0]
    if character == "\ufffd":
        return f"{shown(text)} holds text that was broken on its way (U+FFFD): write whole characters in UTF-8"
    name = "a space" if character == " " else unicodedata.name(character, "a control character").lower()
    return f"{shown(text)} holds {name} (U+{ord(character):04X}): ids hold visible characters only, and no space"


def _reason(message: str, value: object, path: str) -> str:  # noqa: C901, PLR0911  (one return a kind of message)
    if match := _TYPES.search(message):
        if match["came"] == "Doubled":
            return f"the key `{path.rsplit('.', 1)[-1][:80]}` stands twice in one object: write it once"
        return _wrong_type(match["expected"], value)
    if match := _LENGTH.search(message):
        if match["bound"] == ">=":
            return "the list is empty: name at least one" if match["type"] == "array" else "the text is empty: fill it"
        unit = "entries" if match["type"] == "array" else "characters"
        length = len(value) if isinstance(value, str | list) else "more"
        return f"{shown(value)} has {length} {unit}: at most {match['count']} are accepted"
    if match := _RANGE.search(message):
        if match["bound"] == ">=":
            return f"the number {shown(value)} is too small: write {match['limit']} or more"
        hint = "; it looks like microseconds: write milliseconds" if path.endswith("time") else ""
        return f"the number {shown(value)} is too large: at most {match['limit']}{hint}"
    if match := _MISSING.search(message):
        there = field_names(value) if isinstance(value, dict) else "no fields"
        return f"there are {there}; missing required field `{match['name']}`"
    if match := _UNKNOWN.search(message):
        return f"unknown field `{match['name'][:80]}`: leave it out, or describe your own form in connect.toml"
    if message.startswith("Invalid enum value"):
        return f"write view, click, cart or purchase, not {shown(value)}"
    if isinstance(value, str) and (found := unseen_character(value)):
        return found
    return f"{shown(value)} is not what this field takes"


def _wrong_type(expected: str, value: object) -> str:
    names = [_NAMES.get(kind, kind) for kind in expected.split(" | ") if kind != "null"]
    wanted = " or ".join(names)
    if (
        isinstance(value, str)
        and value.lstrip()[:1] in {"[", "{"}
        and not {"array", "object"}.isdisjoint(expected.split(" | "))
    ):
        return f"the text {shown(value)} is JSON inside a string: write {wanted}, not encoded a second time"
    if isinstance(value, int | float) and not isinstance(value, bool) and wanted == "text":
        return f"the number {shown(value)} stands where text is expected: write it in quotes"
    return f"{shown(value)} is {_kind_of(value)}: write {wanted}"


def _kind_of(value: object) -> str:
    return _CAME.get(type(value), "an object")


def _value_at(tree: Any, path: str) -> Any:
    value = tree
    for step in _STEP.finditer(path):
        try:
            value = dict.get(value, step["name"]) if step["name"] else value[int(step["index"])]
        except (TypeError, IndexError, KeyError):
            return None
    return value
