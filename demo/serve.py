"""Runs servers, workers and a shop on this machine until the process is stopped."""

import asyncio
import http.client
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from bannerstream.broker.topics import changelog_name, create_topics
from bannerstream.catalog.folder import read_catalogue
from bannerstream.catalog.loader import load
from bannerstream.contracts.sizes import BILLBOARD
from bannerstream.demo.workers import START_TIMEOUT_S, Workers, start_workers
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.devservers.stack import KafkaKind, S3Kind, Stack
from bannerstream.service.supervisor import Service
from bannerstream.settings import Settings, load_settings
from bannerstream.storage import S3BannerStore

EDGE = "edge"

QUICK = {
    # There is one visitor: the banner may change with every click, and the panel shows affinities at once.
    "BANNERSTREAM_STREAMS__MIN_INTERVAL_S": "0",
    "BANNERSTREAM_STREAMS__COMMIT_INTERVAL_S": "0.2",
    # No other requests arrive, so a batch need not wait to fill.
    "BANNERSTREAM_GENERATOR__BATCH_WAIT_S": "0",
    # The desktop size alone takes a fifth of the time of all sizes.
    "BANNERSTREAM_GENERATOR__FIRST_SIZES": f'["{BILLBOARD.name}"]',
}
"""Settings that differ from those of a shop with a million visitors."""

OnStage = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Options of `serve`."""

    catalogue: Path
    work: Path
    """Folder for the servers' data and all logs: emptied at the start, removed at the end unless something failed."""
    kafka: KafkaKind = "embedded"
    s3: S3Kind = "embedded"
    port: int = 0
    """The shop's port; 0 takes a free one."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Additional settings, as environment variables."""
    start_timeout_s: float = START_TIMEOUT_S
    """Limit until streams and generator are ready."""


@dataclass(slots=True)
class Serving:
    """The running processes."""

    settings: Settings
    workers: Workers
    environment: Mapping[str, str]
    port: int

    @property
    def origin(self) -> str:
        """The edge's origin."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The shop's URL."""
        return f"{self.origin}/shop"

    def check(self) -> None:
        """Raise ChildFailed if streams, the generator or the edge has ended."""
        self.workers.check()

    def stop_edge(self) -> None:
        """Stop the edge alone."""
        self.workers.supervisor.stop_service(EDGE)

    def restart_edge(self) -> None:
        """Start the edge again after it was stopped; return when it serves."""
        self.workers.supervisor.start_service(EDGE)


@contextmanager
def serve(options: ServeOptions, on_stage: OnStage) -> Iterator[Serving]:
    """Start everything, load the catalogue, and keep it running while the block runs.

    Raises:
        ChildFailed: a server or a service did not start.
        ServerFailed, ServerMissing: a server is not available.
        CatalogueInvalid: the folder does not hold a valid catalogue.
    """
    catalogue = read_catalogue(options.catalogue)
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    with ExitStack() as running:
        on_stage("starting broker and store")
        stack = running.enter_context(Stack(options.kafka, options.s3, data_dir=options.work))
        settings = load_settings(**stack.settings_overrides())
        store = S3BannerStore(settings.storage)
        running.callback(store.close)
        on_stage("loading the catalogue")
        asyncio.run(create_topics(settings.kafka, changelog=changelog_name(settings.streams.app_id)))
        store.ensure_bucket()
        asyncio.run(load(catalogue, settings))
        on_stage("starting streams, generator and edge")
        environment = {**stack.environment(), **QUICK, **options.environment}
        port = options.port or free_port()
        workers = running.enter_context(
            start_workers(
                environment,
                options.work,
                extra_services=[_edge(environment, options.catalogue, port)],
                start_timeout_s=options.start_timeout_s,
            )
        )
        yield Serving(settings, workers, environment, port)
    shutil.rmtree(options.work)


def _edge(environment: Mapping[str, str], catalogue: Path, port: int) -> Service:
    return Service(
        EDGE,
        [sys.executable, "-P", "-m", "bannerstream.demo.shop", catalogue],
        {
            **environment,
            "BANNERSTREAM_EDGE__HOST": LOOPBACK,
            "BANNERSTREAM_EDGE__PORT": str(port),
            "BANNERSTREAM_EDGE__PAGE_PURCHASES": "true",  # the demo shop has no server that writes orders
        },
        is_ready=lambda: _is_ready(port),
        ready_timeout_s=START_TIMEOUT_S,
    )


def _is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):
        return False
