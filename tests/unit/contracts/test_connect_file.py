"""`connect.toml`: what it says, and how each mistake in it is told."""

import re
from pathlib import Path

import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.inputs import connect as module
from bannerstream.contracts.inputs import read_connect
from bannerstream.contracts.interactions import InteractionKind
from bannerstream.settings import InputSettings, input_forms

WHOLE = """
[clicks]
user = ["$.context.user.id", "$.context.device"]
product = "$.items[*].sku"
time = "$.sent_at"
time_unit = "µs"
event_id = "$.id"
kind = "$.action"
other_kinds = "ignore"

[clicks.kinds]
pdp_view = "view"
add_to_basket = "cart"

[purchases]
user = "$.buyer"
product = "$.lines[*].sku"
"""
LEAST = '[clicks]\nuser = "$.u"\nproduct = "$.p"\n'


def test_reads_everything() -> None:
    tables = read_connect(WHOLE)
    assert tables.keys() == {"clicks", "purchases"}
    clicks = tables["clicks"]
    assert [path.text for path in clicks.user] == ["$.context.user.id", "$.context.device"]
    assert clicks.time_unit == "us"
    assert clicks.kinds == {"pdp_view": InteractionKind.VIEW, "add_to_basket": InteractionKind.CART}
    assert clicks.ignore_other_kinds


def test_what_is_left_out_has_its_default() -> None:
    purchases = read_connect(WHOLE)["purchases"]
    assert (purchases.time, purchases.event_id, purchases.kind) == ((), (), ())
    assert purchases.time_unit == "rfc3339"
    assert not purchases.ignore_other_kinds
    assert purchases.kinds == {"view": "view", "click": "click", "cart": "cart", "purchase": "purchase"}


def test_the_example_in_the_docstring_is_valid() -> None:
    example = re.sub(r"(?m)^    ", "", (module.__doc__ or "").split("\n\n", 1)[1])
    assert read_connect(example)["clicks"].ignore_other_kinds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[clicks", "connect.toml is not valid TOML"),
        ("", "is empty; begin with"),
        ('[click]\nuser = "$.u"', r"\[click\] is not an input topic; write \[clicks\] or \[purchases\]"),
        ("clicks = 3", r"connect.toml: clicks must be a table that begins with \[clicks\]"),
        (LEAST + 'colour = "$.c"', "clicks.colour is unknown; known are user, product, time"),
        ('[clicks]\nproduct = "$.p"', r'clicks.user is missing; for example `user = "\$.context.user.id"`'),
        ('[purchases]\nuser = "$.p"', r'purchases.product is missing; for example `product = "\$.items\[\*\].sku"`'),
        ('[clicks]\nproduct = "$.p"\nuser = 3', "clicks.user must be a path.*; for example `user"),
        ('[clicks]\nproduct = "$.p"\nuser = []', "clicks.user names no path; for example `user"),
        ('[clicks]\nproduct = "$.p"\nuser = ["$.u", 3]', "clicks.user must be a path.*; for example `user"),
        ('[clicks]\nproduct = "$.p"\nuser = "u"', "clicks.user is not a path: 'u' does not begin with.*for example"),
        ('[clicks]\nproduct = "$.p"\nuser = "$.user-id"', "clicks.user is not a path: .* from '-id' on.*for example"),
        ('[clicks]\nproduct = "$..p"\nuser = "$.u"', "clicks.product is not a path: .*for example `product"),
        ('[clicks]\nproduct = "$.p"\nuser = "$.u[*].i"', r"clicks.user names one value, .* \$.u\[0\].i; for example"),
        (LEAST + 'time = "$.t"\ntime_unit = "h"', "clicks.time_unit must be one of rfc3339, s, ms, us.*time_unit ="),
        (LEAST + 'time = "$.t"\ntime_unit = 3', "clicks.time_unit must be one of"),
        (LEAST + 'time_unit = "s"', "clicks.time is required with time_unit; for example `time ="),
        (LEAST + 'kinds = { a = "view" }', "clicks.kind is required with kinds; for example `kind ="),
        (LEAST + 'other_kinds = "ignore"', "clicks.kind is required with other_kinds; for example `kind ="),
        (LEAST + 'kind = "$.k"\nother_kinds = "drop"', "clicks.other_kinds must be one of dead_letter, ignore; for"),
        (LEAST + 'kind = "$.k"\nkinds = {}', "clicks.kinds must say what values of kind mean; for example"),
        (LEAST + 'kind = "$.k"\nkinds = "view"', "clicks.kinds must say"),
        (LEAST + 'kind = "$.k"\nkinds = { a = "wish" }', "clicks.kinds has 'a' mean 'wish', which is none of view"),
        (LEAST + 'kind = "$.k"\nkinds = { a = [1] }', r"clicks.kinds has 'a' mean \[1\], which is none of view"),
    ],
)
def test_every_mistake_is_told_with_its_key(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_connect(text)


class TestSettings:
    def test_mapped_topics_are_read_from_the_file_and_others_by_format(self, tmp_path: Path) -> None:
        file = tmp_path / "connect.toml"
        file.write_text(WHOLE, encoding="utf-8")
        forms = input_forms(InputSettings(clicks_format="mapped", purchases_format="ga4", connect_file=file))
        assert forms == {"clicks": read_connect(WHOLE)["clicks"], "purchases": "ga4"}

    def test_a_topic_without_its_table_is_told(self, tmp_path: Path) -> None:
        file = tmp_path / "connect.toml"
        file.write_text(LEAST)
        with pytest.raises(
            ConfigurationError, match=r"input.purchases_format is mapped, but .* no table \[purchases\]"
        ):
            input_forms(InputSettings(purchases_format="mapped", connect_file=file))

    def test_a_file_that_cannot_be_read_is_told(self, tmp_path: Path) -> None:
        for content in (None, b"\xff"):
            if content is not None:
                (tmp_path / "c.toml").write_bytes(content)
            with pytest.raises(ConfigurationError, match=r"input.connect_file: .*c.toml (cannot be read|is not UTF-8)"):
                input_forms(InputSettings(clicks_format="mapped", connect_file=tmp_path / "c.toml"))

    def test_format_and_file_go_together(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"input\.connect_file is required with the format mapped"):
            InputSettings(clicks_format="mapped")
        with pytest.raises(ValueError, match=r"input\.connect_file is not read unless"):
            InputSettings(connect_file=tmp_path / "connect.toml")
