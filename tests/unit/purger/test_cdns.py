"""What each CDN's file decides without a server: signatures, budgets, batches, the meaning of responses."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.purger.cloudfront import Budget
from bannerstream.purger.factory import create_purger
from bannerstream.purger.fastly import Fastly
from bannerstream.purger.metrics import PurgerMetrics
from bannerstream.purger.nginx import Nginx
from bannerstream.purger.ports import (
    Accepted,
    CdnResponse,
    Limits,
    Misconfigured,
    Refused,
    TryAgain,
    retry_after,
    verdict_by_status,
)
from bannerstream.purger.sender import Sender, TokenBucket, redact_user_keys
from bannerstream.purger.sigv4 import AwsKeys, signature_headers
from bannerstream.purger.staleness import Origin, Stale
from bannerstream.purger.varnish import Varnish
from bannerstream.service.retry import Stopping
from bannerstream.settings import CdnSettings, load_settings
from tests.support.waiting import until

NOW = 1_440_938_160.0  # 20150830T123600Z, the time of AWS's examples
HERE = Origin("banner.assignments", 0, 1, 1_000, b"key", 100)
KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def test_the_signature_is_that_of_awss_test_suite() -> None:
    """`post-vanilla` of the Signature Version 4 test suite."""
    headers = signature_headers(
        KEYS,
        method="POST",
        url="https://example.amazonaws.com/",
        body=b"",
        headers={},
        service="service",
        region="us-east-1",
        now_s=NOW,
    )
    assert headers == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    }


def test_temporary_keys_sign_their_token() -> None:
    temporary = AwsKeys("AKIDEXAMPLE", "secret", session_token="token")
    headers = signature_headers(
        temporary, method="POST", url="https://a/b", body=b"", headers={}, service="s", region="r", now_s=NOW
    )
    assert headers["X-Amz-Security-Token"] == "token"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in headers["Authorization"]
    assert "secret" not in repr(temporary)


async def test_what_waits_is_logged_without_saying_whose_it_is() -> None:
    user, stop = "0123456789abcdef" * 2, asyncio.Event()
    purger = Nginx((f"http://{LOOPBACK}:{free_port()}",), "token", ())
    sender = Sender(purger, PurgerMetrics(CollectorRegistry()), stop, timeout_s=5)
    with capture_logs() as logged:
        async with sender, asyncio.timeout(30):
            sending = asyncio.create_task(sender.send_all(purger.calls(Stale(users={user: HERE}), NOW)))
            await until(lambda: logged, "it is logged")
            stop.set()
            with pytest.raises(Stopping):
                await sending
    (waits, *_) = logged
    assert waits["url"].endswith("/v1/pointers/…")
    assert user not in str(logged)


def test_words_of_a_cdn_lose_user_keys_and_keep_banners() -> None:
    user, banner = "ab" * 16, "cd" * 32
    text = f'{{"user-{user}": "no", "banner-{banner}": "no"}}'
    assert redact_user_keys(text) == f'{{"user-…": "no", "banner-{banner}": "no"}}'


def test_a_budget_is_that_of_the_last_hour() -> None:
    budget = Budget(paths_per_hour=100, wildcard_interval_s=60)
    assert budget.afford(60, NOW)
    assert not budget.afford(50, NOW + 10)
    assert budget.afford(40, NOW + 20), "what is not affordable is not spent"
    assert not budget.afford(1, NOW + 3599)
    assert budget.afford(60, NOW + 3600)


def test_wildcards_keep_their_distance() -> None:
    budget = Budget(paths_per_hour=0, wildcard_interval_s=60)
    assert [budget.next_wildcard_s(NOW + each) for each in (0, 1, 300)] == [NOW, NOW + 60, NOW + 300]


def test_calls_have_their_places_in_time() -> None:
    bucket = TokenBucket(Limits(at_once=1, per_s=2.0, burst=3))
    assert [bucket.take(100.0) for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    assert bucket.take(101.0) == 0.5
    assert [bucket.take(1000.0) for _ in range(4)] == [0, 0, 0, 0.5], "no more than a burst is saved up"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Sun, 30 Aug 2015 12:37:00 GMT", 60.0),
        ("Sun, 30 Aug 2015 12:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float | None) -> None:
    assert retry_after(CdnResponse(503, {"retry-after": header}, b""), NOW) == seconds


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Accepted),
        (201, Accepted),
        (301, Misconfigured),
        (400, Refused),
        (401, Misconfigured),
        (403, Misconfigured),
        (404, Misconfigured),
        (408, TryAgain),
        (413, Refused),
        (429, TryAgain),
        (500, TryAgain),
        (503, TryAgain),
    ],
)
def test_a_status_means_what_rfc_9110_says(status: int, verdict: type) -> None:
    assert type(verdict_by_status(CdnResponse(status, {}, b"said"), NOW, settings="cdn.api_token")) is verdict


def test_fastly_says_when_its_hour_is_over() -> None:
    answer = CdnResponse(429, {"fastly-ratelimit-reset": str(round(NOW) + 90)}, b"slow down")
    assert Fastly("id", "token").verdict(answer, NOW) == TryAgain("429 slow down", 90.0)


def test_nginx_has_to_have_gone_past_its_cache() -> None:
    nginx = Nginx((), "token", ())
    assert nginx.verdict(CdnResponse(200, {"x-cache": "BYPASS"}, b""), NOW) == Accepted()
    assert isinstance(nginx.verdict(CdnResponse(200, {"x-cache": "HIT"}, b""), NOW), Misconfigured)
    assert isinstance(nginx.verdict(CdnResponse(200, {}, b""), NOW), Misconfigured)
    assert isinstance(nginx.verdict(CdnResponse(502, {"x-cache": "BYPASS"}, b""), NOW), TryAgain)


def test_a_header_line_of_tags_fits_into_varnishs_limit() -> None:
    varnish = Varnish(("http://a", "http://b"), "token")
    calls = varnish.calls(Stale(banners={f"{number:064x}": HERE for number in range(250)}), NOW)
    assert len(calls) == 6, "each server gets every call"
    assert max(len(call.headers["xkey-purge"]) for call in calls) < 8192 - len("xkey-purge: \r\n")


def test_no_call_holds_a_secret() -> None:
    stale = Stale(users={"a" * 32: HERE})
    for kind in ("fastly", "cloudflare", "cloudfront", "varnish", "nginx"):
        for call in create_purger(complete(kind)).calls(stale, NOW):
            assert "a-secret-of-16-bytes" not in repr(call)


def complete(kind: str, **without: None) -> CdnSettings:
    everything = {
        "api_token": "a-secret-of-16-bytes",
        "fastly_service_id": "SU1Z0isxPaozGVKXdv0eY",
        "cloudflare_zone_id": "0" * 32,
        "cloudfront_distribution_id": "EDFDVBD632BHDS5",
        "aws_access_key": "AKIDEXAMPLE",
        "aws_secret_key": "a-secret-of-16-bytes",
        "nodes": ("http://127.0.0.1:6081",),
        "purge_token": "a-secret-of-16-bytes",
    }
    return CdnSettings(kind=kind, **everything | without)  # type: ignore[arg-type]  # pydantic checks


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("fastly", "api_token"),
        ("fastly", "fastly_service_id"),
        ("cloudflare", "cloudflare_zone_id"),
        ("cloudfront", "cloudfront_distribution_id"),
        ("varnish", "purge_token"),
        ("nginx", "nodes"),
    ],
)
def test_what_a_cdn_needs_is_asked_for_by_name(kind: str, missing: str) -> None:
    complete(kind)
    with pytest.raises(ValueError, match=rf"cdn\.{missing} is required with the kind {kind}, for example"):
        complete(kind, **{missing: () if missing == "nodes" else None})  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "wrong"), [("nodes", ["10.0.0.5"]), ("image_sizes", ["970x250/../x"])])
def test_a_node_or_size_that_is_none_stops_the_start(name: str, wrong: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=rf"cdn\.{name}"):
        load_settings(cdn={name: wrong})


def test_without_a_cdn_there_is_nothing_to_run() -> None:
    with pytest.raises(ConfigurationError, match=r"cdn\.kind"):
        create_purger(CdnSettings())
