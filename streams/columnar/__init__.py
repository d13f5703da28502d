"""Visitors' states as the rows of one array a partition, folded many visitors at a time.

    layout       which column means which cohort, topic, variant; which number means which product; and their records
    key_index    from user keys to rows
    rows         rows to states of the pure core and back; rows of an earlier layout
    states       `ColumnarStates`: a partition's rows, the states that no row can hold, and what is not written yet
    shop_columns a snapshot of the catalogue as arrays
    rounds       the fold: round k takes the k-th event of each visitor in a batch

`streams.affinity` is the specification. A round takes what it can prove to be common; the pure core takes the rest, on
a state that is read from its row once a batch. Tests hold the two equal, byte for byte.
No I/O beside the packed store. Imports contracts, streams.affinity and streams.batching.store.
"""

from bannerstream.streams.columnar.states import ColumnarStates

__all__ = ["ColumnarStates"]
