"""Which pages may ask from a browser, and read what the answer says: refusals, too, and when to come back."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PUBLIC = ("/b/", "/v1/pointers/", "/banner.js")
"""What is the same for everybody, whichever page asks: always `*`, so that a CDN keeps one copy and not one for each
`Origin`."""

_ANY_PAGE = (b"access-control-allow-origin", b"*")


class Cors:
    """CORS by a list of origins, credentials included, for everything that is not public.

    Outermost: a page must be able to read what the guard refuses. Preflights are answered here, and cost no address
    anything of its rate.
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
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(PUBLIC):
            await self._app(scope, receive, _to_any_page(send))
        elif not _has_origin(scope):  # no page of another origin asks, and what it gets is kept by nobody
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
