"""Which pages may ask from a browser."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

PUBLIC = ("/b/", "/v1/pointers/")
"""What is the same for everybody, whichever page asks: the routes say `*` themselves, so that a CDN keeps one copy and
not one for each `Origin`."""


class Cors:
    """CORS by a list of origins, credentials included, for everything that is not public."""

    def __init__(self, app: ASGIApp, origins: list[str]) -> None:
        self._app = app
        self._listed = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
            expose_headers=["Retry-After"],
            max_age=3600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # Without an `Origin` it is no page of another origin that asks, and what a page gets is kept by nobody.
        if scope["type"] == "http" and (scope["path"].startswith(PUBLIC) or not _has_origin(scope)):
            await self._app(scope, receive, send)
        else:
            await self._listed(scope, receive, send)


def _has_origin(scope: Scope) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])
