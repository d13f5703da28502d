"""The common work (../README.md) with Quix Streams: a stateful `apply` over RocksDB, its changelog, checkpoints of 1 s.

The state is stored as bytes (`get_bytes`, `set_bytes`), because JSON, the default, is slower and larger.
"""

import msgspec
from quixstreams import Application, State, message_context
from quixstreams.models import Deserializer, SerializationContext
from work import APP, BOOTSTRAP, FOLDER, TOPIC, fold, report_first_record


class Event(msgspec.Struct, gc=False):
    """The fields that are used."""

    product_id: str
    kind: str
    time: int


class EventDeserializer(Deserializer):
    """Decodes into a struct: about three times as fast as Quix's own JSON deserializer."""

    def __init__(self) -> None:
        super().__init__()
        self._decode = msgspec.json.Decoder(Event).decode

    def __call__(self, value: bytes, ctx: SerializationContext) -> Event:
        """Return the event."""
        del ctx
        return self._decode(value)


is_first = True


def update(event: Event, state: State) -> None:
    """Fold one event into its user's state."""
    global is_first  # noqa: PLW0603  (a program of one stream)
    if is_first:
        is_first = False
        report_first_record()
    packed = state.get_bytes("affinity")
    state.set_bytes("affinity", fold(packed, event.product_id, event.kind, event.time, message_context().offset))


def main() -> None:
    """Run until it is killed."""
    app = Application(
        broker_address=BOOTSTRAP,
        consumer_group=APP,
        auto_offset_reset="earliest",
        state_dir=FOLDER / "state",
        commit_interval=1.0,
        producer_extra_config={"acks": "all", "linger.ms": 20, "batch.size": 262_144},
        consumer_extra_config={"fetch.min.bytes": 65_536, "fetch.wait.max.ms": 50, "queued.min.messages": 200_000},
        # Creates the changelog, the only topic that does not exist yet.
        auto_create_topics=True,
    )
    events = app.topic(TOPIC, key_deserializer="bytes", value_deserializer=EventDeserializer())
    app.dataframe(events).apply(update, stateful=True)
    app.run()


if __name__ == "__main__":
    main()
