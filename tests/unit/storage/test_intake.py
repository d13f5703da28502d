"""Files of unknown origin are ingested, or refused with a reason; nothing else is raised."""

import contextlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from bannerstream.storage.errors import BrokenImage
from bannerstream.storage.image_ingest import decoding, image_key, ingest
from bannerstream.storage.image_ingest.decoding import LONG_SIDE, decode_upright
from tests.support.photographs import photograph

PHOTOGRAPH = photograph("mug", "grey")


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def patch(mode: str, colour: object, size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_every_format_that_is_taken_comes_out_alike(kind: str) -> None:
    pixels = decode_upright(PHOTOGRAPH.file(kind))
    difference = np.abs(pixels[..., :3].astype(int) - PHOTOGRAPH.pixels.astype(int))
    assert np.median(difference) <= 4
    assert (pixels[..., 3] == 255).all()


@pytest.mark.parametrize(
    ("picture", "kind", "expected"),
    [
        (patch("L", 100), "PNG", (100, 100, 100, 255)),
        (patch("1", 1), "PNG", (255, 255, 255, 255)),
        (patch("LA", (100, 128)), "PNG", (100, 100, 100, 128)),
        (patch("RGBA", (10, 20, 30, 128)), "PNG", (10, 20, 30, 128)),
        (patch("P", 3), "GIF", None),
        (patch("I;16", 100 * 257), "PNG", (100, 100, 100, 255)),
        (patch("I;16", 100 * 257), "TIFF", (100, 100, 100, 255)),
        (patch("CMYK", (0, 255, 255, 0)), "TIFF", (255, 0, 0, 255)),
        (patch("CMYK", (0, 255, 255, 0)), "JPEG", (255, 0, 0, 255)),
    ],
    ids=lambda value: getattr(value, "mode", None),
)
def test_odd_modes_become_srgb(picture: Image.Image, kind: str, expected: tuple[int, int, int, int] | None) -> None:
    pixels = decode_upright(saved(picture, kind))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (48, 64, 4)
    if expected is not None:
        np.testing.assert_allclose(pixels[20, 20], expected, atol=3)


def test_a_palette_with_a_clear_colour_keeps_it_clear() -> None:
    indexed = patch("P", 0)
    indexed.putpalette([255, 0, 0, 0, 0, 255])
    indexed.paste(1, (0, 0, 32, 48))
    pixels = decode_upright(saved(indexed, "PNG", transparency=0))
    np.testing.assert_array_equal(pixels[0, 0], (0, 0, 255, 255))
    assert pixels[0, 63, 3] == 0


def test_the_first_frame_counts() -> None:
    frames = [patch("RGB", "red"), patch("RGB", "blue")]
    pixels = decode_upright(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    np.testing.assert_array_equal(pixels[0, 0], (255, 0, 0, 255))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int) -> None:
    upright = np.zeros((48, 64, 3), np.uint8)
    upright[:24, :32] = (255, 0, 0)  # red stands at the top left
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 3, 6: 1, 7: 1, 8: 3}
    stored = np.rot90(upright, turns[orientation])
    if orientation in {2, 4, 5, 7}:
        stored = stored[:, ::-1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode_upright(saved(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif))
    assert pixels.shape == (48, 64, 4)
    np.testing.assert_array_equal(pixels[..., :3], upright)


def test_an_embedded_profile_is_converted_and_a_broken_one_passed_over() -> None:
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    grey = patch("RGB", (100, 100, 100))
    for profile in (linear, b"not a profile at all", b""):
        pixels = decode_upright(saved(grey, "PNG", icc_profile=profile))
        np.testing.assert_array_equal(pixels[0, 0], (100, 100, 100, 255))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_allclose(decode_upright(saved(grey, "PNG", icc_profile=srgb))[0, 0], (100, 100, 100, 255), atol=1)


def test_large_pictures_are_made_smaller() -> None:
    pixels = decode_upright(saved(patch("RGB", "red", (3200, 800))))
    assert pixels.shape == (400, LONG_SIDE, 4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<svg onload='x'/>", "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"%PDF-1.7 and so on", "PNG, JPEG"),
        (b"BM" + b"\0" * 60, "PNG, JPEG"),
        (saved(patch("RGB", "red", (31, 500))), "too small"),
        (saved(patch("RGBA", (0, 0, 0, 0))), "transparent everywhere"),
        (PHOTOGRAPH.file("PNG")[:3000], "damaged or cut short"),
        (PHOTOGRAPH.file("JPEG")[:3000], "damaged or cut short"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(content: bytes, words: str) -> None:
    with pytest.raises(BrokenImage, match=words):
        ingest(content)


def test_a_bomb_is_refused_before_it_goes_off(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = saved(patch("1", 0, (20_000, 20_000)))
    assert len(bomb) < 100_000
    with pytest.raises(BrokenImage, match="pixels"):
        ingest(bomb)
    with pytest.raises(BrokenImage, match="pixels"):
        ingest(saved(patch("1", 0, (8_000, 7_000))))
    monkeypatch.setattr(decoding, "MAX_BYTES", 100)
    with pytest.raises(BrokenImage, match="bytes"):
        ingest(PHOTOGRAPH.file())


def test_real_transparency_is_kept_and_cropped() -> None:
    own = np.zeros((200, 300, 4), np.uint8)
    own[50:150, 100:180] = (20, 90, 160, 255)
    own[50:150, 180:200] = (20, 90, 160, 90)
    picture = ingest(saved(Image.fromarray(own)))
    assert (picture.cut_out, picture.width, picture.height) == (True, 102, 102)


def test_a_key_names_content_and_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    first = image_key(b"one")
    assert first.startswith("catalogue/")
    assert image_key(b"one") == first != image_key(b"two")
    monkeypatch.setattr("bannerstream.storage.image_ingest.REVISION", "next")
    assert image_key(b"one") != first


SEEDS = [
    PHOTOGRAPH.file("PNG"),
    PHOTOGRAPH.file("JPEG"),
    *(saved(patch("RGB", "red"), k) for k in ("GIF", "WEBP", "TIFF")),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=6))
def test_mutated_files_are_taken_or_refused(seed: bytes, mutations: list[tuple[float, bytes]]) -> None:
    content = bytearray(seed)
    for where, replacement in mutations:
        start = int(where**3 * len(content))  # headers are short and matter most
        content[start : start + len(replacement)] = replacement
    with contextlib.suppress(BrokenImage):
        assert decode_upright(bytes(content)).shape[2] == 4


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None)
@given(st.sampled_from([b"", *(signature for _, signature, _ in decoding._SIGNATURES)]), st.binary(max_size=400))
def test_any_bytes_are_taken_or_refused(start: bytes, rest: bytes) -> None:
    with pytest.raises(BrokenImage):
        ingest(start + rest)
