"""Feedback is accepted once, and only for delivered banners."""

import msgspec
import pytest

from bannerstream.contracts.sizes import SIZES
from bannerstream.edge.banner_facts import banner_of
from bannerstream.edge.default_banner import default_banner
from bannerstream.edge.errors import Forbidden, Replayed
from bannerstream.edge.feedback_tokens import REMEMBERED, Delivery, FeedbackTokens, ReplayGuard, feedback_rate
from tests.support.edge_node import ready

USER = "0f" * 16
SECRET = b"a secret of the tests, 32 bytes ."


class Clock:
    now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


def tokens(clock: Clock | None = None) -> FeedbackTokens:
    return FeedbackTokens(SECRET, 600, clock or Clock())


def test_a_token_says_what_was_delivered() -> None:
    delivery = tokens().read(tokens().sign(USER, 7, banner_of(ready("a"))))
    assert (delivery.user_key.hex(), delivery.epoch, delivery.banner_key.hex()) == (USER, 7, "a" * 64)
    assert (delivery.product_id, delivery.cohort, delivery.variant, delivery.tier) == (
        "product-a",
        "cooks",
        "a",
        "studio",
    )


def test_a_token_says_which_sizes_were_delivered() -> None:
    delivery = tokens().read(tokens().sign(USER, 7, banner_of(ready("a"))))
    sizes = ("970x250", "300x250", "728x90", "1080x1080", "971x250")
    assert [size for size in sizes if delivery.has(size)] == ["970x250", "300x250"]


def test_a_token_of_before_sizes_were_said_is_good_for_every_size_there_is() -> None:
    statement = msgspec.msgpack.encode([b"n" * 9, 9, b"u" * 16, 7, b"b" * 32, "mug", "cooks", "a", "studio"])
    delivery = msgspec.msgpack.decode(statement, type=Delivery)
    assert all(delivery.has(size.name) for size in SIZES)
    assert not delivery.has("971x250")


@pytest.mark.parametrize("life_s", [60, 3600, 86_400])
def test_no_visitor_can_fill_what_is_remembered(life_s: float) -> None:
    rate = feedback_rate(20, 60, life_s)
    rate.wait_s(USER, 59)
    assert life_s / rate.wait_s(USER, 2) < REMEMBERED / 49, "reports in the life of a token"


def test_of_the_shops_default_there_is_nothing_to_report() -> None:
    assert tokens().sign(USER, 0, default_banner()) == ""


def test_a_token_that_was_changed_anywhere_is_not_ours() -> None:
    token = tokens().sign(USER, 7, banner_of(ready("a")))
    for place in range(len(token) - 1):  # the last character has bits that base64 ignores
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(Forbidden):
            tokens().read(changed)


@pytest.mark.parametrize("token", ["", "=", "€", "A" * 2000, "not base64!", "\n"])
def test_what_is_no_token_is_not_ours(token: str) -> None:
    with pytest.raises(Forbidden):
        tokens().read(token)


def test_another_secret_signs_nothing_of_ours() -> None:
    other = FeedbackTokens(b"another secret of the tests, also 32", 600)
    with pytest.raises(Forbidden):
        tokens().read(other.sign(USER, 7, banner_of(ready("a"))))


def test_a_token_expires() -> None:
    clock = Clock()
    ours = tokens(clock)
    token = ours.sign(USER, 7, banner_of(ready("a")))
    clock.now += 601
    with pytest.raises(Replayed, match="expired"):
        ours.read(token)


def test_each_kind_and_size_is_taken_once() -> None:
    clock = Clock()
    once, delivery = ReplayGuard(now=clock), tokens(clock).read(tokens(clock).sign(USER, 7, banner_of(ready("a"))))
    ids = {delivery.event_id(kind, size) for kind in ("impression", "click") for size in ("970x250", "300x250")}
    assert len(ids) == 4
    for event_id in ids:
        once.take(event_id, delivery.expires_at_s)
    for event_id in ids:
        with pytest.raises(Replayed, match="given before"):
            once.take(event_id, delivery.expires_at_s)


def test_what_could_not_be_written_may_come_again() -> None:
    once, expires_at_s = ReplayGuard(now=Clock()), int(Clock.now) + 600
    once.take("a", expires_at_s)
    once.release("a", expires_at_s)
    once.take("a", expires_at_s)


def test_forgetting_never_lets_a_replay_in() -> None:
    clock = Clock()
    once = ReplayGuard(remembered=100, now=clock)
    taken = [(f"{number}", int(clock.now) + 60 + number * 7) for number in range(1000)]
    for event_id, expires_at_s in taken:
        once.take(event_id, expires_at_s)
    assert sum(map(len, once._minutes.values())) <= 100 + 9, "a minute is forgotten as a whole"
    for event_id, expires_at_s in taken:
        with pytest.raises(Replayed):
            once.take(event_id, expires_at_s)


def test_expired_reports_take_no_memory() -> None:
    clock = Clock()
    once = ReplayGuard(now=clock)
    once.take("a", int(clock.now) + 60)
    clock.now += 3600
    once.take("b", int(clock.now) + 60)
    assert list(map(len, once._minutes.values())) == [1]
