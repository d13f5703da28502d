"""Cross-origin access: which pages may send requests from a browser and read the responses, errors included."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PUBLIC = ("/b/", "/v1/pointers/", "/banner.js")
"""Paths whose responses are the same for every visitor and page. They always get `*`, so that a CDN keeps one copy
instead of one for each `Origin`."""

_ANY_PAGE = (b"access-control-allow-origin", b"*")


class Cors:
    """Applies CORS by a list of origins, credentials included, to everything that is not public.

    Outermost middleware: a page must be able to read the errors of `LimitsMiddleware`. Preflights are answered here and
    do not count towards an address's rate.
    """

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
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(PUBLIC):
            await self._app(scope, receive, _to_any_page(send))
        elif not _has_origin(scope):  # same-origin or not a page; the response is not cached
            await self._app(scope, receive, send)
        else:
            await self._listed(scope, receive, send)


def _to_any_page(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], _ANY_PAGE]
        await send(message)

    return sending


def _has_origin(scope: Scope) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])
