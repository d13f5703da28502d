"""A visitor in a real browser, and conditions on the page that they see."""

import time

from playwright.sync_api import BrowserContext, ConsoleMessage, Page

DESKTOP, PHONE = (1440, 900), (390, 844)

PATIENCE_MS = 30_000

LOOK_MS = 50

RECORDER = """
window.shifts = [];
const moved = ({ hadRecentInput, value, sources }) =>  // as CLS counts: shifts right after an input are intended
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


class Visit:
    """One visitor's browser profile: its pages, and the errors and warnings of their consoles."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(RECORDER)
        self.context = context
        self.origin = origin
        self.errors: list[str] = []

    def open(self, address: str = "/shop") -> Page:
        """Return a new tab, once the shop in it shows a banner."""
        page = self.context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.origin + address)
        until_page(page, "window.shown.length > 0")
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)


def until_page(page: Page, condition: str, argument: object = None) -> None:
    """Return once a JavaScript expression, or function of `argument`, is true on the page.

    Not `page.wait_for_function`, which evaluates in the page: the shop's Content-Security-Policy forbids that.
    """
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(condition, argument):
        assert time.monotonic() < deadline, f"not true after {PATIENCE_MS} ms: {condition} {argument or ''}"
        page.wait_for_timeout(LOOK_MS)


def product_shown(page: Page) -> str | None:
    """Return the product on the banner that was painted last."""
    found: str | None = page.evaluate("window.shown.at(-1)?.banner.product_id")
    return found


def until_shown(page: Page, product: str) -> None:
    """Return once the banner shows this product."""
    until_page(page, "(product) => window.shown.at(-1)?.banner.product_id === product", product)


def look_at(page: Page, product: str) -> None:
    """Click a product's card, as a visitor does."""
    if "/p/" in page.url:
        page.click("main [data-page]")
    page.click(f'.card [data-product="{product}"]')
    page.wait_for_selector(f'[data-add="{product}"]')
