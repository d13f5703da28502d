"""Builds a node's FastAPI application: routes inside `LimitsMiddleware` inside CORS."""

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
    """Return the application of a node. The node's tasks run for the application's lifespan."""

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
        # A redirect names the request's Host, which the client chooses: a cache would keep it for everybody.
        redirect_slashes=False,
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
        """Show the OpenAPI document. The viewer is loaded from FastAPI's default CDN."""
        page = get_swagger_ui_html(openapi_url="/openapi.json", title=openapi.TITLE)
        page.headers["Content-Security-Policy"] = _DOCS_POLICY
        return page

    @app.exception_handler(HttpError)
    async def http_error(_: Request, error: HttpError) -> Response:
        edge.metrics.refused.labels(error.code).inc()
        body = {"error": error.code, "message": str(error)}
        return JSONResponse(body, error.status, {**error.headers, "Cache-Control": "no-store"})

    @app.exception_handler(HTTPException)
    async def framework_error(_: Request, error: HTTPException) -> Response:
        """Format Starlette's own errors (unknown path, wrong method) like ours."""
        code = {404: "not_found", 405: "method"}.get(error.status_code, "refused")
        edge.metrics.refused.labels(code).inc()
        headers = {**(error.headers or {}), "Cache-Control": "no-store"}
        return JSONResponse({"error": code, "message": error.detail}, error.status_code, headers)

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            plain = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = openapi.with_schemas(plain, edge.settings)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return app
