"""From a click in a browser to the new banner's pixels on its screen: `python -m bench loop --clients 1,100,1000`.

A real broker and store, streams, generator and edge as processes, and headless Chromium on the demo shop. One visitor
clicks; the page measures from `bannerstream.send` to the frame after the one in which the new picture, decoded, was put
into the page (the event `bannerstream:shown`). Motion is reduced, so that the picture is there whole.

`existing`: two products of one cohort take turns, and both banners were painted before. `painted`: each click is on a
product that nobody has clicked, so the studio paints its banner first; for that the catalogue holds many copies of one
product. Others hold live streams open, `clients` in all, and click in the background, each combination in turn
(bench/arena/crowd.py). The lines `loop-stages` say where the time went, in medians (bench/arena/journey.py). A
click that brings no new banner within 20 s counts as one of 20 s, and in `missing`.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

if __name__ == "__main__":  # `python bench/loop.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import Browser, Page, sync_playwright

from bannerstream.catalog.folder import PRODUCTS_FILE
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.demo.serve import ServeOptions, Serving, serve
from bannerstream.devservers.stack import why_unavailable
from bannerstream.service.child_process import ChildProcess
from bannerstream.storage import S3BannerStore
from bench.arena.environments import CACHE
from bench.arena.journey import Shown, Trails, journeys, medians
from bench.arena.probes import percentile
from bench.arena.stage import Result, numbers, parser, reporting, tell

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync")  # fmt: skip
PAIR = ("headphones", "mechanical-keyboard")
"""Both in one cohort above all: whichever was clicked last is shown."""
PATIENCE_MS = 20_000
CROWD_S = 60.0
SETTLING_S, LOOK_S, QUIET_LOOKS = 300.0, 0.5, 6
BETWEEN_S = 1.0
"""A person who looks at a banner does not click faster, and what the last click caused is over: the studio has painted
the other sizes, too."""

CLICK = """
([product, patience]) => new Promise((done) => {
  const from = performance.now(), seenAt = {}, element = document.querySelector("banner-stream");
  const show = Object.getPrototypeOf(element).show;
  element.show = function (banner, ...rest) {
    seenAt[banner.epoch] ??= performance.now();
    return show.call(this, banner, ...rest);
  };
  const late = setTimeout(() => done(null), patience);
  const shown = ({ detail: { banner, ms } }) => {
    if (banner.product_id !== product) return;
    clearTimeout(late);
    document.removeEventListener("bannerstream:shown", shown);
    delete element.show;
    const end = from + ms, at = seenAt[banner.epoch], loaded = performance.getEntriesByName(element.image.src).at(-1);
    const { banner_key, product_id, epoch, pointer } = banner;
    const times = { clicked_at: from, told_at: at, fetched_at: Math.max(at, loaded?.responseEnd ?? 0), shown_at: end };
    for (const stage in times) times[stage] += performance.timeOrigin;
    done({ banner_key, product_id, epoch, pointer, ...times });
  };
  document.addEventListener("bannerstream:shown", shown);
  bannerstream.send("click", product);
})
"""


def catalogue_with(folder: Path, copies: int) -> Path:
    """Write the example catalogue with so many copies of one product, each with an id of its own."""
    shutil.copytree(CATALOGUE, folder)
    lines = (folder / PRODUCTS_FILE).read_text().splitlines()
    original = next(each for each in map(json.loads, lines) if each["product_id"] == PAIR[0])
    made = [json.dumps({**original, "product_id": f"copy-{number}"}) for number in range(copies)]
    (folder / PRODUCTS_FILE).write_text("".join(f"{line}\n" for line in [*lines, *made]))
    return folder


@contextmanager
def crowd(serving: Serving, clients: int, per_s: int, log: Path) -> Iterator[None]:
    """Keep so many streams open, the browser's not counted, and so many clicks a second coming, during the block."""
    command = [sys.executable, "-m", "bench.arena.crowd", serving.origin, str(clients - 1), str(per_s)]
    with ChildProcess(command, name="crowd", log_file=log, environment=serving.environment) as others:
        others.wait_until_ready(lambda: "ready" in others.log_tail(), CROWD_S)
        if per_s:
            quiet(serving)
        yield
        if others.poll() is not None:
            sys.exit(f"the other visitors left early: {others.log_tail()}")


def quiet(serving: Serving) -> None:
    """Return once what the crowd sees is painted: a shop's banners are there before a visitor's click is."""
    deadline, looks = time.monotonic() + SETTLING_S, 0
    while looks < QUIET_LOOKS:
        if time.monotonic() > deadline:
            tell(f"the generator still paints for the crowd after {SETTLING_S:.0f} s")
            return
        time.sleep(LOOK_S)
        looks = looks + 1 if serving.workers.requests_held() == 0 else 0


@contextmanager
def visitor(browser: Browser, url: str) -> Iterator[Page]:
    """Open the shop as somebody of whom nothing is known."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    try:
        page = context.new_page()
        page.goto(url)
        yield page
    finally:
        context.close()


def click_through(page: Page, products: Sequence[str]) -> list[Shown | None]:
    """Click each product, the next one when the banner of the one before is there; return what was shown for each."""
    taken: list[Shown | None] = []
    for product in products:
        shown = page.evaluate(CLICK, [product, PATIENCE_MS])
        taken.append(None if shown is None else Shown(**shown))
        time.sleep(BETWEEN_S)
    return taken


def summary(taken: Sequence[Shown | None]) -> Result:
    """Return the figures of one case."""
    latencies = [PATIENCE_MS if each is None else each.shown_at - each.clicked_at for each in taken]
    return {
        "p50_ms": round(percentile(latencies, 0.5)),
        "p99_ms": round(percentile(latencies, 0.99)),
        "max_ms": round(max(latencies)),
        "samples": len(latencies),
        "missing": sum(each is None for each in taken),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = parser("loop", __doc__)
    options.add_argument("--clients", type=numbers, default=(1, 100, 1000), metavar="N,M", help="1,100,1000")
    options.add_argument("--background", type=numbers, default=(0, 1000), metavar="N,M", help="clicks a second; 0,1000")
    options.add_argument("--samples", type=int, default=100, help="clicks of each case; 100")
    options.add_argument("--kafka", choices=("apache", "embedded"), default="apache")
    options.add_argument("--s3", choices=("minio", "versitygw", "embedded"), default="minio")
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.clients, chosen.background, chosen.samples = 1, (1, 20), (0,), 6
    if (reason := why_unavailable(chosen.kafka, chosen.s3)) is not None:
        sys.exit(reason)
    runs = [(r, c, b) for r in range(1, chosen.rounds + 1) for c in chosen.clients for b in chosen.background]
    generous = {f"BANNERSTREAM_EDGE__{name}_PER_ADDRESS": "100000" for name in ("RATE", "BURST")}  # all are one address
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="loop-") as scratch:
        catalogue = catalogue_with(Path(scratch) / "catalogue", len(runs) * chosen.samples)
        served = ServeOptions(catalogue, Path(scratch) / "run", chosen.kafka, chosen.s3, environment=generous)
        with serve(served, tell) as serving, sync_playwright() as playwright, ExitStack() as stack:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(SWITCHES))
            report = reporting(chosen.out)
            store = stack.enter_context(closing(S3BannerStore(serving.settings.storage)))
            reading = stack.enter_context(closing(Trails(serving.settings)))
            with visitor(browser, serving.url) as page:
                click_through(page, PAIR)  # painted from here on
            for number, (turn, clients, per_s) in enumerate(runs):
                tell(f"round {turn}: {clients} streams, {per_s:,} events a second")
                copies = [f"copy-{number * chosen.samples + each}" for each in range(chosen.samples)]
                cases = {"existing": (PAIR * chosen.samples)[: chosen.samples], "painted": copies}
                with crowd(serving, clients, per_s, Path(scratch) / "crowd.log"):
                    for case, products in cases.items():
                        with visitor(browser, serving.url) as page:
                            click_through(page, PAIR[-1:])  # somebody of a known taste
                            reading.read()
                            taken = click_through(page, products)
                        place: Result = {"case": case, "clients": clients, "background_per_s": per_s}
                        place |= {"kafka": chosen.kafka, "s3": chosen.s3, "round": turn}
                        report({"bench": "loop"} | place | summary(taken))
                        seen = [each for each in taken if each is not None]
                        stages = medians(journeys(seen, reading.read(), store))
                        for step, (stage, ms) in enumerate(stages.items(), 1):
                            report({"bench": "loop-stages"} | place | {"step": step, "stage": stage, "ms": ms})
            browser.close()


if __name__ == "__main__":
    main()
