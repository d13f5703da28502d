"""Paths into foreign JSON: RFC 9535's examples of what is read here, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.inputs.jsonpath import JsonPath

STORE = {
    "store": {"book": [{"author": "Rees"}, {"author": "Waugh"}, {"title": "no author"}], "bicycle": {"color": "red"}},
    "o": {"j j": {"k.k": 3}, "'": {"@": 2}, 'a"b\\c': 4, "☺": 5},
    "a": [0, [1, 2], None],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.store.book[*].author", ["Rees", "Waugh"]),
        ("$.store.bicycle.*", ["red"]),
        ("$['store']['bicycle'][\"color\"]", ["red"]),
        ("$.o['j j']['k.k']", [3]),
        ("$.o['\\'']['@']", [2]),
        ("$.o[\"'\"]['@']", [2]),
        ('$.o["a\\"b\\\\c"]', [4]),
        ("$.o.☺", [5]),
        ("$.a[0]", [0]),
        ("$.a[-1]", [None]),
        ("$.a[*][1]", [2]),
        ("$.a[1].*", [1, 2]),
        ("$.a[3]", []),
        ("$.a[-4]", []),
        ("$.a.b", []),
        ("$.store[0]", []),
        ("$.a[0].b", []),
        ("$.a[0][0]", []),
        ("$.a[0].*", []),
        ("$.nowhere.at.all", []),
    ],
)
def test_finds_what_lies_there(path: str, found: list[object]) -> None:
    assert JsonPath.compile(path).find(STORE) == found


@pytest.mark.parametrize(
    "path",
    ["", "a", "$", "a.b", "$.", "$a", "$..a", "$.a[", "$.a[]", "$.a[1:2]", "$.a[?@.b]", "$.a[01]", "$.a[-0]", "$.a-b",
     "$.1a", "$.a b", "$['a", "$['a'", "$[a]", "$['a','b']", "$.a.", "$.a\n"],
)  # fmt: skip
def test_refuses_what_is_no_path_to_a_field(path: str) -> None:
    with pytest.raises(ValueError, match=r"is not understood|does not begin|name a field"):
        JsonPath.compile(path)


@given(st.text())
def test_any_name_can_be_quoted(name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    assert JsonPath.compile(f"$['{quoted}']").find({name: 1, name + "x": 2}) == [1]


@given(st.text(alphabet="$.[]*'\"-01ab\\ "))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = JsonPath.compile(text)
    except ValueError:
        return
    assert path.find({"a": [{"b": 1}]}) is not None
