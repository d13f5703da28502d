"""The table `[streams]`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from bannerstream.settings.groups import ANY_ADDRESS, Days, Group, MetricsHost, Seconds


class StreamsSettings(Group):
    """The affinity table and the decisions made from it."""

    app_id: str = Field(
        "bannerstream-streams", pattern=r"^[A-Za-z0-9._-]{1,200}$", description="Consumer group and changelog prefix."
    )
    repartition: bool = Field(
        False,
        description="Copy clicks and purchases to an internal topic keyed by user: for topics with other keys or with "
        "different partition counts.",
    )
    half_life_days: Days = Field(7.0, description="Half-life of an interaction's weight.")
    margin: float = Field(
        0.15, ge=0, le=1, description="How much higher, relatively, a new banner must score to replace the current one."
    )
    min_interval_s: float = Field(
        5.0, ge=0, description="Shortest event time between two changes of a visitor's banner."
    )
    suppress_days: Days = Field(30.0, description="How long a purchased product is not advertised to its buyer.")
    products_per_user: int = Field(12, ge=1, le=200, description="Most recent products remembered per visitor.")
    max_cohorts: int = Field(
        32, ge=1, le=256, description="Cohorts remembered per visitor; beyond this the weakest is dropped."
    )
    duplicate_window: int = Field(
        8, ge=0, le=1000, description="Event ids remembered per visitor to ignore duplicates; 0 turns it off."
    )
    dead_letters_per_visitor: int = Field(
        1000,
        ge=1,
        description="Dead letters an hour of one visitor's events; further ones are dropped, counted and logged. A "
        "person causes a few; a stranger with a valid token could fill the topic.",
    )
    request_ttl_s: Seconds = Field(3600.0, description="A banner is not requested again within this time.")
    commit_interval_s: float = Field(
        1.0,
        ge=0.05,
        le=60,
        description="How often states are written and offsets committed. After a crash at most this much is folded "
        "again; longer intervals write fewer records, because a busy visitor's state is written once.",
    )
    transactions: bool = Field(
        False,
        description="Write states, decisions and offsets of a partition in one Kafka transaction, where the brokers "
        "have them: nothing counts twice, and a replaced worker can write nothing; small rounds take two to three "
        "times as long. `false`: after a crash, events are read again and recognised as repeats.",
    )
    transaction_timeout_s: float = Field(
        10.0,
        ge=1,
        le=900,
        description="When the brokers end the transaction of a worker that died or hangs. Until then nobody reads past "
        "it, so keep it short; a worker that takes its place ends it at once.",
    )
    compression: Literal["none", "snappy", "zstd", "lz4"] = Field(
        "snappy",
        description="Compression of everything that streams writes. `lz4` is slow here: aiokafka uses its level 9.",
    )
    store: Literal["memory", "rocksdb"] = Field(
        "memory",
        description="Where states are stored. `rocksdb` keeps them on disk, under `data_dir`, for more visitors than "
        'fit into memory; needs `pip install "bannerstream[rocksdb]"`.',
    )
    warm_states: int = Field(
        100_000,
        ge=0,
        description='With `store = "rocksdb"`: visitors whose states stay in memory besides, about 400 bytes each. '
        "Events of visitors who return within minutes then read no disk.",
    )
    write_state_version: int = Field(  # not a Literal: numbers from the environment are text
        2,
        ge=2,
        le=3,
        description="Version of the states written to the changelog. `3` takes an eighth of the work to write; "
        "releases before 0.3 cannot read it. Set it once every worker runs 0.3.",
    )
    forget_after_days: Days = Field(
        365.0, description="A visitor without events for this long is forgotten: state and assignment are deleted."
    )
    announce_decisions: bool = Field(
        False,
        description="After a start, announce the current decision of every visitor again, partition by partition: "
        "brings back `banner.assignments` (docs/recovery.md).",
    )
    standbys: int = Field(
        0,
        ge=0,
        le=3,
        description="Workers that keep a copy of each partition, to take it over without reading it first.",
    )
    data_dir: Path = Field(
        Path(".cache/streams"),
        description="Working folder with one slot per worker on this machine; it can be deleted at any time.",
    )
    metrics_port: int = Field(9101, ge=0, le=65535, description="Prometheus port; 0 turns it off.")
    metrics_host: MetricsHost = ANY_ADDRESS
