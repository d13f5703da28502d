"""One worker of the group gets every partition, the others stand by.

What is stale follows from both topics together: whose banner became ready is known only to who has read everyone's
assignment. A share of the partitions is therefore of no use, and one worker is fast enough (docs/cdn.md).
"""

import time
from collections.abc import Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

_VERSION = 0
_STARTED_NS = time.time_ns()


class OldestMemberAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka is untyped
    """Gives every partition to the member whose process started first, so that a newcomer takes nothing away."""

    name = "bannerstream-oldest-takes-all"

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return the assignment of each member, by member id."""
        oldest = min(members, key=lambda member: (int.from_bytes(members[member].user_data), member))
        everything = [
            (topic, sorted(cluster.partitions_for_topic(topic) or ())) for topic in sorted(members[oldest].subscription)
        ]
        return {
            member: ConsumerProtocolMemberAssignment(_VERSION, everything if member == oldest else [], b"")
            for member in members
        }

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return what this member tells the one that assigns: since when it runs."""
        return ConsumerProtocolMemberMetadata(_VERSION, list(topics), _STARTED_NS.to_bytes(8))

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Take note of nothing."""
