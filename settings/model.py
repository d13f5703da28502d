"""The settings tree. A description here is what docs/settings.md says."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.keys import MIN_SECRET_BYTES
from contracts.sizes import SIZES
from contracts.topics import Topics

_DEMO_SECRET = "for-trying-out-only-change-me"  # noqa: S105  (refused in production)
_DEMO_EDGE_SECRET = "for-trying-out-only-change-me-before-production"  # noqa: S105  (as above; HS256 wants 32 bytes)

MIN_SIGNING_BYTES = 32
"""Of a key for HMAC-SHA-256: as long as its output (RFC 7518 §3.2)."""

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


class GateSettings(_Group):
    """What may not be shown."""

    blocked_words: Path | None = Field(
        None,
        description="Text file, one word or phrase a line: no banner is made of a product whose record holds one.",
    )
    nudity_model: str | None = Field(
        None,
        description="Path or hub id of an image classifier of transformers: product pictures and painted scenes are "
        "looked at. Without it, a diffusion pipeline's own safety checker is all there is.",
    )
    nudity_threshold: float = Field(0.5, gt=0, le=1, description="Probability from which a picture counts as nude.")
    most_skin: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of skin-coloured pixels that a painted scene may have. A rough hint, no classifier: wood "
        "and sand have the colour of skin.",
    )


class PostprocessSettings(_Group):
    """What is done to a scene after a model painted it."""

    crop: Literal["low", "salient"] = Field(
        "salient",
        description="Which part of a painted picture becomes a banner of other proportions: its lower middle, or, with "
        '`painter_mode = "whole"`, where most is to be seen.',
    )
    denoise: float = Field(
        0.0,
        ge=0,
        le=3,
        description="Share of the measured noise that is removed; 0 turns it off. Takes 1.4 s of CPU a megapixel where "
        "there is noise: for models that leave some.",
    )
    upscale: Literal["cubic", "detail"] = Field(
        "cubic",
        description="How a picture is enlarged; `detail` keeps edges crisper, for 60 ms of CPU a megapixel.",
    )
    colour_match: float = Field(
        0.8, ge=0, le=1, description="How far a colour cast beyond natural light is taken back from a painted scene."
    )


class ExperimentSettings(_Group):
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
    gates: GateSettings = Field(default_factory=GateSettings, description="What may not be shown.")
    postprocess: PostprocessSettings = Field(
        default_factory=PostprocessSettings, description="What is done to a painted scene."
    )
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


class CdnSettings(_Group):
    """The CDN in front of edge, and the purger that tells it what is stale."""

    kind: Literal["none", "fastly", "cloudflare", "cloudfront", "varnish", "nginx"] = Field(
        "none", description="Which CDN `bannerstream run purger` speaks to."
    )
    group_id: str = Field(
        "bannerstream-purger",
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="Consumer group. One worker of a group purges, the others stand by; each CDN needs its own group.",
    )
    coalesce_s: float = Field(
        1.0, ge=0, le=60, description="Changes within this time are purged together, and each pointer once."
    )
    settle_s: float = Field(
        0.5,
        ge=0,
        le=60,
        description="A change is purged this much later at the earliest: edge must know it before the CDN asks again.",
    )
    batch_size: int = Field(10_000, ge=1, le=1_000_000, description="Changes that are purged together at most.")
    timeout_s: Seconds = Field(10.0, description="How long one call may take; then it is made again.")
    api_url: str | None = Field(
        None,
        pattern=r"^https?://[^/]+[^\s]*[^\s/]$",
        description="Of the API of fastly, cloudflare or cloudfront, where it is not the published one.",
    )
    api_token: SecretStr | None = Field(
        None, description="Token of fastly or cloudflare, with the right to purge only."
    )
    fastly_service_id: str | None = Field(None, pattern=r"^[A-Za-z0-9]+$", description="The service to purge.")
    cloudflare_zone_id: str | None = Field(None, pattern=r"^[0-9a-f]{32}$", description="The zone to purge.")
    cloudflare_plan: Literal["free", "pro", "business", "enterprise"] = Field(
        "pro", description="The account's plan, which limits how often it may be called."
    )
    cloudfront_distribution_id: str | None = Field(
        None, pattern=r"^[A-Z0-9]+$", description="The distribution to invalidate."
    )
    cloudfront_items: Literal["tags", "paths"] = Field(
        "tags",
        description="`tags` needs the distribution's `CacheTagConfig` and costs one path a change; `paths` needs "
        "nothing and costs one for the pointer and one for each of `image_sizes`.",
    )
    cloudfront_paths_per_hour: int = Field(
        500,
        ge=0,
        description="Beyond this, one wildcard drops all pointers instead. Paths cost 0.005 USD each after the first "
        "1,000 of a month: 500 an hour are 1,800 USD a month at most.",
    )
    cloudfront_wildcard_interval_s: float = Field(
        60.0, ge=1, le=86_400, description="Between two such wildcards, each of which costs one path."
    )
    aws_access_key: str | None = Field(
        None, description="Access key id for cloudfront; without it, that of the environment or of the machine's role."
    )
    aws_secret_key: SecretStr | None = Field(None, description="Secret access key; goes with `aws_access_key`.")
    nodes: tuple[str, ...] = Field((), description='Every varnish or nginx server: `["http://10.0.0.5:6081"]`.')
    purge_token: SecretStr | None = Field(
        None, min_length=16, description="What varnish or nginx expect in `X-Purge-Token`; 16 characters or more."
    )
    image_sizes: tuple[str, ...] = Field(
        tuple(size.name for size in SIZES),
        description="Sizes whose plain-image pointers are embedded; each is purged where the CDN knows paths only.",
    )
    metrics_port: int = Field(9104, ge=0, le=65535, description="Prometheus port; 0 turns it off.")

    @model_validator(mode="after")
    def _what_the_kind_needs_is_there(self) -> Self:
        for name, example in _CDN_NEEDS[self.kind].items():
            if not getattr(self, name):
                raise ValueError(f"cdn.{name} is required with the kind {self.kind}, for example {example}")
        if (self.aws_access_key is None) != (self.aws_secret_key is None):
            raise ValueError("cdn.aws_access_key and cdn.aws_secret_key go together")
        for node in self.nodes:
            if not re.fullmatch(r"https?://[^/\s]+", node):
                raise ValueError(f'cdn.nodes: {node!r} is no address such as "http://10.0.0.5:6081", without a path')
        for size in self.image_sizes:
            if not re.fullmatch(r"[1-9]\d{1,3}x[1-9]\d{1,3}", size, re.ASCII):
                raise ValueError(f'cdn.image_sizes: {size!r} is no size such as "970x250"')
        return self


_CDN_NEEDS: dict[str, dict[str, str]] = {
    "none": {},
    "fastly": {"api_token": '"…"', "fastly_service_id": '"SU1Z0isxPaozGVKXdv0eY"'},
    "cloudflare": {"api_token": '"…"', "cloudflare_zone_id": '"023e105f4ecef8ad9ca31a8372d0c353"'},
    "cloudfront": {"cloudfront_distribution_id": '"EDFDVBD632BHDS5"'},
    "varnish": {"nodes": '["http://10.0.0.5:6081"]', "purge_token": "the output of `openssl rand -hex 32`"},
    "nginx": {"nodes": '["http://10.0.0.5:8080"]', "purge_token": "the output of `openssl rand -hex 32`"},
}


class EdgeSettings(_Group):
    """The visible side: banners, live streams, event intake."""

    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` behind a load balancer.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    urls: list[str] = Field(
        default_factory=list,
        description="Where the edge nodes are reached from here: `erase --wait` asks each of them. "
        '`["http://edge-1:8080"]`.',
    )
    shard: str = Field(
        "0/1",
        pattern=r"^[0-9]{1,4}/[1-9][0-9]{0,3}$",
        description="This node's part of the visitors: `0/2` and `1/2` are two nodes that share them.",
    )
    token_keys: dict[str, SecretStr] = Field(
        default_factory=lambda: {"trial": SecretStr(_DEMO_EDGE_SECRET)},
        description="Keys of visitor tokens by `kid`: a secret of 32 bytes or more (HS256), or an Ed25519 key in PEM "
        "(EdDSA; a public one only verifies). Keep the old one beside the new one until its tokens have expired.",
    )
    token_kid: str = Field("trial", description="The key that `bannerstream edge token` signs with.")
    token_life_s: Seconds = Field(3600.0, description="Life of a token; one that lives longer is refused.")
    token_issuer: str | None = Field(None, description="The `iss` that a token must have; any when left out.")
    token_audience: str | None = Field(None, description="The `aud` that a token must have; none when left out.")
    feedback_secret: SecretStr = Field(
        SecretStr(_DEMO_EDGE_SECRET),
        description="Signs what a visitor was shown, 32 bytes or more. The same on every node.",
    )
    feedback_life_s: Seconds = Field(3600.0, description="How long after a banner was delivered feedback is taken.")
    cors_origins: list[str] = Field(
        default_factory=list, description='Origins whose pages may ask: `["https://shop.example"]`.'
    )
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="Addresses or networks of load balancers whose `X-Forwarded-For` is believed.",
    )
    cdn_base_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s\"<>?#]+[^/\s\"<>?#]$",
        description="Where a CDN serves the bucket's objects; pictures are then linked there, not served from here.",
    )
    pointer_max_age_s: int = Field(
        60, ge=0, le=86_400, description="How long a CDN keeps a visitor's pointer unless it is purged."
    )
    default_cohort: str | None = Field(
        None, description="Cohort whose latest banner visitors see who have none; the shop's default when left out."
    )
    default_link: str = Field("/", max_length=2048, description="Where the shop's default banner leads.")
    default_alt: str = Field("Discover our range", max_length=200, description="What the default banner says.")
    picture_cache_mb: int = Field(64, ge=0, le=65_536, description="Memory for pictures that were served lately.")
    max_body_bytes: int = Field(65_536, ge=1024, le=1_048_576, description="Largest request body.")
    max_batch: int = Field(100, ge=1, le=1000, description="Most events in one request.")
    max_waiting: int = Field(5000, ge=1, description="Events that may wait for Kafka; more are told to come back.")
    ack_timeout_s: Seconds = Field(10.0, description="How long a request waits for Kafka.")
    request_timeout_s: Seconds = Field(10.0, description="A request must have arrived after this long.")
    send_timeout_s: Seconds = Field(30.0, description="A client that takes nothing for this long is let go.")
    max_connections: int = Field(20_000, ge=10, description="Open connections; more are turned away.")
    max_streams: int = Field(10_000, ge=1, description="Open live streams; more are told to come back.")
    max_streams_per_visitor: int = Field(8, ge=1, description="Of one visitor: tabs. The oldest gives way.")
    ping_s: Seconds = Field(15.0, description="How often a quiet stream is pinged.")
    rate_per_visitor: float = Field(20.0, gt=0, description="Requests a second of one token.")
    burst_per_visitor: int = Field(60, ge=1, description="Requests of one token at once.")
    rate_per_address: float = Field(200.0, gt=0, description="Requests a second of one address (an IPv6 /64).")
    burst_per_address: int = Field(600, ge=1, description="Requests of one address at once.")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        number, count = map(int, self.shard.split("/"))
        if number >= count:
            raise ValueError(f"edge.shard {self.shard!r}: the first shard is 0, the last of {count} is {count - 1}")
        if self.token_kid not in self.token_keys:
            raise ValueError(
                f"edge.token_kid {self.token_kid!r} is not in edge.token_keys ({', '.join(self.token_keys)})"
            )
        for kid, key in self.token_keys.items():
            if len(key.get_secret_value().encode()) < MIN_SIGNING_BYTES:
                raise ValueError(
                    f"edge.token_keys.{kid} must have 32 bytes or more; make one with `openssl rand -hex 32`"
                )
        if len(self.feedback_secret.get_secret_value().encode()) < MIN_SIGNING_BYTES:
            raise ValueError("edge.feedback_secret must have 32 bytes or more; make one with `openssl rand -hex 32`")
        if "*" in self.cors_origins:
            raise ValueError(
                'edge.cors_origins names origins one by one, for example ["https://shop.example"]; not "*"'
            )
        return self

    def trial_secrets(self) -> list[str]:
        """Return the names of the settings that still have their trial value: a node refuses them in production."""
        secrets = {"edge.feedback_secret": self.feedback_secret}
        secrets |= {f"edge.token_keys.{kid}": key for kid, key in self.token_keys.items()}
        return [name for name, secret in secrets.items() if secret.get_secret_value() == _DEMO_EDGE_SECRET]


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
