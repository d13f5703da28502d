"""Breaks valid input: cuts, repeats and overwrites pieces, and puts what parsers trip over in their place."""

import json
from typing import Any

from hypothesis import strategies as st

_ODD_VALUES: list[Any] = [
    None,
    True,
    -1,
    2**53,
    2**63,
    2**64,
    1e308,
    "",
    " ",
    "\0",
    "\u202e",
    "x" * 300,
    [],
    {},
    [[]],
    {"": 0},
]

ODD = [
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b'"\\ud800"',
    b"\\u0000",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0",
    b"9" * 5_000,
    b"0." + b"1" * 400,
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b"{}" * 3,
    b'"',
    b"'",
    b"'''",
    b"=",
    b"\n",
    b"\r\n",
    b":",
    b"/",
    b"#",
    b".",
    b"a.b.c.d = 1\n",
    b"x = " + b"[" * 20_000,
    b"x = " + b"9" * 5_000 + b"\n",
    b"[clicks]\nuser = " + b"{ a = " * 5_000,
    b"2026-13-45T25:61:61Z",
    b"\x93\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xd9\x02\xff\xff",
]
"""Pieces that parsers of JSON, TOML, MessagePack and headers trip over."""

_EDITS = ("cut", "repeat", "overwrite", "insert", "flip", "end")


@st.composite
def broken(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """Return input made of a valid one by a few edits; now and then the valid one, or nothing of it."""
    content = draw(valid)
    if content[:1] in b"{[" and draw(st.booleans()):
        content = _with_odd_value(draw, content)
    for _ in range(draw(st.integers(0, 4))):
        content = _edited(draw, content)
    return content


def _edited(draw: st.DrawFn, content: bytes) -> bytes:
    begin = draw(st.integers(0, len(content)))
    end = min(len(content), begin + draw(st.integers(0, 24)))
    piece = draw(st.sampled_from(ODD) | st.binary(max_size=8))
    match draw(st.sampled_from(_EDITS)):
        case "cut":
            return content[:begin] + content[end:]
        case "repeat":
            return content[:end] + content[begin:end] * draw(st.integers(1, 3)) + content[end:]
        case "overwrite":
            return content[:begin] + piece + content[begin + len(piece) :]
        case "insert":
            return content[:begin] + piece + content[begin:]
        case "flip" if begin < len(content):
            return content[:begin] + bytes([content[begin] ^ (1 << draw(st.integers(0, 7)))]) + content[begin + 1 :]
        case _:
            return content[:begin]


def _with_odd_value(draw: st.DrawFn, content: bytes) -> bytes:
    """Return JSON with one of its values replaced by an odd one."""
    try:
        tree = json.loads(content)
    except ValueError:
        return content
    odd = draw(st.sampled_from(_ODD_VALUES))
    node = tree
    for _ in range(draw(st.integers(0, 4))):
        keys = list(node) if isinstance(node, dict) else range(len(node))
        if not keys:
            break
        key = draw(st.sampled_from(list(keys)))
        if not isinstance(node[key], dict | list) or draw(st.booleans()):
            node[key] = odd
            break
        node = node[key]
    return json.dumps(tree).encode()
