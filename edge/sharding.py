"""Assigns visitors to the nodes of a larger shop, by user key."""

from dataclasses import dataclass
from typing import Self

from bannerstream.edge.errors import MisdirectedRequest

HEADER = "Bannerstream-Shard"
"""Header of a 421 response: the shard that holds the visitor, for a load balancer to retry there."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` equal parts of the user keys, which are uniform because they are hashes."""

    number: int
    count: int

    @classmethod
    def parse(cls, setting: str) -> Self:
        """Parse a value of `edge.shard` such as `0/2`."""
        number, count = map(int, setting.split("/"))
        return cls(number, count)

    def shard_of(self, user_key: str) -> int:
        """Return the number of the shard that holds a visitor."""
        return int(user_key[:8], 16) * self.count >> 32

    def holds(self, user_key: str) -> bool:
        """Return whether a visitor belongs to this shard."""
        return self.count == 1 or self.shard_of(user_key) == self.number

    def check(self, user_key: str) -> None:
        """Reject visitors of other shards.

        Raises:
            MisdirectedRequest: the visitor belongs to another shard.
        """
        if not self.holds(user_key):
            where = self.shard_of(user_key)
            raise MisdirectedRequest(
                f"this visitor belongs to shard {where}/{self.count}", headers={HEADER: str(where)}
            )
