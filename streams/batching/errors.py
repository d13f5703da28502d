"""The errors of this package, as a tree.

Exception
└── WriteAborted     pending writes were discarded; the next owner of the partitions folds their events again
"""


class WriteAborted(Exception):
    """A write was aborted: the group may have reassigned our partitions, or the worker is stopping.

    Operator action: none. Its offsets were not committed, so its events are read again.
    """
