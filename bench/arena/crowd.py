"""Background load while a browser is measured: open live streams, and clicks in Kafka at a steady rate.

A separate process, so that it does not slow the browser: `python -m bench.arena.crowd URL CLIENTS PER_S`, with
the settings in the environment. Prints `ready` on standard output once every stream has received its first banner.
"""

import asyncio
import itertools
import random
import sys
import time
from urllib.parse import urlsplit

from aiokafka import AIOKafkaProducer

from bannerstream.broker.connection import client_options
from bannerstream.catalog.folder import read_catalogue
from bannerstream.contracts.codecs import encode
from bannerstream.contracts.inputs.native import NativeEvent
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.edge.visitor_tokens import VisitorTokens
from bannerstream.settings import Settings, load_settings

VISITORS = 1000
"""Visitors who click in the background."""
TICK_S = 0.05
AT_ONCE = 50
"""Streams that are opened at the same time, so that the node's accept backlog does not overflow."""


async def main(url: str, clients: int, per_s: int) -> None:
    """Run until the process is stopped."""
    settings = load_settings()
    tokens = VisitorTokens(settings)
    address = urlsplit(url)
    gate = asyncio.Semaphore(AT_ONCE)
    opened = [asyncio.Event() for _ in range(clients)]
    listening = [
        asyncio.create_task(
            _listen(str(address.hostname), int(address.port or 80), tokens.mint(f"crowd-{n}"), gate, stream)
        )
        for n, stream in enumerate(opened)
    ]
    for stream in opened:
        await stream.wait()
    clicking = asyncio.create_task(_click(settings, per_s))
    print("ready", flush=True)
    await asyncio.gather(clicking, *listening)


async def _listen(host: str, port: int, token: str, gate: asyncio.Semaphore, opened: asyncio.Event) -> None:
    async with gate:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET /v1/stream?token={token} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            sys.exit(f"a stream was refused: {head.decode()}")
        await reader.readuntil(b"data:")
    opened.set()
    while await reader.read(65_536):
        pass
    sys.exit("a stream was closed")


async def _click(settings: Settings, per_s: int) -> None:
    products = [product.product_id for product in read_catalogue(CATALOGUE).products]
    topic = settings.kafka.topic_table().clicks.name
    draw = random.Random(1)
    async with AIOKafkaProducer(**client_options(settings.kafka), linger_ms=5) as producer:
        started, sent = time.monotonic(), 0
        for number in itertools.count():
            due = round((time.monotonic() - started) * per_s)
            for _ in range(due - sent):
                user = f"crowd-{draw.randrange(VISITORS)}"
                event = NativeEvent(
                    event_id=f"c-{number}-{draw.getrandbits(48):x}",
                    user_id=user,
                    product_id=draw.choice(products),
                    time=time.time_ns() // 1_000_000,
                )
                await producer.send(topic, encode(event), key=user.encode())
            sent = due
            await asyncio.sleep(TICK_S)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
