"""What each CDN's file says: which calls drop what is stale, who makes them, and what an answer means."""

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
    """One HTTP request to a CDN, without its secrets: those are added when it is sent, so this can be logged."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str]
    drops: tuple[str, ...]
    """The tags or paths that it drops."""
    keys: frozenset[str]
    """The user and banner keys that they belong to."""
    not_before_s: float = 0.0
    """Epoch seconds: it has to wait until then."""


@dataclass(frozen=True, slots=True)
class CdnResponse:
    """What the CDN said. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def excerpt(self) -> str:
        """Return its beginning, for a log line or a dead letter."""
        return f"{self.status} {self.body[:500].decode(errors='replace').strip()}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """It is done, or as good as."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Not now. `after_s` is how long the CDN wants to be left alone, where it says so."""

    reason: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The CDN does not know us or our service: nothing is wrong with the purge, so it waits for the operator."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Never, however often it is repeated."""

    reason: str


Verdict = Accepted | TryAgain | Misconfigured | Refused


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast a CDN may be called."""

    at_once: int
    """Calls in flight."""
    per_s: float
    """Calls a second, in the long run."""
    burst: int
    """Calls that may be made at once after a pause."""


class Purger(Protocol):
    """One CDN."""

    name: ClassVar[str]
    by_tag: bool
    """Whether it finds objects by their tags; else they are named by path."""
    limits: Limits

    def calls(self, stale: Stale, now: float) -> list[Call]:
        """Return the calls that drop what is stale, in batches that the CDN takes. `now`: epoch seconds."""
        ...

    async def credentials(self, call: Call, now: float) -> Mapping[str, str]:
        """Return the headers that prove who is calling, for a call that is sent now (epoch seconds).

        Raises:
            ConfigurationError: there are no credentials.
        """
        ...

    def verdict(self, answer: CdnResponse, now: float) -> Verdict:
        """Return what an answer means. `now`: epoch seconds."""
        ...


def verdict_by_status(answer: CdnResponse, now: float, *, settings: str) -> Verdict:
    """Return what an answer means by its status alone (RFC 9110 §15). `settings` name who we are and what we purge."""
    status = answer.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Accepted()
    if (
        status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
        or status < HTTPStatus.BAD_REQUEST
    ):
        return Misconfigured(f"check {settings}: {answer.excerpt()}")
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TryAgain(answer.excerpt(), retry_after(answer, now))
    return Refused(answer.excerpt())


_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


def retry_after(answer: CdnResponse, now: float) -> float | None:
    """Return the seconds that `Retry-After` asks for (RFC 9110 §10.2.3: a number, or a date), or None."""
    told = answer.headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return float(told)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - now)
    except ValueError:
        return None


def batched(things: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield lists of at most `size`, in order."""
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch
