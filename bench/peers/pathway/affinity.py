"""The common work (../README.md) with Pathway: a stateful reducer in Python over its Rust engine, written to Kafka.

The engine reads, groups and writes; decoding and folding are Python, called once for a user's events of a minibatch. It
reads from where its snapshots end, not from the group's offsets, and commits none: the clock stops when the changelog
holds the last event of every partition. `BENCH_PERSISTED=1` snapshots its input every second, for a restart; without it
a restart would begin with the first event, which is less than every other system does.
"""

import os

import msgspec
import pathway as pw
from work import APP, BOOTSTRAP, FOLDER, TOPIC, fold, tell_first_record

MINIBATCH_MS = 100
MAX_BACKLOG = 50_000
"""Records in the engine. Without a limit it reads the whole topic first, and writes its last state with its first."""
CHANGELOG = f"{APP}-affinity-changelog"


class Event(msgspec.Struct, gc=False):
    """The fields that are used."""

    product_id: str
    kind: str
    time: int


decode = msgspec.json.Decoder(Event).decode
is_first = True


def update(state: bytes | None, rows: list[tuple[list, int]]) -> bytes | None:
    """Fold a user's events of one minibatch, in the order of the topic."""
    global is_first  # noqa: PLW0603  (a program of one stream)
    if is_first:
        is_first = False
        tell_first_record()
    for offset, value in sorted((row[1]["offset"].as_int(), row[0]) for row, _ in rows):
        event = decode(value)
        state = fold(state, event.product_id, event.kind, event.time, offset)
    return state


def main() -> None:
    """Run until it is killed."""
    events = pw.io.kafka.read(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": APP,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": "false",
        },
        topic=TOPIC,
        format="raw",
        with_metadata=True,
        autocommit_duration_ms=MINIBATCH_MS,
        max_backlog_size=MAX_BACKLOG,
    )
    states = events.groupby(events.key).reduce(
        events.key, state=pw.reducers.stateful_many(update)(events.data, events["_metadata"])
    )
    pw.io.kafka.write(
        states,
        {"bootstrap.servers": BOOTSTRAP, "acks": "all", "linger.ms": "20"},
        CHANGELOG,
        format="raw",
        key=states.key,
        value=states.state,
    )
    persisted = os.environ.get("BENCH_PERSISTED") == "1"
    config = pw.persistence.Config(
        pw.persistence.Backend.filesystem(str(FOLDER / "snapshots")), snapshot_interval_ms=1000
    )
    pw.run(monitoring_level=pw.MonitoringLevel.NONE, persistence_config=config if persisted else None)


if __name__ == "__main__":
    main()
