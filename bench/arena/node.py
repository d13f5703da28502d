"""An edge node as a process, and its input: assignments of visitors, and ready banners."""

import re
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from prometheus_client.parser import text_string_to_metric_families

from bannerstream.contracts.codecs import encode
from bannerstream.contracts.messages import Assignment, BannerReady, Rendition
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.service.child_process import ChildProcess
from bannerstream.settings import KafkaSettings
from bench.arena.workload import write

BANNERS = 5_000
COHORTS = 30
OWN_FILES = 500
"""Descriptors that a process needs beside its connections."""
UNLIMITED = {
    f"BANNERSTREAM_EDGE__{name}": "1000000000"
    for name in (
        "RATE_PER_VISITOR",
        "BURST_PER_VISITOR",
        "RATE_PER_ADDRESS",
        "BURST_PER_ADDRESS",
        "MAX_STREAMS_PER_ADDRESS",
    )
}


def user_key(number: int) -> str:
    """Return the user key of the benchmark's visitor of this number: distributed like a hash."""
    return f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"


def assignment(key: str, banner: int) -> Assignment:
    """Return the assignment of a banner to a visitor."""
    cohort = f"cohort-{banner % COHORTS}"
    return Assignment(
        user_key=key, epoch=3, banner_key=f"{banner:064x}", product_id="p", cohort_id=cohort, decided_at=1
    )


def ready(banner: int, revision: int = 1) -> BannerReady:
    """Return the ready event of a banner with four pictures."""
    sizes = ((970, 250), (728, 90), (300, 250), (1080, 1080))
    renditions = tuple(
        Rendition(
            size=f"{width}x{height}",
            blob_key=f"blobs/{banner:064x}"[:8] + f"/{banner:064x}.webp",
            width=width,
            height=height,
            bytes=50_000,
            sha256=f"{banner:064x}",
            media_type="image/webp",
        )
        for width, height in sizes
    )
    return BannerReady(
        banner_key=f"{banner:064x}",
        manifest_key=f"manifests/{banner:064x}.json",
        product_id=f"product-{banner}",
        cohort_id=f"cohort-{banner % COHORTS}",
        renditions=renditions,
        engine="studio",
        revision=revision,
        ready_at=1,
        event_appended_at=1,
        headline="Slow mornings, warm hands",
    )


def write_ready(kafka: KafkaSettings, *banners: BannerReady) -> None:
    """Write ready events."""
    records = ((banner.banner_key.encode(), encode(banner), -1, 1) for banner in banners)
    write(kafka.bootstrap_servers, kafka.topic_table().ready.name, records, compression="lz4")


def write_assignments(kafka: KafkaSettings, assignments: Iterator[Assignment]) -> None:
    """Write assignments."""
    records = ((each.user_key.encode(), encode(each), -1, 1) for each in assignments)
    write(kafka.bootstrap_servers, kafka.topic_table().assignments.name, records, compression="lz4")


def most_connections() -> int:
    """Raise the limit of open files to its maximum; return how many connections this process or a child may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - OWN_FILES


class Node:
    """A node as a process."""

    def __init__(self, folder: Path, kafka: str, **edge: object) -> None:
        self.port = free_port()
        self.begun = time.monotonic()
        self.process = ChildProcess(
            [sys.executable, "-m", "bannerstream.edge"],
            name="edge",
            log_file=folder / "edge.log",
            environment={
                **UNLIMITED,
                "BANNERSTREAM_EDGE__PORT": str(self.port),
                "BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS": kafka,
                "BANNERSTREAM_EDGE__CDN_BASE_URL": "https://cdn.test",  # no bucket is needed, and none waited for
                **{f"BANNERSTREAM_EDGE__{name.upper()}": str(value) for name, value in edge.items()},
            },
        )

    def get(self, path: str, **headers: str) -> bytes:
        """Return a response's body; empty after an error or without a response."""
        try:
            with urlopen(Request(f"http://{LOOPBACK}:{self.port}{path}", headers=headers), timeout=30) as response:
                return bytes(response.read())
        except OSError:
            return b""

    def until(self, path: str, timeout_s: float = 120.0) -> float:
        """Wait until a path returns a body; return the seconds since the node's start."""
        self.process.wait_until_ready(lambda: bool(self.get(path)), timeout_s)
        return time.monotonic() - self.begun

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics").decode())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def rss_mb(self) -> float:
        """Return the node's resident memory."""
        return resident_mb(str(self.process.pid))

    def peak_mb(self) -> float:
        """Return the node's peak resident memory."""
        return resident_mb(str(self.process.pid), "VmHWM")


@contextmanager
def node(folder: Path, kafka: str, ready_at: str, **edge: object) -> Iterator[Node]:
    """Run a node with these settings of `edge`; it is ready when the path `ready_at` returns a body."""
    running = Node(folder, kafka, **edge)
    try:
        running.until(ready_at)
        yield running
    finally:
        running.process.stop()


def resident_mb(pid: str, which: str = "VmRSS") -> float:
    """Return the resident memory of a process, or with `VmHWM` its peak (proc_pid_status(5))."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.findall(rf"{which}:\s+(\d+)", status)[0]) / 1024
