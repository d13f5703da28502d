"""Which pointers became stale: pure.

A pointer shows the visitor's last assigned banner that is ready. So it changes when a ready banner is assigned, when an
assigned one becomes ready, when the banner it shows gets a new revision, and when the visitor is erased. An assignment
whose banner is still being painted changes nothing yet, unless nothing of the visitor's own was shown: then the pointer
shows a default, which depends on the cohort assigned.
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
    """When it was written, epoch milliseconds."""
    key: bytes | None
    size: int
    """Bytes of key and value."""


@dataclass(slots=True)
class Stale:
    """Whose pointers are stale, and which banners' wherever they are shown; each with the last record that says so."""

    users: dict[str, Origin] = field(default_factory=dict)
    banners: dict[str, Origin] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.users or self.banners)

    def origins(self, keys: Iterable[str]) -> set[Origin]:
        """Return the records behind some of these user and banner keys."""
        return {origin for key in keys if (origin := self.users.get(key) or self.banners.get(key)) is not None}


class Staleness:
    """What was assigned and announced so far.

    `by_tag`: the CDN finds the pointers that show a banner by its tag. Else they are named one by one.
    """

    def __init__(self, *, by_tag: bool) -> None:
        self.visitors = Visitors()
        self._by_tag = by_tag
        self._numbers: dict[bytes, int] = {}
        self._revisions = [0]  # by number; the first is NO_BANNER's

    def assigned(self, user_key: str, assignment: Assignment | None, origin: Origin, stale: Stale) -> None:
        """Take an assignment, or an erasure (None), and add what it makes stale.

        Raises:
            MalformedRecord: the epoch is out of bounds.
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
        """Take an announcement, or a withdrawal (None), and add what it makes stale."""
        number = self._number(banner_key)
        known = self._revisions[number]
        revision = 0 if announced is None else announced.revision
        if announced is not None and revision <= known:
            return  # announced again, as it is whenever it is asked for again
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
    """Return each stale thing's tag, as edge writes it on pointers, with its key."""
    return [(f"user-{key}", key) for key in stale.users] + [(f"banner-{key}", key) for key in stale.banners]


def paths(users: Mapping[str, Origin], sizes: Iterable[str]) -> list[tuple[str, str]]:
    """Return the paths of stale users' pointers, each with its user key: the pointer, and one for each plain image."""
    endings = ["", *(f"/{size}" for size in sizes)]
    return [(f"{POINTERS}{key}{ending}", key) for key in users for ending in endings]


POINTERS = "/v1/pointers/"
"""Under which edge serves pointers, and nothing else."""
