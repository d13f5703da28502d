"""nginx: one request a path that refreshes what is cached, by the rules of deploy/cdn/nginx.conf.

Source: nginx docs, ngx_http_proxy_module, `proxy_cache_bypass`: a request for which it is true is answered by the
server behind, and that answer is stored. Here it is true for whoever shows the token, and `$upstream_cache_status` says
BYPASS. Purging needs a module: Debian 12's (ngx_cache_purge 2.3 on nginx 1.22.1) was tried, and each PURGE of a cached
object ended the worker with signal 11, because it reads nginx's private structures by the layout of an older nginx.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from bannerstream.purger.ports import Accepted, Call, CdnResponse, Limits, Misconfigured, TryAgain, Verdict
from bannerstream.purger.staleness import Stale, paths

_SETTINGS = "cdn.nodes and cdn.purge_token, and deploy/cdn/nginx.conf"


class Nginx:
    """nginx servers, each of which is told everything. `sizes` are the plain-image pointers to refresh."""

    name: ClassVar[str] = "nginx"
    by_tag = False
    limits = Limits(at_once=16, per_s=150.0, burst=150)  # each reaches edge, which takes 200 a second of one address

    def __init__(self, nodes: tuple[str, ...], token: str, sizes: tuple[str, ...]) -> None:
        self._nodes = nodes
        self._token = token
        self._sizes = sizes

    def calls(self, stale: Stale, now: float) -> list[Call]:  # noqa: ARG002  (the port's)
        """Return one call for each path and server."""
        return [
            Call(method="GET", url=f"{node}{path}", body=b"", headers={}, drops=(path,), keys=frozenset((key,)))
            for path, key in paths(stale.users, self._sizes)
            for node in self._nodes
        ]

    async def credentials(self, call: Call, now: float) -> Mapping[str, str]:  # noqa: ARG002  (the port's)
        """Return the header that the configuration compares."""
        return {"X-Purge-Token": self._token}

    def verdict(self, answer: CdnResponse, now: float) -> Verdict:  # noqa: ARG002  (the port's)
        """Return what an answer means: edge's own, as long as it came past the cache."""
        if answer.headers.get("x-cache") != "BYPASS":
            return Misconfigured(f"check {_SETTINGS}: it answered from its cache: {answer.excerpt()}")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            return TryAgain(f"edge does not answer, so the old pointer stays: {answer.excerpt()}")
        return Accepted()
