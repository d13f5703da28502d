"""What can go wrong here, as a tree.

Exception
└── WriteAborted     what is pending may not, or cannot, be written: whoever has the partitions then folds it again
"""


class WriteAborted(Exception):
    """A write was given up: the group may have given our partitions away, or the worker is stopping.

    Operator action: none. Nothing of it was committed, so it is read again.
    """
