"""Encoded banners fit their caps, decode to the same picture and carry no metadata."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bannerstream.contracts.sizes import SIZES, BannerSize
from bannerstream.generator.errors import OverByteCap
from bannerstream.generator.pipeline.encoder import encode

NOISE = np.random.default_rng(3).integers(0, 256, (250, 300, 3), dtype=np.uint8)


def soft(width: int, height: int) -> np.ndarray:
    across = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
    return across.astype(np.uint8)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_both_formats_fit_and_look_the_same(size: BannerSize) -> None:
    pixels = soft(size.width, size.height)
    encoded = encode(pixels, size)
    assert [picture.media_type for picture in encoded] == ["image/webp", "image/jpeg"]
    for picture in encoded:
        assert len(picture.content) <= size.max_bytes
        with Image.open(BytesIO(picture.content)) as decoded:
            assert decoded.size == (size.width, size.height)
            difference = np.abs(np.asarray(decoded.convert("RGB")).astype(int) - pixels)
            assert difference.mean() < 2
            assert not decoded.getexif()
            assert "icc_profile" not in decoded.info


def test_jpeg_has_full_chroma() -> None:
    with Image.open(BytesIO(encode(soft(300, 250), SIZES[2])[1].content)) as decoded:
        assert {layer[1:3] for layer in decoded.layer} == {(1, 1)}


def test_quality_gives_way_to_the_cap() -> None:
    generous, tight = (encode(NOISE, BannerSize(300, 250, cap)) for cap in (400_000, 110_000))
    for first, second in zip(generous, tight, strict=True):
        assert len(second.content) <= 110_000
        assert second.quality < first.quality or len(first.content) <= 110_000
    assert tight[1].quality < generous[1].quality


def test_what_cannot_fit_says_so_with_numbers() -> None:
    with pytest.raises(OverByteCap, match=r"300x250 as image/\w+ takes \d+ bytes"):
        encode(NOISE, BannerSize(300, 250, 5_000))
