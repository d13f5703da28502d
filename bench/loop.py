"""Latency from a click in a browser to the new banner's pixels: `python -m bench loop --clients 1,100,1000`.

A real broker and store, streams, generator and edge as processes, and headless Chromium on the demo shop. One visitor
clicks; the page measures from `bannerstream.send` to the frame after the one in which the decoded new picture was put
into the page (the event `bannerstream:shown`). Animations are off (reduced motion), so the picture appears at once.

`existing`: clicks alternate between two products of one cohort whose banners exist. `painted`: each click is on a
product that nobody has clicked, so the studio has to paint its banner; the catalogue has many copies of one product for
that. Other visitors hold live streams open, `clients` in all, and click in the background, in each combination
(bench/arena/crowd.py). The lines `loop-stages` have the median time of each stage (bench/arena/journey.py). A
click that brings no new banner within 20 s counts as 20 s, and in `missing`.
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
from bench.arena.stage import Result, numbers, parser, print_progress, reporting

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync")  # fmt: skip
PAIR = ("headphones", "mechanical-keyboard")
"""Both belong mainly to one cohort, so the banner shows the one that was clicked last."""
PATIENCE_MS = 20_000
CROWD_S = 60.0
SETTLING_S, LOOK_S, QUIET_LOOKS = 300.0, 0.5, 6
BETWEEN_S = 1.0
"""Time between clicks: a person does not click faster, and the studio finishes the other sizes of the last banner."""

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
    if (banner.product_id !== product) return; clearTimeout(late); document.removeEventListener("bannerstream:shown",
    shown); delete element.show; const end = from + ms, at = seenAt[banner.epoch], loaded =
    performance.getEntriesByName(element.image.src).at(-1); const { banner_key, product_id, epoch, pointer } = banner;
    const times = { clicked_at: from, notified_at: at, fetched_at: Math.max(at, loaded?.responseEnd ?? 0), shown_at: end
    }; for (const stage in times) times[stage] += performance.timeOrigin; done({ banner_key, product_id, epoch, pointer,
    ...times });
  };
  document.addEventListener("bannerstream:shown", shown);
  bannerstream.send("click", product);
})
"""


def catalogue_with(folder: Path, copies: int) -> Path:
    """Write the example catalogue with `copies` copies of one product, with different ids."""
    shutil.copytree(CATALOGUE, folder)
    lines = (folder / PRODUCTS_FILE).read_text().splitlines()
    original = next(line for line in map(json.loads, lines) if line["product_id"] == PAIR[0])
    made = [json.dumps({**original, "product_id": f"copy-{number}"}) for number in range(copies)]
    (folder / PRODUCTS_FILE).write_text("".join(f"{line}\n" for line in [*lines, *made]))
    return folder


@contextmanager
def crowd(serving: Serving, clients: int, per_s: int, log: Path) -> Iterator[None]:
    """Hold `clients` streams open, including the browser's, and send `per_s` clicks a second during the block."""
    command = [sys.executable, "-m", "bench.arena.crowd", serving.origin, str(clients - 1), str(per_s)]
    with ChildProcess(command, name="crowd", log_file=log, environment=serving.environment) as others:
        others.wait_until_ready(lambda: "ready" in others.log_tail(), CROWD_S)
        if per_s:
            quiet(serving)
        yield
        if others.poll() is not None:
            sys.exit(f"the background load ended early: {others.log_tail()}")


def quiet(serving: Serving) -> None:
    """Return once the banners of the background visitors are painted, as most of a shop's banners are."""
    deadline, looks = time.monotonic() + SETTLING_S, 0
    while looks < QUIET_LOOKS:
        if time.monotonic() > deadline:
            print_progress(f"the generator still paints for the crowd after {SETTLING_S:.0f} s")
            return
        time.sleep(LOOK_S)
        looks = looks + 1 if serving.workers.requests_held() == 0 else 0


@contextmanager
def visitor(browser: Browser, url: str) -> Iterator[Page]:
    """Open the shop as a new visitor."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    try:
        page = context.new_page()
        page.goto(url)
        yield page
    finally:
        context.close()


def click_through(page: Page, products: Sequence[str]) -> list[Shown | None]:
    """Click the products, waiting for each banner; return the page's times for each, or None without a banner."""
    taken: list[Shown | None] = []
    for product in products:
        shown = page.evaluate(CLICK, [product, PATIENCE_MS])
        taken.append(None if shown is None else Shown(**shown))
        time.sleep(BETWEEN_S)
    return taken


def summary(taken: Sequence[Shown | None]) -> Result:
    """Return the figures of one case."""
    latencies = [PATIENCE_MS if shown is None else shown.shown_at - shown.clicked_at for shown in taken]
    return {
        "p50_ms": round(percentile(latencies, 0.5)),
        "p99_ms": round(percentile(latencies, 0.99)),
        "max_ms": round(max(latencies)),
        "samples": len(latencies),
        "missing": sum(shown is None for shown in taken),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = parser("loop", __doc__)
    options.add_argument(
        "--clients", type=numbers, default=(1, 100, 1000), metavar="N,M", help="open streams (default 1,100,1000)"
    )
    options.add_argument(
        "--background",
        type=numbers,
        default=(0, 1000),
        metavar="N,M",
        help="background clicks a second (default 0,1000)",
    )
    options.add_argument("--samples", type=int, default=100, help="clicks of each case (default 100)")
    options.add_argument("--kafka", choices=("apache", "embedded"), default="apache")
    options.add_argument("--s3", choices=("minio", "versitygw", "embedded"), default="minio")
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.rounds, chosen.clients, chosen.background, chosen.samples = 1, (1, 20), (0,), 6
    if (reason := why_unavailable(chosen.kafka, chosen.s3)) is not None:
        sys.exit(reason)
    runs = [(r, c, b) for r in range(1, chosen.rounds + 1) for c in chosen.clients for b in chosen.background]
    generous = {
        f"BANNERSTREAM_EDGE__{name}_PER_ADDRESS": "100000" for name in ("RATE", "BURST")
    }  # all clients have one address
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="loop-") as scratch:
        catalogue = catalogue_with(Path(scratch) / "catalogue", len(runs) * chosen.samples)
        served = ServeOptions(catalogue, Path(scratch) / "run", chosen.kafka, chosen.s3, environment=generous)
        with serve(served, print_progress) as serving, sync_playwright() as playwright, ExitStack() as stack:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(SWITCHES))
            report = reporting(chosen.out)
            store = stack.enter_context(closing(S3BannerStore(serving.settings.storage)))
            reading = stack.enter_context(closing(Trails(serving.settings)))
            with visitor(browser, serving.url) as page:
                click_through(page, PAIR)  # these banners exist from here on
            for number, (turn, clients, per_s) in enumerate(runs):
                print_progress(f"round {turn}: {clients} streams, {per_s:,} events a second")
                copies = [f"copy-{number * chosen.samples + copy}" for copy in range(chosen.samples)]
                cases = {"existing": (PAIR * chosen.samples)[: chosen.samples], "painted": copies}
                with crowd(serving, clients, per_s, Path(scratch) / "crowd.log"):
                    for case, products in cases.items():
                        with visitor(browser, serving.url) as page:
                            click_through(page, PAIR[-1:])  # the visitor has an affinity from here on
                            reading.read()
                            taken = click_through(page, products)
                        place: Result = {"case": case, "clients": clients, "background_per_s": per_s}
                        place |= {"kafka": chosen.kafka, "s3": chosen.s3, "round": turn}
                        report({"bench": "loop"} | place | summary(taken))
                        seen = [shown for shown in taken if shown is not None]
                        stages = medians(journeys(seen, reading.read(), store))
                        for step, (stage, ms) in enumerate(stages.items(), 1):
                            report({"bench": "loop-stages"} | place | {"step": step, "stage": stage, "ms": ms})
            browser.close()


if __name__ == "__main__":
    main()
