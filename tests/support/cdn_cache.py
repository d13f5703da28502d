"""A CDN's cache on loopback: visitors fetch through it, the purger purges it."""

from dataclasses import dataclass

import aiohttp

from bannerstream.devservers.reverse_proxy import ReverseProxy
from bannerstream.purger.ports import Purger

TOKEN = "0123456789abcdef" * 4  # as long as `openssl rand -hex 32` makes it

SIZE = "970x250"


@dataclass
class Cache:
    """A cache on loopback, and the purger that is configured for it."""

    server: ReverseProxy
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
    """A response through the cache."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def hit(self) -> bool:
        """Return whether it came from the cache."""
        return self.headers["X-Cache"] == "HIT"
