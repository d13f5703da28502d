"""Feedback that cannot be made up: what a page reports is signed by the banner that was delivered to it.

The token is not secret from its visitor; it is a statement of ours about what we delivered, with a number that no other
delivery has. It is taken once for an impression and once for a click of each size that was delivered.
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
from bannerstream.edge.rate_limit import RateLimit

REMEMBERED = 500_000
"""Reports that are remembered until their tokens expire: about 60 MB. Past that the oldest tokens are refused."""

ONE_VISITORS_SHARE = 50
"""Of what is remembered, no visitor has more than a fiftieth: 10,000 reports while one of their tokens lives, which is
one every 0.4 s in the hour of `edge.feedback_life_s`, and none too many of a person. Without it, one visitor could have
everybody's tokens refused."""

_MAC_BYTES = 16
"""Of keyed BLAKE2b (RFC 7693 §2.9): 128 bits, as much as anybody could ever try. It is made for every banner that is
told, and takes 2 µs where HMAC-SHA-256 takes 10."""

_MINUTE = 60

_BITS = {(size.width, size.height): 1 << number for number, size in enumerate(SIZES)}
_BITS_BY_NAME = {size.name: _BITS[size.width, size.height] for size in SIZES}

Kind = Literal["impression", "click"]


class Delivery(Struct, frozen=True, array_like=True):
    """One delivery of one banner to one visitor, as the token says it."""

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
    """Which of `SIZES` the banner had, a bit each: names would make the token a third longer. A token of a version that
    did not say it stands for all of them."""

    def has(self, size: str) -> bool:
        """Tell whether a picture of this size was delivered."""
        return bool(self.sizes & _BITS_BY_NAME.get(size, 0))

    def event_id(self, kind: Kind, size: str) -> str:
        """Return the id of this report: the same however often and wherever it is sent."""
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
        """Return the token of a delivery; empty for the shop's default, of which there is nothing to learn."""
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
            Forbidden: the token is not ours.
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
    """Return the limit of one visitor's reports: `per_s`, or less where that would be more than their share."""
    return RateLimit(min(per_s, REMEMBERED / ONE_VISITORS_SHARE / life_s), burst)


class ReplayGuard:
    """Reports that were taken: each is taken once, in bounded memory.

    They are kept by the minute in which their tokens expire. When there are too many, the minute that ends first is
    forgotten, and tokens that expire in it, or before, are refused from then on: forgetting never lets a replay in.
    """

    def __init__(self, remembered: int = REMEMBERED, now: Callable[[], float] = time.time) -> None:
        self._remembered = remembered
        self._now = now
        self._minutes: dict[int, set[str]] = {}
        self._count = 0
        self._floor = 0
        """Tokens that expire in this minute or before are refused."""

    def take(self, event_id: str, expires_at_s: int) -> None:
        """Note a report.

        Raises:
            Replayed: it was noted before, or is so old that nobody can tell.
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
        """Take a note back: the report did not arrive, and may come again."""
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
