"""The short way of what is asked most: past routing, exit stacks and dependencies, which cost more than the answer.

A route that is taken straight stays FastAPI's too: its document, its tests and its errors are those of every other.
"""

from collections.abc import Mapping

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send


class FastRoutes:
    """Calls the endpoints of some GET routes, by path, and leaves the rest to the application.

    They take the request and return the answer, and nothing else: no path parameter, no dependency. What they raise is
    answered by the guard around this.
    """

    def __init__(self, app: ASGIApp, routes: Mapping[str, APIRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        answer = await route.endpoint(Request(scope, receive))
        await answer(scope, receive, send)
