"""Rate limits let a burst pass, then a steady rate, for each key alone and in bounded memory."""

import pytest

from bannerstream.edge.addresses import address_of
from bannerstream.service import rate_limit
from bannerstream.service.rate_limit import RateLimit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_a_steady_rate() -> None:
    clock = Clock()
    limit = RateLimit(10, 5, now=clock)
    assert [limit.wait_s("a") for _ in range(5)] == [0.0] * 5
    assert limit.wait_s("a") == pytest.approx(0.1)
    assert limit.wait_s("b") == 0.0, "each key has its own"
    clock.now += 0.1001
    assert limit.wait_s("a") == 0.0
    assert limit.wait_s("a") > 0


def test_a_refused_request_takes_nothing() -> None:
    clock = Clock()
    limit = RateLimit(1, 1, now=clock)
    limit.wait_s("a")
    waits = {round(limit.wait_s("a"), 6) for _ in range(50)}
    assert waits == {1.0}


def test_what_costs_more_than_the_burst_is_paid_back_at_the_rate() -> None:
    clock = Clock()
    limit = RateLimit(10, 5, now=clock)
    assert limit.wait_s("a", 20) == 0.0
    assert limit.wait_s("a", 0) == pytest.approx(1.5), "overdrawn by 15"
    assert limit.wait_s("a", 20) == pytest.approx(2.0)
    clock.now += 2.0001
    assert limit.wait_s("a", 20) == 0.0
    assert limit.wait_s("a", 1) > 1.5


def test_what_is_taken_whatever_is_left_is_paid_back_within_two_bursts() -> None:
    clock = Clock()
    limit = RateLimit(10, 5, now=clock)
    assert limit.wait_s("a") == 0.0
    limit.overdraw("a", 6)
    assert limit.wait_s("a") == pytest.approx(0.3), "overdrawn by 2, and one more"
    for _ in range(100):
        limit.overdraw("a", 6)
    assert limit.wait_s("a") == pytest.approx(1.1)
    assert limit.wait_s("b") == 0.0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_BUCKETS", 10)
    limit = RateLimit(1, 1, now=Clock())
    for number in range(1000):
        limit.wait_s(f"{number}")
        limit.overdraw(f"x{number}", 2)
    assert len(limit._recent) + len(limit._older) <= 20
    assert limit.wait_s("x999") > 0, "the latest are remembered"


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("x" * 30_000, "x" * 45),
        ("::" + "x" * 30_000, "::" + "x" * 43),
        ("a:b:not an address", "a:b:not an address"),
    ],
)
def test_an_ipv6_subscriber_counts_once(host: str, counted: str) -> None:
    assert address_of(host) == counted
