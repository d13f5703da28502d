"""Response headers that several routes share: caching rules and cache tags."""

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
    """JSON for one visitor, not cacheable. Its headers are encoded once, not for every response."""

    def __init__(self, body: bytes) -> None:
        # Response's own __init__ would encode every header again.
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [*_PRIVATE_JSON, (b"content-length", b"%d" % len(body))]


def cache_tags(user_key: str, resolved: ResolvedBanner) -> list[str]:
    """Return the cache tags of a pointer: its visitor, and the banner that it shows."""
    tags = [f"user-{user_key}"]
    if resolved.banner.key is not None:
        tags.append(f"banner-{resolved.banner.key}")
    return tags


def pointer_headers(user_key: str, resolved: ResolvedBanner, max_age_s: int) -> dict[str, str]:
    """Return the headers of a pointer: CDNs cache it until it is purged, browsers never do.

    `Surrogate-Key` is Fastly's, `Cache-Tag` Cloudflare's, `xkey` Varnish's.
    """
    tags = cache_tags(user_key, resolved)
    return {
        "Cache-Control": f"public, max-age=0, s-maxage={max_age_s}",
        "Surrogate-Key": " ".join(tags),
        "Cache-Tag": ",".join(tags),
        "xkey": " ".join(tags),
    }
