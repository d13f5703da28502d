"""The parameters of folding and deciding."""

from dataclasses import dataclass

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.streams.affinity.state import FINGERPRINT_BYTES

MAX_PURCHASES = 256
"""Bought products remembered per visitor: an order names up to 100, so the last two always fit completely."""

MAX_STATE_BYTES = 900_000
"""Largest packed state: below the brokers' default limit of 1 MiB a message, with room for headers."""

_PRODUCT_BYTES = 4 * 128 + 3 + 9
"""A product id of 128 characters of four bytes with its msgpack header, and a time."""
_COHORT_BYTES = 64 + 2 + 9
_REST_BYTES = 2_000
"""Everything else: the decision, two offsets with topic names of up to 249 bytes, the headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How visitors are remembered and when their banner changes. Times are milliseconds of event time."""

    half_life_ms: int
    margin: float
    min_interval_ms: int
    suppress_ms: int
    products_per_user: int
    max_cohorts: int
    duplicate_window: int
    """Event ids remembered per visitor; 0 counts every event."""

    def __post_init__(self) -> None:
        """Reject limits whose states would not fit into one record.

        Raises:
            ConfigurationError: `max_cohorts`, `products_per_user` and `duplicate_window` are too large together.
        """
        if self.max_state_bytes() > MAX_STATE_BYTES:
            raise ConfigurationError(
                f"streams.max_cohorts = {self.max_cohorts} with streams.products_per_user = {self.products_per_user} "
                f"and streams.duplicate_window = {self.duplicate_window} lets one visitor's state outgrow a Kafka "
                f"record ({self.max_state_bytes()} of {MAX_STATE_BYTES} bytes); try max_cohorts = 32, "
                "products_per_user = 12, duplicate_window = 8"
            )

    def max_state_bytes(self) -> int:
        """Return an upper bound for the size of a packed state."""
        return (
            (self.products_per_user + MAX_PURCHASES) * _PRODUCT_BYTES
            + self.max_cohorts * _COHORT_BYTES
            + self.duplicate_window * FINGERPRINT_BYTES
            + _REST_BYTES
        )
