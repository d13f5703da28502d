"""What whoever runs the node asks it: alive, ready, metrics. Keep `/metrics` off the internet in the load balancer."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bannerstream.edge.node import EdgeNode


def node_routes(edge: EdgeNode) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["node"])

    @router.get("/healthz", response_class=Response)
    async def healthz() -> Response:
        """Return 200: the process answers."""
        return _plain("ok")

    @router.get(
        "/readyz", response_class=Response, responses={503: {"description": "Still reading the topics, or broken"}}
    )
    async def readyz() -> Response:
        """Return 200 once every assignment and banner is in, and for as long as the node's own tasks run."""
        if edge.broken:
            return _plain("broken: see task_ended in the log", 503)
        return _plain("ready") if edge.ready else _plain("catching up", 503)

    @router.get("/metrics", response_class=Response, include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(edge.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _plain(text: str, status: int = 200) -> Response:
    return Response(text + "\n", status, {"Cache-Control": "no-store"}, "text/plain")
