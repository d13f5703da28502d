"""The servers under a set of faults: one Kafka, reached directly and through a proxy, and one MinIO."""

import asyncio
import random
from pathlib import Path
from types import TracebackType
from typing import Self

from bannerstream.devservers.kafka_apache import ApacheKafka
from bannerstream.devservers.s3_minio import MinioS3
from bannerstream.devservers.stack import s3_server
from bannerstream.devservers.toxiproxy import Toxiproxy
from bannerstream.service.errors import ChildFailed

# Timestamps are the broker's append times: they give the order of appends across topics, to the millisecond.
# Transactions of workers that died end when they time out, not up to 10 s later.
_PROPERTIES = {
    "log.message.timestamp.type": "LogAppendTime",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
}


class Servers:
    """A context manager; a run may restart the broker, so runs go one after the other."""

    def __init__(self, folder: Path) -> None:
        self.proxy = Toxiproxy(folder)
        self.kafka = ApacheKafka(folder, proxy_port=self.proxy.port, properties=_PROPERTIES)
        self._s3 = s3_server("minio", folder)

    @staticmethod
    def why_unavailable() -> str | None:
        """Return what is missing, or None."""
        return ApacheKafka.why_unavailable() or Toxiproxy.why_unavailable() or MinioS3.why_unavailable()

    def s3_endpoint(self) -> str:
        """Return the address of a MinIO, which starts with the first run that needs it."""
        if self._s3.process is None:
            self._s3.start()
        return self._s3.endpoint

    async def restart_kafka(self, random_: random.Random, *, cleanly: bool) -> None:
        """Stop the broker cleanly or kill it, and start it again, after a pause that `random_` draws."""
        assert self.kafka.process is not None
        await asyncio.to_thread(self.kafka.stop if cleanly else self.kafka.process.kill)
        # Without a pause, or longer than the session timeout (the start takes four more seconds).
        await asyncio.sleep(random_.choice([0, 4]))
        await asyncio.to_thread(self.start_kafka_again)

    def start_kafka_again(self) -> None:
        """Start the broker with its earlier data.

        Raises:
            ChildFailed: two starts failed. One may fail by Kafka's own fault: a start of Kafka 4.3 can hang on a busy
                machine ("ControllerServer.raftManager() is null").
        """
        try:
            self.kafka.start()
        except ChildFailed:
            self.kafka.start()

    def __enter__(self) -> Self:
        try:
            self.kafka.start()
            assert self.kafka.proxied is not None
            self.proxy.start(self.kafka.proxied)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.proxy.stop()
        self._s3.stop()
        self.kafka.stop()
