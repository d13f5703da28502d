"""The table `[streams]`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from bannerstream.settings.groups import Days, Group, Seconds


class StreamsSettings(Group):
    """The affinity table and its decisions."""

    app_id: str = Field(
        "bannerstream-streams", pattern=r"^[A-Za-z0-9._-]{1,200}$", description="Consumer group and changelog prefix."
    )
    repartition: bool = Field(
        False,
        description="Route clicks and purchases through an internal topic keyed by user: for topics that are not, or "
        "whose partition counts differ.",
    )
    half_life_days: Days = Field(7.0, description="After this long an interaction counts half.")
    margin: float = Field(
        0.15, ge=0, le=1, description="A new banner must score this much higher, relatively, to replace the old."
    )
    min_interval_s: float = Field(5.0, ge=0, description="Event time between two changes of one visitor's banner.")
    suppress_days: Days = Field(30.0, description="How long a bought product is not advertised to its buyer.")
    products_per_user: int = Field(12, ge=1, le=200, description="Last touched products remembered per visitor.")
    max_cohorts: int = Field(32, ge=1, le=256, description="Cohorts remembered per visitor; the weakest is forgotten.")
    duplicate_window: int = Field(
        8, ge=0, le=1000, description="Event ids remembered per visitor: what is sent again is ignored; 0 turns it off."
    )
    request_ttl_s: Seconds = Field(3600.0, description="A banner key is not asked for again within this time.")
    commit_interval_s: float = Field(
        1.0,
        ge=0.05,
        le=60,
        description="How often states are written and offsets committed. A crash folds at most this much again; "
        "longer writes fewer records, because a busy visitor's state is written once.",
    )
    compression: Literal["none", "snappy", "zstd", "lz4"] = Field(
        "snappy",
        description="Of everything that streams writes. `lz4` is dear here: aiokafka compresses with its level 9.",
    )
    store: Literal["memory", "rocksdb"] = Field(
        "memory",
        description="Where states are at rest. `rocksdb` keeps them on disk, under `data_dir`, for more visitors than "
        'fit into memory; needs `pip install "bannerstream[rocksdb]"`.',
    )
    warm_states: int = Field(
        100_000,
        ge=0,
        description="Visitors whose states stay unpacked, about 1 kB each: events of visitors who come again within "
        "minutes then cost half.",
    )
    forget_after_days: Days = Field(
        365.0, description="A visitor who has not come for this long is forgotten: state and assignment are deleted."
    )
    standbys: int = Field(
        0, ge=0, le=3, description="Workers that keep a copy of each partition, to take it over without reading first."
    )
    data_dir: Path = Field(
        Path(".cache/streams"),
        description="Working folder, with a slot for each worker on this machine; holds nothing that must survive.",
    )
    metrics_port: int = Field(9101, ge=0, le=65535, description="Prometheus port; 0 turns it off.")
