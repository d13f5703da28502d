"""nginx: one PURGE request a path, through the cache-purge module and the rules of deploy/cdn/nginx.conf.

Source: ngx_cache_purge 2.3 (Debian's libnginx-mod-http-cache-purge), README: `proxy_cache_purge PURGE from …` answers
200 when it dropped the object and 404 when there was none; later versions say 412 for that.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from edge.cdn.ports import Accepted, Answer, Call, Limits, Verdict, by_status
from edge.cdn.staleness import Stale, paths

_WAS_NOT_THERE = {HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED}


class Nginx:
    """nginx servers, each of which is told everything. `sizes` are the plain-image pointers to drop."""

    name: ClassVar[str] = "nginx"
    by_tag = False
    limits = Limits(at_once=16, per_s=5000.0, burst=5000)

    def __init__(self, nodes: tuple[str, ...], token: str, sizes: tuple[str, ...]) -> None:
        self._nodes = nodes
        self._token = token
        self._sizes = sizes

    def calls(self, stale: Stale, now: float) -> list[Call]:  # noqa: ARG002  (the port's)
        """Return one call for each path and server."""
        return [
            Call(method="PURGE", url=f"{node}{path}", body=b"", headers={}, drops=(path,), keys=frozenset((key,)))
            for path, key in paths(stale.users, self._sizes)
            for node in self._nodes
        ]

    async def credentials(self, call: Call, now: float) -> Mapping[str, str]:  # noqa: ARG002  (the port's)
        """Return the header that the configuration compares."""
        return {"X-Purge-Token": self._token}

    def verdict(self, answer: Answer, now: float) -> Verdict:
        """Return what an answer means; an object that was not cached is dropped already."""
        if answer.status in _WAS_NOT_THERE:
            return Accepted()
        return by_status(answer, now, settings="cdn.nodes and cdn.purge_token")
