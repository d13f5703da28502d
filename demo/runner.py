"""Runs the demo: starts servers and workers, loads the catalogue, replays a session, checks counts, writes the page."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bannerstream.broker.replay import ReplayCounts, replay
from bannerstream.broker.topics import changelog_name, create_topics
from bannerstream.catalog.folder import CatalogueFolder, read_catalogue
from bannerstream.catalog.loader import load
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.manifest import Manifest
from bannerstream.demo.errors import DemoIncomplete
from bannerstream.demo.page import PageContent, write_page
from bannerstream.demo.painters import PainterKind, painter_setup, share_by_model
from bannerstream.demo.summary import percentile, summarise
from bannerstream.demo.watcher import Observed, Watcher, watch
from bannerstream.demo.workers import Workers, start_workers
from bannerstream.devservers.stack import KafkaKind, S3Kind, Stack
from bannerstream.settings import Settings, load_settings
from bannerstream.storage import S3BannerStore
from bannerstream.storage.export import export_banners

_POLL_S = 0.25
_WRITTEN = frozenset({"index.html", "banners", "bucket", "run"})
"""What a demo writes into its folder."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of `run_demo`."""

    out: Path
    session: Path
    catalogue: Path
    rate: float
    """Events per second."""
    kafka: KafkaKind = "embedded"
    s3: S3Kind = "embedded"
    painter: PainterKind = "studio"
    keep: bool = False
    """Also export the banners with their manifests."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of the demo, for display."""

    stage: str
    events: int = 0
    decisions: int = 0
    requested: int = 0
    ready: int = 0
    by_model: float | None = None
    """Share of the banners whose scene a model painted, once all are ready."""
    p50_ms: int | None = None
    p99_ms: int | None = None


OnProgress = Callable[[Progress], None]


def run_demo(options: DemoOptions, on_progress: OnProgress) -> dict[str, object]:
    """Run the main job on this machine and return its summary; the page is `index.html` in `options.out`.

    All processes have ended when this returns or raises. After a failure, the logs of servers and workers stay in
    `options.out/run`.

    Raises:
        ConfigurationError: `options.out` holds files that no demo wrote; nothing was removed.
        DemoIncomplete: a record or a banner is missing at the end.
        ChildFailed: a server or a worker did not start, or ended early.
        ServerFailed, ServerMissing: a server is not available.
    """
    catalogue, setup = read_catalogue(options.catalogue), painter_setup(options.painter)
    _empty(options.out)
    work = options.out / "run"
    work.mkdir(parents=True)
    with ExitStack() as running:
        on_progress(Progress("starting broker and store"))
        stack = running.enter_context(Stack(options.kafka, options.s3, data_dir=work))
        settings = load_settings(**stack.settings_overrides())
        store = S3BannerStore(settings.storage)
        on_progress(Progress("loading the catalogue"))
        asyncio.run(_prepare(settings, store, catalogue))
        on_progress(Progress("starting streams and generator"))
        environment = {**stack.environment(), **setup.environment}
        workers = running.enter_context(start_workers(environment, work, start_timeout_s=setup.start_timeout_s))
        observed, events_in = asyncio.run(_replay(settings, options, setup.deadline_s, workers, on_progress))
        manifests = {key: manifest for key in store.manifest_keys() if (manifest := store.manifest(key)) is not None}
        summary = summarise(
            observed,
            events_in=events_in,
            events_folded=workers.events_folded(),
            duplicates=workers.duplicates(),
            banners=len(manifests),
        )
        share = share_by_model(manifests)
        requested, ready = len(observed.requests), len(observed.ready)
        on_progress(Progress("writing the page", events=events_in, requested=requested, ready=ready, by_model=share))
        write_page(_content(summary, manifests, observed, catalogue), options.out, store.get_blob)
        if options.keep:
            export_banners(store, options.out / "bucket")
    shutil.rmtree(work)
    return summary


def _empty(out: Path) -> None:
    """Remove an earlier demo's files and nothing else, because `--out .` is easily typed."""
    if out.exists() and not out.is_dir():
        raise ConfigurationError(f"{out} is a file; name a folder for the demo's page and pictures")
    foreign = sorted(path.name for path in out.iterdir() if path.name not in _WRITTEN) if out.is_dir() else []
    if foreign:
        raise ConfigurationError(
            f"the demo empties its folder, and {out} holds files that no demo wrote ({', '.join(foreign[:3])}): "
            "name a new or empty folder, for example --out demo-out"
        )
    shutil.rmtree(out, ignore_errors=True)


def _processed(workers: Workers, observed: Observed) -> int:
    """Return the number of events that were folded, duplicates or dead letters."""
    return workers.events_folded() + workers.duplicates() + observed.dead_letters.total()


async def _prepare(settings: Settings, store: S3BannerStore, catalogue: CatalogueFolder) -> None:
    await create_topics(settings.kafka, changelog=changelog_name(settings.streams.app_id))
    await asyncio.to_thread(store.ensure_bucket)
    await load(catalogue, settings)


async def _replay(
    settings: Settings, options: DemoOptions, deadline_s: float, workers: Workers, on_progress: OnProgress
) -> tuple[Observed, int]:
    """Replay the session, wait for all results, and return the observations and the number of events."""
    async with watch(settings.kafka) as watcher:
        observed, sent = watcher.observed, ReplayCounts()
        replaying = asyncio.create_task(
            replay(settings.kafka, options.session, rate=options.rate, retime=True, on_progress=partial(_copy, sent))
        )
        try:
            while not replaying.done():
                await _report_progress("replaying", watcher, sent, workers, on_progress)
            sent = await replaying
            async with asyncio.timeout(deadline_s):
                while await asyncio.to_thread(_processed, workers, observed) < sent.total:
                    await _report_progress("folding", watcher, sent, workers, on_progress)
                await watcher.catch_up()
                while observed.waiting:
                    await _report_progress("painting", watcher, sent, workers, on_progress)
        except TimeoutError as error:
            raise DemoIncomplete(
                f"{observed.waiting} banners are missing {deadline_s:g} s after the last event; see {options.out}/run"
            ) from error
        finally:
            replaying.cancel()
    return observed, sent.total


async def _report_progress(
    stage: str, watcher: Watcher, sent: ReplayCounts, workers: Workers, on_progress: OnProgress
) -> None:
    await asyncio.sleep(_POLL_S)
    workers.check()
    watcher.check()
    observed = watcher.observed
    event_to_ready_ms = observed.event_to_ready_ms()
    on_progress(
        Progress(
            stage,
            events=sent.total,
            decisions=len(observed.assignments),
            requested=len(observed.requests),
            ready=len(observed.ready),
            p50_ms=percentile(event_to_ready_ms, 50),
            p99_ms=percentile(event_to_ready_ms, 99),
        )
    )


def _copy(into: ReplayCounts, so_far: ReplayCounts) -> None:
    into.clicks, into.purchases = so_far.clicks, so_far.purchases


def _content(
    summary: dict[str, object], manifests: dict[str, Manifest], observed: Observed, catalogue: CatalogueFolder
) -> PageContent:
    return PageContent(
        summary=summary,
        manifests=manifests,
        visitors=observed.visitors(),
        products={product.product_id: product for product in catalogue.products},
        cohorts={cohort.cohort_id: cohort for cohort in catalogue.cohorts},
        dead_letters=observed.dead_letters,
    )
