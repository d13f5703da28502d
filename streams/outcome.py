"""What a batch leads to, besides states."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from bannerstream.contracts.dead_letter import DeadLetter
from bannerstream.contracts.messages import BannerRequest
from bannerstream.streams.affinity.folding import FoldResult

Disposition = Literal[FoldResult, "ignored", "dead_letter"]

EncodedAssignment: TypeAlias = tuple[bytes, int, int]
"""An assignment as its topic has it, its epoch, and when it was decided (epoch milliseconds)."""


@dataclass(frozen=True, slots=True)
class CausedRequest:
    """A banner request and the decision that caused it; together they form the CloudEvents id."""

    request: BannerRequest
    cause: str


@dataclass(slots=True)
class BatchOutcome:
    """The results of a batch, besides states.

    The states of `changed` must be in the changelog before any of this is published, and all of it must be published
    before offsets are committed.
    """

    changed: set[bytes] = field(default_factory=set)
    """User keys of visitors whose decision changed."""
    assignments: dict[bytes, EncodedAssignment] = field(default_factory=dict)
    """By user key: the latest assignment of visitors whose decision changed or who were in a replay."""
    requests: dict[str, CausedRequest] = field(default_factory=dict)
    """By banner key."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    forgotten: list[bytes] = field(default_factory=list)
    """User keys of visitors whose assignments are deleted."""
    counts: dict[Disposition, int] = field(default_factory=dict)
    """Number of events by disposition."""
    ahead_ms: int = 0
    """The largest lead of an event's time over its arrival. Such an event counts as of its arrival."""

    @property
    def urgent(self) -> set[bytes]:
        """Return the visitors whose states must be written before the rest is published.

        Not only those whose decision changed: a replay may announce a state that this batch changed before.
        """
        return self.changed.union(self.assignments)

    @property
    def has_effects(self) -> bool:
        """Return whether there is anything to publish."""
        return bool(self.assignments or self.dead_letters or self.forgotten)

    def add(self, later: "BatchOutcome") -> None:
        """Merge a later batch: keep only the latest assignment per visitor and one request per banner."""
        self.changed |= later.changed
        for key in later.forgotten:
            self.assignments.pop(key, None)
        self.assignments |= later.assignments
        for banner_key, request in later.requests.items():
            self.requests.setdefault(banner_key, request)
        self.dead_letters += later.dead_letters
        self.forgotten += later.forgotten
