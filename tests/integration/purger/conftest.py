"""Caches in front of an origin, each with its purger."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bannerstream.devservers.fronts import Front
from bannerstream.devservers.nginx import nginx_cache
from bannerstream.devservers.varnish import varnish_cache
from bannerstream.purger.nginx import Nginx as NginxPurger
from bannerstream.purger.ports import Purger
from bannerstream.purger.varnish import Varnish as VarnishPurger
from tests.integration.purger.origin import Origin, origin

TOKEN = "0123456789abcdef" * 4  # as long as `openssl rand -hex 32` makes it
SIZE = "970x250"


PATIENCE_S = 60.0
"""Deadline of every wait: a machine that is busy with other tests is slow, not wrong."""


async def until(condition: Callable[[], object]) -> None:
    """Return once the condition is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "not within the patience"
        await asyncio.sleep(0.02)


@pytest.fixture
async def edge() -> AsyncIterator[Origin]:
    """Serve a tiny edge."""
    async with origin() as here:
        yield here


@dataclass
class Cache:
    """A cache on loopback, as a visitor and as the purger see it."""

    server: Front
    purger: Purger
    kind: str

    async def get(self, path: str) -> "Fetched":
        """Fetch a path through the cache, without following redirects."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.server.url + path, allow_redirects=False) as response,
        ):
            return Fetched(response.status, await response.text(), dict(response.headers))


@dataclass
class Fetched:
    """An answer through the cache."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def hit(self) -> bool:
        """Tell whether the cache had it."""
        return self.headers["X-Cache"] == "HIT"


@pytest.fixture
def varnish(edge: Origin, tmp_path: Path) -> Iterator[Cache]:
    """Run Varnish in front of the edge."""
    server = varnish_cache(tmp_path, edge.address, TOKEN)
    if (reason := server.why_unavailable()) is not None:
        pytest.skip(reason)
    with server:
        yield Cache(server, VarnishPurger((server.url,), TOKEN), "varnish")


@pytest.fixture
def nginx(edge: Origin, tmp_path: Path) -> Iterator[Cache]:
    """Run nginx in front of the edge."""
    server = nginx_cache(tmp_path, edge.address, TOKEN)
    if (reason := server.why_unavailable()) is not None:
        pytest.skip(reason)
    with server:
        yield Cache(server, NginxPurger((server.url,), TOKEN, (SIZE,)), "nginx")


@pytest.fixture(params=["varnish", "nginx"])
def cache(request: pytest.FixtureRequest) -> Cache:
    """Run each cache in turn."""
    found: Cache = request.getfixturevalue(request.param)
    return found
