"""The demo as a new user runs it, with a short session: its output, its files, and that no process is left."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bannerstream.demo.example_shop import SESSION
from bannerstream.devservers.stack import why_unavailable
from bannerstream.lab.evaluation.exported import read_exported
from tests.support.main_job import PRODUCT_IDS, write_catalogue
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

PATIENCE_S = 200.0
EVENTS = 150


@pytest.fixture(autouse=True)
def _the_embedded_pair() -> None:
    if (reason := why_unavailable("embedded", "embedded")) is not None:
        pytest.skip(reason)


def short_session(folder: Path) -> Path:
    """Write a session with the example's first events about a few products and some bad records; return the file."""
    with gzip.open(SESSION, "rt") as lines:
        recorded = list(lines)
    good = [line for line in recorded if any(f'"{product_id}"' in line for product_id in PRODUCT_IDS)]
    bad = [line for line in recorded if "value" not in json.loads(line)][:5]
    file = folder / "short.jsonl.gz"
    with gzip.open(file, "wt") as lines:
        lines.writelines([*good[: EVENTS - len(bad)], *bad])
    return file


@pytest.fixture(autouse=True)
def _a_terminal_that_can_interrupt() -> Iterator[None]:
    """Restore the handling of SIGINT: a shell's background job ignores it, and child processes would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def demo(folder: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run `bannerstream demo` in a folder; kill it if the test ends before it does."""
    program = Path(sys.executable).with_name("bannerstream")
    for room in ("cli", "contracts", "settings", "storage", "streams"):  # a shop's own modules must not replace ours
        (folder / f"{room}.py").write_text("raise SystemExit('imported from the working folder')\n")
    command = [program, "demo", "--catalogue", write_catalogue(folder / "catalogue"), "--out", "out", *arguments]
    with (
        (folder / "stderr.txt").open("w") as errors,
        subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        ) as running,
    ):
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def descendants(pid: int) -> dict[int, str]:
    """Return all descendants of a process with their start times, which distinguish processes that reuse an id."""
    children: dict[int, list[int]] = {}
    began: dict[int, str] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        children.setdefault(int(fields[1]), []).append(int(status.parent.name))
        if fields[0] != "Z":
            began[int(status.parent.name)] = fields[19]
    found, waiting = {}, list(children.get(pid, ()))
    while waiting:
        child = waiting.pop()
        waiting += children.get(child, ())
        if child in began:
            found[child] = began[child]
    return found


def still_running(processes: dict[int, str]) -> dict[int, str]:
    """Return the processes that still run, with their command lines."""
    left = {}
    for pid, began in processes.items():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z" and fields[19] == began:
                left[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return left


def wait_for_services(running: subprocess.Popen[str]) -> dict[int, str]:
    """Return all processes that the demo started, once broker, store, streams and generator run."""

    def services() -> dict[int, str] | None:
        assert running.poll() is None, "the demo ended before its services ran"
        started = descendants(running.pid)
        lines = " ".join(still_running(started).values())
        return started if "-m bannerstream.streams" in lines and "-m bannerstream.generator" in lines else None

    started: dict[int, str] = wait_until(services, patience_s=PATIENCE_S)
    assert len(started) >= 4, still_running(started)
    return started


def test_a_short_session_ends_with_balanced_books_and_a_page_of_pictures(tmp_path: Path) -> None:
    session = short_session(tmp_path)
    with demo(tmp_path, "--session", session, "--rate", "500", "--keep") as running:
        started = wait_for_services(running)
        stdout, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, (tmp_path / "stderr.txt").read_text()
    assert not still_running(started)

    summary = json.loads(stdout.splitlines()[-1])
    assert summary.keys() == {
        "events_in",
        "events_folded",
        "duplicates",
        "dead_letters",
        "assignments",
        "requests",
        "banners",
        "ready",
        "unmakeable",
        "event_to_ready_ms",
    }
    assert summary["events_in"] == EVENTS
    assert summary["events_in"] == summary["events_folded"] + summary["duplicates"] + summary["dead_letters"]
    assert summary["dead_letters"] >= 1
    assert summary["banners"] == summary["ready"] == summary["requests"] - summary["unmakeable"] > 0
    assert summary["assignments"] >= summary["requests"]
    assert 0 < summary["event_to_ready_ms"]["p50"] <= summary["event_to_ready_ms"]["p99"]

    page = (tmp_path / "out/index.html").read_text()
    pictures = set(re.findall(r'(?:src|href)="([^":#]+\.(?:webp|jpg|png))"', page))
    assert len(pictures) >= summary["banners"]
    assert all((tmp_path / "out" / picture).stat().st_size > 1000 for picture in pictures)
    assert not (tmp_path / "out/run").exists(), "data and logs are removed after success"
    kept = read_exported(tmp_path / "out")
    assert len(kept) == summary["banners"]
    assert all(list(exported.pictures()) for exported in kept)


@pytest.mark.full
def test_ctrl_c_in_mid_run_ends_everything(tmp_path: Path) -> None:
    with demo(tmp_path, "--rate", "20") as running:
        started = wait_for_services(running)

        def replays() -> bool:
            assert running.poll() is None
            return "replaying" in (tmp_path / "stderr.txt").read_text()

        wait_until(replays, patience_s=PATIENCE_S)
        started |= descendants(running.pid)
        running.send_signal(signal.SIGINT)
        stdout, _ = running.communicate(timeout=60)
    assert running.returncode == 130, (tmp_path / "stderr.txt").read_text()
    assert stdout == ""
    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()
    assert not still_running(started)


@pytest.mark.full
def test_serve_opens_a_shop_whose_banner_follows_and_ctrl_c_closes_it(tmp_path: Path) -> None:
    with demo(tmp_path, "--serve", "--port", "0") as running:
        assert running.stdout is not None
        url = running.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/shop", url), (tmp_path / "stderr.txt").read_text()
        started = descendants(running.pid)
        with httpx.Client(base_url=url.removesuffix("/shop"), timeout=30) as visitor:
            page = visitor.get("/shop").text
            token = re.search(r'data-token="([^"]+)"', page)
            product = re.search(r'data-product="([^"]+)"', page)
            assert token is not None
            assert product is not None
            visitor.headers["Authorization"] = f"Bearer {token[1]}"
            assert visitor.get("/v1/banner").json()["epoch"] == 0, "the visitor is new"
            clicked = visitor.post("/v1/events", json={"type": "click", "product_id": product[1]})
            assert clicked.status_code == 202, clicked.text

            def own_banner() -> dict[str, Any] | None:
                assert running.poll() is None
                banner: dict[str, Any] = visitor.get("/v1/banner").json()
                return banner if banner["epoch"] else None

            banner = wait_until(own_banner, patience_s=PATIENCE_S)
            assert banner["product_id"] == product[1]
            picture = visitor.get(banner["images"][0]["url"])
            assert picture.headers["content-type"] == banner["images"][0]["media_type"]
            assert len(picture.content) == banner["images"][0]["bytes"] > 1000
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does
        stdout, _ = running.communicate(timeout=60)
    stderr = (tmp_path / "stderr.txt").read_text()
    assert running.returncode == 0, stderr
    assert stdout == "", "only the address is printed"
    assert "Traceback" not in stderr
    assert len(started) >= 5, "broker, store, streams, generator, edge"
    assert not still_running(started)
    assert not (tmp_path / "out/run").exists(), "data and logs are removed after a clean end"
