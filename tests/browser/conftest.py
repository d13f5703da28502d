"""A real browser on the demo shop with all its services, started once for all tests of this folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from bannerstream.demo.serve import ServeOptions, Serving, serve
from bannerstream.devservers.stack import why_unavailable
from tests.support.browser import DESKTOP, Visit
from tests.support.main_job import write_catalogue

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


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The demo shop with all services on the embedded servers: these tests are about the page, not about Kafka."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}: apt-get install chromium")
    if (reason := why_unavailable("embedded", "embedded")) is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("serving")
    with serve(ServeOptions(write_catalogue(folder / "catalogue"), folder / "run"), print) as running:
        yield running


@pytest.fixture(scope="module")
def chromium(serving: Serving) -> Iterator[Browser]:
    """A browser for the tests of one file.

    While it runs, Playwright's event loop runs, and no other can. So it starts after the servers, and is closed before
    this worker's next asynchronous test.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, serving: Serving, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens a new visitor; after the test, screenshots of all tabs are in .cache/browser."""
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
