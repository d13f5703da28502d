"""Operators' endpoints: liveness, readiness, metrics. Block `/metrics` in the load balancer."""

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
        responses={503: {"description": "The node is still reading its topics, or a task of it has ended"}},
    )
    @router.head("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        """Return 200 once the node has read its topics to the end, and while all its tasks run."""
        if edge.broken:
            return _plain("broken: see task_ended in the log", 503)
        return _plain("ready") if edge.ready else _plain("catching up", 503)

    @router.get("/metrics", response_class=Response, include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(edge.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _plain(text: str, status: int = 200) -> Response:
    return Response(text + "\n", status, {"Cache-Control": "no-store"}, "text/plain")
