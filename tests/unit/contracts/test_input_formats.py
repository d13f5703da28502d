"""What each format says in particular."""

import json
from typing import Any

import pytest

from bannerstream.contracts.errors import MalformedRecord, UnsupportedEvent
from bannerstream.contracts.inputs import InputFormat, Part, Source, decode_event, decode_record
from bannerstream.contracts.interactions import Interaction, InteractionKind

NOW = 1_769_860_800_000


def decode(event: dict[str, Any], form: InputFormat, source: Source = "clicks") -> Interaction:
    payload = json.dumps(event).encode()
    return decode_event(payload, source, form, received_at=NOW, max_future_ms=300_000, max_age_ms=10**12)


def parts_of(event: dict[str, Any] | bytes, form: InputFormat) -> tuple[Part, ...]:
    payload = event if isinstance(event, bytes) else json.dumps(event).encode()
    return decode_record(payload, "clicks", form, received_at=NOW, max_future_ms=300_000, max_age_ms=10**12)


def events_of(event: dict[str, Any], form: InputFormat) -> list[Interaction]:
    """Return the events of a record that holds good ones only."""
    found = [part.event for part in parts_of(event, form)]
    assert all(isinstance(each, Interaction) for each in found), found
    return found  # type: ignore[return-value]


def without(event: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in names}


class TestNative:
    EVENT: dict[str, Any] = {"event_id": "e-1", "user_id": "u-7", "product_id": "mug-3", "time": NOW}  # noqa: RUF012

    @pytest.mark.parametrize(("source", "kind"), [("clicks", "click"), ("purchases", "purchase")])
    def test_the_topic_says_what_an_event_without_kind_is(self, source: Source, kind: str) -> None:
        assert decode(self.EVENT, "native", source).kind == kind

    def test_reads_every_field(self) -> None:
        event = {**without(self.EVENT, "product_id"), "product_ids": ["a", "b", "a"], "kind": "cart"}
        event["time"] = "2026-01-31T13:00:00+01:00"
        assert decode(event, "native") == Interaction(
            event_id="e-1", user_id="u-7", kind=InteractionKind.CART, product_ids=("a", "b"), occurred_at=NOW
        )

    def test_escapes_are_read(self) -> None:
        assert decode({**self.EVENT, "user_id": 'ü"\\', "kind": "view"}, "native").user_id == 'ü"\\'

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"event_id": ""}, r"at `\$.event_id`"),
            ({"user_id": "a b"}, r"at `\$.user_id`"),
            ({"user_id": "a\u0085b"}, r"at `\$.user_id`"),
            ({"user_id": "u" * 257}, r"at `\$.user_id`"),
            (
                {"product_id": 3},
                r"the number '3' stands where text is expected: write it in quotes - at `\$.product_id`",
            ),
            ({"product_id": None}, r"at `\$.product_id`"),
            ({"kind": "wish"}, r"'wish' - at `\$.kind`"),
            ({"kind": None}, r"at `\$.kind`"),
            ({"time": -1}, r"at `\$.time`"),
            ({"time": 10**15}, r"at `\$.time`"),
            ({"time": True}, r"at `\$.time`"),
            ({"time": 1.5}, r"at `\$.time`"),
            ({"time": "2026-01-31T12:00:00"}, r"no time zone: append `Z` .* - at `\$.time`"),
            ({"time": "2026-01-31T12:00:00" + "0" * 40 + "Z"}, r"at `\$.time`"),
            ({"colour": "red"}, r"unknown field `colour`"),
            ({"product_ids": ["a"]}, "exactly one of `product_id` and `product_ids`"),
        ],
    )
    def test_refuses_and_names_the_field(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(MalformedRecord, match=f"^native: .*{message}"):
            decode({**self.EVENT, **change}, "native")

    @pytest.mark.parametrize("ids", [[], [f"p{number}" for number in range(501)], ["a", 3], "a"])
    def test_refuses_wrong_lists_of_products(self, ids: Any) -> None:
        with pytest.raises(MalformedRecord, match=r"at `\$.product_ids"):
            decode({**without(self.EVENT, "product_id"), "product_ids": ids}, "native")

    @pytest.mark.parametrize("name", ["event_id", "user_id", "time"])
    def test_names_the_missing_field(self, name: str) -> None:
        with pytest.raises(MalformedRecord, match=f"missing required field `{name}`"):
            decode(without(self.EVENT, name), "native")

    def test_names_the_missing_product(self) -> None:
        with pytest.raises(MalformedRecord, match="exactly one of `product_id` and `product_ids`"):
            decode(without(self.EVENT, "product_id"), "native")


class TestSegment:
    CALL: dict[str, Any] = {  # noqa: RUF012
        "type": "track",
        "event": "Product Clicked",
        "messageId": "ajs-next-1",
        "userId": "u-7",
        "anonymousId": "a-1",
        "timestamp": "2026-01-31T12:00:00.000Z",
        "originalTimestamp": "2026-01-31T11:00:00.000Z",
        "receivedAt": "2026-01-31T10:00:00.000Z",
        "context": {"ip": "8.8.8.8", "page": {"url": "x"}},
        "integrations": {},
        "properties": {"product_id": "mug-3", "price": 12.5, "position": 3},
    }
    ORDER: dict[str, Any] = {  # noqa: RUF012
        **CALL,
        "event": "Order Completed",
        "properties": {"order_id": "o-1", "products": [{"product_id": "a"}, {"product_id": 17}, {"product_id": "a"}]},
    }

    @pytest.mark.parametrize(
        ("name", "kind"), [("Product Viewed", "view"), ("Product Clicked", "click"), ("Product Added", "cart")]
    )
    def test_reads_events_of_one_product(self, name: str, kind: str) -> None:
        assert decode({**self.CALL, "event": name}, "segment") == Interaction(
            event_id="ajs-next-1",
            user_id="u-7",
            kind=InteractionKind(kind),
            product_ids=("mug-3",),
            occurred_at=NOW,
        )

    def test_an_order_names_all_its_products_once_and_numbers_as_text(self) -> None:
        order = decode(self.ORDER, "segment")
        assert (order.kind, order.product_ids) == (InteractionKind.PURCHASE, ("a", "17"))

    @pytest.mark.parametrize("absent", [None, ""])
    def test_the_anonymous_id_stands_in_until_somebody_logs_in(self, absent: str | None) -> None:
        assert decode({**self.CALL, "userId": absent}, "segment").user_id == "a-1"
        assert decode(without(self.CALL, "userId"), "segment").user_id == "a-1"
        with pytest.raises(MalformedRecord, match="`userId` or `anonymousId` is required"):
            decode({**without(self.CALL, "anonymousId"), "userId": absent}, "segment")

    def test_the_corrected_time_comes_first_the_time_of_arrival_last(self) -> None:
        hour = 3_600_000
        assert decode(self.CALL, "segment").occurred_at == NOW
        assert decode(without(self.CALL, "timestamp"), "segment").occurred_at == NOW - hour
        late = without(self.CALL, "timestamp", "originalTimestamp")
        assert decode(late, "segment").occurred_at == NOW - 2 * hour
        with pytest.raises(MalformedRecord, match="`timestamp` is required"):
            decode(without(late, "receivedAt"), "segment")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"type": "identify"}, r"a `identify` call moves no affinity.*at `\$.type`"),
            ({"event": "Product List Viewed"}, r"'Product List Viewed' is none of Product Viewed.*at `\$.event`"),
            ({"event": None}, r"at `\$.event`"),
        ],
    )
    def test_other_calls_are_unsupported(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(UnsupportedEvent, match=message):
            decode({**self.CALL, **change}, "segment")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"properties": {}}, r"missing required field `product_id` - at `\$.properties`"),
            ({"properties": None}, r"at `\$.properties`"),
            ({"properties": {"product_id": ""}}, r"at `\$.properties.product_id`"),
            ({"properties": {"product_id": -1}}, r"at `\$.properties.product_id`"),
            ({"properties": {"product_id": 2**63}}, r"at `\$.properties.product_id`"),
            ({"properties": {"product_id": True}}, r"at `\$.properties.product_id`"),
            ({"messageId": 3}, r"at `\$.messageId`"),
            ({"userId": True}, r"at `\$.userId`"),
            ({"timestamp": "yesterday"}, r"'yesterday' is not a time.* - at `\$.timestamp`"),
            ({"timestamp": NOW}, r"at `\$.timestamp`"),
        ],
    )
    def test_refuses_and_names_the_field(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(MalformedRecord, match=f"^segment: .*{message}"):
            decode({**self.CALL, **change}, "segment")

    def test_names_the_wrong_product_of_an_order(self) -> None:
        properties = {"products": [{"product_id": "a"}, {"product_id": True}]}
        with pytest.raises(
            MalformedRecord, match=r"'true' is not an id.* - at `\$.properties.products\[1\].product_id`"
        ):
            decode({**self.ORDER, "properties": properties}, "segment")

    def test_refuses_an_order_of_more_products_than_an_interaction_holds(self) -> None:
        properties = {"products": [{"product_id": index} for index in range(501)]}
        with pytest.raises(
            MalformedRecord,
            match=r"names 1 to 500 products, this one 501: raise input.max_products.* - at `\$.properties.products`",
        ):
            decode({**self.ORDER, "properties": properties}, "segment")

    def test_every_call_of_a_batch_is_an_event_of_its_visitor(self) -> None:
        page = {"type": "page", "messageId": "m-9"}
        other = {**self.CALL, "userId": 4711, "messageId": "m-2", "event": "Product Added"}
        batch = {"batch": [self.CALL, page, other], "sentAt": "2026-01-31T12:00:00.000Z", "writeKey": "w"}
        found = events_of(batch, "segment")
        assert [(event.event_id, event.user_id, event.kind.value) for event in found] == [
            ("ajs-next-1", "u-7", "click"),
            ("m-2", "4711", "cart"),
        ]
        for part in parts_of(batch, "segment"):
            assert parts_of(part.value, "segment") == (part,)

    def test_one_bad_call_of_a_batch_costs_no_other(self) -> None:
        bad = {**self.CALL, "timestamp": "yesterday"}
        good, refused = parts_of({"batch": [self.CALL, bad]}, "segment")
        assert isinstance(good.event, Interaction)
        assert isinstance(refused.event, MalformedRecord)
        assert json.loads(refused.value) == bad

    @pytest.mark.parametrize("batch", [[], [3], {}, "[]", None])
    def test_a_batch_that_is_not_a_list_of_calls_is_malformed(self, batch: object) -> None:
        with pytest.raises(MalformedRecord, match=r"at `\$.batch"):
            decode({"batch": batch}, "segment")

    def test_a_batch_without_an_event_of_ours_is_unsupported(self) -> None:
        with pytest.raises(UnsupportedEvent, match="a `page` call moves no affinity"):
            decode({"batch": [{"type": "page"}, {"type": "identify"}]}, "segment")


def hit(name: str, *items: object, **more: Any) -> dict[str, Any]:
    return {"name": name, "params": {"items": [{"item_id": item} for item in items], **more.pop("params", {})}, **more}


def body(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"client_id": "123.456", "timestamp_micros": NOW * 1000 + 999, "events": list(events), **more}


class TestGa4:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [("view_item", "view"), ("select_item", "click"), ("add_to_cart", "cart"), ("purchase", "purchase")],
    )
    def test_reads_each_event(self, name: str, kind: str) -> None:
        interaction = decode(body(hit(name, "mug-3", 17)), "ga4")
        assert interaction.kind == kind
        assert interaction.product_ids == ("mug-3", "17")
        assert (interaction.user_id, interaction.occurred_at) == ("123.456", NOW)

    def test_reads_a_row_of_the_export(self) -> None:
        row = {
            "event_name": "purchase",
            "event_timestamp": str(NOW * 1000),
            "user_id": None,
            "user_pseudo_id": "p-1",
            "ecommerce": {"transaction_id": "T-9"},
            "items": [{"item_id": "mug-3", "item_name": "A mug"}],
            "event_params": [{"key": "ga_session_id", "value": {"int_value": "3"}}],
        }
        interaction = decode(row, "ga4")
        assert (interaction.user_id, interaction.kind, interaction.occurred_at) == ("p-1", "purchase", NOW)
        assert interaction.event_id == decode({**row, "event_params": []}, "ga4").event_id

    def test_who_is_logged_in_is_the_visitor(self) -> None:
        assert decode(body(hit("view_item", "a"), user_id="u-7"), "ga4").user_id == "u-7"
        assert decode(body(hit("view_item", "a"), user_id=""), "ga4").user_id == "123.456"
        with pytest.raises(MalformedRecord, match="`user_id`, `client_id` or `user_pseudo_id` is required"):
            decode(body(hit("view_item", "a"), client_id=""), "ga4")

    def test_a_body_without_time_happened_when_it_arrived(self) -> None:
        assert decode(without(body(hit("view_item", "a")), "timestamp_micros"), "ga4").occurred_at == NOW

    def test_the_events_own_time_wins_over_the_bodys(self) -> None:
        assert decode(body(hit("view_item", "a", timestamp_micros=(NOW - 5) * 1000)), "ga4").occurred_at == NOW - 5

    def test_every_event_of_a_body_counts_at_its_own_time(self) -> None:
        two = body(
            {"name": "session_start", "params": {"items": "not looked at"}},
            hit("view_item", "a", timestamp_micros=(NOW - 5) * 1000),
            hit("view_item", "b", "a", timestamp_micros=(NOW - 9) * 1000),
            {"name": "scroll"},
        )
        first, second = events_of(two, "ga4")
        assert (first.product_ids, first.occurred_at) == (("a",), NOW - 5)
        assert (second.product_ids, second.occurred_at) == (("b", "a"), NOW - 9)

    def test_events_of_different_kinds_all_count(self) -> None:
        found = events_of(body(hit("view_item", "a"), hit("purchase", "a"), hit("view_item", "a")), "ga4")
        assert [event.kind.value for event in found] == ["view", "purchase", "view"]
        assert len({event.event_id for event in found}) == 3, "equal events of a body are different events"

    def test_a_part_of_a_body_is_the_same_event_alone(self) -> None:
        """So that its dead letter can be replayed, and its copy be routed."""
        for part in parts_of(body(hit("view_item", "a"), hit("purchase", "a"), user_id=4711), "ga4"):
            (again,) = parts_of(part.value, "ga4")
            assert again == part

    def test_one_bad_event_of_a_body_costs_no_other(self) -> None:
        good, bad = parts_of(body(hit("view_item", "a"), hit("view_item", True)), "ga4")
        assert isinstance(good.event, Interaction)
        assert isinstance(bad.event, MalformedRecord)
        assert json.loads(bad.value)["events"] == [hit("view_item", True)]

    @pytest.mark.parametrize("events", [[], [{"name": "page_view"}]])
    def test_a_body_without_an_event_of_ours_is_unsupported(self, events: list[dict[str, Any]]) -> None:
        with pytest.raises(UnsupportedEvent, match="none of its events is one of view_item"):
            decode(body(*events), "ga4")

    @pytest.mark.parametrize("name", [None, "", "page_view"])
    def test_a_row_of_another_event_is_unsupported(self, name: str | None) -> None:
        with pytest.raises(UnsupportedEvent, match=r"at `\$.event_name`"):
            decode({"event_name": name}, "ga4")

    def test_a_resend_keeps_its_id(self) -> None:
        one = body(hit("view_item", "a"))
        assert decode(one, "ga4").event_id == decode(one, "ga4").event_id
        assert decode(one, "ga4").event_id != decode(body(hit("view_item", "b")), "ga4").event_id

    def test_an_order_is_known_by_visitor_and_transaction(self) -> None:
        def order_id(transaction: object, **more: Any) -> str:
            return decode(body(hit("purchase", "a", params={"transaction_id": transaction}), **more), "ga4").event_id

        assert order_id("T-1") == order_id("T-1", timestamp_micros=NOW * 1000 - 5)
        assert order_id("T-1") != order_id("T-2")
        assert order_id("T-1") != order_id("T-1", client_id="other")
        assert order_id(7) == order_id("7")
        assert order_id("") != order_id("", timestamp_micros=NOW * 1000 - 5)

    @pytest.mark.parametrize(
        ("event", "message"),
        [
            (body(hit("view_item")), r"at `\$.events\[0\].params.items`"),
            (body({"name": "x"}, {"name": "view_item"}), r"required field `items` - at `\$.events\[1\].params`"),
            (body(hit("view_item", "a", True)), r"at `\$.events\[0\].params.items\[1\].item_id`"),
            (body(hit("view_item", "(not set)")), r"at `\$.events\[0\].params.items\[0\].item_id`"),
            (body({"params": {}}), r"required field `name` - at `\$.events\[0\]`"),
            (body(hit("view_item", "a", timestamp_micros="9" * 18)), r"at `\$.events\[0\].timestamp_micros`"),
            (body(hit("view_item", "a"), timestamp_micros=-1), r"at `\$.timestamp_micros`"),
            ({"event_name": "view_item", "items": [{}]}, r"required field `item_id` - at `\$.items\[0\]`"),
            ({"event_name": "view_item"}, r"required field `items` - at `\$`"),
        ],
    )
    def test_refuses_and_names_the_field(self, event: dict[str, Any], message: str) -> None:
        with pytest.raises(MalformedRecord, match=f"^ga4: .*{message}"):
            decode(event, "ga4")
