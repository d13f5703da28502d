"""A CDN that only records purges, with the contract of deploy/cdn/varnish.vcl."""

import time
from http import HTTPStatus

from aiohttp import web
from aiohttp.test_utils import TestServer

from bannerstream.devservers.ports import LOOPBACK

TOKEN = "purge-token-of-the-chain"


class RecordingCdn:
    """An async context manager. While `is_down`, every purge fails."""

    def __init__(self) -> None:
        self.purges: list[tuple[float, frozenset[str]]] = []
        """Epoch milliseconds and tags of every acknowledged purge."""
        self.refused = 0
        self.is_down = False
        app = web.Application()
        app.router.add_route("PURGE", "/", self._purge)
        self._server = TestServer(app, host=LOOPBACK)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.port}"

    async def __aenter__(self) -> "RecordingCdn":
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    async def _purge(self, request: web.Request) -> web.Response:
        if self.is_down:
            self.refused += 1
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        assert request.headers["X-Purge-Token"] == TOKEN
        self.purges.append((time.time() * 1000, frozenset(request.headers["xkey-purge"].split())))
        return web.Response()
