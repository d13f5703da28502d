"""Which events a visitor's state contains_fingerprint, so that what a producer sends again is not counted again."""

from xxhash import xxh3_64_digest, xxh64_intdigest

from bannerstream.streams.affinity.state import FINGERPRINT_BYTES


def seed_of(topic: str) -> int:
    """Return what tells equal ids of different topics apart: shops number clicks and orders each from 1."""
    return xxh64_intdigest(topic.encode())


def fingerprint_of(event_id: str, seed: int) -> bytes:
    """Return the hash that stands for an event.

    64 bits: at 10^11 events a day and eight remembered per visitor, one new event in sixty thousand years is taken
    for a repeat. XXH3 is no cryptography: whoever can write to the topic can make two ids collide, but only among
    events that they could have left out, too.
    """
    return xxh3_64_digest(event_id.encode(), seed)


def contains_fingerprint(recent: bytes, fingerprint: bytes) -> bool:
    """Return whether the fingerprint is one of those in `recent`, and not merely made up of the ends of two."""
    at = recent.find(fingerprint)
    while at % FINGERPRINT_BYTES and at > 0:
        at = recent.find(fingerprint, at + 1)
    return at >= 0


def append_fingerprint(recent: bytes, fingerprint: bytes, window: int) -> bytes:
    """Return the fingerprints with one more at the end, the last `window` of them; at least one."""
    return (recent + fingerprint)[-window * FINGERPRINT_BYTES :]
