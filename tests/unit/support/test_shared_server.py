"""Servers that several processes of one session share."""

import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from tests.support.shared_server import SharedServer


class Server:
    """A server that counts how often it is stopped."""

    def __init__(self) -> None:
        self.stopped = 0

    def stop(self) -> None:
        self.stopped += 1


class Servers:
    """Starts servers, each at an address of its own."""

    def __init__(self) -> None:
        self.started: list[Server] = []

    def __call__(self, folder: Path) -> tuple[Server, str]:
        assert folder.is_dir()
        self.started.append(Server())
        return self.started[-1], f"address-{len(self.started)}"


USER = """
import sys
from pathlib import Path
from tests.support.shared_server import SharedServer
server = SharedServer(Path(sys.argv[1]), lambda folder: sys.exit("there is one already"))
print(server.address, flush=True)
sys.stdin.readline()
server.release()
"""


@pytest.fixture
def servers() -> Servers:
    return Servers()


def test_the_first_starts_it_and_the_last_of_all_stops_it(servers: Servers, tmp_path: Path) -> None:
    first = SharedServer(tmp_path / "kafka", servers)
    second = SharedServer(tmp_path / "kafka", servers)
    assert first.address == second.address == "address-1"
    assert len(servers.started) == 1
    second.release()
    assert servers.started[0].stopped == 0
    first.release()
    assert servers.started[0].stopped == 1


def test_it_serves_until_the_last_process_has_let_go_of_it(servers: Servers, tmp_path: Path) -> None:
    server = SharedServer(tmp_path / "kafka", servers)
    with subprocess.Popen(
        [sys.executable, "-c", USER, tmp_path / "kafka"],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as user:
        assert user.stdout is not None
        assert user.stdin is not None
        assert user.stdout.readline() == "address-1\n"
        releasing = Thread(target=server.release)
        releasing.start()
        SharedServer(tmp_path / "kafka", servers).release()  # who comes while it is waited for is served
        assert servers.started[0].stopped == 0
        user.stdin.write("\n")
        user.stdin.close()
    releasing.join()
    assert user.returncode == 0
    assert [server.stopped for server in servers.started] == [1]


def test_who_comes_when_it_was_stopped_starts_another(servers: Servers, tmp_path: Path) -> None:
    SharedServer(tmp_path / "kafka", servers).release()
    again = SharedServer(tmp_path / "kafka", servers)
    assert again.address == "address-2"
    again.release()


def test_what_does_not_start_is_not_noted(servers: Servers, tmp_path: Path) -> None:
    def refuse(folder: Path) -> tuple[Server, str]:
        raise OSError("no port")

    with pytest.raises(OSError, match="no port"):
        SharedServer(tmp_path / "kafka", refuse)
    server = SharedServer(tmp_path / "kafka", servers)
    assert server.address == "address-1"
    server.release()
