"""The settings tree. A description here is what docs/settings.md says."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bannerstream.contracts.keys import MIN_SECRET_BYTES
from bannerstream.contracts.topics import Topics
from bannerstream.settings.edge import CdnSettings, EdgeSettings
from bannerstream.settings.generator import GeneratorSettings
from bannerstream.settings.groups import Days, Group, Seconds

_DEMO_SECRET = "for-trying-out-only-change-me"  # noqa: S105  (refused in production)


class KafkaSettings(Group):
    """How to reach the brokers. Used by every service."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Comma-separated `host:port` list.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        "PLAINTEXT", description="SASL without TLS does not exist here: it would send the password in the clear."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="Only read with `SASL_SSL`."
    )
    sasl_username: str | None = Field(None, description="Required with `SASL_SSL`.")
    sasl_password: SecretStr | None = Field(None, description="Required with `SASL_SSL`.")
    ssl_cafile: Path | None = Field(None, description="CA bundle in PEM; the system's when empty.")
    ssl_certfile: Path | None = Field(None, description="Client certificate in PEM, for mutual TLS.")
    ssl_keyfile: Path | None = Field(None, description="Key of the client certificate.")
    partitions: int = Field(4, ge=1, le=1000, description="Partitions of topics that `topics create` makes.")
    replication_factor: int = Field(
        1, ge=1, le=9, description="Replicas of topics that `topics create` makes; 3 in production."
    )
    session_timeout_s: Seconds = Field(10.0, description="A worker silent for this long loses its partitions.")
    topics: dict[str, str] = Field(
        default_factory=dict, description='Other topic names, by role: `{ clicks = "shop.clicks" }`.'
    )

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> Self:
        if self.security_protocol == "SASL_SSL" and not (self.sasl_username and self.sasl_password):
            raise ValueError("kafka.sasl_username and kafka.sasl_password are required with SASL_SSL")
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise ValueError("kafka.ssl_certfile and kafka.ssl_keyfile go together")
        self.topic_table()
        return self

    def topic_table(self) -> Topics:
        """Return the topics under the names of this deployment."""
        try:
            return Topics().renamed(self.topics)
        except KeyError as error:
            raise ValueError(f"kafka.topics: {error.args[0]}") from error
        except ValueError as error:
            raise ValueError(f"kafka.topics: {error}") from error


class StorageSettings(Group):
    """The S3 bucket of blobs, manifests and catalogue images."""

    endpoint: str = Field("127.0.0.1:9000", description="`host:port` without a scheme.")
    secure: bool = Field(False, description="TLS to the store; true in production.")
    access_key: str = Field("bannerstream", description="Access key id.")
    secret_key: SecretStr = Field(SecretStr(_DEMO_SECRET), description="Secret access key.")
    region: str = Field("us-east-1", description="The bucket's region.")
    bucket: str = Field("banners", min_length=3, max_length=63, description="Bucket name.")
    attempts: int = Field(5, ge=1, le=20, description="Tries of one request before it counts as failed.")
    timeout_s: Seconds = Field(10.0, description="Connect and read timeout of one try.")


class InputSettings(Group):
    """How the shop writes its events."""

    clicks_format: Literal["auto", "native", "segment", "ga4", "mapped"] = Field(
        "auto", description="Format of `clicks`; `auto` looks at each record, `mapped` reads `input.connect_file`."
    )
    purchases_format: Literal["auto", "native", "segment", "ga4", "mapped"] = Field(
        "auto", description="Format of `purchases`."
    )
    connect_file: Path | None = Field(
        None, description="The `connect.toml` that says where the fields of a `mapped` topic's events lie."
    )
    max_future_s: Seconds = Field(
        300.0, description="An event later than its arrival by more than this is a dead letter."
    )
    max_age_days: Days = Field(400.0, description="An event older than its arrival by more than this is a dead letter.")

    @model_validator(mode="after")
    def _mapped_and_file_go_together(self) -> Self:
        mapped = "mapped" in {self.clicks_format, self.purchases_format}
        if mapped and self.connect_file is None:
            raise ValueError('input.connect_file is required with the format mapped, for example "connect.toml"')
        if self.connect_file is not None and not mapped:
            raise ValueError(
                'input.connect_file is not read unless input.clicks_format = "mapped", or that of purchases'
            )
        return self


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


class ExperimentSettings(Group):
    """Which variants of a banner are tried, and how boldly (`docs/experiments.md`)."""

    variants: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")], ...] = Field(
        ("a",),
        min_length=1,
        max_length=64,
        description="What visitors' banners may look like; more than one begins an experiment. Each multiplies the "
        'banners that are made. `["open-bold-natural", "panel-light-airy"]`, see docs/experiments.md.',
    )
    minimum_exploration: float = Field(
        0.05, ge=0, le=1, description="Share of decisions in which every variant has an equal chance."
    )
    brand_variants: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description='The only variants that a brand allows: `{ "Acme" = ["open-bold-natural"] }`.',
    )
    refresh_s: Seconds = Field(10.0, description="How often new results change what is shown.")
    metrics_port: int = Field(9105, ge=0, le=65535, description="Prometheus port; 0 turns it off.")

    @model_validator(mode="after")
    def _brands_allow_what_is_tried(self) -> Self:
        if len(set(self.variants)) != len(self.variants):
            raise ValueError("experiments.variants names a variant twice")
        for brand, variants in self.brand_variants.items():
            if not set(variants) & set(self.variants):
                raise ValueError(
                    f"experiments.brand_variants allows {brand!r} none of experiments.variants; "
                    f'for example {{ "{brand}" = ["{self.variants[0]}"] }}'
                )
        return self


class PrivacySettings(Group):
    """What keeps a visitor's id inside streams."""

    user_key_secret: SecretStr = Field(
        SecretStr(_DEMO_SECRET),
        description="Key of the user-id hash, 16 to 64 bytes. Changing it forgets every visitor.",
    )

    @model_validator(mode="after")
    def _secret_is_long_enough(self) -> Self:
        length = len(self.user_key_secret.get_secret_value().encode())
        if not MIN_SECRET_BYTES <= length <= 64:
            raise ValueError("privacy.user_key_secret must have 16 to 64 bytes; make one with `openssl rand -hex 32`")
        return self


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix="BANNERSTREAM_", env_nested_delimiter="__", frozen=True, extra="forbid", validate_default=True
    )

    environment: Literal["trial", "production"] = Field(
        "trial", description="`production` refuses the built-in secrets."
    )
    log_format: Literal["console", "json"] = Field("console", description="How services log, to standard error.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="The brokers.")
    storage: StorageSettings = Field(default_factory=StorageSettings, description="The S3 store.")
    input: InputSettings = Field(default_factory=InputSettings, description="The shop's events.")
    streams: StreamsSettings = Field(default_factory=StreamsSettings, description="The affinity table.")
    experiments: ExperimentSettings = Field(default_factory=ExperimentSettings, description="Variants of banners.")
    generator: GeneratorSettings = Field(default_factory=GeneratorSettings, description="The GPU agent.")
    cdn: CdnSettings = Field(default_factory=CdnSettings, description="The CDN.")
    edge: EdgeSettings = Field(default_factory=EdgeSettings, description="The visible side.")
    privacy: PrivacySettings = Field(default_factory=PrivacySettings, description="Pseudonyms.")

    @model_validator(mode="after")
    def _production_is_safe(self) -> Self:
        if self.environment != "production":
            return self
        if self.privacy.user_key_secret.get_secret_value() == _DEMO_SECRET:
            raise ValueError("privacy.user_key_secret still has its trial value; make one with `openssl rand -hex 32`")
        if self.storage.secret_key.get_secret_value() == _DEMO_SECRET:
            raise ValueError("storage.secret_key still has its trial value")
        return self
