"""A small origin: pointers and images with the headers of the contract, and a count of requests."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from bannerstream.devservers.ports import LOOPBACK

MAX_AGE = "public, s-maxage=600"
IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass
class Origin:
    """A stand-in for edge. `served` counts requests by path; with `down` every request fails."""

    shown: dict[str, str] = field(default_factory=dict)
    """Banner key by user key."""
    served: Counter[str] = field(default_factory=Counter)
    passed: list[str] = field(default_factory=list)
    """Raw paths of other requests."""
    refused: int = 0
    down: bool = False
    address: str = ""

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application()
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/v1/pointers/{user}", self._pointer)
        app.router.add_get("/v1/pointers/{user}/{size}", self._image_pointer)
        app.router.add_get("/b/{blob:.+}", self._image)
        app.router.add_route("*", "/{path:.*}", self._anything)
        return app

    async def _ready(self, request: web.Request) -> web.Response:
        return web.Response(status=503 if self.down else 200)

    def _tags(self, user: str) -> dict[str, str]:
        tags = [f"user-{user}", f"banner-{self.shown[user]}"]
        return {"Cache-Control": MAX_AGE, "Surrogate-Key": " ".join(tags), "Cache-Tag": ",".join(tags)}

    async def _pointer(self, request: web.Request) -> web.Response:
        self._count(request)
        user = request.match_info["user"]
        return web.json_response({"banner_key": self.shown[user]}, headers=self._tags(user))

    async def _image_pointer(self, request: web.Request) -> web.Response:
        self._count(request)
        user = request.match_info["user"]
        location = f"/b/{self.shown[user]}/{request.match_info['size']}.webp"
        return web.Response(status=302, headers=self._tags(user) | {"Location": location})

    async def _anything(self, request: web.Request) -> web.Response:
        self.passed.append(request.raw_path)
        return web.Response(text="an operator's page")

    async def _image(self, request: web.Request) -> web.Response:
        self._count(request)
        return web.Response(body=b"RIFF", content_type="image/webp", headers={"Cache-Control": IMMUTABLE})

    def _count(self, request: web.Request) -> None:
        if self.down:
            self.refused += 1
            raise web.HTTPServiceUnavailable
        if request.match_info.get("user", "") not in {"", *self.shown}:
            raise web.HTTPNotFound
        self.served[request.path] += 1


@asynccontextmanager
async def origin() -> AsyncIterator[Origin]:
    """Serve an origin on loopback."""
    here = Origin()
    async with TestServer(here.application(), host=LOOPBACK) as server:
        here.address = f"{LOOPBACK}:{server.port}"
        yield here
