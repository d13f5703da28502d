"""Headers that several routes share: what browsers and CDNs may keep, and under which tags they let it go."""

from starlette.responses import Response

from bannerstream.edge.resolver import ResolvedBanner

PRIVATE = "private, no-store"
IMMUTABLE = "public, max-age=31536000, immutable"
"""A year, the longest that RFC 9111 caches honour; the name is the content's hash, so it never changes (RFC 8246)."""

_PRIVATE_JSON = (
    (b"cache-control", PRIVATE.encode()),
    (b"vary", b"Authorization"),
    (b"content-type", b"application/json"),
)


class PrivateJson(Response):
    """JSON for one visitor, which nobody keeps. Its headers are made once, not for every answer."""

    def __init__(self, body: bytes) -> None:
        # Not Response's own, which would make every header anew.
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [*_PRIVATE_JSON, (b"content-length", b"%d" % len(body))]


def cache_tags(user_key: str, answer: ResolvedBanner) -> list[str]:
    """Return under what a pointer is purged: the visitor, and the banner that it points to."""
    tags = [f"user-{user_key}"]
    if answer.banner.key is not None:
        tags.append(f"banner-{answer.banner.key}")
    return tags


def pointer_headers(user_key: str, answer: ResolvedBanner, max_age_s: int) -> dict[str, str]:
    """Return the headers of a pointer: kept by CDNs until it is purged, by browsers never.

    `Surrogate-Key` is Fastly's, `Cache-Tag` Cloudflare's, `xkey` Varnish's.
    """
    tags = cache_tags(user_key, answer)
    return {
        "Cache-Control": f"public, max-age=0, s-maxage={max_age_s}",
        "Surrogate-Key": " ".join(tags),
        "Cache-Tag": ",".join(tags),
        "xkey": " ".join(tags),
    }
