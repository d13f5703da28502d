"""A real browser on the demo shop with all its services, started once for all tests of this folder."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from bannerstream.demo.serve import ServeOptions, Serving, serve
from bannerstream.devservers.stack import why_unavailable
from tests.main_job import write_catalogue

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ARTEFACTS = Path(__file__).parents[2] / ".cache/browser"
DESKTOP, PHONE = (1440, 900), (390, 844)
PATIENCE_MS = 30_000
LOOK_MS = 50

RECORDER = """
window.shifts = [];
const moved = ({ hadRecentInput, value, sources }) =>  // as CLS counts: what follows an input is meant
  hadRecentInput || window.shifts.push(`${value}: ${sources.map(({ node }) => node?.outerHTML?.slice(0, 80))}`);
new PerformanceObserver((list) => list.getEntries().forEach(moved)).observe({ type: "layout-shift", buffered: true });
window.shown = [];
document.addEventListener("bannerstream:shown", ({ detail }) => window.shown.push(detail));
window.animations = [];
const animate = Element.prototype.animate;
Element.prototype.animate = function (frames, options) {
  window.animations.push(options);
  return animate.call(this, frames, options);
};
"""


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The loop, on the embedded servers: these tests are about what a person sees, not about Kafka."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}: apt-get install chromium")
    if (reason := why_unavailable("embedded", "embedded")) is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("serving")
    with serve(ServeOptions(write_catalogue(folder / "catalogue"), folder / "run"), print) as running:
        yield running


@pytest.fixture(scope="session")
def chromium(serving: Serving) -> Iterator[Browser]:
    """A browser. Started after the servers: Playwright keeps an event loop running, and starting those needs one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=SWITCHES)
        yield browser
        browser.close()


class Visit:
    """One visitor's browser profile: pages of it, and what their consoles said."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(RECORDER)
        self.context = context
        self.origin = origin
        self.errors: list[str] = []

    def open(self, address: str = "/shop") -> Page:
        """Return a new tab in which the shop shows a banner."""
        page = self.context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.origin + address)
        until(page, "window.shown.length > 0")
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)


@pytest.fixture
def visit(chromium: Browser, serving: Serving, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visit]]:
    """Make a visitor of whom nothing is known; when the test ends, each tab's picture is kept in .cache/browser."""
    visits: list[Visit] = []

    def make(viewport: tuple[int, int] = DESKTOP, **options: object) -> Visit:
        size = {"width": viewport[0], "height": viewport[1]}
        visits.append(Visit(chromium.new_context(viewport=size, **options), serving.origin))  # type: ignore[arg-type]
        return visits[-1]

    yield make
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(page for visit in visits for page in visit.context.pages):
        page.screenshot(path=ARTEFACTS / f"{request.node.name.replace('/', '-')}-{number}.png")
    for visit in visits:
        visit.context.close()


def until(page: Page, condition: str, argument: object = None) -> None:
    """Return once a JavaScript expression, or function of `argument`, is true on the page.

    Not `page.wait_for_function`, which evaluates in the page: the shop's Content-Security-Policy forbids that.
    """
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(condition, argument):
        assert time.monotonic() < deadline, f"not so after {PATIENCE_MS} ms: {condition} {argument or ''}"
        page.wait_for_timeout(LOOK_MS)


def product_shown(page: Page) -> str | None:
    """Return the product on the banner that was painted last."""
    found: str | None = page.evaluate("window.shown.at(-1)?.banner.product_id")
    return found


def until_shown(page: Page, product: str) -> None:
    """Return once the banner shows this product."""
    until(page, "(product) => window.shown.at(-1)?.banner.product_id === product", product)


def look_at(page: Page, product: str) -> None:
    """Click a product's card, as a visitor does."""
    if "/p/" in page.url:
        page.click("main [data-page]")
    page.click(f'.card [data-product="{product}"]')
    page.wait_for_selector(f'[data-add="{product}"]')
