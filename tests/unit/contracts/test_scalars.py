from typing import Any

import msgspec
import pytest

from bannerstream.contracts import catalog, scalars


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        (scalars.EventId, "e"), (scalars.UserId, "u"), (scalars.ProductId, "p"), (scalars.CohortId, "c"),
        (scalars.Category, "c"), (scalars.Variant, "a"), (scalars.Locale, "en"), (scalars.Rev, "0" * 16),
        (scalars.UserKey, "0" * 32), (scalars.BannerKey, "0" * 64), (scalars.Sha256, "0" * 64),
        (scalars.ObjectKey, "a/b"), (scalars.HexColour, "#000000"), (scalars.SizeName, "300x250"),
        (scalars.Url, "https://shop.example/a"), (catalog.Amount, "1.50"), (catalog.Currency, "EUR"),
    ],
)  # fmt: skip
def test_no_pattern_lets_a_line_feed_through(kind: Any, good: str) -> None:
    assert msgspec.convert(good, kind) == good
    for bad in (good + "\n", "\n" + good, good + "\r", good + " "):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(bad, kind)
