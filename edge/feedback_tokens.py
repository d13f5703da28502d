"""Feedback tokens: a page can report only on banners that were delivered to it.

The token is not secret from its visitor. It is a signed statement of one delivery, with a unique nonce, and is accepted
once for an impression and once for a click of each delivered size.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

from bannerstream.contracts.sizes import SIZES
from bannerstream.edge.banner_facts import Banner, Picture, Tier
from bannerstream.edge.errors import Forbidden, Replayed
from bannerstream.service.rate_limit import RateLimit

REMEMBERED = 500_000
"""Reports remembered until their tokens expire: about 60 MB. Beyond this, the oldest tokens are rejected."""

ONE_VISITORS_SHARE = 50
"""One visitor gets at most a fiftieth of the remembered reports: 10,000 in the lifetime of a token, which is one every
0.4 s with a `edge.feedback_life_s` of an hour, more than a person makes. Without this share, one visitor could cause
all other visitors' tokens to be rejected."""

_MAC_BYTES = 16
"""Keyed BLAKE2b (RFC 7693 §2.9) of 128 bits, beyond any brute force. One is computed for every banner served; it takes
2 µs where HMAC-SHA-256 takes 10."""

_MINUTE = 60

_BITS = {(size.width, size.height): 1 << number for number, size in enumerate(SIZES)}
_BITS_BY_NAME = {size.name: _BITS[size.width, size.height] for size in SIZES}

Kind = Literal["impression", "click"]


class Delivery(Struct, frozen=True, array_like=True):
    """One delivery of one banner to one visitor: the content of a token."""

    nonce: bytes
    expires_at_s: int
    """Epoch seconds."""
    user_key: bytes
    epoch: int
    banner_key: bytes
    product_id: str
    cohort: str
    variant: str
    tier: Tier
    sizes: int = sum(_BITS.values())
    """Which of `SIZES` were delivered, one bit each: names would make the token a third longer. Tokens of versions
    without this field stand for all sizes."""

    def has(self, size: str) -> bool:
        """Return whether a picture of this size was delivered."""
        return bool(self.sizes & _BITS_BY_NAME.get(size, 0))

    def event_id(self, kind: Kind, size: str) -> str:
        """Return the id of a report: the same for every repeat, on every node."""
        return hashlib.blake2b(self.nonce + f"{kind}:{size}".encode(), digest_size=16).hexdigest()


_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(Delivery)


class FeedbackTokens:
    """Signs deliveries and verifies reports of them. `now`: epoch seconds."""

    def __init__(self, secret: bytes, life_s: float, now: Callable[[], float] = time.time) -> None:
        key = secret if len(secret) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.blake2b(secret).digest()
        self._keyed = hashlib.blake2b(key=key, digest_size=_MAC_BYTES)
        self._life_s = life_s
        self._now = now

    def sign(self, user_key: str, epoch: int, banner: Banner) -> str:
        """Return the token of a delivery; empty for the shop's default, which needs no feedback."""
        if banner.key is None:
            return ""
        statement = _pack.encode(
            Delivery(
                nonce=secrets.token_bytes(9),
                expires_at_s=int(self._now() + self._life_s),
                user_key=bytes.fromhex(user_key),
                epoch=epoch,
                banner_key=bytes.fromhex(banner.key),
                product_id=banner.product_id or "",
                cohort=banner.cohort or "",
                variant=banner.variant,
                tier=banner.tier,
                sizes=_sizes(banner.pictures),
            )
        )
        return base64.urlsafe_b64encode(self._mac(statement) + statement).decode().rstrip("=")

    def read(self, token: str) -> Delivery:
        """Return the delivery that a token states.

        Raises:
            Forbidden: the token was not signed by this edge.
            Replayed: it has expired.
        """
        try:
            signed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise Forbidden("the feedback token is not ours") from error
        mac, statement = signed[:_MAC_BYTES], signed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(statement)):
            raise Forbidden("the feedback token is not ours")
        delivery = _unpack.decode(statement)
        if self._now() > delivery.expires_at_s:
            raise Replayed("the feedback token has expired")
        return delivery

    def _mac(self, statement: bytes) -> bytes:
        mac = self._keyed.copy()
        mac.update(statement)
        return mac.digest()


def _sizes(pictures: tuple[Picture, ...]) -> int:
    bits = 0
    for picture in pictures:
        bits |= _BITS.get((picture.width, picture.height), 0)
    return bits


def feedback_rate(per_s: float, burst: int, life_s: float) -> RateLimit:
    """Return the rate limit of one visitor's reports: `per_s`, capped at the visitor's share of `REMEMBERED`."""
    return RateLimit(min(per_s, REMEMBERED / ONE_VISITORS_SHARE / life_s), burst)


class ReplayGuard:
    """Accepts each report once, in bounded memory.

    Reports are kept by the minute in which their tokens expire. When there are too many, the minute that ends first is
    dropped, and tokens that expire in it or before are rejected from then on: dropping never admits a replay.
    """

    def __init__(self, remembered: int = REMEMBERED, now: Callable[[], float] = time.time) -> None:
        self._remembered = remembered
        self._now = now
        self._minutes: dict[int, set[str]] = {}
        self._count = 0
        self._floor = 0
        """Tokens that expire in this minute or before are rejected."""

    def take(self, event_id: str, expires_at_s: int) -> None:
        """Record a report as accepted.

        Raises:
            Replayed: it was accepted before, or is too old to know.
        """
        minute = expires_at_s // _MINUTE
        if minute <= self._floor:
            raise Replayed("the feedback token is too old")
        taken = self._minutes.setdefault(minute, set())
        if event_id in taken:
            raise Replayed("this feedback was given before")
        taken.add(event_id)
        self._count += 1
        self._expire(int(self._now()) // _MINUTE)

    def release(self, event_id: str, expires_at_s: int) -> None:
        """Undo `take`, because the report did not reach Kafka and may be sent again."""
        taken = self._minutes.get(expires_at_s // _MINUTE, set())
        if event_id in taken:
            taken.remove(event_id)
            self._count -= 1

    def _expire(self, this_minute: int) -> None:
        for minute in sorted(self._minutes):
            if minute >= this_minute and self._count <= self._remembered:
                break
            if minute >= this_minute:
                self._floor = minute
            self._count -= len(self._minutes.pop(minute))
