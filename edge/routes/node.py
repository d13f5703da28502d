"""Operators' endpoints: liveness, readiness, and metrics unless `edge.metrics_port` gives them a port of their own."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bannerstream.edge.node import EdgeNode


def node_routes(edge: EdgeNode) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["node"])

    @router.get("/healthz", response_class=Response)
    @router.head("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        """Return 200 while the process serves requests."""
        return _plain("ok")

    @router.get(
        "/readyz",
        response_class=Response,
        responses={503: {"description": "Topics are being read, the bucket never answered, or a task has ended"}},
    )
    @router.head("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        """Return 200 once the node has read its topics to the end and its bucket has answered, while its tasks run.

        A bucket that does not answer later is in the body, and the status stays 200.
        """
        if edge.broken:
            return _plain("broken: see task_ended in the log", 503)
        if not edge.ready:
            waiting = "catching up" if edge.bucket.has_answered.is_set() else "the bucket has not answered yet"
            return _plain(waiting, 503)
        return _plain("ready" if edge.bucket.answers else "ready, but the bucket does not answer: see bucket_waiting")

    if not edge.settings.edge.metrics_port:

        @router.get("/metrics", response_class=Response, include_in_schema=False)
        async def metrics() -> Response:
            return Response(generate_latest(edge.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _plain(text: str, status: int = 200) -> Response:
    return Response(text + "\n", status, {"Cache-Control": "no-store"}, "text/plain")
