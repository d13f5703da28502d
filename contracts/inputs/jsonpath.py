"""Paths to fields in foreign JSON: the subset of JSONPath (RFC 9535) that names fields, compiled once.

    $.context.user.id        names
    $['user-id'].items[0]    quoted names and indexes; a negative one counts from the end
    $.items[*].sku           every element of an array, or every member of an object

Rejects filters, slices and `..`: they search a document, and a field of an event has one place. Walking a path
takes a fifth to a tenth of the time of libraries that do all of RFC 9535 (docs/dependencies.md has the figures).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

_NAME = r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*"
_STEP = re.compile(
    rf"\.(?P<name>{_NAME})"
    r"|(?P<every>\.\*|\[\*\])"
    r"|\[(?P<index>0|-?[1-9][0-9]{0,8})\]"
    r"|\[(?:'(?P<single>(?:[^'\\]|\\['\\])*)'|\"(?P<double>(?:[^\"\\]|\\[\"\\])*)\")\]"
)
_ESCAPED = re.compile(r"\\(.)")


class _Every:
    """A step to every element of an array, or every member of an object."""


_EVERY: Final = _Every()

Step = str | int | _Every


@dataclass(frozen=True, slots=True)
class JsonPath:
    """One compiled path."""

    text: str
    """As it was written."""
    steps: tuple[Step, ...]

    @classmethod
    def compile(cls, text: str) -> "JsonPath":
        """Return the compiled path.

        Raises:
            ValueError: not a path, or one that searches; names the position of the error.
        """
        if not text.startswith("$"):
            raise ValueError(f"{text!r} does not begin with `$`, the event itself")
        steps: list[Step] = []
        position = 1
        while position < len(text):
            step = _STEP.match(text, position)
            if step is None:
                raise ValueError(
                    f"{text!r} is not understood from {text[position:]!r} on: names (`.id`, `['user-id']`), "
                    "indexes (`[0]`) and `[*]` are"
                )
            steps.append(_step(step))
            position = step.end()
        if not steps:
            raise ValueError("`$` is the whole event: name a field of it")
        return cls(text, tuple(steps))

    @property
    def names_many(self) -> bool:
        """Whether it can match more than one value."""
        return _EVERY in self.steps

    def members(self, event: object) -> list[object]:
        """Return what the last `[*]` leads to: the lines of an order, whether or not they hold what comes after it."""
        if not self.names_many:
            return []
        last = len(self.steps) - self.steps[::-1].index(_EVERY)
        return JsonPath(self.text, self.steps[:last]).find(event)

    def find(self, event: object) -> list[object]:
        """Return the values at this path, in order; none where a step does not match."""
        found = [event]
        for step in self.steps:
            if isinstance(step, str):
                found = [value[step] for value in found if isinstance(value, dict) and step in value]
            elif isinstance(step, int):
                found = [value[step] for value in found if isinstance(value, list) and -len(value) <= step < len(value)]
            else:
                found = [member for value in found for member in _members(value)]
        return found


def _step(written: re.Match[str]) -> Step:
    if written["name"] is not None:
        return written["name"]
    if written["every"] is not None:
        return _EVERY
    if written["index"] is not None:
        return int(written["index"])
    quoted = written["single"] if written["single"] is not None else written["double"]
    return _ESCAPED.sub(r"\1", quoted)


def _members(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
