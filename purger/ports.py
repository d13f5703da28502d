"""The interface of a CDN: its calls, credentials, limits, and the interpretation of its responses."""

import email.utils
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import ClassVar, Protocol, TypeVar

from bannerstream.purger.staleness import Stale

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to a CDN. Safe to log: credentials are added when it is sent."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str]
    drops: tuple[str, ...]
    """The tags or paths that it purges."""
    keys: frozenset[str]
    """The user and banner keys behind them."""
    not_before_s: float = 0.0
    """Epoch seconds before which it must not be sent."""


@dataclass(frozen=True, slots=True)
class CdnResponse:
    """A CDN's response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def excerpt(self) -> str:
        """Return status and beginning of the body, for a log line or a dead letter."""
        return f"{self.status} {self.body[:500].decode(errors='replace').strip()}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The CDN has purged, or accepted to purge."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The call failed and can be repeated. `after_s`: the wait that the CDN requests, if any."""

    reason: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The CDN rejects the credentials or the service id. The call is repeated until the operator corrects them."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The CDN rejects the call permanently."""

    reason: str


Verdict = Accepted | TryAgain | Misconfigured | Refused


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast a CDN may be called."""

    at_once: int
    """Calls in flight."""
    per_s: float
    """Calls per second in the long run."""
    burst: int
    """Calls allowed at once after a pause."""


class Purger(Protocol):
    """One CDN. Times are epoch seconds."""

    name: ClassVar[str]
    by_tag: bool
    """Whether it purges by cache tag; otherwise by path."""
    limits: Limits

    def calls(self, stale: Stale, now_s: float) -> list[Call]:
        """Return the calls that purge the stale pointers, in batches within the CDN's limits."""
        ...

    async def credentials(self, call: Call, now_s: float) -> Mapping[str, str]:
        """Return the authentication headers of a call that is sent at `now_s`.

        Raises:
            ConfigurationError: there are no credentials.
        """
        ...

    def verdict(self, response: CdnResponse, now_s: float) -> Verdict:
        """Interpret a response."""
        ...


def verdict_by_status(response: CdnResponse, now_s: float, *, settings: str) -> Verdict:
    """Interpret a response by its status (RFC 9110 §15). `settings` names the credentials and the service id."""
    status = response.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Accepted()
    if (
        status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
        or status < HTTPStatus.BAD_REQUEST
    ):
        return Misconfigured(f"check {settings}: {response.excerpt()}")
    if status in _RETRYABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TryAgain(response.excerpt(), retry_after(response, now_s))
    return Refused(response.excerpt())


_RETRYABLE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


def retry_after(response: CdnResponse, now_s: float) -> float | None:
    """Return the seconds of `Retry-After` (RFC 9110 §10.2.3: a number, or a date), or None."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now_s)
    except ValueError:
        return None


def batched(things: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield lists of at most `size`, in order."""
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch
