"""The application of a node: routes, around them the guard, and around that CORS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bannerstream.edge import openapi
from bannerstream.edge.cors import Cors
from bannerstream.edge.errors import HttpError
from bannerstream.edge.fast_routes import FastRoutes
from bannerstream.edge.limits_middleware import LimitsMiddleware
from bannerstream.edge.node import EdgeNode
from bannerstream.edge.page import router as page_router
from bannerstream.edge.routes.banners import banner_routes
from bannerstream.edge.routes.node import node_routes
from bannerstream.edge.routes.pictures import picture_routes
from bannerstream.edge.routes.pointers import pointer_routes
from bannerstream.edge.routes.reports import report_routes

_DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data: https://fastapi.tiangolo.com; "
    "script-src 'unsafe-inline' https://cdn.jsdelivr.net; style-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "frame-ancestors 'none'"
)


def create_app(edge: EdgeNode) -> FastAPI:
    """Return the application of a node; the node runs while the application does."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with edge.running():
            yield

    settings = edge.settings.edge
    banners = banner_routes(edge)
    app = FastAPI(
        title=openapi.TITLE,
        description=openapi.DESCRIPTION,
        version=version("bannerstream"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(Cors, origins=settings.cors_origins),
            Middleware(
                LimitsMiddleware,
                metrics=edge.metrics,
                addresses=edge.addresses,
                max_body_bytes=settings.max_body_bytes,
                request_timeout_s=settings.request_timeout_s,
            ),
            Middleware(
                FastRoutes, routes={route.path: route for route in banners.routes if isinstance(route, APIRoute)}
            ),
        ],
    )
    app.include_router(banners)
    for routes in (pointer_routes, report_routes, picture_routes, node_routes):
        app.include_router(routes(edge))
    app.include_router(page_router)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        """Show the OpenAPI document; its viewer comes from where FastAPI has it."""
        page = get_swagger_ui_html(openapi_url="/openapi.json", title=openapi.TITLE)
        page.headers["Content-Security-Policy"] = _DOCS_POLICY
        return page

    @app.exception_handler(HttpError)
    async def refused(_: Request, refusal: HttpError) -> Response:
        edge.metrics.refused.labels(refusal.code).inc()
        body = {"error": refusal.code, "message": str(refusal)}
        return JSONResponse(body, refusal.status, {**refusal.headers, "Cache-Control": "no-store"})

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> Response:
        """Say what Starlette refuses (no such address, wrong method) the way that we do."""
        code = {404: "not_found", 405: "method"}.get(error.status_code, "refused")
        edge.metrics.refused.labels(code).inc()
        return JSONResponse({"error": code, "message": error.detail}, error.status_code, dict(error.headers or {}))

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            plain = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = openapi.with_schemas(plain)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return app
