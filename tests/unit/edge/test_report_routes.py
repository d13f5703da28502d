"""Reports of pages reach Kafka in the format that streams reads, or are rejected with a reason."""

import asyncio
import json
import time
from typing import Any

import pytest

from bannerstream.contracts.codecs import decode
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.inputs import decode_event
from bannerstream.contracts.interactions import InteractionKind
from bannerstream.contracts.messages import Feedback
from bannerstream.contracts.times import rfc3339
from bannerstream.edge.errors import InvalidRequest
from bannerstream.edge.feedback_tokens import FeedbackTokens, ReplayGuard
from bannerstream.edge.report_records import PageEvent, ReportRecords, check_formats
from bannerstream.edge.resolver import ProductCard
from bannerstream.service.rate_limit import RateLimit
from bannerstream.settings import Settings
from tests.support.edge_node import Node, running_node
from tests.support.waiting import until


async def post(node: Node, body: Any, *, user: str = "ada", path: str = "/v1/events", **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await node.client.post(path, content=content, headers={**node.headers(user), **headers})


def read(node: Node) -> list[tuple[str, Any]]:
    now = time.time_ns() // 1_000_000
    limits = {"received_at": now, "max_future_ms": 300_000, "max_age_ms": 400 * 86_400_000}
    return [
        (record.topic, decode_event(record.value, record.topic, "auto", **limits))  # type: ignore[arg-type]
        for record in node.sink.records
    ]


async def test_an_event_is_written_as_streams_reads_it(node: Node) -> None:
    answer = await post(node, {"type": "click", "product_id": "mug-3", "event_id": "e-1"})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "event_ids": ["e-1"]})
    ((topic, event),) = read(node)
    assert topic == "clicks"
    assert (event.user_id, event.kind, event.product_ids) == ("ada", InteractionKind.CLICK, ("mug-3",))
    assert event.event_id == "e-1"
    assert node.sink.records[0].key == b"ada"
    assert node.metric("bannerstream_edge_events_total", type="click") == 1


async def test_a_batch_goes_to_the_topics_of_its_kinds() -> None:
    batch = [
        {"type": "view", "product_id": "a", "time": rfc3339(int(time.time() * 1000) - 1000)},
        {"type": "cart", "product_id": "b"},
        {"type": "purchase", "product_ids": ["a", "b"], "time": int(time.time() * 1000) - 500},
    ]
    async with running_node(page_purchases=True) as node:
        answer = await post(node, batch)
        assert answer.status_code == 202
        assert [(topic, event.kind.value) for topic, event in read(node)] == [
            ("clicks", "view"),
            ("clicks", "cart"),
            ("purchases", "purchase"),
        ]
        assert len(set(answer.json()["event_ids"])) == 3


async def test_pages_report_no_purchases_unless_the_shop_wants_them(node: Node) -> None:
    answer = await post(node, [{"type": "view", "product_id": "a"}, {"type": "purchase", "product_id": "a"}])
    assert (answer.status_code, answer.json()["error"]) == (403, "page_purchase")
    assert "edge.page_purchases" in answer.json()["message"]
    assert not node.sink.records


async def test_products_that_the_catalogue_lacks_are_refused_while_there_is_one(node: Node) -> None:
    known, unknown = {"type": "view", "product_id": "mug"}, {"type": "view", "product_ids": ["mug", "nope-1"]}
    assert (await post(node, unknown)).status_code == 202, "without a catalogue, streams decides"
    node.edge.products.values, node.edge.products.is_current = {"mug": ProductCard("Mug", None)}, True
    answer = await post(node, [known, unknown])
    assert (answer.status_code, answer.json()["error"]) == (422, "unknown_product")
    assert "'nope-1' - at `$[1]`" in answer.json()["message"]
    assert len(node.sink.records) == 1
    assert (await post(node, known)).status_code == 202


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"\xff\xfe", ""),
        (b"[" * 20_000, ""),
        ([], "holds no event"),
        ({"type": "click"}, "exactly one of"),
        ({"type": "click", "product_id": "a", "product_ids": ["b"]}, "exactly one of"),
        ({"type": "steal", "product_id": "a"}, "$.type"),
        ({"type": "click", "product_id": "a", "user_id": "bob"}, "user_id"),
        ({"type": "click", "product_id": "a", "user_key": "0" * 32}, "user_key"),
        ({"type": "click", "product_id": "a\r\nX-Evil: 1"}, "$.product_id"),
        ({"type": "click", "product_id": "a", "event_id": "e\u0000"}, "$.event_id"),
        ({"type": "click", "product_id": "x" * 129}, "$.product_id"),
        ([{"type": "click", "product_id": "a"}, {"type": "click", "product_id": ""}], "$[1].product_id"),
        ({"type": "click", "product_id": "a", "time": "yesterday"}, "is not a time"),
        ({"type": "click", "product_id": "a", "time": "2026-11-24T12:00:00"}, "no time zone"),
        ({"type": "click", "product_id": "a", "time": 1}, "older than input.max_age_days"),
        ({"type": "click", "product_id": "a", "age_ms": 10**14}, "older than input.max_age_days"),
        ({"type": "click", "product_id": "a", "age_ms": -1}, "$.age_ms"),
        ({"type": "click", "product_id": "a", "age_ms": 1, "time": 1_700_000_000_000}, "at most one of"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_written(node: Node, body: Any, message: str) -> None:
    answer = await post(node, body)
    assert answer.status_code == 422
    assert message in answer.json()["message"]
    assert not node.sink.records
    assert node.metric("bannerstream_edge_refused_total", reason="invalid") == 1


async def test_what_lies_in_the_future_is_taken_as_now(node: Node) -> None:
    """A visitor's clock may be wrong by years: streams would refuse the event, and no page would learn of it."""
    ahead = int(time.time() * 1000) + 400 * 86_400_000
    for time_ in (ahead, rfc3339(ahead), 253_402_300_799_999):
        assert (await post(node, {"type": "click", "product_id": "a", "time": time_})).status_code == 202
    now = int(time.time() * 1000)
    assert all(now - 60_000 < event.occurred_at <= now for _, event in read(node))


async def test_an_age_is_counted_from_when_it_arrived(node: Node) -> None:
    before = int(time.time() * 1000)
    batch = [{"type": "click", "product_id": "a", "age_ms": age} for age in (0, 5_000, 3_600_000)]
    assert (await post(node, batch)).status_code == 202
    after = int(time.time() * 1000)
    for (_, event), age in zip(read(node), (0, 5_000, 3_600_000), strict=True):
        assert before <= event.occurred_at + age <= after


async def test_too_much_is_refused(node: Node) -> None:
    event = {"type": "click", "product_id": "a"}
    assert (await post(node, [event] * 101)).status_code == 413
    assert (await post(node, b" " * 65_537)).status_code == 413

    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 1000

    answer = await node.client.post("/v1/events", content=endless(), headers=node.headers())
    assert answer.status_code == 413, "without a declared length, too"
    assert not node.sink.records


async def test_without_a_token_nothing_is_taken(node: Node) -> None:
    answer = await node.client.post("/v1/events", json={"type": "click", "product_id": "a"})
    assert (answer.status_code, answer.json()["error"]) == (401, "token")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    token = node.edge.tokens.mint("ada")
    answer = await node.client.post("/v1/events", params={"token": token}, json={"type": "click", "product_id": "a"})
    assert answer.status_code == 401, "a URL must not carry the token of a request that changes something"


async def test_it_is_acknowledged_once_kafka_has_it(node: Node) -> None:
    node.sink.open.clear()
    asking = asyncio.create_task(post(node, {"type": "click", "product_id": "a"}))
    await until(lambda: node.metric("bannerstream_edge_waiting_records") == 1)
    assert not asking.done()
    node.sink.open.set()
    assert (await asking).status_code == 202


async def test_what_kafka_does_not_take_is_not_acknowledged(node: Node) -> None:
    node.sink.fail_next()
    answer = await post(node, {"type": "click", "product_id": "a", "event_id": "e-1"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert (await post(node, {"type": "click", "product_id": "a", "event_id": "e-1"})).status_code == 202


async def test_a_slow_kafka_does_not_hold_requests_for_ever() -> None:
    async with running_node(ack_timeout_s=0.05) as node:
        node.sink.open.clear()
        assert (await post(node, {"type": "click", "product_id": "a"})).status_code == 503
        node.sink.open.set()


async def test_under_overload_clients_are_told_when_to_come_back() -> None:
    async with running_node(max_waiting=3) as node:
        node.sink.open.clear()
        event = {"type": "click", "product_id": "a"}
        asking = [asyncio.create_task(post(node, event)) for _ in range(6)]
        done, waiting = await asyncio.wait(asking, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 3:
            more, waiting = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            assert more
            done |= more
        assert {(each.result().status_code, each.result().headers["retry-after"]) for each in done} == {(429, "1")}
        node.sink.open.set()
        assert [(await each).status_code for each in waiting] == [202] * 3
        assert len(node.sink.records) == 3


async def test_requests_that_wait_share_a_round(node: Node) -> None:
    node.sink.open.clear()
    asking = [asyncio.create_task(post(node, {"type": "click", "product_id": "a"})) for _ in range(20)]
    await until(lambda: node.metric("bannerstream_edge_waiting_records") == 20)
    node.sink.open.set()
    assert {(await each).status_code for each in asking} == {202}
    assert len(node.sink.rounds) <= 3


async def test_a_visitor_and_an_address_have_their_rates() -> None:
    rates = {"rate_per_visitor": 0.01, "burst_per_visitor": 3, "rate_per_address": 0.01, "burst_per_address": 8}
    async with running_node(**rates) as node:
        codes = [(await post(node, {"type": "view", "product_id": "a"})).status_code for _ in range(4)]
        assert codes == [202, 202, 202, 429]
        answer = await post(node, {"type": "view", "product_id": "a"})
        assert int(answer.headers["retry-after"]) > 60
        assert (await post(node, {"type": "view", "product_id": "a"}, user="bob")).status_code == 202
        codes = [(await node.client.get("/v1/banner")).status_code for _ in range(3)]
        assert codes == [200, 200, 429], "all visitors of one address share its rate"
        assert (await node.client.get("/readyz")).status_code == 503, "operators' endpoints are not limited"


async def test_a_visitors_rate_counts_events_however_they_are_batched() -> None:
    event = {"type": "view", "product_id": "a"}
    async with running_node(rate_per_visitor=0.01, burst_per_visitor=60) as node:
        assert (await post(node, [event] * 50)).status_code == 202
        refused = await post(node, [event] * 11)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "100")
        assert (await post(node, [event] * 10)).status_code == 202, "a refused batch takes nothing"
        assert (await post(node, event)).status_code == 429
        assert (await post(node, [event] * 100, user="bob")).status_code == 202
        assert (await post(node, event, user="bob")).headers["retry-after"] == "4000"
        codes = [(await post(node, {"type": "steal"}, user="eve")).status_code for _ in range(61)]
        assert codes == [422] * 60 + [429], "what is wrong costs, too"
        assert len(node.sink.records) == 160


async def test_a_cookie_acts_only_for_pages_that_may(node: Node) -> None:
    token = node.edge.tokens.mint("ada")
    event = {"type": "click", "product_id": "a"}
    cookie = {"Cookie": f"bs_visitor={token}"}
    own = {**cookie, "Origin": "http://edge.test"}
    assert (await node.client.post("/v1/events", json=event, headers=own)).status_code == 202
    foreign = {**cookie, "Origin": "https://evil.example"}
    answer = await node.client.post("/v1/events", json=event, headers=foreign)
    assert (answer.status_code, answer.json()["error"]) == (403, "not_allowed")
    assert len(node.sink.records) == 1


async def test_feedback_says_what_was_shown_and_not_to_whom(node: Node) -> None:
    node.announce("a")
    node.assign(7, "a")
    token = (await node.client.get("/v1/banner", headers=node.headers())).json()["feedback"]
    body = {"token": token, "kind": "impression", "size": "970x250", "click_to_visible_ms": 412.6}
    answer = await node.client.post("/v1/feedback", json=body)
    assert answer.status_code == 202
    (record,) = node.sink.records
    assert (record.topic, record.key) == ("banner.feedback", b"a" * 64)
    report = decode(record.value or b"", Feedback)
    assert (report.kind, report.size, report.variant, report.cohort_id) == ("impression", "970x250", "a", "cooks")
    assert (report.product_id, report.engine, report.epoch, report.click_to_visible_ms) == (
        "product-a",
        "studio",
        7,
        413,
    )
    assert report.event_id == answer.json()["event_id"]
    written = (record.value or b"") + b"".join(value for _, value in record.headers)
    assert node.key().encode() not in written
    assert b"ada" not in written
    assert node.metric("bannerstream_edge_click_to_visible_seconds_count") == 1


async def test_replayed_and_made_up_feedback_is_refused_and_counted(node: Node) -> None:
    node.announce("a")
    node.assign(7, "a")
    token = (await node.client.get("/v1/banner", headers=node.headers())).json()["feedback"]
    body = {"token": token, "kind": "click", "size": "970x250"}
    codes = [(await node.client.post("/v1/feedback", json=body)).status_code for _ in range(3)]
    assert codes == [202, 409, 409]
    for made_up in ("x", token[:-4] + "AAAA", token[::-1]):
        assert (await node.client.post("/v1/feedback", json={**body, "token": made_up})).status_code == 403
    assert (await node.client.post("/v1/feedback", json={**body, "banner_key": "b" * 64})).status_code == 422
    for not_delivered in ("728x90", "971x250", "10x10"):
        answer = await node.client.post("/v1/feedback", json={**body, "size": not_delivered})
        assert (answer.status_code, not_delivered in answer.json()["message"]) == (422, True)
    assert len(node.sink.records) == 1
    assert (await node.client.post("/v1/feedback", json={**body, "size": "300x250"})).status_code == 202
    assert node.metric("bannerstream_edge_refused_total", reason="replayed") == 2
    assert node.metric("bannerstream_edge_refused_total", reason="not_allowed") == 3


async def test_one_visitors_feedback_has_its_rate_and_takes_nothing_from_others() -> None:
    async with running_node(rate_per_visitor=0.01, burst_per_visitor=3) as node:
        node.announce("a")
        bodies = []
        for user in ("ada", "bob"):
            node.assign(7, "a", user)
            token = (await node.client.get("/v1/banner", headers=node.headers(user))).json()["feedback"]
            bodies.append({"token": token, "kind": "click", "size": "970x250"})
        answers = [await node.client.post("/v1/feedback", json=bodies[0]) for _ in range(4)]
        assert [each.status_code for each in answers] == [202, 409, 409, 429]
        assert int(answers[-1].headers["retry-after"]) > 60
        assert (await node.client.post("/v1/feedback", json=bodies[1])).status_code == 202


async def test_feedback_that_kafka_did_not_take_may_come_again(node: Node) -> None:
    node.announce("a")
    node.assign(7, "a")
    token = (await node.client.get("/v1/banner", headers=node.headers())).json()["feedback"]
    body = {"token": token, "kind": "click", "size": "970x250"}
    node.sink.fail_next()
    codes = [(await node.client.post("/v1/feedback", json=body)).status_code for _ in range(3)]
    assert codes == [503, 202, 409]


def test_an_input_format_that_is_not_ours_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"input\.purchases_format is segment"):
        check_formats(Settings(input={"purchases_format": "segment"}))


@pytest.mark.parametrize(
    ("limits", "named"), [({"max_products": 3}, "input.max_products"), ({"max_record_bytes": 1000}, "max_record_bytes")]
)
def test_an_event_that_streams_would_refuse_for_its_size_is_refused_here(limits: dict[str, int], named: str) -> None:
    settings = Settings(input=limits)
    edge = settings.edge
    feedback_tokens = FeedbackTokens(edge.feedback_secret.get_secret_value().encode(), 60.0)
    records = ReportRecords(settings, feedback_tokens, ReplayGuard(), RateLimit(1, 1))
    with pytest.raises(InvalidRequest, match=named):
        records.event_records("ada", [PageEvent(type="view", product_ids=tuple(f"{n:0128}" for n in range(9)))])
    assert records.event_records("ada", [PageEvent(type="view", product_ids=("a", "b", "c"))])
