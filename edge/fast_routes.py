"""Serves the hottest GET routes directly, bypassing FastAPI's routing and dependency injection.

Those cost more than the response. The routes stay registered with FastAPI too, for its document and other methods.
"""

from collections.abc import Mapping

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send


class FastRoutes:
    """Calls the endpoints of some GET routes by path, and passes all other requests on.

    These endpoints take the request alone: no path parameter, no dependency. `LimitsMiddleware`, outside of this,
    answers what they raise.
    """

    def __init__(self, app: ASGIApp, routes: Mapping[str, APIRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        route = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        response = await route.endpoint(Request(scope, receive))
        await response(scope, receive, send)
