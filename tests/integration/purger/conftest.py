"""Caches in front of an origin, each with its purger."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bannerstream.devservers.nginx import nginx_cache
from bannerstream.devservers.varnish import varnish_cache
from bannerstream.purger.nginx import Nginx as NginxPurger
from bannerstream.purger.varnish import Varnish as VarnishPurger
from tests.integration.purger.origin import Origin, origin
from tests.support.cdn_cache import SIZE, TOKEN, Cache


@pytest.fixture
async def edge() -> AsyncIterator[Origin]:
    """Serve a tiny edge."""
    async with origin() as here:
        yield here


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
