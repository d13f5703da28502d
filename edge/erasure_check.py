"""Looking whether edge nodes still hold a visitor who was erased."""

import asyncio
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
from msgspec import Struct

from bannerstream.broker.erasure import Place

WHERE = "edge view and streams"

_POLL_S = 0.2
_TIMEOUT_S = 5.0


class HeldState(Struct, frozen=True):
    """What a node says of a visitor."""

    held: bool
    streams: int


async def check_erased(urls: Sequence[str], user_key: str, timeout_s: float) -> list[Place]:
    """Return, of each node, whether it holds a visitor; a node that does is asked again until `timeout_s` has passed.

    A node reads the deletion within milliseconds, but after it was written. One that does not answer counts as holding.
    Without `urls` the one place that is returned says that no node was asked.
    """
    if not urls:
        return [Place(WHERE, erased=None, found="not asked: edge.urls names no node")]
    deadline = time.monotonic() + timeout_s
    return list(await asyncio.gather(*(_poll(url, user_key, deadline) for url in urls)))


async def _poll(url: str, user_key: str, deadline: float) -> Place:
    while True:
        place = await asyncio.to_thread(_fetch, url, user_key)
        if place.erased or time.monotonic() > deadline:
            return place
        await asyncio.sleep(_POLL_S)


def _fetch(url: str, user_key: str) -> Place:
    where = f"{WHERE} ({url})"
    try:
        with urlopen(f"{url.rstrip('/')}/v1/visitors/{user_key}", timeout=_TIMEOUT_S) as answer:  # noqa: S310  (a setting)
            held = msgspec.json.decode(answer.read(), type=HeldState)
    except HTTPError as error:
        if error.code == HTTPStatus.MISDIRECTED_REQUEST:
            return Place(where, erased=True, found="of another shard")
        return Place(where, erased=False, found=f"it answers {error.code}")
    except (OSError, HTTPException, ValueError, msgspec.DecodeError) as error:
        return Place(where, erased=False, found=f"it does not answer: {error}")
    if held.held:
        return Place(where, erased=False, found="still in the view")
    if held.streams:
        return Place(
            where, erased=False, found=f"{held.streams} live streams are open: somebody came back with a token"
        )
    return Place(where, erased=True, found="nothing of this visitor")
