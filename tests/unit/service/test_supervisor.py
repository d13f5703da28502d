"""The supervisor over real, small processes: order, restarts, deadlines, and nothing left behind."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bannerstream.service.errors import ChildFailed
from bannerstream.service.merged_log import MergedLog
from bannerstream.service.supervisor import RestartPolicy, Service, Supervisor

PATIENCE_S = 30.0
QUICK = RestartPolicy(first_wait_s=0.01, longest_wait_s=0.02)

WAITS = "import signal; print('up', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
NOTES_ITS_END = """
import pathlib, signal, sys
notes, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def note(what):
    with notes.open("a") as file:
        file.write(f"{name} {what}\\n")
def end(*_):
    note("down")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("up")
while True:
    signal.pause()
"""


def python(script: str, *arguments: str | Path, name: str = "child", **options: object) -> Service:
    return Service(name, [sys.executable, "-c", script, *arguments], **options)


def is_up(lines: io.StringIO) -> Callable[[], bool]:
    """Return a condition: the child has begun."""
    return lambda: "child      | up" in lines.getvalue()


def until(condition: Callable[[], bool], supervisor: Supervisor | None = None) -> None:
    """Return once the condition holds; the supervisor does its work meanwhile."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if supervisor is not None:
            supervisor.check()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def pids(lines: io.StringIO, name: str = "child") -> list[int]:
    """Return the process ids that the log names for a service, the first one first."""
    return [int(pid) for pid in re.findall(rf"{name}: started, pid (\d+)", lines.getvalue())]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_stages_start_in_order_once_the_one_before_is_ready_and_stop_in_reverse(tmp_path: Path) -> None:
    notes, probes = tmp_path / "notes", []
    notes.touch()

    def first_is_ready() -> bool:
        probes.append(notes.read_text())
        return "first up" in probes[-1] and len(probes) >= 5

    stages = [
        [python(NOTES_ITS_END, notes, "first", name="first", is_ready=first_is_ready)],
        [python(NOTES_ITS_END, notes, "second", name="second", is_ready=lambda: "second up" in notes.read_text())],
    ]
    with Supervisor(stages, MergedLog(io.StringIO())):
        assert not any("second" in seen for seen in probes)
    assert notes.read_text().splitlines() == ["first up", "second up", "second down", "first down"]


def test_a_service_that_ends_is_started_again_and_the_log_says_so(tmp_path: Path) -> None:
    lines = io.StringIO()
    with Supervisor([[python(WAITS, restart=QUICK)]], MergedLog(lines)) as supervisor:
        for run in (1, 2):
            os.kill(pids(lines)[-1], signal.SIGKILL)
            until(lambda run=run: lines.getvalue().count("child: ready") == run + 1, supervisor)
        assert is_running(pids(lines)[-1])
    assert lines.getvalue().count("child: ended with status -9; starts again in 0.0 s") == 2


def test_a_run_that_lasted_resets_the_count_of_failures() -> None:
    lines, policy = (
        io.StringIO(),
        RestartPolicy(first_wait_s=0.01, longest_wait_s=0.01, stable_after_s=0, max_failures=1),
    )
    with Supervisor([[python(WAITS, restart=policy)]], MergedLog(lines)) as supervisor:
        for run in (1, 2, 3):
            os.kill(pids(lines)[-1], signal.SIGKILL)
            until(lambda run=run: lines.getvalue().count("child: ready") == run + 1, supervisor)


def test_it_gives_up_after_quick_failures_and_names_the_service_and_its_last_lines(tmp_path: Path) -> None:
    script = f"""
import pathlib, signal, sys
mark = pathlib.Path({str(tmp_path / "mark")!r})
if mark.exists():
    sys.exit("port 9 is taken")
mark.touch()
signal.pause()
"""
    lines, policy = io.StringIO(), RestartPolicy(first_wait_s=0.01, longest_wait_s=0.01, max_failures=2)
    service = python(script, name="streams", is_ready=(tmp_path / "mark").exists, restart=policy)
    with Supervisor([[service]], MergedLog(lines)) as supervisor:
        os.kill(pids(lines, "streams")[0], signal.SIGKILL)
        with pytest.raises(ChildFailed, match=r"(?s)streams ended .* 3 failures in a row.*port 9 is taken"):
            until(lambda: False, supervisor)
    assert len(pids(lines, "streams")) == 3


def test_without_a_policy_the_end_of_a_service_is_an_error() -> None:
    lines = io.StringIO()
    with Supervisor([[python(WAITS, is_ready=is_up(lines))]], MergedLog(lines)) as supervisor:
        os.kill(pids(lines)[0], signal.SIGKILL)
        with pytest.raises(ChildFailed, match=r"(?s)child ended with status -9\. Last lines of its log:\nup"):
            until(lambda: False, supervisor)


def test_a_service_that_ends_before_it_was_ever_ready_ends_the_start_and_stops_the_others() -> None:
    lines = io.StringIO()
    broken = python("import sys; sys.exit('no such setting')", name="broken", is_ready=lambda: False, restart=QUICK)
    with (
        pytest.raises(ChildFailed, match=r"(?s)broken ended with status 1 before it was ready.*no such setting"),
        Supervisor([[python(WAITS)], [broken]], MergedLog(lines)),
    ):
        pytest.fail("it is not ready")
    assert not is_running(pids(lines)[0])


def test_a_service_that_is_not_ready_in_time_is_an_error() -> None:
    lines = io.StringIO()
    slow = python(WAITS, is_ready=lambda: False, ready_timeout_s=0.2, restart=QUICK)
    with (
        pytest.raises(ChildFailed, match=r"child was not ready after 0\.2 s"),
        Supervisor([[slow]], MergedLog(lines)),
    ):
        pytest.fail("it is not ready")
    assert not is_running(pids(lines)[0])


def test_what_ignores_sigterm_is_killed_at_the_deadline() -> None:
    lines = io.StringIO()
    with Supervisor([[python(DEAF, is_ready=is_up(lines), stop_timeout_s=0.2)]], MergedLog(lines)):
        pass
    assert "child: stopped, status -9" in lines.getvalue()
    assert not is_running(pids(lines)[0])


def test_a_stage_that_ignores_sigterm_leaves_the_next_one_its_time_to_end(tmp_path: Path) -> None:
    lines, notes = io.StringIO(), tmp_path / "notes"
    notes.touch()
    first = python(NOTES_ITS_END, notes, "first", name="first", is_ready=lambda: "first up" in notes.read_text())
    deaf = python(DEAF, is_ready=is_up(lines), stop_timeout_s=0.2)
    with Supervisor([[first], [deaf]], MergedLog(lines)):
        pass
    assert "child: stopped, status -9" in lines.getvalue()
    assert "first: stopped, status 0" in lines.getvalue()
    assert notes.read_text().splitlines() == ["first up", "first down"]


def test_an_exit_status_that_a_restart_does_not_change_is_final() -> None:
    lines, policy = io.StringIO(), RestartPolicy(first_wait_s=0.01, final_statuses=frozenset({3}))
    wrong = python("import sys; print('up', flush=True); sys.exit(3)", is_ready=is_up(lines), restart=policy)
    with (
        pytest.raises(ChildFailed, match=r"(?s)child ended with status 3.*up"),
        Supervisor([[wrong]], MergedLog(lines)) as supervisor,
    ):
        until(lambda: False, supervisor)
    assert len(pids(lines)) == 1


def test_one_service_stops_and_starts_apart_from_the_others() -> None:
    lines = io.StringIO()
    with Supervisor([[python(WAITS, name="a"), python(WAITS, name="b")]], MergedLog(lines)) as supervisor:
        supervisor.stop_service("a")
        supervisor.check()
        assert not is_running(pids(lines, "a")[0])
        supervisor.start_service("a")
        assert is_running(pids(lines, "a")[1])
        assert len(pids(lines, "b")) == 1


def test_names_must_differ() -> None:
    with pytest.raises(ValueError, match="names of services must differ"):
        Supervisor([[python(WAITS)], [python(WAITS)]], MergedLog(io.StringIO()))


SUPERVISES = f"""
import sys
from bannerstream.service.merged_log import MergedLog
from bannerstream.service.supervisor import Service, Supervisor
stages = [[Service(name, [sys.executable, "-c", {WAITS!r}])] for name in ("a", "b")]
Supervisor(stages, MergedLog(sys.stdout)).run_until_stopped(lambda: print("all are ready", flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_nothing_is_left_when_the_supervisor_is_stopped_or_killed(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", SUPERVISES], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        seen = io.StringIO()
        for line in running.stdout:
            seen.write(line)
            if line == "all are ready\n":
                break
        children = pids(seen, "a") + pids(seen, "b")
        assert len(children) == 2
        assert all(is_running(child) for child in children)
        running.send_signal(number)
        rest = running.stdout.read()
        assert running.wait(PATIENCE_S) == (-number if number == signal.SIGKILL else 0)
    until(lambda: not any(is_running(child) for child in children))
    if number != signal.SIGKILL:
        assert re.findall(r"(\w): stopped, status -15", rest) == ["b", "a"]
