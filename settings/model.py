"""The settings tree. A description here is what docs/settings.md says."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.keys import MIN_SECRET_BYTES
from contracts.topics import Topics

_DEMO_SECRET = "for-trying-out-only-change-me"  # noqa: S105  (refused in production)

Seconds = Annotated[float, Field(gt=0)]
Days = Annotated[float, Field(gt=0, le=3650)]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class KafkaSettings(_Group):
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


class StorageSettings(_Group):
    """The S3 bucket of blobs, manifests and catalogue images."""

    endpoint: str = Field("127.0.0.1:9000", description="`host:port` without a scheme.")
    secure: bool = Field(False, description="TLS to the store; true in production.")
    access_key: str = Field("bannerstream", description="Access key id.")
    secret_key: SecretStr = Field(SecretStr(_DEMO_SECRET), description="Secret access key.")
    region: str = Field("us-east-1", description="The bucket's region.")
    bucket: str = Field("banners", min_length=3, max_length=63, description="Bucket name.")
    attempts: int = Field(5, ge=1, le=20, description="Tries of one request before it counts as failed.")
    timeout_s: Seconds = Field(10.0, description="Connect and read timeout of one try.")


class InputSettings(_Group):
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


class StreamsSettings(_Group):
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
    compression: Literal["none", "lz4", "zstd"] = Field("lz4", description="Of everything that streams writes.")
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


class DiffusionSettings(_Group):
    """What a diffusers pipeline starts from, is steered by and saves on; docs/models.md says what goes together."""

    task: Literal["as-saved", "text-to-image", "image-to-image", "inpainting"] = Field(
        "as-saved",
        description="What the model starts from: noise, the studio's drawing of the scene, or the product with a mask "
        "around it. `as-saved`: what its own index says.",
    )
    strength: float = Field(
        0.6,
        gt=0,
        le=1,
        description="With `image-to-image`: how far the model may leave the studio's drawing; 1 forgets it. Of the "
        "steps, this part is run.",
    )
    scheduler: Literal["as-saved", "trailing", "lcm", "euler", "euler-ancestral", "dpm++"] = Field(
        "as-saved",
        description="How noise is removed. `trailing`: the model's own, begun at its last step, for few steps; `lcm`: "
        "for latent consistency models and their LoRAs.",
    )
    controlnet: str | None = Field(
        None, description="Path or hub id of a ControlNet of the model's family: the product's outline or depth steers."
    )
    controlnet_reads: Literal["edges", "depth"] = Field("edges", description="What the ControlNet was trained on.")
    controlnet_scale: float = Field(0.7, gt=0, le=2, description="How strictly the ControlNet steers.")
    brands: Path | None = Field(
        None, description="A `brands.toml`: a LoRA or a textual inversion for each brand that has its own look."
    )
    adapters_loaded: int = Field(
        4, ge=1, le=64, description="LoRAs kept in the model's memory; the one not used for longest makes room."
    )
    tiny_vae: str | None = Field(
        None, description="Path or hub id of a distilled VAE (taesd, taesdxl, taesd3, taef1): quicker, a little softer."
    )
    vae_slicing: bool = Field(False, description="Decode the pictures of a batch one by one: less memory.")
    vae_tiling: bool = Field(False, description="Decode large pictures in tiles: much less memory, faint seams.")
    quantise: Literal["none", "int8", "float8"] = Field(
        "none", description="8-bit weights: half the memory. `float8` is quicker too, on Ada and Hopper or newer."
    )
    compile: bool = Field(
        False, description="Compile the model: quicker pictures after minutes at the start. Not together with LoRAs."
    )


class GeneratorSettings(_Group):
    """The GPU agent."""

    group_id: str = Field("bannerstream-generator", pattern=r"^[A-Za-z0-9._-]{1,200}$", description="Consumer group.")
    creative_revision: str = Field(
        "1", min_length=1, max_length=64, description="Raise it to have every banner painted anew."
    )
    describer: Literal["lexicon", "transformers"] = Field(
        "lexicon", description="What turns a product's name into a scene."
    )
    describer_model: str | None = Field(
        None, description="Path or hub id of a causal language model; a `.gguf` file works."
    )
    describer_mode: Literal["auto", "choose", "write"] = Field(
        "auto",
        description="`choose` has the model choose among the lexicon's candidates, `write` has it write freely, under "
        "a grammar; `auto` writes from a billion parameters on.",
    )
    painter: str = Field(
        "studio",
        pattern=r"^(studio|diffusers|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$",
        description="What paints the scene: `studio`, `diffusers`, or a painter of your own as `module:Class` "
        "(docs/painters.md).",
    )
    painter_model: str | None = Field(
        None, description="Path or hub id of a diffusers pipeline in safetensors; a painter of your own reads it too."
    )
    painter_mode: Literal["scene", "whole"] = Field(
        "scene", description="`scene` lays the catalogue's own product over; `whole` lets the model paint it."
    )
    personal: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How much of a picture is the cohort's own style, against the product's: keywords of what the "
        "cohort looks at go into the prompt. With 0 its mood alone does. Above 0, streams tells the generator the "
        "cohort's top products, so that both must read the same value.",
    )
    personal_candidates: int = Field(
        4, ge=1, le=16, description="Pictures painted per banner, the best of which is kept; needs `personal_model`."
    )
    personal_model: str | None = Field(
        None, description="Path or hub id of a CLIP-class image-text model, which chooses among the pictures."
    )
    painter_steps: int = Field(4, ge=1, le=200, description="Denoising steps.")
    painter_guidance: float = Field(0.0, ge=0, le=30, description="Classifier-free guidance; 0 for turbo models.")
    diffusion: DiffusionSettings = Field(default_factory=DiffusionSettings, description="The diffusers pipeline.")
    device: str = Field("auto", description="`auto`, `cpu`, `cuda`, `cuda:1`, `mps`.")
    batch_size: int = Field(8, ge=1, le=256, description="Requests that are taken up together.")
    batches_in_flight: int = Field(
        2,
        ge=1,
        le=16,
        description="Batches of requests worked on at once: while one is painted, another is laid out, encoded and "
        "stored.",
    )
    queue_size: int = Field(
        128,
        ge=1,
        le=100_000,
        description="Requests held in memory, waiting or worked on; when there are as many, partitions are paused.",
    )
    images_together: int = Field(
        16, ge=1, le=256, description="Most pictures that the model paints in one step; fewer where memory runs out."
    )
    batch_wait_s: float = Field(
        0.02, ge=0, le=10, description="How long a picture waits for others of its shape and adapter."
    )
    images_per_minute: int = Field(
        0,
        ge=0,
        description="Most pictures that this process has the model paint in any minute; the studio paints the "
        "others. 0: no limit.",
    )
    images_per_hour: int = Field(0, ge=0, description="The same in any hour.")
    step_timeout_s: Seconds = Field(
        60.0, description="A step of a model that takes longer than this hangs, and is given up."
    )
    after_hang: Literal["rebuild", "exit"] = Field(
        "rebuild",
        description="When a step hung: `rebuild` loads the model anew while the studio paints, and ends the process if "
        "that hangs too; `exit` ends it at once, for its supervisor to start another.",
    )
    warm_up: bool = Field(True, description="Paint one picture of each shape before the first request is taken.")
    progressive: bool = Field(
        False,
        description="Announce a studio banner at once and replace it by the model's when that is ready. Of no effect "
        "where the studio is the painter.",
    )
    encode_workers: int = Field(2, ge=1, le=64, description="Threads that lay out, encode and store.")
    metrics_port: int = Field(9102, ge=0, le=65535, description="Prometheus port; 0 turns it off.")

    @model_validator(mode="after")
    def _models_are_named(self) -> Self:
        if self.describer == "transformers" and not self.describer_model:
            raise ValueError('generator.describer_model is required, for example "/models/SmolLM2-1.7B-Instruct"')
        if self.personal_model and not self.personal:
            raise ValueError("generator.personal_model is not read with generator.personal = 0; 0.5 weighs both alike")
        if self.painter == "diffusers" and not self.painter_model:
            raise ValueError('generator.painter_model is required, for example "/models/sd-turbo"')
        return self


class PrivacySettings(_Group):
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
    generator: GeneratorSettings = Field(default_factory=GeneratorSettings, description="The GPU agent.")
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
