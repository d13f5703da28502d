"""The errors of this package, as a tree.

Exception
└── WriteAborted     pending writes were discarded; the next owner of the partitions folds their events again
"""

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

REFUSALS = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
"""What brokers with ACLs answer. An app ends with it, unless it has worked before: then rights may be changing."""


class WriteAborted(Exception):
    """A write was aborted: the group may have reassigned our partitions, or the worker is stopping.

    Operator action: none. Its offsets were not committed, so its events are read again.
    """
