"""The common work (../README.md) with stock faust-streaming: an agent and a Table in memory with its changelog."""

import faust
import msgspec
from work import APP, BOOTSTRAP, FOLDER, TOPIC, fold, report_first_record

app = faust.App(
    APP,
    broker=f"kafka://{BOOTSTRAP}",
    store="memory://",
    datadir=FOLDER,
    topic_partitions=4,
    topic_replication_factor=1,
    broker_commit_interval=1.0,
    producer_acks=-1,
    consumer_auto_offset_reset="earliest",
    producer_linger=0.02,
    stream_recovery_delay=0.0,
    topic_disable_leader=True,
    web_enabled=False,
)
events = app.topic(TOPIC, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")
affinity = app.Table("affinity", partitions=4, key_type=bytes, value_type=bytes)


class Event(msgspec.Struct, gc=False):
    """The fields that are used. A struct, because a `faust.Record` costs more than ten times as much."""

    product_id: str
    kind: str
    time: int


decode = msgspec.json.Decoder(Event).decode


@app.agent(events)
async def update(stream: faust.StreamT) -> None:
    """Fold each event into its user's state."""
    is_first = True
    async for record in stream.events():
        if is_first:
            is_first = False
            report_first_record()
        event = decode(record.value)
        packed = affinity.get(record.key)
        affinity[record.key] = fold(packed, event.product_id, event.kind, event.time, record.message.offset)


if __name__ == "__main__":
    app.main()
