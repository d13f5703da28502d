from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.cloudevents import CloudEvent, CloudEventHeaders
from bannerstream.contracts.times import MAX_EPOCH_MS, epoch_ms
from bannerstream.contracts.topics import Topics


def test_headers_are_those_of_the_binary_mode() -> None:
    event = CloudEvent(id="7", type="banner.ready", source="/generator", time=1_769_860_800_123, subject="ü")
    assert event.headers() == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"7"),
        ("ce_type", b"io.bannerstream.banner.ready"),
        ("ce_source", b"/generator"),
        ("ce_time", b"2026-01-31T12:00:00.123Z"),
        ("content-type", b"application/json"),
        ("ce_subject", "ü".encode()),
    ]


def test_an_event_about_nothing_has_no_subject() -> None:
    assert "ce_subject" not in dict(CloudEvent(id="7", type="x", source="/s", time=0).headers())


@given(st.integers(0, MAX_EPOCH_MS))
def test_times_are_rfc_3339_to_the_millisecond(time: int) -> None:
    written = dict(CloudEvent(id="7", type="x", source="/s", time=time).headers())["ce_time"].decode()
    assert epoch_ms(written) == time
    assert datetime.fromisoformat(written).tzinfo is not None


times = st.one_of(st.integers(0, MAX_EPOCH_MS), st.integers(1_769_860_799_990, 1_769_860_802_010))


@given(st.lists(st.tuples(st.text(), times, st.text()), max_size=5))
def test_envelopes_are_the_headers_of_their_events(events: list[tuple[str, int, str]]) -> None:
    envelopes = CloudEventHeaders("banner.assignment", "/ü")
    for event_id, time, subject in events:
        event = CloudEvent(id=event_id, type="banner.assignment", source="/ü", time=time, subject=subject)
        assert envelopes.headers(event_id.encode(), time, subject.encode()) == event.headers()


@pytest.mark.parametrize("time", [-1, MAX_EPOCH_MS + 1])
def test_envelopes_refuse_times_that_rfc_3339_has_no_words_for(time: int) -> None:
    with pytest.raises(ValueError, match="between 1970 and 9999"):
        CloudEventHeaders("x", "/s").headers(b"7", time, b"")


class TestTopics:
    def test_are_renamed_by_role(self) -> None:
        renamed = Topics().renamed({"clicks": "shop.clicks", "ready": "x.ready"})
        assert (renamed.clicks.name, renamed.ready.name) == ("shop.clicks", "x.ready")
        assert renamed.clicks.cleanup == Topics().clicks.cleanup
        assert renamed.purchases == Topics().purchases
        assert Topics().clicks.name == "clicks"

    def test_an_unknown_role_is_named(self) -> None:
        with pytest.raises(KeyError, match=r"click'.*known are .*'clicks'"):
            Topics().renamed({"click": "shop.clicks"})

    @pytest.mark.parametrize("names", [{"clicks": "events", "purchases": "events"}, {"clicks": "bannerstream.dlq"}])
    def test_two_topics_cannot_share_a_name(self, names: dict[str, str]) -> None:
        with pytest.raises(ValueError, match="cannot share a name"):
            Topics().renamed(names)

    def test_a_name_can_move_from_one_topic_to_another(self) -> None:
        swapped = Topics().renamed({"clicks": "purchases", "purchases": "clicks"})
        assert (swapped.clicks.name, swapped.purchases.name) == ("purchases", "clicks")

    def test_names_are_distinct_and_in_the_order_of_the_table(self) -> None:
        names = [topic.name for topic in Topics()]
        assert len(set(names)) == len(names) == 11
        assert names[:2] == ["clicks", "purchases"]
