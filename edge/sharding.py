"""Which visitors are this node's: a larger shop spreads them over several, by user key."""

from dataclasses import dataclass
from typing import Self

from bannerstream.edge.errors import MisdirectedRequest

HEADER = "Bannerstream-Shard"
"""Of an answer 421: the number of the shard that has the visitor, for a load balancer to ask there."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` equal parts of the user keys, which are uniform because they are hashes."""

    number: int
    count: int

    @classmethod
    def parse(cls, setting: str) -> Self:
        """Return the shard that `edge.shard` names, `0/2`."""
        number, count = map(int, setting.split("/"))
        return cls(number, count)

    def shard_of(self, user_key: str) -> int:
        """Return the number of the shard that has a visitor."""
        return int(user_key[:8], 16) * self.count >> 32

    def holds(self, user_key: str) -> bool:
        """Tell whether a visitor is of this shard."""
        return self.count == 1 or self.shard_of(user_key) == self.number

    def check(self, user_key: str) -> None:
        """Return if the visitor is of this shard.

        Raises:
            MisdirectedRequest: another node has it.
        """
        if not self.holds(user_key):
            where = self.shard_of(user_key)
            raise MisdirectedRequest(f"this visitor is of shard {where}/{self.count}", headers={HEADER: str(where)})
