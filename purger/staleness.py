"""Computes which pointers became stale. Pure: no I/O, no clock.

A pointer shows the visitor's last assigned banner that is ready. So it changes when a ready banner is assigned, when an
assigned one becomes ready, when the banner it shows gets a new revision, and when the visitor is erased. An assignment
whose banner is still in production changes nothing yet, unless the visitor had no banner of their own: then the pointer
shows a default, which depends on the assigned cohort.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bannerstream.contracts.messages import Assignment, BannerReady
from bannerstream.purger.visitors import NO_BANNER, Visitors, VisitorState


@dataclass(frozen=True, slots=True)
class Origin:
    """The record that made something stale."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Kafka timestamp, epoch milliseconds."""
    key: bytes | None
    size: int
    """Bytes of key and value together."""


@dataclass(slots=True)
class Stale:
    """Stale visitors, and banners whose pointers are all stale; each with the last record that caused it."""

    users: dict[str, Origin] = field(default_factory=dict)
    banners: dict[str, Origin] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.users or self.banners)

    def origins(self, keys: Iterable[str]) -> set[Origin]:
        """Return the records that made these user and banner keys stale."""
        return {origin for key in keys if (origin := self.users.get(key) or self.banners.get(key)) is not None}


class Staleness:
    """Tracks assignments and ready banners, and derives stale pointers from each change.

    `by_tag`: the CDN purges the pointers of a banner by its tag. Otherwise each pointer is listed.
    """

    def __init__(self, *, by_tag: bool) -> None:
        self.visitors = Visitors()
        self._by_tag = by_tag
        self._numbers: dict[bytes, int] = {}
        self._revisions = [0]  # by number; the first is NO_BANNER's

    def assigned(self, user_key: str, assignment: Assignment | None, origin: Origin, stale: Stale) -> None:
        """Apply an assignment, or an erasure (None), and add what it makes stale.

        Raises:
            MalformedRecord: the epoch is out of range.
        """
        if assignment is None:
            self.visitors.forget(user_key)
            stale.users[user_key] = origin
            return
        known = self.visitors.get(user_key)
        if known is not None and assignment.epoch <= known.epoch:
            return  # a repeat, or older than what is shown
        number = self._number(assignment.banner_key)
        shown = number if self._revisions[number] else known.shown if known is not None else NO_BANNER
        self.visitors.put(user_key, VisitorState(assignment.epoch, number, shown))
        if shown in {number, NO_BANNER}:
            stale.users[user_key] = origin

    def ready(self, banner_key: str, announced: BannerReady | None, origin: Origin, stale: Stale) -> None:
        """Apply a ready event, or a withdrawal (None), and add what it makes stale."""
        number = self._number(banner_key)
        known = self._revisions[number]
        revision = 0 if announced is None else announced.revision
        if announced is not None and revision <= known:
            return  # announced again: every repeated request does that
        self._revisions[number] = revision
        first = announced is not None and not known
        if first:
            stale.users |= dict.fromkeys(self.visitors.show_assigned(number), origin)
        if self._by_tag:
            stale.banners[banner_key] = origin
        elif not first:
            stale.users |= dict.fromkeys(self.visitors.showing(number), origin)

    def _number(self, banner_key: str) -> int:
        key = bytes.fromhex(banner_key)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._revisions)
            self._revisions.append(0)
        return number


def tags(stale: Stale) -> list[tuple[str, str]]:
    """Return the cache tags of stale visitors and banners, each with its key."""
    return [(f"user-{key}", key) for key in stale.users] + [(f"banner-{key}", key) for key in stale.banners]


def paths(users: Mapping[str, Origin], sizes: Iterable[str]) -> list[tuple[str, str]]:
    """Return the paths of stale visitors' pointers and plain images, each with its user key."""
    endings = ["", *(f"/{size}" for size in sizes)]
    return [(f"{POINTERS}{key}{ending}", key) for key in users for ending in endings]


POINTERS = "/v1/pointers/"
"""The path below which edge serves pointers and nothing else."""
