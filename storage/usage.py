"""What lies in a bucket, by prefix."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bannerstream.storage.bucket import PAGE, StoredObject


@dataclass(slots=True)
class Usage:
    """What lies under one prefix."""

    prefix: str
    objects: int = 0
    bytes: int = 0


def usage_of(objects: Iterable[StoredObject], on_progress: Callable[[int], None] = lambda _: None) -> list[Usage]:
    """Return what lies under each first part of the objects' keys, in order; objects without one are under "".

    `on_progress` is called with the number of objects so far, once a page.
    """
    found: dict[str, Usage] = {}
    for count, stored in enumerate(objects, start=1):
        first, slash, _ = stored.key.partition("/")
        usage = found.setdefault(first + slash if slash else "", Usage(first + slash if slash else ""))
        usage.objects += 1
        usage.bytes += stored.bytes
        if count % PAGE == 0:
            on_progress(count)
    return [found[prefix] for prefix in sorted(found)]
