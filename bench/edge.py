"""What an edge node takes: `python -m bench edge --case rate,streams,memory,load,slow`.

- `rate`: `GET /v1/banner` by wrk against a bare FastAPI route that returns the same bytes, both on one uvicorn worker.
- `streams`: memory of a node with so many open streams (`--streams 5000`).
- `memory`: bytes of a visitor in the view, in a process that holds nothing else (`--visitors 1000000`).
- `load`: from the start of a node to its readiness on a real Kafka with so many assignments, and its memory then.
- `slow`: `/v1/banner` of a good client while so many others never end a request (`--slow 10000`).
"""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

if __name__ == "__main__":  # `python bench/edge.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.arena.events import write
from bench.arena.stage import Result, Stage, parser, reporting, staged, tell
from broker.topics import create_topics
from contracts.codecs import encode
from contracts.messages import Assignment, BannerReady, Rendition
from edge.table import BannerTable, VisitorTable
from edge.tokens import VisitorTokens
from local.ports import LOOPBACK, free_port
from local.process import ChildProcess
from settings import KafkaSettings, Settings

CASES = ("rate", "streams", "memory", "load", "slow")
BANNERS = 5_000
UNLIMITED = {
    f"BANNERSTREAM_EDGE__{name}": "1000000000"
    for name in ("RATE_PER_VISITOR", "BURST_PER_VISITOR", "RATE_PER_ADDRESS", "BURST_PER_ADDRESS")
}
BARE = """
import sys, uvicorn
from fastapi import FastAPI, Response
body = open(sys.argv[2], "rb").read()
app = FastAPI()
@app.get("/v1/banner", response_class=Response)
async def banner() -> Response:
    return Response(body, media_type="application/json", headers={"Cache-Control": "private, no-store"})
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", loop="uvloop", access_log=False, log_level="warning")
"""


def user_key(number: int) -> str:
    """Return the user key of a visitor of the benchmark: spread as hashes are."""
    return f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"


def assignment(number: int) -> Assignment:
    """Return a visitor's assignment."""
    banner = number % BANNERS
    key = f"{banner:064x}"
    cohort = f"cohort-{banner % 30}"
    return Assignment(
        user_key=user_key(number), epoch=3, banner_key=key, product_id="p", cohort_id=cohort, decided_at=1
    )


def ready(banner: int) -> BannerReady:
    """Return a banner with four pictures."""
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
        cohort_id=f"cohort-{banner % 30}",
        renditions=renditions,
        engine="studio",
        revision=1,
        ready_at=1,
        event_appended_at=1,
        headline="Slow mornings, warm hands",
    )


class Node:
    """A node as a process."""

    def __init__(self, folder: Path, kafka: str, **variables: str) -> None:
        self.port = free_port()
        environment = {
            **UNLIMITED,
            "BANNERSTREAM_EDGE__PORT": str(self.port),
            "BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS": kafka,
            **variables,
        }
        self.begun = time.monotonic()
        self.process = ChildProcess(
            [sys.executable, "-m", "edge"], name="edge", log_file=folder / "edge.log", environment=environment
        )

    def get(self, path: str, **headers: str) -> bytes:
        """Return a body; empty where nothing answers, or with an error."""
        try:
            with urlopen(Request(f"http://{LOOPBACK}:{self.port}{path}", headers=headers), timeout=30) as answer:
                return bytes(answer.read())
        except OSError:
            return b""

    def until(self, path: str, timeout_s: float = 120.0) -> float:
        """Return the seconds from the start until a path answers."""
        self.process.wait_until_ready(lambda: bool(self.get(path)), timeout_s)
        return time.monotonic() - self.begun

    def rss_mb(self) -> float:
        """Return the node's resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


@contextmanager
def node(folder: Path, kafka: str, ready_at: str, **variables: str) -> Iterator[Node]:
    """Run a node that answers at `ready_at`."""
    running = Node(folder, kafka, **variables)
    try:
        running.until(ready_at)
        yield running
    finally:
        running.process.stop()


def _wrk(port: int, seconds: int, token: str) -> float:
    """Return requests a second, as wrk counts them: 2 threads, 64 connections."""
    command = ["wrk", "-t2", "-c64", f"-d{seconds}s", "-H", f"Authorization: Bearer {token}"]
    told = subprocess.run(
        [*command, f"http://{LOOPBACK}:{port}/v1/banner"], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in told:
        raise RuntimeError(f"not every answer was a banner:\n{told}")
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", told)[0])


def rate(folder: Path, seconds: int, rounds: int) -> Result:
    """Return the rates of a node and of a bare route, in turns."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    token = VisitorTokens(Settings()).mint("ada")
    with node(folder, f"{LOOPBACK}:1", "/healthz") as ours, ExitStack() as stack:
        body = folder / "body.json"
        body.write_bytes(ours.get("/v1/banner", Authorization=f"Bearer {token}"))
        script, port = folder / "bare.py", free_port()
        script.write_text(BARE, encoding="utf-8")
        bare = stack.enter_context(
            ChildProcess([sys.executable, script, str(port), body], name="bare", log_file=folder / "bare.log")
        )
        bare.wait_until_ready(lambda: _listens(port), 60)
        rates: dict[str, list[float]] = {"edge": [], "bare": []}
        for _ in range(rounds):
            rates["edge"].append(_wrk(ours.port, seconds, token))
            rates["bare"].append(_wrk(port, seconds, token))
    told = {name: round(median(each)) for name, each in rates.items()}
    return {
        "edge_per_s": told["edge"],
        "bare_per_s": told["bare"],
        "share": round(told["edge"] / told["bare"], 3),
        "body_bytes": body.stat().st_size if body.exists() else None,
    }


def streams(folder: Path, count: int) -> Result:
    """Return the memory of a node with so many open streams, each of a visitor of its own."""
    tokens = VisitorTokens(Settings())
    with node(folder, f"{LOOPBACK}:1", "/healthz") as ours, ExitStack() as stack:
        before = ours.rss_mb()
        for number in range(count):
            connection = stack.enter_context(socket.create_connection((LOOPBACK, ours.port), timeout=30))
            token = tokens.mint(f"visitor-{number}")
            connection.sendall(f"GET /v1/stream?token={token} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
            if b" 200 " not in connection.recv(4096):
                raise RuntimeError("a stream was refused")
        return {"streams": count, "rss_before_mb": round(before, 1), "rss_mb": round(ours.rss_mb(), 1)}


def memory(visitors: int) -> Result:
    """Return what the tables take, measured by the growth of a process of its own."""
    measured = subprocess.run(
        [sys.executable, "-m", "bench.edge", "--weigh", str(visitors)], capture_output=True, text=True, check=True
    ).stdout
    told: Result = json.loads(measured)
    return told


def weigh(visitors: int) -> Result:
    """Fill the tables in this process, and return by how much it grew."""
    messages = map(assignment, range(visitors))
    banners = BannerTable()
    table = VisitorTable(banners)
    before, begun = _own_rss(), time.process_time()
    for banner in range(BANNERS):
        banners.announce(ready(banner))
    banners_mb = _own_rss() - before
    for message in messages:
        table.assign(message.user_key, message)
    grown = _own_rss() - before
    return {
        "visitors": visitors,
        "banners": BANNERS,
        "banners_mb": round(banners_mb, 1),
        "tables_mb": round(grown, 1),
        "bytes_per_visitor": round((grown - banners_mb) * 2**20 / visitors, 1),
        "cpu_s": round(time.process_time() - begun, 1),
        "process_mb": round(_own_rss(), 1),
    }


def load(stage: Stage, visitors: int) -> Result:
    """Return how long a node takes to read so many assignments from Kafka, and its memory then."""
    kafka = KafkaSettings(bootstrap_servers=stage.bootstrap)
    asyncio.run(create_topics(kafka))
    topics = kafka.topic_table()
    banners = ((each.banner_key.encode(), encode(each), -1, 1) for each in map(ready, range(BANNERS)))
    write(stage.bootstrap, topics.ready.name, banners, compression="lz4")
    keyed = ((each.user_key.encode(), encode(each), -1, 1) for each in map(assignment, range(visitors)))
    write(stage.bootstrap, topics.assignments.name, keyed, compression="lz4")
    ours = Node(stage.folder, stage.bootstrap)
    try:
        started = ours.until("/healthz")
        seconds = ours.until("/readyz", 600)
        return {
            "visitors": visitors,
            "banners": BANNERS,
            "start_s": round(started, 1),
            "ready_s": round(seconds, 1),
            "rss_mb": round(ours.rss_mb(), 1),
        }
    finally:
        ours.process.stop()


def slow(folder: Path, count: int) -> Result:
    """Return how long a good client waits while others never end their requests."""
    patient = {"BANNERSTREAM_EDGE__REQUEST_TIMEOUT_S": "60"}
    with node(folder, f"{LOOPBACK}:1", "/healthz", **patient) as ours, ExitStack() as stack:
        alone = _waits(ours)
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((LOOPBACK, ours.port), timeout=30))
            connection.sendall(b"POST /v1/feedback HTTP/1.1\r\nhost: bench\r\ncontent-length: 100\r\n\r\n{")
        among = _waits(ours)
        return {"slow": count, "alone_ms": alone, "among_ms": among, "rss_mb": round(ours.rss_mb(), 1)}


def _waits(ours: Node) -> float:
    waits = []
    for _ in range(50):
        begun = time.perf_counter()
        if not ours.get("/v1/banner"):
            raise RuntimeError("a good client got nothing")
        waits.append((time.perf_counter() - begun) * 1000)
    return round(median(waits), 1)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def _own_rss() -> float:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))[0]) / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = parser("edge", __doc__)
    options.add_argument("--case", default=",".join(CASES), metavar="A,B", help=",".join(CASES))
    options.add_argument("--visitors", type=int, default=1_000_000, help="1000000")
    options.add_argument("--streams", type=int, default=5_000, help="5000")
    options.add_argument("--slow", type=int, default=10_000, help="10000")
    options.add_argument("--seconds", type=int, default=10, help="of each wrk run; 10")
    options.add_argument("--weigh", type=int, help="only fill the tables, in this process; `memory` calls it")
    chosen = options.parse_args(arguments)
    if chosen.weigh:
        print(json.dumps(weigh(chosen.weigh)))
        return
    if chosen.quick:
        chosen.rounds, chosen.visitors, chosen.streams, chosen.slow, chosen.seconds = 1, 20_000, 100, 100, 1
    report = reporting(chosen.out)
    cases = chosen.case.split(",")
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for case in (each for each in CASES if each in cases):
            tell(case)
            line: Result = {"bench": "edge", "case": case}
            match case:
                case "rate":
                    report(line | rate(folder, chosen.seconds, chosen.rounds))
                case "streams":
                    report(line | streams(folder, chosen.streams))
                case "memory":
                    report(line | memory(chosen.visitors))
                case "slow":
                    report(line | slow(folder, chosen.slow))
                case "load":
                    with staged("edge") as stage:
                        report(line | load(stage, chosen.visitors))


if __name__ == "__main__":
    main()
