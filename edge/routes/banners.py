"""A visitor's banner: once by `/v1/banner`, live by `/v1/stream`."""

import re

from fastapi import APIRouter, Request, Response

from bannerstream.edge import openapi
from bannerstream.edge.addresses import client_address
from bannerstream.edge.errors import Overloaded, RateLimited
from bannerstream.edge.event_stream import EventStream
from bannerstream.edge.node import EdgeNode
from bannerstream.edge.resolver import KINDS, ResolvedBanner
from bannerstream.edge.response_headers import PrivateJson

_EVENT_ID = re.compile(r"[0-9a-f.-]{1,80}")

RETRY_AFTER_S = 5
"""`Retry-After` when there are too many streams."""


def banner_routes(edge: EdgeNode) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["banners"])
    limits = edge.settings.edge
    served = {kind: edge.metrics.banners.labels(kind) for kind in KINDS}

    @router.get("/v1/banner", responses=openapi.BANNER, response_class=Response)
    async def banner(request: Request) -> Response:
        """Return the visitor's banner; without a token, the default banner."""
        visitor = edge.identity.maybe_visitor(request)
        if visitor is None:
            resolved = edge.resolver.default()
            body = resolved.anonymous()
        else:
            resolved = edge.resolver.of_visitor(visitor.key)
            body = _private(visitor.key, resolved)
        served[resolved.kind].inc()
        return PrivateJson(body)

    @router.get("/v1/stream", responses=openapi.STREAM, response_class=Response)
    async def stream(request: Request) -> Response:
        """Send the visitor's banner now and whenever it changes, as server-sent events.

        Event `banner` carries what `/v1/banner` returns; its id begins with the epoch. Event `erased` ends the stream:
        the visitor was erased. The stream also ends when the token expires.
        """
        visitor = edge.identity.visitor(request)
        if edge.hub.full:
            raise Overloaded("too many live streams", retry_after_s=RETRY_AFTER_S)
        address = client_address(request.scope)
        if edge.hub.streams_from(address) >= limits.max_streams_per_address:
            raise RateLimited("too many live streams of this address", retry_after_s=RETRY_AFTER_S)
        last = request.headers.get("last-event-id", "")

        def current() -> tuple[str, bytes]:
            resolved = edge.resolver.of_visitor(visitor.key)
            return resolved.event_id, _private(visitor.key, resolved)

        return EventStream(
            edge.hub,
            visitor.key,
            current,
            last_event_id=last if _EVENT_ID.fullmatch(last) else None,
            ping_s=limits.ping_s,
            send_timeout_s=limits.send_timeout_s,
            # As long as the token opens streams: within the leeway, a stream would end as soon as it begins.
            expires_in_s=max(0.0, visitor.expires_at_s + limits.token_leeway_s - edge.clock.now()),
            metrics=edge.metrics,
            address=address,
        )

    def _private(user_key: str, resolved: ResolvedBanner) -> bytes:
        return resolved.private(user_key, edge.feedback_tokens.sign(user_key, resolved.epoch, resolved.banner))

    return router
