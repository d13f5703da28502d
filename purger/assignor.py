"""Assigns all partitions to one worker of the group; the others are standbys.

Staleness depends on both topics together: only a worker that has read all assignments knows which visitors a ready
banner affects. So the work cannot be divided by partitions, and one worker is fast enough (docs/cdn.md).
"""

import time
from collections.abc import Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

_VERSION = 0
_STARTED_NS = time.time_ns()


class OldestMemberAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka is untyped
    """Assigns every partition to the member whose process started first, so that a new member causes no takeover."""

    name = "bannerstream-oldest-takes-all"

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return the assignment of each member, by member id."""
        oldest = min(members, key=lambda member: (int.from_bytes(members[member].user_data), member))
        all_partitions = [
            (topic, sorted(cluster.partitions_for_topic(topic) or ())) for topic in sorted(members[oldest].subscription)
        ]
        return {
            member: ConsumerProtocolMemberAssignment(_VERSION, all_partitions if member == oldest else [], b"")
            for member in members
        }

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return this member's start time, which the group's leader compares."""
        return ConsumerProtocolMemberMetadata(_VERSION, list(topics), _STARTED_NS.to_bytes(8))

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Do nothing: the listener handles changes."""
