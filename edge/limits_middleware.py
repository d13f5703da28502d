"""What every request passes: limits on the way in, headers on the way out, refusals as JSON, nothing that leaks.

Plain ASGI, because it is on the way of every request and of every message of a live stream.
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

from bannerstream.edge.errors import ContentTooLarge, HttpError, InvalidRequest, RateLimited
from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.edge.rate_limit import RateLimit, address_of

_log = structlog.get_logger(__name__)

HEADERS: dict[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"cross-origin",
}
"""Set where an answer does not set them itself. Pictures and banners are there to be embedded, hence the last."""

_HEADERS = tuple(HEADERS.items())
_SET_HERE = frozenset(HEADERS)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

UNLIMITED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by whoever runs the node, often all from one address."""


class RequestTimeout(HttpError):
    """The body did not arrive in time."""

    status = 408
    code = "slow"


class LimitsMiddleware:
    """Wraps the application."""

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
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own: list[tuple[bytes, bytes]] = message["headers"]
                present = _SET_HERE.intersection([name for name, _ in own])
                message["headers"] = [*own, *(each for each in _HEADERS if each[0] not in present)]
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._bounded(scope, receive), sending)
        except HttpError as refusal:
            if status:
                raise
            self._metrics.refused.labels(refusal.code).inc()
            await send_error(refusal, scope, sending)
        except ClientDisconnect:
            # Whoever sent it is gone before its end: nobody to answer, and nothing that the operator could act on.
            self._metrics.refused.labels("gone").inc()
        except Exception as error:
            _log.exception("request_failed", path=_route(scope), error=repr(error))
            if not status:
                await answer_json(
                    500, {"error": "internal", "message": "something went wrong here"}, {}, scope, sending
                )
        finally:
            self._count(_route(scope), status, time.perf_counter() - started_s)

    def _count(self, route: str, status: int, seconds: float) -> None:
        children = self._children.get((route, status))
        if children is None:  # looking labels up takes longer than counting; routes and statuses are few
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
            client = scope.get("client")
            wait = self._addresses.wait_s(address_of(client[0]) if client else "")
            if wait:
                raise RateLimited("too many requests from this address", retry_after_s=math.ceil(wait))
        declared = _declared_length(scope)
        if declared is not None and declared > self._max_body_bytes:
            raise ContentTooLarge(f"the body has {declared} bytes; at most {self._max_body_bytes} are taken")

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Return a `receive` that ends a body which is too long or too slow. Who sends none is not timed."""
        if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            return receive
        deadline = time.monotonic() + self._request_timeout_s
        taken = 0
        whole = False

        async def receiving() -> Message:
            nonlocal taken, whole
            if whole:  # what comes now is the disconnect, whenever that is
                return await receive()
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError as error:
                raise RequestTimeout("the body did not arrive in time", headers={"Connection": "close"}) from error
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if taken > self._max_body_bytes:
                    raise ContentTooLarge(f"the body has more than {self._max_body_bytes} bytes")
            return message

        return receiving


async def send_error(refusal: HttpError, scope: Scope, send: Send) -> None:
    """Answer with a refusal."""
    body = {"error": refusal.code, "message": str(refusal)}
    await answer_json(refusal.status, body, refusal.headers, scope, send)


async def answer_json(status: int, body: object, headers: Mapping[str, str], scope: Scope, send: Send) -> None:
    """Send a JSON answer that nobody keeps."""
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
    """Return the route's pattern, never the path: paths hold user keys, and anybody can make paths up."""
    route: Any = scope.get("route")
    return getattr(route, "path", "none")


def _declared_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 16 else None
    return None
