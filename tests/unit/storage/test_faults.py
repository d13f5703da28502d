"""The store's failures raise the right error after the right number of attempts."""

import time

import pytest
from prometheus_client import CollectorRegistry

from bannerstream.contracts.errors import ConfigurationError, ServiceUnavailable
from bannerstream.settings.storage import StorageSettings
from bannerstream.storage import S3BannerStore, StorageMetrics
from bannerstream.storage.errors import (
    AccessRefused,
    BucketMissing,
    ClockSkewed,
    RequestRefused,
    StoreUnavailable,
    WrongCredentials,
)
from tests.support.scripted_server import Response, ScriptedServer, s3_error

EMPTY_LIST: Response = (
    200,
    "application/xml",
    b"<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>",
)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "NoSuchBucket", BucketMissing),
        (403, "InvalidAccessKeyId", WrongCredentials),
        (403, "SignatureDoesNotMatch", WrongCredentials),
        (400, "AuthorizationHeaderMalformed", WrongCredentials),
        (403, "RequestTimeTooSkewed", ClockSkewed),
        (403, "AccessDenied", AccessRefused),
        (400, "InvalidArgument", RequestRefused),
        (501, "NotImplemented", RequestRefused),
    ],
)
def test_a_refusal_is_told_at_once_and_says_which_setting(
    server: ScriptedServer, storage_settings: StorageSettings, status: int, code: str, expected: type[Exception]
) -> None:
    server.script = lambda method, path: s3_error(status, code)
    with pytest.raises(expected, match=code):
        S3BannerStore(storage_settings).check()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [s3_error(503, "SlowDown"), s3_error(500, "InternalError"), (502, "text/html", b"<h1>Bad gateway</h1>")],
    ids=["slow-down", "internal", "proxy"],
)
def test_a_passing_failure_is_tried_again_until_it_passes(
    server: ScriptedServer, storage_settings: StorageSettings, answer: Response
) -> None:
    registry = CollectorRegistry()
    server.script = lambda method, path: answer if len(server.requests) < 3 else EMPTY_LIST
    S3BannerStore(storage_settings, metrics=StorageMetrics(registry)).check()
    assert len(server.requests) == 3
    assert registry.get_sample_value("bannerstream_storage_retries_total", {"operation": "list"}) == 2
    assert registry.get_sample_value("bannerstream_storage_request_duration_seconds_count", {"operation": "list"}) == 3


def test_a_lasting_failure_is_unavailable_after_the_tries_of_the_settings(
    server: ScriptedServer, storage_settings: StorageSettings
) -> None:
    server.script = lambda method, path: s3_error(503, "SlowDown")
    with pytest.raises(StoreUnavailable, match="after 3 tries") as caught:
        S3BannerStore(storage_settings).put_blob(b"picture", "image/webp")
    assert len(server.requests) == 3
    assert isinstance(caught.value, ServiceUnavailable)


def test_a_stopped_server_is_unavailable(server: ScriptedServer, storage_settings: StorageSettings) -> None:
    store = S3BannerStore(storage_settings)
    server.script = lambda method, path: EMPTY_LIST
    store.check()
    server.stop()
    with pytest.raises(StoreUnavailable, match=storage_settings.endpoint):
        store.get_blob("blobs/00/0.webp")


def test_a_server_that_never_answers_times_out(server: ScriptedServer, storage_settings: StorageSettings) -> None:
    server.script = lambda method, path: None
    started = time.perf_counter()
    with pytest.raises(StoreUnavailable, match="Timeout"):
        S3BannerStore(storage_settings).manifest("0" * 64)
    assert time.perf_counter() - started < 10
    assert len(server.requests) == 3


def test_a_refused_head_is_explained_by_asking_again_with_get(
    server: ScriptedServer, storage_settings: StorageSettings
) -> None:
    server.script = lambda method, path: s3_error(403, "SignatureDoesNotMatch")
    with pytest.raises(WrongCredentials):
        S3BannerStore(storage_settings).put_blob(b"picture", "image/webp")
    assert [method for method, _ in server.requests] == ["HEAD", "GET"]


@pytest.mark.parametrize("page", [b"<html><p>Welcome</html>", b"<html><p>Welcome</p></html>"])
def test_something_that_is_no_s3_server_is_told(
    server: ScriptedServer, storage_settings: StorageSettings, page: bytes
) -> None:
    server.script = lambda method, path: (200, "text/html", page)
    with pytest.raises(RequestRefused, match="S3 API"):
        S3BannerStore(storage_settings).check()


@pytest.mark.parametrize(("name", "value"), [("endpoint", "http://here:9000/x"), ("bucket", "Not_A_Bucket")])
def test_settings_that_cannot_be_stop_the_start(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"storage.{name}"):
        S3BannerStore(StorageSettings().model_copy(update={name: value}))


def test_closing_ends_waits_between_tries(server: ScriptedServer, storage_settings: StorageSettings) -> None:
    store = S3BannerStore(storage_settings.model_copy(update={"attempts": 20}))

    def fail_and_close(method: str, path: str) -> Response:
        store.close()
        return s3_error(503, "SlowDown")

    server.script = fail_and_close
    with pytest.raises(StoreUnavailable):
        store.check()
    assert len(server.requests) == 1
