"""One event in each format that shops send."""

from typing import Any

NOW = 1_769_860_800_000

NATIVE: dict[str, Any] = {"event_id": "e-1", "user_id": "u-7", "product_id": "mug-3", "time": NOW}

SEGMENT: dict[str, Any] = {
    "type": "track",
    "event": "Product Viewed",
    "messageId": "m-1",
    "userId": "u-7",
    "timestamp": "2026-01-31T12:00:00Z",
    "properties": {"product_id": "mug-3"},
}

GA4: dict[str, Any] = {
    "client_id": "123.456",
    "timestamp_micros": NOW * 1000,
    "events": [{"name": "view_item", "params": {"items": [{"item_id": "mug-3"}]}}],
}

EXPORTED: dict[str, Any] = {
    "event_name": "view_item",
    "user_pseudo_id": "123.456",
    "event_timestamp": str(NOW * 1000),
    "items": [{"item_id": "mug-3"}],
}
