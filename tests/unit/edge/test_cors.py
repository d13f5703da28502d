"""A page of a listed origin can read every response, errors and `Retry-After` included; other pages none."""

from typing import Any

import pytest

from tests.support.edge_node import Node, running_node

SHOP, EVIL = "https://shop.example", "https://evil.example"
ALLOWED = "access-control-allow-origin"
EVENT = {"type": "click", "product_id": "a"}


def listed(**settings: Any) -> Any:
    return running_node(cors_origins=[SHOP], **settings)


async def every_answer(node: Node, origin: str) -> dict[int, Any]:
    """Return an answer of each status, as a page of `origin` gets it, until its address has asked too often."""
    page = {"Origin": origin}
    by_status = {
        200: await node.client.get("/v1/banner", headers=page),
        401: await node.client.get("/v1/banner", headers={**page, "Authorization": "Bearer x"}),
        413: await node.client.post("/v1/events", content=b" " * 70_000, headers={**page, **node.headers()}),
        422: await node.client.post("/v1/events", json={}, headers={**page, **node.headers()}),
        429: await node.client.get("/v1/banner", headers=page),
    }
    assert {status: answer.status_code for status, answer in by_status.items()} == {each: each for each in by_status}
    return by_status


async def test_a_listed_page_reads_every_answer_and_when_to_come_back() -> None:
    async with listed(rate_per_address=0.01, burst_per_address=4) as node:
        answers = await every_answer(node, SHOP)
        for status, answer in answers.items():
            assert answer.headers[ALLOWED] == SHOP, status
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert "Origin" in answer.headers["vary"]
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert answers[429].headers["access-control-expose-headers"] == "Retry-After"
        assert int(answers[429].headers["retry-after"]) > 0


async def test_another_page_reads_none() -> None:
    async with listed(rate_per_address=0.01, burst_per_address=4) as node:
        for status, answer in (await every_answer(node, EVIL)).items():
            assert ALLOWED not in answer.headers, status


async def test_a_preflight_says_what_may_be_sent_and_takes_nothing_of_the_rate() -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    async with listed(rate_per_address=0.01, burst_per_address=1) as node:
        for _ in range(5):
            answer = await node.client.options("/v1/events", headers={"Origin": SHOP, **asked})
            assert (answer.status_code, answer.headers[ALLOWED]) == (200, SHOP)
            refused = await node.client.options("/v1/events", headers={"Origin": EVIL, **asked})
            assert (refused.status_code, refused.headers.get(ALLOWED)) == (400, None)
        answer = await node.client.post("/v1/events", json=EVENT, headers={"Origin": SHOP, **node.headers()})
        assert answer.status_code == 202


@pytest.mark.parametrize("path", ["/banner.js", "/v1/pointers/{key}", "/v1/pointers/{key}/300x250", "/b/{name}"])
async def test_what_is_public_is_readable_by_every_page_and_kept_once(path: str) -> None:
    async with listed(rate_per_address=0.01, burst_per_address=2) as node:
        default = node.edge.resolver.default().banner.pictures[0].name
        address = path.format(key=node.key(), name=default)
        for origin in ({"Origin": EVIL}, {}, {"Origin": SHOP}):
            answer = await node.client.get(address, headers=origin)
            assert answer.headers.get_list(ALLOWED) == ["*"]
            assert "vary" not in answer.headers
        assert answer.status_code == 429, "refusals, too"
