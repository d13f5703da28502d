"""What visitors see of a product that can have no banner: their cohort's default, until streams decides again."""

from typing import Any

from bannerstream.contracts.keys import refusal_key
from bannerstream.contracts.messages import Refusal
from bannerstream.edge.resolver import ProductCard
from tests.support.edge_node import Node
from tests.support.waiting import until

REV = "0" * 16


def hold(node: Node, *refusals: Refusal) -> None:
    """Have the node see a catalogue of these products' and other revisions, and these refusals."""
    node.edge.products.values = {f"product-{key}": ProductCard(f"Title {key}", None, REV, "en") for key in "abc"}
    node.edge.refusals.values = {refusal_key(each.product_id, each.locale): each for each in refusals}
    node.edge._refusals_changed()


def refusal(key: str, **changes: Any) -> Refusal:
    given: dict[str, Any] = {"product_id": f"product-{key}", "locale": "*", "rev": REV, "code": "words"}
    return Refusal(**(given | {"reason": "no", "refused_at": 1} | changes))


async def banner(node: Node) -> tuple[int, str | None]:
    answer = (await node.client.get("/v1/banner", headers=node.headers())).json()
    return answer["epoch"], answer["product_id"]


async def test_a_visitor_of_a_refused_product_sees_the_cohorts_default_meanwhile(node: Node) -> None:
    node.announce("a")
    node.assign(1, "a")
    node.announce("c", cohort="bakers")
    node.assign(2, "b", cohort="bakers")
    assert await banner(node) == (1, "product-a"), "the previous banner, until the next is ready"
    hold(node, refusal("b", code="letters", locale="en"))
    assert await banner(node) == (0, "product-c")
    node.assign(3, "c", cohort="bakers")
    assert await banner(node) == (3, "product-c")


async def test_a_refusal_of_another_revision_or_locale_is_passed_over(node: Node) -> None:
    node.announce("a")
    node.assign(1, "a")
    node.assign(2, "b")
    hold(node, refusal("b", rev="1" * 16), refusal("b", locale="de"))
    assert await banner(node) == (1, "product-a")


async def test_a_banner_that_is_ready_is_shown_unless_a_gate_objects(node: Node) -> None:
    node.announce("a")
    node.assign(1, "a")
    hold(node, refusal("a", code="unmakeable", locale="en"))
    assert await banner(node) == (1, "product-a"), "another cohort's banner could not be made"
    hold(node, refusal("a", code="picture"))
    assert await banner(node) == (0, None), "the shop's own"
    node.announce("c")
    assert await banner(node) == (0, "product-c"), "the cohort's"
    hold(node)
    assert await banner(node) == (1, "product-a")


async def test_open_streams_learn_of_a_refusal(node: Node) -> None:
    connection = node.edge.hub.open(node.key())
    hold(node, refusal("a"))
    await until(connection.wake.is_set)
    connection.wake.clear()
    hold(node, refusal("a"))
    assert not connection.wake.is_set(), "nothing changed"
