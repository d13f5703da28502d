"""What a person who waits for the demo sees: how many events and banners, on a narrow terminal and in a log."""

import io

import pytest
from rich.console import Console

from bannerstream.cli import demo
from bannerstream.demo.runner import Progress

EVENTS = 2548
MIDWAY = Progress("replaying", events=1274, decisions=350, requested=59, ready=10, p50_ms=12373, p99_ms=22393)


def seen(monkeypatch: pytest.MonkeyPatch, *progress: Progress, terminal: bool) -> str:
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=terminal, _environ={})
    monkeypatch.setattr(demo, "stderr", console)
    bar = demo._bar()
    task = bar.add_task("starting", total=EVENTS, figures="")
    for step in progress:
        demo._show(bar, task, step)
    if terminal:
        console.print(bar.get_renderable())
    return screen.getvalue()


def test_a_terminal_of_80_columns_shows_the_counter_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = seen(monkeypatch, MIDWAY, terminal=True).splitlines()
    assert "replaying" in line
    assert "1274/2548 events · 10/59 banners" in line


def test_a_log_has_a_line_at_each_stage_and_each_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [Progress("replaying", events=events, requested=59, ready=1) for events in range(0, EVENTS + 1, 49)]
    lines = seen(monkeypatch, Progress("starting streams"), *steps, Progress("painting", EVENTS), terminal=False)
    assert lines.splitlines() == [
        "starting streams …",
        "replaying …",
        *(f"{events}/2548 events · 1/59 banners" for events in (637, 1274, 1911, 2548)),
        "painting …",
    ]
