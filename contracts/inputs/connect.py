"""Reads `connect.toml`, which maps the fields of a shop's own events; one table per topic without a known format.

[clicks]
user = ["$.context.user.id", "$.context.device"]    # the first that holds something
product = "$.items[*].sku"                          # one or many
time = "$.sent_at"                                  # left out: the record's time in Kafka
time_unit = "ms"                                    # s, ms, us; left out: RFC 3339
event_id = "$.id"                                   # left out: derived from the bytes
kind = "$.action"                                   # left out: click, or purchase on purchases
other_kinds = "ignore"                              # left out: dead letters

[clicks.kinds]                                      # left out: view, click, cart, purchase
pdp_view = "view"
"""

from collections.abc import Mapping
from typing import Literal, NoReturn, get_args

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.inputs.jsonpath import JsonPath
from bannerstream.contracts.inputs.mapped import EventMapping, Paths, TimeUnit
from bannerstream.contracts.interactions import InteractionKind
from bannerstream.contracts.toml import InvalidToml, parse_toml

Source = Literal["clicks", "purchases"]

_EXAMPLES = {
    "user": 'user = "$.context.user.id"',
    "product": 'product = "$.items[*].sku"',
    "time": 'time = "$.sent_at"',
    "time_unit": 'time_unit = "ms"',
    "event_id": 'event_id = "$.id"',
    "kind": 'kind = "$.action"',
    "other_kinds": 'other_kinds = "ignore"',
    "kinds": 'kinds = { pdp_view = "view", add_to_basket = "cart" }',
}
"""Every key of a table, with an example."""

_OF_ONE_VALUE = ("user", "time", "event_id", "kind")


def read_connect(text: str, file: object = "connect.toml") -> dict[Source, EventMapping]:
    """Return the mapping of each topic that `text`, the content of `file`, describes.

    Raises:
        ConfigurationError: not TOML, or a key is unknown, missing or wrong; names the key, with a valid example.
    """
    try:
        tables = parse_toml(text)
    except InvalidToml as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}") from error
    roles = get_args(Source)
    if unknown := sorted(tables.keys() - set(roles)):
        raise ConfigurationError(f"{file}: [{unknown[0]}] is not an input topic; write [clicks] or [purchases]")
    if not tables:
        raise ConfigurationError(f"{file} is empty; begin with [clicks] and `{_EXAMPLES['user']}`")
    return {role: _Table(f"{file}: {role}", tables[role]).mapping() for role in roles if role in tables}


class _Table:
    """One table being read."""

    def __init__(self, name: str, table: object) -> None:
        self._name = name
        if not isinstance(table, dict):
            raise ConfigurationError(f"{name} must be a table that begins with [{name.rsplit(maxsplit=1)[-1]}]")
        self._table: Mapping[str, object] = table
        for key in table:
            if key not in _EXAMPLES:
                known = ", ".join(_EXAMPLES)
                raise ConfigurationError(
                    f"{name}.{key} is unknown; known are {known}; for example `{_EXAMPLES['user']}`"
                )

    def mapping(self) -> EventMapping:
        kind = self._paths("kind")
        for key in ("kinds", "other_kinds"):
            if key in self._table and not kind:
                self._refuse("kind", f"is required with {key}")
        if "time_unit" in self._table and "time" not in self._table:
            self._refuse("time", "is required with time_unit")
        return EventMapping(
            user=self._paths("user", required=True),
            product=self._paths("product", required=True),
            time=self._paths("time"),
            time_unit=self._time_unit(),
            event_id=self._paths("event_id"),
            kind=kind,
            kinds=self._kinds(),
            ignore_other_kinds=self._one_of("other_kinds", ("dead_letter", "ignore")) == "ignore",
        )

    def _paths(self, key: str, *, required: bool = False) -> Paths:
        stated = self._table.get(key)
        if stated is None:
            if required:
                self._refuse(key, "is missing")
            return ()
        if stated == []:
            self._refuse(key, "names no path")
        return tuple(self._path(key, each) for each in (stated if isinstance(stated, list) else [stated]))

    def _path(self, key: str, text: object) -> JsonPath:
        if not isinstance(text, str):
            self._refuse(key, "must be a path, or a list of paths of which the first that holds something counts")
        try:
            path = JsonPath.compile(text)
        except ValueError as error:
            self._refuse(key, f"is not a path: {error}", error)
        if path.names_many and key in _OF_ONE_VALUE:
            self._refuse(key, f"names one value, and {text} many: write an index, such as {text.replace('[*]', '[0]')}")
        return path

    def _time_unit(self) -> TimeUnit:
        units: dict[str, TimeUnit] = {"rfc3339": "rfc3339", "s": "s", "ms": "ms", "us": "us", "µs": "us"}
        return units[self._one_of("time_unit", tuple(units))]

    def _one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        """Return the value at `key`, or the first allowed one."""
        stated = self._table.get(key, allowed[0])
        if not isinstance(stated, str) or stated not in allowed:
            self._refuse(key, f"must be one of {', '.join(allowed)}")
        return stated

    def _kinds(self) -> Mapping[str, InteractionKind]:
        known = {each.value: each for each in InteractionKind}
        stated = self._table.get("kinds", {each: each for each in known})
        if not isinstance(stated, dict) or not stated:
            self._refuse("kinds", "must say what values of kind mean")
        for value, kind in stated.items():
            if not isinstance(kind, str) or kind not in known:
                self._refuse("kinds", f"has {value!r} mean {kind!r}, which is none of {', '.join(known)}")
        return {value: known[kind] for value, kind in stated.items()}

    def _refuse(self, key: str, reason: str, cause: Exception | None = None) -> NoReturn:
        raise ConfigurationError(f"{self._name}.{key} {reason}; for example `{_EXAMPLES[key]}`") from cause
