import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from bannerstream.service.child_process import ChildProcess
from bannerstream.service.errors import ChildFailed
from tests.support.waiting import wait_until


def python(script: str, tmp_path: Path, **options: object) -> ChildProcess:
    return ChildProcess(
        [sys.executable, "-c", script], name="child", log_file=tmp_path / "logs" / "child.log", **options
    )


SLEEPS = "import time; print('ready', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"


def test_a_ready_child_runs_until_it_is_stopped(tmp_path: Path) -> None:
    with python(SLEEPS, tmp_path) as child:
        child.wait_until_ready(lambda: child.log_tail() == "ready", timeout_s=20)
        assert child.poll() is None
        assert os.getpgid(child.pid) == child.pid
    assert child.poll() == -signal.SIGTERM
    assert child.stop() == -signal.SIGTERM


def test_a_child_that_dies_is_reported_at_once_with_its_last_words(tmp_path: Path) -> None:
    began = time.monotonic()
    child = python("import sys; sys.exit('port 9 is taken')", tmp_path)
    with pytest.raises(ChildFailed, match=r"(?s)child ended with status 1 .*port 9 is taken"):
        child.wait_until_ready(lambda: False, timeout_s=60)
    assert time.monotonic() - began < 30


def test_a_child_that_is_never_ready_is_stopped(tmp_path: Path) -> None:
    child = python(SLEEPS, tmp_path)
    with pytest.raises(ChildFailed, match=r"not ready after 0\.2 s"):
        child.wait_until_ready(lambda: False, timeout_s=0.2)
    assert child.poll() is not None


def test_a_command_that_does_not_exist_says_so(tmp_path: Path) -> None:
    child = ChildProcess(["no-such-program"], name="child", log_file=tmp_path / "child.log")
    with pytest.raises(ChildFailed, match="no-such-program: No such file"):
        child.wait_until_ready(lambda: False)


def test_a_deaf_child_is_killed_after_its_grace(tmp_path: Path) -> None:
    child = python(DEAF, tmp_path)
    child.wait_until_ready(lambda: child.log_tail() == "ready", timeout_s=20)
    assert child.stop(grace_s=0.2) == -signal.SIGKILL


def test_grandchildren_go_too(tmp_path: Path) -> None:
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {DEAF!r}])"
    child = python(script, tmp_path)
    child.wait_until_ready(lambda: child.log_tail() == "ready", timeout_s=20)
    child.kill()

    def is_gone() -> bool:  # the kernel takes a moment to end the group
        try:
            os.killpg(child.pid, 0)
        except ProcessLookupError:
            return True
        return {status.read_text().split(")")[1].split()[0] for status in _group_members(child.pid)} <= {"Z"}

    wait_until(is_gone, "the whole group is gone")


def _group_members(group: int) -> list[Path]:
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if stat.read_text().rsplit(")", 1)[1].split()[2] == str(group):
                members.append(stat)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return members


def test_a_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started: list[ChildProcess] = []
    thread = threading.Thread(target=lambda: started.append(python(SLEEPS, tmp_path)))
    thread.start()
    thread.join()
    (child,) = started
    with child:
        child.wait_until_ready(lambda: child.log_tail() == "ready", timeout_s=20)
        with pytest.raises(ChildFailed, match="still runs"):
            child.wait(timeout_s=0.3)


def test_the_log_is_kept_and_the_tail_is_of_this_run(tmp_path: Path) -> None:
    for word in ("first", "second"):
        child = python("import os; print(os.environ['WORD'])", tmp_path, environment={"WORD": word})
        assert child.wait(timeout_s=20) == 0
        assert child.log_tail() == word
    assert child.log_file.read_text().split() == ["first", "second"]


def test_lines_go_to_a_function_and_the_child_survives_what_the_function_raises(tmp_path: Path) -> None:
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        raise OSError("the disk is full")

    script = f"import sys; print('a'); print('b' * {2**17}, flush=True); sys.exit('last')"
    child = ChildProcess([sys.executable, "-c", script], name="child", on_line=on_line)
    assert child.wait(timeout_s=20) == 1
    assert child.log_tail(1) == "last"
    assert lines == ["a", "b" * 2**16, "b" * 2**16, "", "last"]


def test_a_child_has_one_place_for_its_output(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="either a log_file or an on_line"):
        ChildProcess(["true"], name="child")
    with pytest.raises(TypeError, match="either a log_file or an on_line"):
        ChildProcess(["true"], name="child", log_file=tmp_path / "log", on_line=print)
