"""Routes clicks and purchases by visitor through an internal topic: for topics that are not keyed so, or do not match.

`Repartitioner` copies, beside whatever else the process does. Whoever reads the internal topic does so with
isolation_level="read_committed": it is written in transactions. Its records are keyed by user id, their values are the
shop's bytes, and `parse_origin` tells of which record each is a copy, and so its role.
"""

from bannerstream.streams.repartition.origin import Origin, parse_origin
from bannerstream.streams.repartition.repartitioner import Repartitioner

__all__ = ["Origin", "Repartitioner", "parse_origin"]
