"""Between rows and the bytes in the changelog."""

import re
from binascii import unhexlify
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bannerstream.streams.affinity import UserState
from bannerstream.streams.affinity.state import STATE_VERSION as LONG_VERSION
from bannerstream.streams.columnar.key_index import Keys
from bannerstream.streams.columnar.layout import (
    HEADER_BYTES,
    KEY_BYTES,
    LAYOUT,
    LONG_FORM,
    PRODUCT,
    SHAPE,
    STATE_VERSION,
    Columns,
    Products,
    Shape,
    read_shape,
    shape_id,
)
from bannerstream.streams.columnar.rows import Rows, states_of
from bannerstream.streams.errors import BrokenState, UnknownStateVersion

_ROW_VERSION = bytes([STATE_VERSION])
_USER_KEY = re.compile(rb"[0-9a-f]{32}")
_LONG_HEADER = _ROW_VERSION + LONG_FORM


def key_array(keys: Sequence[bytes]) -> Keys:
    """Return user keys of 32 hex digits as an array."""
    return np.frombuffer(unhexlify(b"".join(keys)), "<u8").reshape(-1, 2)


def readable_keys(changes: dict[bytes, bytes | None]) -> dict[bytes, bytes | None]:
    """Return the changes without those whose keys no worker wrote: neither user keys nor of layout records."""
    keys = [key for key in changes if not key.startswith(LAYOUT)]
    try:
        are_user_keys = len(unhexlify(b"".join(keys))) == KEY_BYTES * len(keys) and set(map(len, keys)) <= {
            2 * KEY_BYTES
        }
    except ValueError:
        are_user_keys = False
    if are_user_keys:
        return changes
    return {key: packed for key, packed in changes.items() if key.startswith(LAYOUT) or _USER_KEY.fullmatch(key)}


def long_form(packed: bytes) -> bytes | None:
    """Return the value of version 2 in a value of version 3, or None if that is a row."""
    if packed[:HEADER_BYTES] != _LONG_HEADER:
        return None
    return bytes([LONG_VERSION]) + packed[HEADER_BYTES:]


def split_rows(rows: Rows, columns: Columns) -> list[bytes]:
    """Return each row's value in the changelog."""
    size = HEADER_BYTES + columns.row_bytes
    values = np.empty((len(rows), size), np.uint8)
    values[:, :HEADER_BYTES] = np.frombuffer(columns.header, np.uint8)
    values[:, HEADER_BYTES:] = rows.view(np.uint8).reshape(len(rows), -1)[:, KEY_BYTES:]
    blob = values.tobytes()
    return [blob[start : start + size] for start in range(0, len(blob), size)]


class Reader:
    """Reads values of version 3 by the layout records that it has learned."""

    def __init__(self, products: Products) -> None:
        self._products = products
        self._by_header: dict[bytes, Columns] = {}

    def learn(self, layout: Iterable[tuple[bytes, bytes | None]]) -> list[Shape]:
        """Note layout records, and return the shapes in them. Records of other kinds are reserved, and passed over."""
        shapes = []
        for key, record in layout:
            if record is None:
                continue
            if record[:1] != _ROW_VERSION:
                raise UnknownStateVersion(
                    f"a layout record of version {record[0] if record else 'none'} in the changelog; this Bannerstream "
                    f"reads version {STATE_VERSION}. Run the version that wrote it, or set another streams.app_id to "
                    "start with empty tables"
                )
            if key.startswith(PRODUCT):
                self._products.learn(record)
            elif key.startswith(SHAPE):
                columns = Columns(read_shape(record))
                self._by_header[_ROW_VERSION + shape_id(record)] = columns
                shapes.append(columns.shape)
        return shapes

    def shape_record(self, columns: Columns) -> tuple[bytes, bytes]:
        """Return key and value of the layout record of a shape, and read rows of it from now on."""
        self._by_header[columns.header] = columns
        return SHAPE + columns.id.hex().encode(), columns.record

    def shapes(self, values: Iterable[bytes | None]) -> dict[bytes, Columns]:
        """Return the shapes of the rows among these values, by the header of their values.

        Raises:
            BrokenState: the changelog lacks the layout record of a row.
        """
        headers = {packed[:HEADER_BYTES] for packed in values if packed is not None and packed[0:1] == _ROW_VERSION}
        return {header: self._columns(header) for header in headers if header != _LONG_HEADER}

    def _columns(self, header: bytes) -> Columns:
        columns = self._by_header.get(header)
        if columns is None:
            raise UnknownStateVersion(
                f"the changelog lacks the layout record {header[1:].hex()} of a state; was it copied without keys that "
                "begin with a zero byte? Copy it whole, or set another streams.app_id to start with empty tables"
            )
        return columns

    def uniform(self, changes: Sequence[tuple[bytes, bytes | None]]) -> tuple[Rows, Columns] | None:
        """Return the rows in these changes, and their shape, if they are rows of one shape and of different visitors.

        As it is with nearly all of a changelog of version 3: a third of the time of the general way.
        """
        columns = self._by_header.get((changes[0][1] or b"")[:HEADER_BYTES]) if changes else None
        if columns is None:
            return None
        keys, values = zip(*changes, strict=True)
        size = HEADER_BYTES + columns.row_bytes
        if set(map(len, keys)) != {2 * KEY_BYTES} or None in values or len(set(keys)) != len(keys):
            return None
        if set(map(len, values)) != {size}:
            return None
        packed = np.frombuffer(b"".join(values), np.uint8).reshape(-1, size)
        if (packed[:, :HEADER_BYTES] != np.frombuffer(columns.header, np.uint8)).any():
            return None
        rows = np.empty(len(values), columns.dtype)
        rows.view(np.uint8).reshape(len(rows), -1)[:, KEY_BYTES:] = packed[:, HEADER_BYTES:]
        try:
            rows["key"] = key_array(keys)
        except ValueError:
            return None
        return rows, columns

    def rows(self, values: Mapping[bytes, bytes | None], columns: Columns) -> Rows:
        """Return the rows of these visitors, whose values all have this shape."""
        size = HEADER_BYTES + columns.row_bytes
        joined = b"".join(value or b"" for value in values.values())
        if len(joined) != size * len(values):
            raise BrokenState("a visitor's state in the changelog cannot be read: its length is not that of its layout")
        rows = np.zeros(len(values), columns.dtype)
        rows.view(np.uint8).reshape(len(rows), -1)[:, KEY_BYTES:] = np.frombuffer(joined, np.uint8).reshape(-1, size)[
            :, HEADER_BYTES:
        ]
        rows["key"] = key_array(list(values))
        return rows

    def state(self, packed: bytes) -> UserState:
        """Return the state in a row's value."""
        columns = self._columns(packed[:HEADER_BYTES])
        rows = self.rows({b"0" * (2 * KEY_BYTES): packed}, columns)
        return states_of(rows, columns, self._products)[0]
