"""Checks whether edge nodes still hold a visitor who was erased."""

import asyncio
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
from msgspec import Struct

from bannerstream.broker.erasure import ErasureStatus

WHERE = "edge view and streams"

_POLL_S = 0.2
_TIMEOUT_S = 5.0


class HeldState(Struct, frozen=True):
    """A node's response about one visitor."""

    held: bool
    streams: int


async def check_erased(urls: Sequence[str], user_key: str, timeout_s: float) -> list[ErasureStatus]:
    """Return for each node whether it still holds a visitor. Nodes that do are polled until `timeout_s` has passed.

    A node reads the deletion within milliseconds of its being written. A node that does not answer counts as holding.
    Without `urls`, the only place returned states that no node was checked.
    """
    if not urls:
        return [ErasureStatus(WHERE, erased=None, found="not asked: edge.urls names no node")]
    deadline = time.monotonic() + timeout_s
    return list(await asyncio.gather(*(_poll(url, user_key, deadline) for url in urls)))


async def _poll(url: str, user_key: str, deadline: float) -> ErasureStatus:
    while True:
        place = await asyncio.to_thread(_fetch, url, user_key)
        if place.erased or time.monotonic() > deadline:
            return place
        await asyncio.sleep(_POLL_S)


def _fetch(url: str, user_key: str) -> ErasureStatus:
    where = f"{WHERE} ({url})"
    try:
        with urlopen(f"{url.rstrip('/')}/v1/visitors/{user_key}", timeout=_TIMEOUT_S) as answer:  # noqa: S310  (a setting)
            held = msgspec.json.decode(answer.read(), type=HeldState)
    except HTTPError as error:
        if error.code == HTTPStatus.MISDIRECTED_REQUEST:
            return ErasureStatus(where, erased=True, found="belongs to another shard")
        return ErasureStatus(where, erased=False, found=f"status {error.code}")
    except (OSError, HTTPException, ValueError, msgspec.DecodeError) as error:
        return ErasureStatus(where, erased=False, found=f"no answer: {error}")
    if held.held:
        return ErasureStatus(where, erased=False, found="still in the view")
    if held.streams:
        return ErasureStatus(
            where, erased=False, found=f"{held.streams} live streams are open: the visitor reconnected with a token"
        )
    return ErasureStatus(where, erased=True, found="nothing of this visitor")
