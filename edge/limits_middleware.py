"""Applies request limits, security headers, JSON errors and request metrics to every request.

Plain ASGI, because every request and every message of a live stream passes through it.
"""

import asyncio
import math
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bannerstream.edge.addresses import client_address
from bannerstream.edge.errors import BadRequest, ContentTooLarge, HttpError, InvalidRequest, RateLimited, RequestTimeout
from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.service.rate_limit import RateLimit

_log = structlog.get_logger(__name__)

HEADERS: dict[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"cross-origin",
}
"""Set where a response does not set them itself. Pictures and banners are meant to be embedded, hence the last."""

_HEADERS = tuple(HEADERS.items())
_SET_HERE = frozenset(HEADERS)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

UNLIMITED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Operators' endpoints: exempt from the rate limit, because probes often share one address."""


class LimitsMiddleware:
    """Enforces limits around the application and turns exceptions into responses."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: EdgeMetrics,
        addresses: RateLimit,
        *,
        max_body_bytes: int,
        request_timeout_s: float,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._addresses = addresses
        self._max_body_bytes = max_body_bytes
        self._request_timeout_s = request_timeout_s
        self._children: dict[tuple[str, int], tuple[Counter, Histogram | None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own: list[tuple[bytes, bytes]] = message["headers"]
                present = _SET_HERE.intersection([name for name, _ in own])
                message["headers"] = [*own, *(each for each in _HEADERS if each[0] not in present)]
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._bounded(scope, receive), send_with_headers)
        except HttpError as error:
            if status:
                raise
            self._metrics.refused.labels(error.code).inc()
            await send_error(error, scope, send_with_headers)
        except ClientDisconnect:
            # The client disconnected before the end of its body: no response is possible, nothing to act on.
            self._metrics.refused.labels("gone").inc()
        except Exception as error:
            _log.exception("request_failed", path=_route(scope), error=repr(error))
            if not status:
                await send_json(
                    500, {"error": "internal", "message": "something went wrong here"}, {}, scope, send_with_headers
                )
        finally:
            self._count(_route(scope), status, time.perf_counter() - started_s)

    def _count(self, route: str, status: int, seconds: float) -> None:
        children = self._children.get((route, status))
        if children is None:  # looking up labels costs more than counting; routes and statuses are few
            children = self._children[route, status] = (
                self._metrics.requests.labels(route, str(status)),
                None if route == "/v1/stream" else self._metrics.duration.labels(route),
            )
        requests, duration = children
        requests.inc()
        if duration is not None:
            duration.observe(seconds)

    def _check(self, scope: Scope) -> None:
        path: str = scope["path"]
        if _CONTROL.search(path) is not None:
            raise InvalidRequest("the path holds control characters")
        if path not in UNLIMITED:
            wait_s = self._addresses.wait_s(client_address(scope))
            if wait_s:
                raise RateLimited("too many requests from this address", retry_after_s=math.ceil(wait_s))
        if scope["http_version"] == "1.1" and sum(name == b"host" for name, _ in scope["headers"]) != 1:
            raise BadRequest("a request of HTTP/1.1 has one header Host (RFC 9112 §3.2)")
        declared = _declared_length(scope)
        if declared is not None and declared > self._max_body_bytes:
            raise ContentTooLarge(f"the body has {declared} bytes; at most {self._max_body_bytes} are accepted")

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Return a `receive` that rejects bodies which are too long or too slow; requests without a body are exempt."""
        if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            return receive
        deadline_s = time.monotonic() + self._request_timeout_s
        received_bytes = 0
        complete = False

        async def receiving() -> Message:
            nonlocal received_bytes, complete
            if complete:  # the next message is the disconnect, which may take any time
                return await receive()
            try:
                async with asyncio.timeout(max(0.0, deadline_s - time.monotonic())):
                    message = await receive()
            except TimeoutError as error:
                raise RequestTimeout("the body did not arrive in time", headers={"Connection": "close"}) from error
            if message["type"] == "http.request":
                received_bytes += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if received_bytes > self._max_body_bytes:
                    raise ContentTooLarge(f"the body has more than {self._max_body_bytes} bytes")
            return message

        return receiving


async def send_error(error: HttpError, scope: Scope, send: Send) -> None:
    """Send an error response."""
    body = {"error": error.code, "message": str(error)}
    await send_json(error.status, body, error.headers, scope, send)


async def send_json(status: int, body: object, headers: Mapping[str, str], scope: Scope, send: Send) -> None:
    """Send a JSON response that must not be cached."""
    content = msgspec.json.encode(body)
    fixed = {"content-type": "application/json", "content-length": str(len(content)), "cache-control": "no-store"}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in (fixed | dict(headers)).items()],
        }
    )
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


def _route(scope: Scope) -> str:
    """Return the route's pattern, never the path: paths hold user keys, and clients can invent paths without end."""
    route: Any = scope.get("route")
    return getattr(route, "path", "none")


def _declared_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 16 else None
    return None
