"""Calls the store: timed, retried where that can help, with failures translated into our errors."""

import re
import threading
import time
from collections.abc import Callable
from typing import TypeVar
from xml.etree.ElementTree import ParseError

import structlog
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from bannerstream.service.compat import overrides_private
from bannerstream.service.retry import Backoff
from bannerstream.settings.storage import StorageSettings
from bannerstream.storage.errors import (
    AccessRefused,
    BrokenAnswer,
    BucketMissing,
    ClockSkewed,
    ObjectMissing,
    RequestRefused,
    SpoiltObject,
    StorageError,
    StoreUnavailable,
    WrongCredentials,
)
from bannerstream.storage.metrics import StorageMetrics

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
"""Drawn from 0 up to them: full jitter, which spreads a crowd of clients best ("Exponential Backoff and Jitter", AWS
Architecture Blog, 2015)."""

_T = TypeVar("_T")
_log = structlog.get_logger()

_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_TRANSIENT_STATUS = {429, 500, 502, 503, 504}
_TRANSIENT_CODES = {
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "Throttling",
    "OperationAborted",
}
_WRONG_CREDENTIALS = (WrongCredentials, "correct storage.access_key, storage.secret_key and storage.region")
_SKEWED = (ClockSkewed, "set this machine's clock, for example by turning NTP on")
_REFUSED = (
    AccessRefused,
    "the key needs the rights that `bannerstream storage policy` prints, a sweep those of --sweep",
)
_ABSENT = (ObjectMissing, "the object is not there")
_OTHER = (RequestRefused, "check that storage.endpoint is an S3 API")

_LEAVES: dict[str, tuple[type[StorageError], str]] = {
    "NoSuchBucket": (BucketMissing, "create the bucket, or correct storage.bucket"),
    "AuthorizationHeaderMalformed": _WRONG_CREDENTIALS,
    "InvalidAccessKeyId": _WRONG_CREDENTIALS,
    "InvalidRegion": _WRONG_CREDENTIALS,
    "InvalidSecurity": _WRONG_CREDENTIALS,
    "SignatureDoesNotMatch": _WRONG_CREDENTIALS,
    "XAdminUserNotFound": _WRONG_CREDENTIALS,  # versitygw's word for InvalidAccessKeyId
    "RequestTimeTooSkewed": _SKEWED,
    "RequestExpired": _SKEWED,
    "AccessDenied": _REFUSED,
    "AllAccessDisabled": _REFUSED,
    "NoSuchKey": _ABSENT,
    "ResourceNotFound": _ABSENT,
}
"""Our error for each code of the store. S3's list: "Error responses", Amazon S3 API Reference."""


class SpoiltAnswer(Exception):
    """A 200 whose content is not the object's; `send` raises it, and `RetryingClient` tries again.

    `from_store`: the answer is whole and an S3 server's, so that the object itself must be spoilt.
    """

    def __init__(self, message: str, *, from_store: bool = True) -> None:
        super().__init__(message)
        self.from_store = from_store


class RetryingClient:
    """Makes calls with up to `settings.attempts` tries each. Safe to share between threads."""

    def __init__(
        self,
        settings: StorageSettings,
        metrics: StorageMetrics,
        *,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._closing = threading.Event()
        self._sleep = sleep or self._closing.wait

    def close(self) -> None:
        """End every wait between tries at once; the waiting calls fail."""
        self._closing.set()

    def call(self, operation: str, send: Callable[[], _T]) -> _T:
        """Return the result of `send`, retrying transient failures.

        Raises:
            StorageError: the leaf that names the operator's action; `StoreUnavailable` or `SpoiltObject` after the
                last try.
        """
        backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S, least_share=0.0)
        for attempt in range(1, self._settings.attempts + 1):
            started = time.perf_counter()
            try:
                return send()
            except SpoiltAnswer as error:
                self._metrics.wrong_bytes.inc()
                if attempt == self._settings.attempts or self._closing.is_set():
                    raise self._spoilt(error, operation) from error
                self._metrics.retries.labels(operation).inc()
                log = _log.warning if attempt == 1 else _log.debug  # the first names the object
                log("storage_spoilt_answer", operation=operation, attempt=attempt, error=str(error))
            except (MinioException, HTTPError, OSError, ParseError, ValueError) as error:  # the last two: not S3's XML
                last = attempt == self._settings.attempts or self._closing.is_set()
                if last or not is_transient(error):
                    raise self._explained(error, operation) from error
                self._metrics.retries.labels(operation).inc()
                _log.debug("storage_retry", operation=operation, attempt=attempt, error=str(error))
            finally:
                self._metrics.duration.labels(operation).observe(time.perf_counter() - started)
            self._sleep(backoff.next_s())
        raise AssertionError("unreachable: settings.attempts is at least 1")

    def _spoilt(self, error: SpoiltAnswer, operation: str) -> SpoiltObject:
        where = f"{self._settings.endpoint}, bucket {self._settings.bucket!r}, {operation}"
        leaf, advice = (
            (SpoiltObject, "run `bannerstream storage verify`")
            if error.from_store
            else (BrokenAnswer, "check storage.endpoint, and what stands between it and this machine")
        )
        return leaf(f"{where}: {error}; {advice}")

    def _explained(self, error: Exception, operation: str) -> StorageError:
        where = f"{self._settings.endpoint}, bucket {self._settings.bucket!r}, {operation}"
        if is_transient(error):
            return StoreUnavailable(
                f"{where}: no usable answer after {self._settings.attempts} tries ({_brief(error)}); "
                "check storage.endpoint and storage.secure, and that the store runs"
            )
        leaf, advice = _LEAVES.get(code_of(error) or "", _OTHER)
        return leaf(f"{where}: {_brief(error)}; {advice}")


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed a moment later: connections, timeouts, throttling and 5xx."""
    if code_of(error) in _TRANSIENT_CODES:
        return True
    status = status_of(error)
    return isinstance(error, HTTPError | OSError) if status is None else status in _TRANSIENT_STATUS


@overrides_private("minio.error:InvalidResponseError", "bb3135d6e414")
def code_of(error: Exception) -> str | None:
    """Return S3's error code of a failure, None where the response has none.

    minio gives up on an error whose content type is not `application/xml`; rclone's is `text/xml`.
    """
    if isinstance(error, S3Error):
        return error.code
    if isinstance(error, InvalidResponseError) and (found := _CODE.search(error._body or "")):  # noqa: SLF001
        return found.group(1)
    return None


@overrides_private("minio.error:InvalidResponseError", "bb3135d6e414")
def status_of(error: Exception) -> int | None:
    """Return the HTTP status of an error response, None without a response."""
    if isinstance(error, S3Error):
        return error.response.status
    if isinstance(error, ServerError):
        return error.status_code
    if isinstance(error, InvalidResponseError):
        return int(error._code)  # noqa: SLF001  (minio shows the status of a body that is not XML nowhere else)
    return None


def _brief(error: Exception) -> str:
    """Return the error in one line without the store's request ids."""
    code = code_of(error)
    return f"the store answers {code}" if code else f"{type(error).__name__}: {error}"[:300]
