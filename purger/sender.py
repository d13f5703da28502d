"""Sends calls as fast as the CDN allows, and repeats them until the CDN accepts or permanently rejects them."""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import aiohttp
import structlog
from yarl import URL

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.purger.errors import PurgeRefused
from bannerstream.purger.metrics import PurgerMetrics
from bannerstream.purger.ports import (
    Accepted,
    Call,
    CdnResponse,
    Limits,
    Misconfigured,
    Purger,
    Refused,
    TryAgain,
    Verdict,
)
from bannerstream.service.retry import Backoff, pause

log = structlog.get_logger(__name__)

_LONGEST_WAIT_S = 30.0
"""Between tries, if the CDN requests no other wait."""

_LONGEST_REQUESTED_S = 3600.0
"""The longest wait that a CDN may request: Fastly's limits reset every hour."""

_RESPONSE_BYTES = 65_536
"""Bytes read of a response; a response of Fastly lists 256 keys in 20 kB."""


_USER_KEY = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def redact_user_keys(text: str) -> str:
    """Replace user keys in a text for the log: paths and tags contain them, and CDNs repeat those in responses."""
    return _USER_KEY.sub("…", text)


class Sender:
    """Sends a purger's calls, within an `async with`. `now`: epoch seconds."""

    def __init__(
        self,
        purger: Purger,
        metrics: PurgerMetrics,
        stop: asyncio.Event,
        *,
        timeout_s: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._purger = purger
        self._metrics = metrics
        self._stop = stop
        self._timeout_s = timeout_s
        self._now = now
        self._in_flight = asyncio.Semaphore(purger.limits.at_once)
        self._bucket = TokenBucket(purger.limits)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            connector=aiohttp.TCPConnector(limit=self._purger.limits.at_once),
            headers={"User-Agent": "bannerstream-purger"},
            skip_auto_headers=("Content-Type",),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send_all(self, calls: Sequence[Call]) -> list[tuple[Call, PurgeRefused]]:
        """Send all calls until the CDN has accepted or permanently rejected each; return the rejected ones with errors.

        Raises:
            Stopping: `stop` was set while a call had to wait; the CDN may have accepted others.
        """
        outcomes = await asyncio.gather(*(self._send(call) for call in calls), return_exceptions=True)
        refused = []
        for call, outcome in zip(calls, outcomes, strict=True):
            if isinstance(outcome, PurgeRefused):
                refused.append((call, outcome))
            elif outcome is not None:
                raise outcome
        return refused

    async def _send(self, call: Call) -> None:
        await pause(call.not_before_s - self._now(), self._stop)
        backoff = Backoff(longest_s=_LONGEST_WAIT_S)
        while True:
            async with self._in_flight:
                await pause(self._bucket.take(time.monotonic()), self._stop)
                verdict = await self._attempt(call)
            self._metrics.calls.labels(self._purger.name, type(verdict).__name__.lower()).inc()
            match verdict:
                case Accepted():
                    self._metrics.purged.labels(self._purger.name).inc(len(call.drops))
                    return
                case Refused(reason):
                    raise PurgeRefused(f"{call.method} {call.url} ({_abbreviate(call.drops)}): {reason}")
                case TryAgain(reason, after_s):
                    requested_s = min(after_s or 0.0, _LONGEST_REQUESTED_S)
                case Misconfigured(reason):
                    requested_s = _LONGEST_WAIT_S
            wait_s = max(requested_s, backoff.next_s())
            log.warning(
                "purge_waits",
                cdn=self._purger.name,
                url=redact_user_keys(call.url),
                reason=redact_user_keys(reason),
                seconds=round(wait_s, 1),
            )
            await pause(wait_s, self._stop)

    async def _attempt(self, call: Call) -> Verdict:
        if self._session is None:
            raise RuntimeError("a Sender must be used inside `async with`")
        started = time.monotonic()
        try:
            credentials = await self._purger.credentials(call, self._now())
            async with self._session.request(
                call.method,
                URL(call.url, encoded=True),
                data=call.body or None,
                headers={**call.headers, **credentials},
                allow_redirects=False,
            ) as response:
                cdn_response = CdnResponse(
                    response.status,
                    {name.lower(): value for name, value in response.headers.items()},
                    await response.content.read(_RESPONSE_BYTES),
                )
        except ConfigurationError as error:
            return Misconfigured(str(error))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return TryAgain(f"no response: {error!r}")
        finally:
            self._metrics.call.labels(self._purger.name).observe(time.monotonic() - started)
        return self._purger.verdict(cdn_response, self._now())


class TokenBucket:
    """Limits calls to `burst` at once and `per_s` a second in the long run."""

    def __init__(self, limits: Limits) -> None:
        self._per_s = limits.per_s
        self._burst = limits.burst
        self._tokens = float(limits.burst)
        self._updated_s = 0.0

    def take(self, now_s: float) -> float:
        """Take a token, or borrow the next one, and return the seconds to wait until it is due. `now_s`: monotonic."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now_s - self._updated_s) * self._per_s)
        self._updated_s = now_s
        self._tokens -= 1
        return max(0.0, -self._tokens / self._per_s)


def _abbreviate(drops: tuple[str, ...]) -> str:
    return ", ".join(drops[:3]) + (f" and {len(drops) - 3} more" if len(drops) > 3 else "")
