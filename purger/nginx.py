"""nginx: one request per path that refreshes the cached response, by the rules of deploy/cdn/nginx.conf.

Source: nginx docs, ngx_http_proxy_module, `proxy_cache_bypass`: a request for which it is true goes to the
upstream server, and the response is stored. Here it is true for requests with the token, and `$upstream_cache_status`
is BYPASS. A real purge needs a module: with Debian 12's (ngx_cache_purge 2.3 on nginx 1.22.1), every PURGE of a cached
object crashed the worker (SIGSEGV), because the module expects the private structures of an older nginx.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from bannerstream.purger.ports import Accepted, Call, CdnResponse, Limits, Misconfigured, TryAgain, Verdict
from bannerstream.purger.staleness import Stale, paths

_SETTINGS = "cdn.nodes and cdn.purge_token, and deploy/cdn/nginx.conf"


class Nginx:
    """A set of nginx servers, each of which gets every call. `sizes` are the plain-image pointers to refresh."""

    name: ClassVar[str] = "nginx"
    by_tag = False
    # Each call reaches edge, which accepts 200 a second from one address.
    limits = Limits(at_once=16, per_s=150.0, burst=150)

    def __init__(self, nodes: tuple[str, ...], token: str, sizes: tuple[str, ...]) -> None:
        self._nodes = nodes
        self._token = token
        self._sizes = sizes

    def calls(self, stale: Stale, now_s: float) -> list[Call]:  # noqa: ARG002  (the port's)
        """Return one call per path and server."""
        return [
            Call(method="GET", url=f"{node}{path}", body=b"", headers={}, drops=(path,), keys=frozenset((key,)))
            for path, key in paths(stale.users, self._sizes)
            for node in self._nodes
        ]

    async def credentials(self, call: Call, now_s: float) -> Mapping[str, str]:  # noqa: ARG002  (the port's)
        """Return the header that the nginx configuration checks."""
        return {"X-Purge-Token": self._token}

    def verdict(self, response: CdnResponse, now_s: float) -> Verdict:  # noqa: ARG002  (the port's)
        """Interpret a response, which must come from edge and not from the cache."""
        if response.headers.get("x-cache") != "BYPASS":
            return Misconfigured(f"check {_SETTINGS}: the response came from the cache: {response.excerpt()}")
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status == HTTPStatus.TOO_MANY_REQUESTS:
            return TryAgain(f"edge does not respond, so the cached pointer stays: {response.excerpt()}")
        return Accepted()
