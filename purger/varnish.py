"""Varnish: soft purge by surrogate key, with the xkey module and deploy/cdn/varnish.vcl.

Source: vmod_xkey(3) of varnish-modules: `xkey.softpurge(keys)` takes keys separated by spaces and ends the TTL of their
objects, which stay for the grace period. varnishd(1): a header line has at most `http_req_hdr_len` bytes (8 kB).
"""

from collections.abc import Mapping
from typing import ClassVar

from bannerstream.purger.ports import Call, CdnResponse, Limits, Verdict, batched, verdict_by_status
from bannerstream.purger.staleness import Stale, tags

TAGS_PER_CALL = 100
"""A tag has at most 71 characters, so a header line has at most 7,200 bytes."""


class Varnish:
    """A set of Varnish servers, each of which gets every call."""

    name: ClassVar[str] = "varnish"
    by_tag = True
    limits = Limits(at_once=8, per_s=1000.0, burst=1000)

    def __init__(self, nodes: tuple[str, ...], token: str) -> None:
        self._nodes = nodes
        self._token = token

    def calls(self, stale: Stale, now_s: float) -> list[Call]:  # noqa: ARG002  (the port's)
        """Return one call per 100 tags and server."""
        return [
            Call(
                method="PURGE",
                url=f"{node}/",
                body=b"",
                headers={"xkey-purge": " ".join(tag for tag, _ in batch)},
                drops=tuple(tag for tag, _ in batch),
                keys=frozenset(key for _, key in batch),
            )
            for batch in batched(tags(stale), TAGS_PER_CALL)
            for node in self._nodes
        ]

    async def credentials(self, call: Call, now_s: float) -> Mapping[str, str]:  # noqa: ARG002  (the port's)
        """Return the header that the VCL checks."""
        return {"X-Purge-Token": self._token}

    def verdict(self, response: CdnResponse, now_s: float) -> Verdict:
        """Interpret a response."""
        return verdict_by_status(response, now_s, settings="cdn.nodes and cdn.purge_token")
