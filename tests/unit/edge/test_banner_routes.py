"""Banners by `/v1/banner` and by pointers."""

import json
from typing import Any

import pytest

from bannerstream.edge.node import EdgeNode
from tests.support.edge_node import Node, running_node


async def banner(node: Node, user: str = "ada") -> dict[str, Any]:
    answer = await node.client.get("/v1/banner", headers=node.headers(user))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-store"
    body: dict[str, Any] = answer.json()
    return body


async def test_a_visitor_sees_their_banner(node: Node) -> None:
    node.announce("a")
    node.assign(3, "a")
    body = await banner(node)
    assert (body["epoch"], body["banner_key"], body["tier"], body["variant"]) == (3, "a" * 64, "studio", "a")
    assert (body["product_id"], body["cohort"], body["alt"]) == ("product-a", "cooks", "Headline a")
    assert body["pointer"] == f"/v1/pointers/{node.key()}"
    assert [each["size"] for each in body["images"]] == ["970x250", "300x250"]
    assert body["images"][0]["url"] == f"/b/{1:064x}.webp"
    assert body["srcset"] == {each["size"]: f"{each['url']} {each['width']}w" for each in body["images"]}
    assert body["feedback"]


async def test_sizes_of_one_aspect_share_a_srcset(node: Node) -> None:
    from bannerstream.contracts.keys import blob_object_key
    from bannerstream.contracts.messages import Rendition

    renditions = tuple(
        Rendition(
            size=f"{width}x{height}",
            blob_key=blob_object_key(f"{width:064x}", "webp"),
            width=width,
            height=height,
            bytes=5,
            sha256=f"{width:064x}",
            media_type="image/webp",
        )
        for width, height in ((1940, 500), (970, 250))
    )
    node.announce("a", renditions=renditions)
    node.assign(1, "a")
    assert (await banner(node))["srcset"] == {"970x250": f"/b/{970:064x}.webp 970w, /b/{1940:064x}.webp 1940w"}


async def test_until_it_is_ready_the_previous_banner_stays(node: Node) -> None:
    node.announce("a")
    node.assign(1, "a")
    node.assign(2, "b")
    assert (await banner(node))["epoch"] == 1
    node.announce("b")
    assert (await banner(node))["epoch"] == 2


async def test_without_a_banner_the_cohorts_is_shown_and_without_that_the_shops(node: Node) -> None:
    node.assign(1, "b", cohort="cooks")
    body = await banner(node)
    assert (body["epoch"], body["tier"], body["banner_key"], body["feedback"]) == (0, "default", None, "")
    node.announce("a", cohort="cooks")
    body = await banner(node)
    assert (body["epoch"], body["banner_key"]) == (0, "a" * 64)
    assert node.metric("bannerstream_edge_banners_total", kind="shop") == 1
    assert node.metric("bannerstream_edge_banners_total", kind="cohort") == 1


async def test_somebody_without_a_token_sees_the_default_cohorts_banner() -> None:
    async with running_node(default_cohort="cooks") as node:
        body = (await node.client.get("/v1/banner")).json()
        assert (body["tier"], body["pointer"], body["feedback"]) == ("default", None, None)
        node.announce("a")
        body = (await node.client.get("/v1/banner")).json()
        assert (body["epoch"], body["banner_key"], body["feedback"]) == (0, "a" * 64, None)


async def test_every_picture_of_the_default_can_be_fetched(node: Node) -> None:
    body = (await node.client.get("/v1/banner")).json()
    for image in body["images"]:
        answer = await node.client.get(image["url"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == image["media_type"] == "image/svg+xml"
        assert len(answer.content) == image["bytes"]


async def test_a_banner_made_again_is_shown_at_once(node: Node) -> None:
    node.announce("a")
    node.assign(1, "a")
    assert (await banner(node))["tier"] == "studio"
    node.announce("a", revision=2, engine="diffusers")
    body = await banner(node)
    assert (body["tier"], body["revision"], body["epoch"]) == ("diffusers", 2, 1)
    assert body["images"][0]["url"] == f"/b/{2:064x}.webp"


async def test_the_token_is_taken_from_header_cookie_or_address(node: Node) -> None:
    node.announce("a")
    node.assign(1, "a")
    token = node.edge.tokens.mint("ada")
    for given in (
        {"headers": {"Authorization": f"Bearer {token}"}},
        {"headers": {"Cookie": f"other=1; bs_visitor={token}"}},
        {"params": {"token": token}},
    ):
        answer = await node.client.get("/v1/banner", **given)  # type: ignore[arg-type]
        assert answer.json()["epoch"] == 1


@pytest.mark.parametrize("path", ["/v1/banner", "/v1/stream"])
async def test_an_address_of_very_many_fields_is_refused(node: Node, path: str) -> None:
    answer = await node.client.get(f"{path}?{'&'.join(f'f{number}=1' for number in range(30))}")
    assert (answer.status_code, answer.json()["error"]) == (401, "token")


async def test_links_and_titles_come_from_the_catalogue(node: Node) -> None:
    from bannerstream.edge.resolver import ProductCard

    node.announce("a")
    node.assign(1, "a")
    node.edge.products.values = {"product-a": ProductCard("Stoneware mug", "https://shop.example/p/mug?a=1&b=2")}
    node.edge.resolver.changed_all()
    body = await banner(node)
    assert (body["link"], body["alt"]) == ("https://shop.example/p/mug?a=1&b=2", "Headline a – Stoneware mug")


async def test_a_pointer_holds_nothing_that_is_only_the_visitors(node: Node) -> None:
    node.announce("a")
    node.assign(3, "a")
    private = await banner(node)
    answer = await node.client.get(private["pointer"])
    body = answer.json()
    assert body == {name: value for name, value in private.items() if name != "feedback"}
    tags = [f"user-{node.key()}", f"banner-{'a' * 64}"]
    assert answer.headers["surrogate-key"] == answer.headers["xkey"] == " ".join(tags)
    assert answer.headers["cache-tag"] == ",".join(tags)
    assert answer.headers["cache-control"] == "public, max-age=0, s-maxage=60"
    assert "ada" not in answer.text + json.dumps(dict(answer.headers))


async def test_an_img_without_script_is_led_to_its_picture(node: Node) -> None:
    node.announce("a")
    node.assign(3, "a")
    pointer = f"/v1/pointers/{node.key()}"
    answer = await node.client.get(f"{pointer}/300x250")
    assert (answer.status_code, answer.headers["location"]) == (302, f"/b/{1:064x}.webp")
    assert answer.headers["xkey"].startswith(f"user-{node.key()} ")
    for size in ("1x1", "301x250", "big", "300x250%20"):
        assert (await node.client.get(f"{pointer}/{size}")).status_code == 404
    assert (await node.client.get(f"{pointer}/300x250%0d%0aset-cookie:x=1")).status_code == 422


async def test_with_a_cdn_pictures_are_linked_there() -> None:
    async with running_node(cdn_base_url="https://cdn.example/banners") as node:
        node.announce("a")
        node.assign(3, "a")
        body = await banner(node)
        name = f"{1:064x}.webp"
        assert body["images"][0]["url"] == f"https://cdn.example/banners/blobs/00/{name}"
        answer = await node.client.get(f"/b/{name}")
        assert (answer.status_code, answer.headers["location"]) == (302, body["images"][0]["url"])
        own = (await node.client.get("/v1/banner")).json()["images"][0]["url"]
        assert own.startswith("/b/"), "the shop's default is not in the bucket"
        assert (await node.client.get(own)).status_code == 200


@pytest.mark.parametrize("key", ["x", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "%0a"])
async def test_what_is_no_user_key_is_not_found(node: Node, key: str) -> None:
    for path in (f"/v1/pointers/{key}", f"/v1/pointers/{key}/300x250", f"/v1/visitors/{key}"):
        assert (await node.client.get(path)).status_code in {404, 422}


async def test_a_user_key_of_nobody_looks_like_a_visitor_without_a_banner(node: Node) -> None:
    node.announce("a")
    node.assign(1, "b")
    of_nobody = (await node.client.get(f"/v1/pointers/{'0' * 32}")).json()
    of_ada = (await node.client.get(f"/v1/pointers/{node.key()}")).json()
    assert of_nobody["epoch"] == of_ada["epoch"] == 0


async def test_two_nodes_share_the_visitors() -> None:
    async with running_node(shard="0/2") as first, running_node(shard="1/2") as second:
        nodes = (first, second)
        for user in ("ada", "bob", "eve", "joe", "kim", "lou"):
            where = first.edge.shard.shard_of(first.key(user))
            answers = [await each.client.get("/v1/banner", headers=each.headers(user)) for each in nodes]
            assert [each.status_code for each in answers] == ([200, 421] if where == 0 else [421, 200])
            refused = answers[1 - where]
            assert refused.headers["bannerstream-shard"] == str(where)
            pointers = [await each.client.get(f"/v1/pointers/{first.key(user)}") for each in nodes]
            assert [each.status_code for each in pointers] == [each.status_code for each in answers]
        assert {first.edge.shard.shard_of(first.key(f"u-{number}")) for number in range(20)} == {0, 1}


async def test_it_is_ready_once_the_view_has_caught_up(node: Node) -> None:
    assert (await node.client.get("/healthz")).status_code == 200
    node.edge.bucket.has_answered.set()
    assert (await node.client.get("/readyz")).status_code == 503
    node.edge.follower.caught_up.set()
    assert (await node.client.get("/readyz")).status_code == 200
    node.edge.broken = True
    answer = await node.client.get("/readyz")
    assert (answer.status_code, "task_ended" in answer.text) == (503, True)


async def test_metrics_with_a_port_of_their_own_are_not_on_the_public_one() -> None:
    async with running_node(metrics_port=9103) as node:
        assert (await node.client.get("/metrics")).status_code == 404


async def test_metrics_name_no_visitor(node: Node) -> None:
    node.announce("a")
    node.assign(1, "a")
    await banner(node)
    await node.client.get(f"/v1/pointers/{node.key()}")
    await node.client.get(f"/{node.key()}")
    page = (await node.client.get("/metrics")).text
    assert 'bannerstream_edge_requests_total{route="/v1/pointers/{user_key}",status="200"} 1.0' in page
    assert node.key() not in page
    assert isinstance(node.edge, EdgeNode)


async def test_the_document_describes_every_answer_with_an_example(node: Node) -> None:
    document = (await node.client.get("/openapi.json")).json()
    names = {"/v1/banner", "/v1/stream", "/v1/events", "/v1/feedback", "/b/{name}", "/v1/pointers/{user_key}"}
    assert names <= document["paths"].keys()
    schemas = document["components"]["schemas"]
    referred = {each.split('"')[0] for each in json.dumps(document).split("#/components/schemas/")[1:]}
    assert referred <= schemas.keys()
    for path in ("/v1/banner", "/v1/pointers/{user_key}"):
        example = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["example"]
        assert set(schemas["Banner"]["required"]) <= example.keys() <= schemas["Banner"]["properties"].keys()


async def test_an_answer_has_what_the_document_requires(node: Node) -> None:
    import jsonschema

    document = (await node.client.get("/openapi.json")).json()
    node.announce("a")
    node.assign(1, "a")
    schema = {"$ref": "#/components/schemas/Banner", "components": document["components"]}
    for answer in (
        await node.client.get("/v1/banner"),
        await node.client.get("/v1/banner", headers=node.headers()),
        await node.client.get(f"/v1/pointers/{node.key()}"),
    ):
        jsonschema.validate(answer.json(), schema)


async def test_the_short_way_is_counted_refused_and_documented_as_any_other(node: Node) -> None:
    assert (await node.client.get("/v1/banner", headers=node.headers())).status_code == 200
    assert (await node.client.get("/v1/banner", headers={"Authorization": "Bearer x"})).status_code == 401
    assert (await node.client.post("/v1/banner")).status_code == 405
    body = [node.metric("bannerstream_edge_requests_total", route="/v1/banner", status=each) for each in ("200", "401")]
    assert body == [1, 1]
    assert node.metric("bannerstream_edge_refused_total", reason="token") == 1
    document = (await node.client.get("/openapi.json")).json()
    assert {"200", "401", "421", "429"} <= document["paths"]["/v1/banner"]["get"]["responses"].keys()
