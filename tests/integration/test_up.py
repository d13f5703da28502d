"""`bannerstream up` as a process: variables that point to the servers, one log, and a clean or clearly reported end."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bannerstream.devservers.probes import http_answers, kafka_answers
from bannerstream.devservers.stack import why_unavailable

PATIENCE_S = 60.0


@contextmanager
def servers_up(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run the command; yield it with the variables that it prints."""
    if (reason := why_unavailable("embedded", "embedded")) is not None:
        pytest.skip(reason)
    command = [Path(sys.executable).with_name("bannerstream"), "up", "--data-dir", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            exported: dict[str, str] = {}
            while "BANNERSTREAM_STORAGE__REGION" not in exported:
                line = running.stdout.readline()
                assert line, running.communicate()[1]
                name, _, value = line.removeprefix("export ").strip().partition("=")
                exported[name] = value
            yield running, exported
        finally:
            running.kill()


def address(host_and_port: str) -> tuple[str, int]:
    host, _, port = host_and_port.partition(":")
    return host, int(port)


def test_servers_answer_where_the_variables_lead_until_sigterm(tmp_path: Path) -> None:
    with servers_up(tmp_path) as (running, exported):
        kafka = address(exported["BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS"])
        s3 = address(exported["BANNERSTREAM_STORAGE__ENDPOINT"])
        assert kafka_answers(*kafka)
        assert http_answers(*s3)
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE_S) == 0
        assert not kafka_answers(*kafka)
        assert not http_answers(*s3)
    log = (tmp_path / "logs/up.log").read_text()
    assert re.findall(r"supervisor .* (\S+): stopped", log) == ["s3-embedded", "kafka-embedded"]


def test_a_server_that_dies_ends_the_command_and_is_named(tmp_path: Path) -> None:
    with servers_up(tmp_path) as (running, _):
        log = (tmp_path / "logs/up.log").read_text()
        broker = re.search(r"kafka-embedded: started, pid (\d+)", log)
        assert broker is not None
        os.kill(int(broker[1]), signal.SIGKILL)
        _, stderr = running.communicate(timeout=PATIENCE_S)
        assert running.returncode == 4
    assert "kafka-embedded ended with status -9" in stderr
    assert "Traceback" not in stderr
