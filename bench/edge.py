"""Rate, latency and memory of an edge node: `python -m bench edge --case rate,streams,memory,load,slow`.

- `rate`: `GET /v1/banner` of a visitor with a banner of their own, by wrk, compared with a bare FastAPI route that
  returns the same bytes, alternating, both on one uvicorn worker.
- `streams`: memory of a node with open streams (`--streams 5000`).
- `memory`: bytes per visitor in the visitor table, in a process that holds nothing else (`--visitors 1000000`).
- `load`: time from a node's start to its readiness on a real Kafka with `--visitors` assignments, and its memory then.
- `slow`: latency of `/v1/banner` for a normal client while others (`--slow 10000`) never finish their request, and then
  while as many open a stream and never read the banners that are sent; and the node's memory after disconnecting them.
"""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

if __name__ == "__main__":  # `python bench/edge.py` puts bench/ first on the path, not the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bannerstream.broker.topics import create_topics
from bannerstream.contracts.messages import Assignment
from bannerstream.devservers.ports import LOOPBACK, free_port
from bannerstream.edge.visitor_table import BannerTable, VisitorTable
from bannerstream.edge.visitor_tokens import VisitorTokens
from bannerstream.service.child_process import ChildProcess
from bannerstream.settings import KafkaSettings, Settings
from bench.arena.node import (
    BANNERS,
    Node,
    assignment,
    most_connections,
    node,
    ready,
    resident_mb,
    user_key,
    write_assignments,
    write_ready,
)
from bench.arena.stage import Result, parser, print_progress, reporting, staged

CASES = ("rate", "streams", "memory", "load", "slow")
ON_KAFKA = {"rate", "load", "slow"}
PATIENCE_S = 120.0
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


def rate(folder: Path, kafka: KafkaSettings, seconds: int, rounds: int) -> Result:
    """Return the rates of a node and of a bare route, measured alternately."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    tokens = VisitorTokens(Settings())
    token = tokens.mint("ada")
    write_ready(kafka, ready(0))
    write_assignments(kafka, iter([assignment(tokens.visitor(token).key, 0)]))
    with node(folder, kafka.bootstrap_servers, "/readyz") as ours, ExitStack() as stack:
        body = folder / "body.json"
        body.write_bytes(ours.get("/v1/banner", Authorization=f"Bearer {token}"))
        if not json.loads(body.read_bytes())["feedback"]:
            raise RuntimeError("the visitor has no banner of their own")
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
        shares = [edge / bare for edge, bare in zip(rates["edge"], rates["bare"], strict=True)]
        return {
            "edge_per_s": round(median(rates["edge"])),
            "bare_per_s": round(median(rates["bare"])),
            "share": round(median(shares), 3),
            "shares": [round(share, 3) for share in shares],
            "body_bytes": body.stat().st_size,
        }


def _wrk(port: int, seconds: int, token: str) -> float:
    """Return wrk's requests per second. wrk has one thread, so that the server has the other core."""
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "-H", f"Authorization: Bearer {token}"]
    stdout = subprocess.run(
        [*command, f"http://{LOOPBACK}:{port}/v1/banner"], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in stdout:
        raise RuntimeError(f"not every response was a banner:\n{stdout}")
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", stdout)[0])


def streams(folder: Path, count: int) -> Result:
    """Return the memory of a node with `count` open streams of different visitors."""
    tokens = VisitorTokens(Settings())
    with node(folder, f"{LOOPBACK}:1", "/healthz") as ours, ExitStack() as stack:
        before = ours.rss_mb()
        for number in range(count):
            connection = stack.enter_context(socket.create_connection((LOOPBACK, ours.port), timeout=30))
            connection.sendall(_stream_of(tokens, number))
            if b" 200 " not in connection.recv(4096):
                raise RuntimeError("a stream was refused")
        return {"streams": count, "rss_before_mb": round(before, 1), "rss_mb": round(ours.rss_mb(), 1)}


def memory(visitors: int) -> Result:
    """Return the memory of the tables, measured by the growth of a separate process."""
    measured = subprocess.run(
        [sys.executable, "-m", "bench.edge", "--weigh", str(visitors)], capture_output=True, text=True, check=True
    ).stdout
    result: Result = json.loads(measured)
    return result


def weigh(visitors: int) -> Result:
    """Fill the tables in this process, and return its growth."""
    banners = BannerTable()
    table = VisitorTable(banners)
    before, begun = resident_mb("self"), time.process_time()
    for banner in range(BANNERS):
        banners.announce(ready(banner))
    banners_mb = resident_mb("self") - before
    for message in _assignments(visitors):
        table.assign(message.user_key, message)
    grown = resident_mb("self") - before
    return {
        "visitors": visitors,
        "banners": BANNERS,
        "banners_mb": round(banners_mb, 1),
        "tables_mb": round(grown, 1),
        "bytes_per_visitor": round((grown - banners_mb) * 2**20 / visitors, 1),
        "cpu_s": round(time.process_time() - begun, 1),
        "process_mb": round(resident_mb("self"), 1),
    }


def load(folder: Path, kafka: KafkaSettings, visitors: int) -> Result:
    """Return how long a node takes to read `visitors` assignments from Kafka, and its memory then."""
    write_ready(kafka, *map(ready, range(BANNERS)))
    write_assignments(kafka, _assignments(visitors))
    ours = Node(folder, kafka.bootstrap_servers)
    try:
        started = ours.until("/healthz")
        seconds = ours.until("/readyz", 600)
        held = ours.metric("bannerstream_edge_visitors")
        if held < visitors:
            raise RuntimeError(f"the node reports that it is ready with {held:.0f} of {visitors} visitors")
        return {
            "visitors": visitors,
            "banners": BANNERS,
            "start_s": round(started, 1),
            "ready_s": round(seconds, 1),
            "rss_mb": round(ours.rss_mb(), 1),
            "peak_mb": round(ours.peak_mb(), 1),
        }
    finally:
        ours.process.stop()


def slow(folder: Path, kafka: KafkaSettings, count: int) -> Result:
    """Return a normal client's latency among slow clients of two kinds, and the node's memory with them."""
    allowed = most_connections()
    taken = min(count, allowed)
    write_ready(kafka, ready(0))
    edge = {"request_timeout_s": 60, "send_timeout_s": 5, "default_cohort": "cohort-0"}
    with node(folder, kafka.bootstrap_servers, "/readyz", **edge) as ours:
        alone, before = _waits(ours), ours.rss_mb()
        with _clients(ours, taken, lambda _: b"POST /v1/feedback HTTP/1.1\r\nhost: b\r\ncontent-length: 100\r\n\r\n{"):
            unfinished, unfinished_mb = _waits(ours), ours.rss_mb()
        tokens = VisitorTokens(Settings())
        with _clients(ours, taken, lambda number: _stream_of(tokens, number)):
            _until(lambda: _opened(ours) + _refused(ours) >= taken, "every stream is open or refused")
            opened, refused, changes = _opened(ours), _refused(ours), 0
            waits: list[float] = []
            while _disconnected(ours) < opened:
                changes += 1
                write_ready(kafka, ready(0, revision=1 + changes))
                waits.append(_waits(ours))
            return {
                "slow": taken,
                "asked_for": count,
                "descriptors_allow": allowed,
                "alone_ms": alone,
                "unfinished_ms": unfinished,
                "unread_ms": round(median(waits), 1),
                "streams_opened": round(opened),
                "streams_refused": round(refused),
                "let_go_slow": round(_disconnected(ours)),
                "changes_told": changes,
                "rss_before_mb": round(before, 1),
                "rss_unfinished_mb": round(unfinished_mb, 1),
                "rss_unread_mb": round(ours.rss_mb(), 1),
                "peak_mb": round(ours.peak_mb(), 1),
            }


@contextmanager
def _clients(ours: Node, count: int, begin: Callable[[int], bytes]) -> Iterator[None]:
    """Hold `count` connections that send `begin(number)` and nothing more, with the smallest receive buffer."""
    with ExitStack() as stack:
        for number in range(count):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel's minimum
            connection.settimeout(PATIENCE_S)
            connection.connect((LOOPBACK, ours.port))
            connection.sendall(begin(number))
        yield


def _opened(ours: Node) -> float:
    return ours.metric("bannerstream_edge_streams") + _disconnected(ours)


def _refused(ours: Node) -> float:
    return ours.metric("bannerstream_edge_refused_total", reason="overloaded")


def _disconnected(ours: Node) -> float:
    return ours.metric("bannerstream_edge_streams_closed_total", why="slow")


def _until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {PATIENCE_S:.0f} s: {what}")
        time.sleep(0.2)


def _stream_of(tokens: VisitorTokens, number: int) -> bytes:
    return f"GET /v1/stream?token={tokens.mint(f'visitor-{number}')} HTTP/1.1\r\nhost: bench\r\n\r\n".encode()


def _assignments(visitors: int) -> Iterator[Assignment]:
    return (assignment(user_key(number), number % BANNERS) for number in range(visitors))


def _waits(ours: Node) -> float:
    waits = []
    for _ in range(50):
        begun = time.perf_counter()
        if not ours.get("/v1/banner"):
            raise RuntimeError("a normal client got no response")
        waits.append((time.perf_counter() - begun) * 1000)
    return round(median(waits), 1)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the results."""
    options = parser("edge", __doc__)
    options.add_argument("--case", default=",".join(CASES), metavar="A,B", help=f"cases (default {','.join(CASES)})")
    options.add_argument(
        "--visitors", type=int, default=1_000_000, help="visitors of `memory` and `load` (default 1000000)"
    )
    options.add_argument("--streams", type=int, default=5_000, help="open streams of `streams` (default 5000)")
    options.add_argument("--slow", type=int, default=10_000, help="slow clients of `slow` (default 10000)")
    options.add_argument("--seconds", type=int, default=10, help="seconds of each wrk run (default 10)")
    options.add_argument("--weigh", type=int, help="only fill the tables in this process; used by `memory`")
    chosen = options.parse_args(arguments)
    if chosen.weigh:
        print(json.dumps(weigh(chosen.weigh)))
        return
    if chosen.quick:
        chosen.rounds, chosen.visitors, chosen.streams, chosen.slow, chosen.seconds = 1, 20_000, 100, 100, 1
    report = reporting(chosen.out)
    cases = [case for case in CASES if case in chosen.case.split(",")]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        kafka = KafkaSettings()
        if ON_KAFKA.intersection(cases):
            kafka = KafkaSettings(bootstrap_servers=stack.enter_context(staged("edge")).bootstrap)
            asyncio.run(create_topics(kafka))
        for case in cases:
            print_progress(case)
            line: Result = {"bench": "edge", "case": case}
            match case:
                case "rate":
                    report(line | rate(folder, kafka, chosen.seconds, chosen.rounds))
                case "streams":
                    report(line | streams(folder, chosen.streams))
                case "memory":
                    report(line | memory(chosen.visitors))
                case "load":
                    report(line | load(folder, kafka, chosen.visitors))
                case "slow":
                    report(line | slow(folder, kafka, chosen.slow))


if __name__ == "__main__":
    main()
