"""Record the example session again: `python -m examples.record_session`. Same seed, same recording.

Visitors have tastes (a mixture of cohorts). They come back over some days, look at products that suit the mood of the
visit, click, fill a cart, buy. Three channels of the shop write three formats. Some events arrive late, some twice, and
some records are broken in the ways that records break.
"""

import base64
import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bannerstream.demo.example_shop import CATALOGUE, SESSION

RECORDED_AT = 1_773_000_000_000
"""When the recording ends (2026-03-08T20:00:00Z); `events replay --retime` moves it to now."""

SEED = 20260308
VISITORS = 220
DAYS = 4
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000

LATE_SHARE = 0.04
"""Phones that were offline: their events come minutes to hours after they happened."""
REPEATED_SHARE = 0.02
"""Events that a client sent again because it saw no answer."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a visitor did."""

    number: int
    visitor: "Visitor"
    kind: str
    products: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """Someone with a taste and a channel through which the shop sees them."""

    user_id: str
    taste: dict[str, float]
    channel: str


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the recording, and when it reached the shop's topic."""

    topic: str
    key: str
    arrives_at: int
    value: Json | None = None
    raw: bytes | None = None

    def line(self) -> str:
        """Return the line of the recording, as `broker.recordings` reads it."""
        line: Json = {"topic": self.topic, "key": self.key, "at": self.arrives_at}
        if self.raw is not None:
            line["value_b64"] = base64.b64encode(self.raw).decode()
        else:
            line["value"] = self.value
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Shop:
    """What can be looked at: the weight of every product in every cohort."""

    weights: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def from_catalogue(cls, folder: Path) -> "Shop":
        """Read the weights from a catalogue folder."""
        weights: dict[str, dict[str, float]] = {}
        for line in (folder / "products.jsonl").read_text().splitlines():
            product = json.loads(line)
            for cohort, weight in product["cohorts"].items():
                weights.setdefault(cohort, {})[product["product_id"]] = weight
        return cls(weights)


def record(shop: Shop, seed: int = SEED) -> list[str]:
    """Return the lines of a recording, in the order of arrival."""
    rng = random.Random(seed)
    acts = [act for visitor in _visitors(shop, rng) for act in _visits(visitor, shop, rng)]
    acts = [replace(act, number=number) for number, act in enumerate(sorted(acts, key=lambda act: act.at), start=1)]
    records = [delivery for act in acts for delivery in _deliveries(act, rng)]
    records += _broken_records(acts, rng)
    records.sort(key=lambda record: record.arrives_at)
    return [each.line() for each in records]


def _visitors(shop: Shop, rng: random.Random) -> Iterator[Visitor]:
    cohorts = sorted(shop.weights)
    for number in range(1, VISITORS + 1):
        first, second = rng.sample(cohorts, 2)
        strength = rng.uniform(0.6, 0.95)
        channel = rng.choices(["native", "segment", "ga4"], [5, 3, 2])[0]
        user_id = f"anon-{rng.getrandbits(48):012x}" if rng.random() < 0.25 else f"u-{number:04d}"
        yield Visitor(user_id, {first: strength, second: 1 - strength}, channel)


def _visits(visitor: Visitor, shop: Shop, rng: random.Random) -> Iterator[Act]:
    for _ in range(rng.choices([1, 2, 3, 4], [30, 35, 22, 13])[0]):
        mood = rng.choices(list(visitor.taste), list(visitor.taste.values()))[0]
        now = RECORDED_AT - rng.randint(45 * MINUTE, DAYS * DAY)
        cart: list[str] = []
        for _ in range(rng.randint(1, 4)):
            products = shop.weights[mood]
            product = rng.choices(list(products), [weight**2 for weight in products.values()])[0]
            for kind, likely in (("view", 1.0), ("click", 0.65), ("cart", 0.4)):
                if rng.random() > likely:
                    break
                now += rng.randint(3 * SECOND, 90 * SECOND)
                yield Act(0, visitor, kind, (product,), now)
                if kind == "cart" and product not in cart:
                    cart.append(product)
        if cart and rng.random() < 0.55:
            yield Act(0, visitor, "purchase", tuple(cart), now + rng.randint(30 * SECOND, 6 * MINUTE))


def _deliveries(act: Act, rng: random.Random) -> Iterator[Record]:
    late = rng.random() < LATE_SHARE
    delay = rng.randint(10 * MINUTE, 12 * HOUR) if late else rng.randint(40, 1500)
    first = Record(
        topic="purchases" if act.kind == "purchase" else "clicks",
        key=act.visitor.user_id,
        arrives_at=min(act.at + delay, RECORDED_AT),
        value=_FORMATS[act.visitor.channel](act),
    )
    yield first
    if rng.random() < REPEATED_SHARE:
        yield replace(first, arrives_at=first.arrives_at + rng.randint(1 * SECOND, 1 * MINUTE))


def _native(act: Act) -> Json:
    event: Json = {"event_id": f"n-{act.number:06d}", "user_id": act.visitor.user_id}
    if len(act.products) == 1:
        event["product_id"] = act.products[0]
    else:
        event["product_ids"] = list(act.products)
    event["time"] = act.at if act.number % 2 else _rfc3339(act.at)
    if act.kind not in {"click", "purchase"}:
        event["kind"] = act.kind
    return event


def _segment(act: Act) -> Json:
    names = {
        "view": "Product Viewed",
        "click": "Product Clicked",
        "cart": "Product Added",
        "purchase": "Order Completed",
    }
    products = [{"product_id": product, "quantity": 1} for product in act.products]
    properties = {"order_id": f"o-{act.number}", "products": products} if act.kind == "purchase" else products[0]
    who = "anonymousId" if act.visitor.user_id.startswith("anon-") else "userId"
    return {
        "type": "track",
        "event": names[act.kind],
        "messageId": f"seg-{act.number:06d}",
        who: act.visitor.user_id,
        "timestamp": _rfc3339(act.at),
        "properties": properties,
    }


def _ga4(act: Act) -> Json:
    names = {"view": "view_item", "click": "select_item", "cart": "add_to_cart", "purchase": "purchase"}
    params: Json = {"items": [{"item_id": product, "quantity": 1} for product in act.products]}
    if act.kind == "purchase":
        params["transaction_id"] = f"t-{act.number}"
    return {
        "client_id": act.visitor.user_id,
        "timestamp_micros": str(act.at * 1000),
        "events": [{"name": names[act.kind], "params": params}],
    }


_FORMATS = {"native": _native, "segment": _segment, "ga4": _ga4}


def _broken_records(acts: list[Act], rng: random.Random) -> Iterator[Record]:
    """Yield four records of each way of being broken, each beside a good event of the same visitor."""
    for act in rng.sample(acts, 4):
        good = {"event_id": f"b-{act.number:06d}", "user_id": act.visitor.user_id, "product_id": act.products[0]}
        good["time"] = _rfc3339(act.at)
        values: list[Json] = [
            good | {"user_id": 4711},
            {name: value for name, value in good.items() if name != "product_id"},
            good | {"colour": "red"},
            good | {"event_id": "x" * 1_000_000},
            good | {"product_id": f"discontinued-{act.number}"},
            good | {"time": RECORDED_AT + DAY},
            good | {"time": RECORDED_AT - 900 * DAY},
            good | {"time": _rfc3339(act.at).removesuffix("Z")},
            {"type": "page", "messageId": f"b-{act.number:06d}", "userId": good["user_id"]},
        ]
        raws = [rng.randbytes(60), json.dumps(good).encode()[:-20], b""]
        for value in values:
            yield Record("clicks", act.visitor.user_id, act.at + rng.randint(100, 5000), value=value)
        for raw in raws:
            yield Record("clicks", act.visitor.user_id, act.at + rng.randint(100, 5000), raw=raw)


def _rfc3339(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main() -> None:
    """Write the recording."""
    content = "\n".join(record(Shop.from_catalogue(CATALOGUE))).encode() + b"\n"
    SESSION.write_bytes(gzip.compress(content, mtime=0))


if __name__ == "__main__":
    main()
