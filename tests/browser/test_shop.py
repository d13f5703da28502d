"""The demo shop in a real browser, with Kafka, streams, generator, store and edge behind it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from bannerstream.demo.serve import Serving
from bannerstream.edge.page.script import MAX_BYTES, served_script
from tests.support.browser import DESKTOP, PHONE, Visit, look_at, product_shown, until_page, until_shown

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.real, pytest.mark.timeout(240)]

Visiting = Callable[..., Visit]

CONTRAST = Path(__file__).with_name("contrast.js").read_text()


def panel_says(page: Page, text: str) -> None:
    until_page(page, "(text) => document.querySelector('.panel-body').textContent.includes(text)", text)


def test_clicking_products_changes_the_banner(visit: Visiting) -> None:
    visitor = visit()
    page = visitor.open()
    assert page.evaluate("window.shown[0].banner.tier") == "default"
    look_at(page, "headphones")
    until_shown(page, "headphones")
    panel_says(page, "Night owl is your strongest taste")
    look_at(page, "football")
    look_at(page, "football")
    until_shown(page, "football")
    panel_says(page, "Athletic is your strongest taste")
    latencies = [each["ms"] for each in page.evaluate("window.shown")[1:]]
    assert all(0 < ms < 60_000 for ms in latencies), latencies
    epochs = [each["banner"]["epoch"] for each in page.evaluate("window.shown")]
    assert epochs == sorted(epochs)
    until_page(page, "document.querySelector('banner-stream').shadowRoot.querySelectorAll('img').length === 1")
    assert not visitor.errors


def test_a_bought_product_is_not_advertised_and_a_reload_keeps_that(visit: Visiting) -> None:
    page = visit().open()
    look_at(page, "headphones")
    until_shown(page, "headphones")
    page.click('[data-buy="headphones"]')
    until_page(page, "window.shown.at(-1).banner.product_id !== 'headphones'")
    panel_says(page, "Bought, so not advertised")
    instead = product_shown(page)
    page.reload()
    until_page(page, "window.shown.length > 0")
    until_shown(page, str(instead))
    panel_says(page, "Bought, so not advertised")


def test_two_tabs_agree(visit: Visiting) -> None:
    visitor = visit()
    one, other = visitor.open(), visitor.open()
    look_at(one, "kettle-gooseneck")
    until_shown(one, "kettle-gooseneck")
    until_shown(other, "kettle-gooseneck")
    other.click('.card [data-product="headphones"]')
    until_shown(other, "headphones")
    until_shown(one, "headphones")


def test_a_cart_is_bought_whole_and_shared_by_tabs(visit: Visiting) -> None:
    visitor = visit(PHONE)
    page, other = visitor.open(), visitor.open()
    look_at(page, "headphones")
    page.click("[data-add]")
    page.click("[data-close]")
    look_at(page, "football")
    page.click("[data-add]")
    until_page(other, "document.querySelector('[data-count]').textContent === '2'")
    page.click("[data-checkout]")
    until_page(
        page, "fetch('/shop/visitor').then((answer) => answer.json()).then(({suppressed}) => suppressed.length === 2)"
    )
    until_page(other, "document.querySelector('[data-count]').hidden")
    until_page(page, "!['headphones', 'football'].includes(window.shown.at(-1).banner.product_id)")


def test_losing_the_server_and_getting_it_back_loses_nothing(visit: Visiting, serving: Serving) -> None:
    page = visit().open()
    look_at(page, "headphones")
    until_shown(page, "headphones")
    serving.stop_edge()
    page.evaluate("window.bannerstream.send('click', 'football'), window.bannerstream.send('cart', 'football')")
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 2")
    assert product_shown(page) == "headphones", "the last banner stays"
    assert page.locator("banner-stream img").last.evaluate("(image) => image.naturalWidth") > 0
    serving.restart_edge()
    until_shown(page, "football")
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 0")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_is_stable_quiet_and_accessible(visit: Visiting, viewport: tuple[int, int]) -> None:
    visitor = visit(viewport)
    page = visitor.open()
    look_at(page, "kettle-gooseneck")
    until_shown(page, "kettle-gooseneck")
    until_page(page, "document.querySelector('[data-painted]').textContent.includes('painted once')")
    page.evaluate("bannerstream.send('click', 'headphones')")  # without user input, so that every layout shift counts
    until_shown(page, "headphones")
    until_page(page, "document.querySelector('banner-stream').shadowRoot.querySelectorAll('img').length === 1")
    assert page.evaluate("window.shifts") == []
    link = page.get_by_role("region", name="For you").get_by_role("link", name=re.compile("headphones", re.IGNORECASE))
    assert link.get_attribute("href") == "/p/headphones"
    assert link.get_by_role("img").get_attribute("alt")
    assert nameless(page) == []
    assert page.evaluate("document.documentElement.lang && document.title && !!document.querySelector('h1')")
    assert page.get_by_role("region", name="For you").get_by_role("img").count() == 1, "a fading picture is hidden"
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page does not scroll horizontally"
    assert not visitor.errors
    page.evaluate("document.body.prepend(Object.assign(document.createElement('p'), { textContent: 'in the way' }))")
    until_page(page, "window.shifts.length > 0")  # the recorder notices layout shifts


def nameless(page: Page) -> list[str]:
    """Return the controls and pictures without a name in the browser's accessibility tree."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    named = {"link", "button", "textbox", "combobox", "dialog", "image", "region"}
    return [
        str(node["backendDOMNodeId"])
        for node in tree["nodes"]
        if not node["ignored"] and node["role"]["value"] in named and not node.get("name", {}).get("value", "").strip()
    ]


def test_without_javascript_a_plain_picture_is_there(visit: Visiting) -> None:
    page = visit(java_script_enabled=False).context.new_page()
    with page.expect_response(lambda response: "/b/" in response.url) as shown:
        page.goto(visit().origin + "/shop")
    assert shown.value.status == 200
    assert page.locator("section.banner noscript img, section.banner img").first.get_attribute("alt")
    assert page.locator(".card").count() == 4


def test_who_wants_no_motion_gets_none(visit: Visiting) -> None:
    page = visit(reduced_motion="reduce").open()
    look_at(page, "football")
    until_shown(page, "football")
    assert set(page.evaluate("window.animations")) == {0}


def test_the_script_weighs_less_than_6_kb(visit: Visiting) -> None:
    context = visit().context
    response = context.request.get(visit().origin + "/banner.js")
    assert response.body() == served_script()
    assert len(response.body()) < MAX_BYTES == 6000
    again = context.request.get(visit().origin + "/banner.js", headers={"If-None-Match": response.headers["etag"]})
    assert again.status == 304
