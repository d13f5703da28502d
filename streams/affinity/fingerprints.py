"""Fingerprints of a visitor's last events, so that an event sent twice counts once."""

from xxhash import xxh3_64_digest, xxh64_intdigest

from bannerstream.streams.affinity.state import FINGERPRINT_BYTES


def seed_of(topic: str) -> int:
    """Return a hash seed per topic, so that equal ids of different topics differ: shops number both from 1."""
    return xxh64_intdigest(topic.encode())


def fingerprint_of(event_id: str, seed: int) -> bytes:
    """Return the hash that identifies an event.

    64 bits: at 10^11 events a day and eight remembered per visitor, one new event in sixty thousand years is mistaken
    for a repeat. XXH3 is not cryptographic: a producer can make two ids collide, but only among events that it could
    have omitted, too.
    """
    return xxh3_64_digest(event_id.encode(), seed)


def contains_fingerprint(recent: bytes, fingerprint: bytes) -> bool:
    """Return whether `recent` holds the fingerprint, ignoring matches across two neighbours."""
    index = recent.find(fingerprint)
    while index % FINGERPRINT_BYTES and index > 0:
        index = recent.find(fingerprint, index + 1)
    return index >= 0


def append_fingerprint(recent: bytes, fingerprint: bytes, window: int) -> bytes:
    """Append a fingerprint and return the last `window` of them; at least one."""
    return (recent + fingerprint)[-window * FINGERPRINT_BYTES :]
