"""What is told of one banner: kept packed, told as JSON."""

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
    """What can be shown of one banner; packed it takes some 500 bytes."""

    key: str | None
    product_id: str | None
    cohort: str | None
    variant: str
    tier: Tier
    revision: int
    headline: str
    pictures: tuple[Picture, ...]


class Image(Struct, frozen=True):
    """One picture, as a page is told of it."""

    size: str
    width: int
    height: int
    url: str
    media_type: str
    bytes: int


class BannerFacts(Struct, frozen=True, kw_only=True):
    """The part of an answer that is the same for everybody who sees the banner."""

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
    """By the name of the smallest size of each aspect: the value of an `<img srcset>`."""


_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(Banner)
_json = msgspec.json.Encoder()


def pack(banner: Banner) -> bytes:
    """Return a banner as it is kept."""
    return _pack.encode(banner)


def unpack(packed: bytes) -> Banner:
    """Return a banner that was packed."""
    return _unpack.decode(packed)


def banner_of(ready: BannerReady) -> Banner:
    """Return what can be shown of a ready banner.

    Raises:
        MalformedRecord: a blob is not called by its hash, so that nothing would be found under its address.
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
    """Return where the blob of a file name lies in the bucket."""
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
    """Return the address of a picture: at the CDN, which serves the bucket, or here."""
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
        raise MalformedRecord(f"BannerReady: a blob lies at its hash, not at {blob_key} - at `$.renditions[].blob_key`")
    return name
