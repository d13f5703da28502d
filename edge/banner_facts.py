"""What a page needs to show one banner: kept packed in memory, served as JSON."""

from math import gcd
from typing import Literal

import msgspec
from msgspec import Struct

from bannerstream.contracts.errors import MalformedRecord
from bannerstream.contracts.keys import blob_object_key
from bannerstream.contracts.messages import BannerReady

Tier = Literal["studio", "diffusers", "default"]


class Picture(Struct, frozen=True, array_like=True):
    """One size of a banner. `name` is the blob's file name, `<sha256>.<extension>`."""

    name: str
    width: int
    height: int
    bytes: int
    media_type: str


class Banner(Struct, frozen=True, array_like=True, kw_only=True):
    """Everything needed to show one banner; about 500 bytes packed."""

    key: str | None
    product_id: str | None
    cohort: str | None
    variant: str
    tier: Tier
    revision: int
    headline: str
    pictures: tuple[Picture, ...]


class Image(Struct, frozen=True):
    """One picture of a banner, as the JSON response lists it."""

    size: str
    width: int
    height: int
    url: str
    media_type: str
    bytes: int


class BannerFacts(Struct, frozen=True, kw_only=True):
    """The part of a response that is the same for every visitor who sees the banner."""

    banner_key: str | None
    revision: int
    product_id: str | None
    cohort: str | None
    variant: str
    tier: Tier
    link: str
    alt: str
    headline: str
    images: tuple[Image, ...]
    srcset: dict[str, str]
    """Values of `<img srcset>`, by the name of the smallest size of each aspect ratio."""


_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(Banner)
_json = msgspec.json.Encoder()


def pack(banner: Banner) -> bytes:
    """Encode a banner for the table."""
    return _pack.encode(banner)


def unpack(packed: bytes) -> Banner:
    """Decode a banner from the table."""
    return _unpack.decode(packed)


def banner_of(ready: BannerReady) -> Banner:
    """Return the `Banner` of a ready event.

    Raises:
        MalformedRecord: a blob is not named by its hash, so its URL would lead nowhere.
    """
    return Banner(
        key=ready.banner_key,
        product_id=ready.product_id,
        cohort=ready.cohort_id,
        variant=ready.variant,
        tier=ready.engine,
        revision=ready.revision,
        headline=ready.headline,
        pictures=tuple(
            Picture(
                _blob_name(rendition.blob_key, rendition.sha256),
                rendition.width,
                rendition.height,
                rendition.bytes,
                rendition.media_type,
            )
            for rendition in ready.renditions
        ),
    )


def object_key(name: str) -> str:
    """Return the object key of a picture in the bucket."""
    sha256, _, extension = name.partition(".")
    return blob_object_key(sha256, extension)


def facts_json(banner: Banner, *, link: str, alt: str, cdn_base_url: str | None) -> bytes:
    """Return the `BannerFacts` of a banner as JSON."""
    images = tuple(
        Image(
            size=f"{picture.width}x{picture.height}",
            width=picture.width,
            height=picture.height,
            url=picture_url(picture.name, cdn_base_url if banner.tier != "default" else None),
            media_type=picture.media_type,
            bytes=picture.bytes,
        )
        for picture in banner.pictures
    )
    return _json.encode(
        BannerFacts(
            banner_key=banner.key,
            revision=banner.revision,
            product_id=banner.product_id,
            cohort=banner.cohort,
            variant=banner.variant,
            tier=banner.tier,
            link=link,
            alt=alt,
            headline=banner.headline,
            images=images,
            srcset=_srcset(images),
        )
    )


def picture_url(name: str, cdn_base_url: str | None) -> str:
    """Return the URL of a picture: at the CDN that serves the bucket, or on this node."""
    return f"/b/{name}" if cdn_base_url is None else f"{cdn_base_url}/{object_key(name)}"


def _srcset(images: tuple[Image, ...]) -> dict[str, str]:
    aspects: dict[tuple[int, int], list[Image]] = {}
    for image in images:
        divisor = gcd(image.width, image.height)
        aspects.setdefault((image.width // divisor, image.height // divisor), []).append(image)
    ordered = [sorted(each, key=lambda image: image.width) for each in aspects.values()]
    return {each[0].size: ", ".join(f"{image.url} {image.width}w" for image in each) for each in ordered}


def _blob_name(blob_key: str, sha256: str) -> str:
    name = blob_key.rpartition("/")[2]
    if blob_key != blob_object_key(sha256, name.partition(".")[2]):
        raise MalformedRecord(
            f"BannerReady: a blob must be named by its hash, not {blob_key} - at `$.renditions[].blob_key`"
        )
    return name
