"""Routes clicks and purchases by visitor through an internal topic, if theirs are not keyed by visitor or do not match.

`Repartitioner` copies in the background of the process. Readers of the internal topic need
isolation_level="read_committed", because it is written in transactions. Its records are keyed by user id, their values
are the shop's bytes, and `parse_origin` returns the shop's record and its source.
"""

from bannerstream.streams.repartition.origin import Origin, parse_origin
from bannerstream.streams.repartition.repartitioner import Repartitioner

__all__ = ["Origin", "Repartitioner", "parse_origin"]
