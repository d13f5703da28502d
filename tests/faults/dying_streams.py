"""A streams worker that kills or stops itself at one of its requests, and writes its states to a file on a signal.

    python -m tests.faults.dying_streams MEMORY [WHEN NTH SIGNAL]

At the NTH request of a kind it sends itself SIGNAL (KILL or STOP). WHEN names kind and side: `before-flush`,
`after-flush` (a produce request to the changelog, before it is sent or as soon as it is), `before-publish` (one with
decisions or dead letters), `before-commit`, `after-commit` (of offsets, or of a transaction). Requests are looked at
where aiokafka sends them, so that it does not matter how streams writes.

On SIGUSR1 the packed states in memory are written to the file MEMORY, by partition and user key.
"""

import asyncio
import itertools
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Literal

from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import EndTxnRequest

import bannerstream.streams.main
from bannerstream.broker.topics import changelog_name
from bannerstream.service.logs import configure_logging
from bannerstream.settings import Settings, load_settings
from bannerstream.streams.affinity import pack
from bannerstream.streams.app import StreamsApp, create_app

When = Literal["before-flush", "after-flush", "before-publish", "before-commit", "after-commit"]


def strike_at(when: When, nth: int, number: signal.Signals, settings: Settings) -> None:
    """Have `aiokafka.conn.AIOKafkaConnection.send` send this process the signal at the nth request of this kind."""
    original = AIOKafkaConnection.send
    counted = itertools.count(1)
    changelog = changelog_name(settings.streams.app_id)
    position, what = when.split("-")

    def is_counted(request: object) -> bool:
        if isinstance(request, OffsetCommitRequest | EndTxnRequest):
            return what == "commit"
        if isinstance(request, ProduceRequest):
            topics = {topic for topic, _ in request._topics}
            return changelog in topics if what == "flush" else what == "publish" and bool(topics - {changelog})
        return False

    def send(self: AIOKafkaConnection, request: Any, *args: Any, **options: Any) -> Any:
        is_nth = is_counted(request) and next(counted) == nth
        if is_nth and position == "before":
            os.kill(os.getpid(), number)
        response = original(self, request, *args, **options)
        if is_nth and position == "after":
            os.kill(os.getpid(), number)
        return response

    AIOKafkaConnection.send = send  # type: ignore[method-assign]


def dump_states(app: StreamsApp, file: Path) -> None:
    """Write the states of the worker's own partitions atomically to a file.

    During a rebalance and a recovery the worker does not fold, and writes no states.
    """
    states_by_partition: dict[int, dict[str, str]] = {}
    own = {tp.partition for tp in app.assignor.assigned_actives()} if app.flow_control.is_active() else set()
    for number in own:
        states = app.written.partitions_here[number]
        found = states.get_all(states.keys())
        states_by_partition[number] = {key.decode(): pack(state).hex() for key, state in found.items()}
    scratch = file.with_suffix(".scratch")
    scratch.write_text(json.dumps(states_by_partition))
    scratch.replace(file)


def main(memory: Path, when: When | None = None, nth: int = 0, name: str = "KILL") -> None:
    settings = load_settings()
    configure_logging(settings)
    if when is not None:
        strike_at(when, nth, signal.Signals[f"SIG{name}"], settings)

    def create_dumping_app(*args: Any) -> StreamsApp:
        app = create_app(*args)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, dump_states, app, memory)
        return app

    bannerstream.streams.main.create_app = create_dumping_app
    bannerstream.streams.main.run(settings)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *([sys.argv[2], int(sys.argv[3]), sys.argv[4]] if len(sys.argv) > 2 else []))  # type: ignore[arg-type]
