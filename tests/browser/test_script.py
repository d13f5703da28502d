"""banner.js against a scripted edge: its behaviour on a bad network, and what it reports."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route

from bannerstream.edge.page.script import served_script
from bannerstream.settings.streams import StreamsSettings
from tests.support.browser import Visit, until_page

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.real, pytest.mark.timeout(120)]

Visiting = Callable[..., Visit]
SHADES = ("111111", "222222", "333333")


def banner(epoch: int, shade: str) -> dict[str, Any]:
    """Return a banner as `/v1/stream` sends it; its picture has one colour."""
    picture = {"size": "970x250", "width": 970, "height": 250, "url": f"/b/{shade}.svg", "media_type": "image/svg+xml"}
    words = {"alt": f"banner {shade}", "link": "/p/mug"}
    return {"epoch": epoch, "images": [picture], "feedback": f"f{epoch}"} | words


def events(*banners: dict[str, Any], name: str = "banner") -> str:
    """Return a stream that ends; the browser reconnects after 50 ms."""
    frames = (f"event: {name}\nid: {each['epoch']}\ndata: {json.dumps(each)}\n\n" for each in banners)
    return "retry: 50\n\n" + "".join(frames)


def token(sub: str, exp: int = 1) -> str:
    """Return a token of which a page can read the claims."""
    claims = json.dumps({"exp": exp, "sub": sub}, ensure_ascii=False).encode()
    return f"head.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.mac"


class Edge:
    """Responds with a test's scripted responses in order, and repeats the last one."""

    def __init__(self, page: Page) -> None:
        self.streams: list[tuple[int, str]] = []
        self.intake: list[int] = [202]
        self.events: list[list[dict[str, Any]]] = []
        self.senders: list[str] = []
        self.feedback: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.lost_pictures = 0
        page.route("**/v1/stream*", self._stream)
        page.route("**/v1/events", self._take)
        page.route("**/v1/feedback", self._note)
        page.route("**/b/*.svg", self._picture)
        page.route("**/fresh", lambda route: route.fulfill(body="second", content_type="text/plain"))
        page.route("**/page*", lambda route: route.fulfill(body=self.html, content_type="text/html"))
        self.html = ""

    def _stream(self, route: Route) -> None:
        self.tokens.append(route.request.url.partition("token=")[2])
        status, body = self.streams.pop(0) if len(self.streams) > 1 else self.streams[0]
        route.fulfill(status=status, body=body, content_type="text/event-stream")

    def _take(self, route: Route) -> None:
        status = self.intake.pop(0) if len(self.intake) > 1 else self.intake[0]
        if status < 300:
            self.events.append(json.loads(str(route.request.post_data)))
            self.senders.append(route.request.headers["authorization"].removeprefix("Bearer "))
        route.fulfill(status=status, body="{}")

    def _note(self, route: Route, request: Request) -> None:
        self.feedback.append(json.loads(str(request.post_data)))
        route.fulfill(status=202, body="{}")

    def _picture(self, route: Route) -> None:
        if self.lost_pictures:
            self.lost_pictures -= 1
            route.abort()
            return
        shade = route.request.url.rpartition("/")[2].partition(".")[0]
        size = 'width="970" height="250"'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect {size} fill="#{shade}"/></svg>'
        route.fulfill(body=svg, content_type="image/svg+xml")


@pytest.fixture
def page(visit: Visiting) -> Page:
    return visit().context.new_page()


def begin(page: Page, edge: Edge, origin: str, attributes: str = "", token: str = "first") -> None:
    script = f'<script src="/banner.js" data-slot="hero" data-token="{token}" {attributes}></script>'
    edge.html = f'<!doctype html><div id="hero"></div>{script}'
    page.goto(f"{origin}/page")


def shown(page: Page) -> list[int]:
    found: list[int] = page.evaluate("window.shown.map(({ banner }) => banner.epoch)")
    return found


def test_an_older_epoch_never_replaces_a_newer_one(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [
        (200, events(banner(3, SHADES[0]))),
        (200, events(banner(2, SHADES[1]))),
        (200, events(banner(4, SHADES[2]))),
    ]
    begin(page, edge, visit().origin)
    until_page(page, "window.shown.at(-1)?.banner.epoch === 4")
    assert shown(page) == [3, 4]


def test_an_erased_visitor_starts_over(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    erased = events(banner(7, SHADES[0])) + events({"epoch": 0}, name="erased")
    edge.streams = [(200, erased), (200, events(banner(1, SHADES[1])))]
    begin(page, edge, visit().origin)
    until_page(page, "window.shown.at(-1)?.banner.epoch === 1")


def test_it_comes_back_after_errors_with_a_fresh_token(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [(401, ""), (503, ""), (200, events(banner(1, SHADES[0])))]
    begin(page, edge, visit().origin, 'data-token-url="/fresh"')
    until_page(page, "window.shown.length === 1")
    assert edge.tokens[:3] == ["first", "second", "second"]


def test_a_picture_that_does_not_load_is_tried_again_and_leaves_no_hole(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    begin(page, edge, visit().origin)
    until_page(page, "window.shown.length === 1")
    edge.lost_pictures = 1
    edge.streams = [(200, events(banner(2, SHADES[1])))]
    until_page(page, "window.shown.length === 2")
    assert shown(page) == [1, 2]
    assert edge.lost_pictures == 0


def test_events_wait_until_they_are_taken_and_a_refused_one_holds_up_no_other(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    edge.intake = [503]
    begin(page, edge, visit().origin)
    until_page(page, "window.shown.length === 1")
    page.evaluate("['one', 'two', 'three'].forEach((each) => { bannerstream.send('click', each); })")
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 3")
    page.reload()
    edge.intake = [
        422,
        422,
        202,
    ]  # rejected: the batch of three, then the first event alone
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 0")
    assert [each["product_id"] for batch in edge.events for each in batch] == ["two", "three"]
    assert len({each["event_id"] for batch in edge.events for each in batch}) == 2


def test_batches_are_so_small_that_streams_recognises_a_repeated_one(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    edge.intake = [503]
    begin(page, edge, visit().origin)
    until_page(page, "window.shown.length === 1")
    page.evaluate("[...Array(10).keys()].forEach((each) => { bannerstream.send('click', `p-${each}`); })")
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 10")
    edge.intake = [202]
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 0")
    assert [each["product_id"] for batch in edge.events for each in batch] == [f"p-{number}" for number in range(10)]
    assert max(map(len, edge.events)) <= StreamsSettings().duplicate_window // 2


def test_after_a_login_nothing_is_sent_that_somebody_else_did(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    edge.intake = [503]
    zoe, again = (token("zoë???~~~", exp) for exp in (1, 2))
    assert {"-", "_"} <= set(zoe), "not plain base64"
    begin(page, edge, visit().origin, token=token("ada"))
    until_page(page, "window.shown.length === 1")
    page.evaluate("void bannerstream.send('click', 'one')")
    page.evaluate(f"bannerstream.token = '{zoe}'; void bannerstream.send('click', 'two')")
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 1")
    page.evaluate("void bannerstream.send('click', 'three')")
    begin(page, edge, visit().origin, token=again)
    edge.intake = [202]
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 0")
    (sent,) = edge.events
    assert [event["product_id"] for event in sent] == ["two", "three"]
    assert all("by" not in event for event in sent)
    assert edge.senders == [again]


def test_a_page_of_somebody_else_drops_what_waited(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    edge.intake = [503]
    begin(page, edge, visit().origin, token=token("ada"))
    until_page(page, "window.shown.length === 1")
    page.evaluate("void bannerstream.send('click', 'one')")
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 1")
    begin(page, edge, visit().origin, token=token("zoe"))
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 0")
    edge.intake = [202]
    page.evaluate("bannerstream.send('click', 'two')")
    assert [each["product_id"] for batch in edge.events for each in batch] == ["two"]


def test_a_wrong_clock_does_not_matter(page: Page, visit: Visiting) -> None:
    page.add_init_script("const now = Date.now; Date.now = () => now() + 10 * 365 * 86400000;")
    edge = Edge(page)
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    edge.intake = [503, 202]
    begin(page, edge, visit().origin)
    until_page(page, "window.shown.length === 1")
    page.evaluate("bannerstream.send('click', 'mug')")
    until_page(page, "JSON.parse(sessionStorage.bannerstream).length === 0")
    ((sent,),) = edge.events
    assert "time" not in sent
    assert 300 < sent["age_ms"] < 60_000, "the event waited for the second try"


def test_what_was_seen_is_reported_once_with_its_latency(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    begin(page, edge, visit().origin)
    until_page(page, "window.shown.length === 1")
    page.evaluate("bannerstream.send('click', 'mug')")
    edge.streams = [(200, events(banner(2, SHADES[1])))]
    until_page(page, "document.querySelector('banner-stream').seen === 1 && window.shown.length === 2")
    page.evaluate("addEventListener('click', (event) => event.preventDefault())")
    page.click("banner-stream")
    until_page(page, "performance.getEntriesByName(location.origin + '/v1/feedback').length >= 2")
    reports = [each for each in edge.feedback if each["token"] == "f2"]
    assert [each["kind"] for each in reports] == ["impression", "click"]
    assert reports[0]["size"] == "970x250"
    assert 0 < reports[0]["click_to_visible_ms"] < 60_000


def test_a_banner_out_of_sight_counts_as_no_impression(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    edge.html = '<!doctype html><p style="height:3000px"></p><script src="/banner.js" data-token="first"></script>'
    page.goto(f"{visit().origin}/page")
    until_page(page, "window.shown.length === 1")
    until_page(page, "performance.now() > 3000")
    assert edge.feedback == []
    page.evaluate("scrollTo(0, 9999)")
    until_page(page, "document.querySelector('banner-stream').seen === 1")


def test_two_scripts_share_one_stream(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [(200, "retry: 60000\n\n" + events(banner(1, SHADES[0])).partition("\n\n")[2])]
    script = '<script src="/banner.js" data-token="first"></script>'
    edge.html = f"<!doctype html>{script}{script}"
    page.goto(f"{visit().origin}/page")
    until_page(page, "window.shown.length === 2")
    assert edge.tokens == ["first"]


SETTINGS = 'data-slot="hero" data-token="first"'
ELEMENT = f'<p data-edge="ORIGIN" {SETTINGS}></p>'
WAYS = {
    "plain": f'<script src="/banner.js" {SETTINGS}></script>',
    "deferred": f'<script defer src="/banner.js" {SETTINGS}></script>',
    "async": f'<script async src="/banner.js" {SETTINGS}></script>',
    "module": f'<script type="module" src="/banner.js" {SETTINGS}></script>',
    "inlined": f'<script data-edge="ORIGIN" {SETTINGS}>SCRIPT</script>',
    "inlined as a module": f'<script type="module" data-edge="ORIGIN" {SETTINGS}>SCRIPT</script>',
    "combined, before its element": f"<script>SCRIPT</script>{ELEMENT}",
    "combined, after its element": f"{ELEMENT}<script>SCRIPT</script>",
    "combined as a module": f'<script type="module">SCRIPT</script>{ELEMENT}',
    "evaluated": f"{ELEMENT}<script>fetch('/banner.js').then((r) => r.text()).then((t) => (0, eval)(t))</script>",
}


@pytest.mark.parametrize("way", WAYS)
def test_it_works_however_the_page_loads_it(page: Page, visit: Visiting, way: str) -> None:
    edge, origin = Edge(page), visit().origin
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    tag = WAYS[way].replace("ORIGIN", origin).replace("SCRIPT", served_script().decode())
    edge.html = f'<!doctype html><div id="hero"></div>{tag}'
    page.goto(f"{origin}/page")
    until_page(page, "document.querySelector('#hero > banner-stream')?.banner?.epoch === 1")
    page.evaluate("bannerstream.send('click', 'mug')")
    until_page(page, "performance.getEntriesByName(location.origin + '/v1/events').length === 1")
    assert [event["product_id"] for (event,) in edge.events] == ["mug"]
    assert page.evaluate("document.querySelectorAll('banner-stream').length") == 1
    assert not errors


def test_two_tags_of_one_module_are_two_banners(page: Page, visit: Visiting) -> None:
    """The browser runs a module once, even if several tags load it."""
    edge = Edge(page)
    edge.streams = [(200, "retry: 60000\n\n" + events(banner(1, SHADES[0])).partition("\n\n")[2])]
    script = '<script type="module" src="/banner.js" data-token="first"></script>'
    edge.html = f"<!doctype html>{script}{script}"
    page.goto(f"{visit().origin}/page")
    until_page(page, "window.shown.length === 2")
    assert edge.tokens == ["first"]
    assert page.evaluate("document.querySelectorAll('banner-stream').length") == 2


def test_an_element_that_is_put_back_shows_the_newest_banner(page: Page, visit: Visiting) -> None:
    edge = Edge(page)
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    begin(page, edge, visit().origin)
    until_page(page, "window.shown.at(-1)?.banner.epoch === 1")
    page.evaluate("(window.taken = document.querySelector('banner-stream')).remove()")
    edge.streams = [(200, events(banner(2, SHADES[1])))]
    until_page(page, "bannerstream.banner.epoch === 2")
    assert shown(page) == [1]
    page.evaluate("document.getElementById('hero').append(window.taken)")
    until_page(page, "window.shown.at(-1)?.banner.epoch === 2")
    assert SHADES[1] in page.evaluate("window.taken.shadowRoot.querySelector('img:last-child').src")
    page.evaluate("document.body.append(window.taken)")
    until_page(page, "window.taken.inView")
    assert shown(page) == [1, 2], "an element that moves within the page keeps its picture"


WATCH = """
window.gaps = window.frames_seen = window.covered = 0;
addEventListener("bannerstream:shown", ({ target }) => {
  const look = () => {
    const opaque = [...target.shadowRoot.querySelectorAll("img")]
      .some((image) => image.complete && image.naturalWidth && getComputedStyle(image).opacity === "1");
    window.covered ||= opaque;
    window.frames_seen += 1;
    window.gaps += window.covered && !opaque;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}, { once: true });
"""
"""Counts the frames in which no opaque picture is shown, after the first has faded in."""


def test_a_painted_banner_replaces_its_preview_without_flicker(page: Page, visit: Visiting) -> None:
    """The second announcement of `generator.progressive` has the same epoch and another picture."""
    edge = Edge(page)
    edge.streams = [(200, events(banner(1, SHADES[0])))]
    page.add_init_script(WATCH)
    begin(page, edge, visit().origin)
    until_page(page, "window.covered === true")
    edge.streams.append((200, events(banner(1, SHADES[1]))))
    until_page(page, "window.shown.length === 2")
    until_page(page, "document.querySelector('banner-stream').shadowRoot.querySelectorAll('img').length === 1")
    picture = page.evaluate("document.querySelector('banner-stream').shadowRoot.querySelector('img').src")
    assert SHADES[1] in picture
    assert page.evaluate("window.frames_seen") > 10
    assert page.evaluate("window.gaps") == 0
