"""All settings, one group per table of the file. docs/settings.md is generated from the descriptions."""

from typing import Literal, Self

from pydantic import Field, model_validator

from bannerstream.settings.cdn import CdnSettings
from bannerstream.settings.edge import EdgeSettings
from bannerstream.settings.experiments import ExperimentSettings
from bannerstream.settings.generator import GeneratorSettings
from bannerstream.settings.groups import Group
from bannerstream.settings.input import InputSettings
from bannerstream.settings.kafka import KafkaSettings
from bannerstream.settings.privacy import PrivacySettings
from bannerstream.settings.production import problems_of
from bannerstream.settings.storage import StorageSettings
from bannerstream.settings.streams import StreamsSettings


class Settings(Group):
    """All settings."""

    environment: Literal["trial", "production"] = Field(
        "trial",
        description="`production` refuses what only a trial may have: built-in secrets, plaintext, one replica and "
        "others, listed in docs/production.md.",
    )
    log_format: Literal["console", "json"] = Field("console", description="Format of the logs on standard error.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="The brokers.")
    storage: StorageSettings = Field(default_factory=StorageSettings, description="The S3 store.")
    input: InputSettings = Field(default_factory=InputSettings, description="The shop's events.")
    streams: StreamsSettings = Field(default_factory=StreamsSettings, description="The affinity table.")
    experiments: ExperimentSettings = Field(default_factory=ExperimentSettings, description="Variants of banners.")
    generator: GeneratorSettings = Field(default_factory=GeneratorSettings, description="The generator.")
    cdn: CdnSettings = Field(default_factory=CdnSettings, description="The CDN.")
    edge: EdgeSettings = Field(default_factory=EdgeSettings, description="The HTTP service.")
    privacy: PrivacySettings = Field(default_factory=PrivacySettings, description="Pseudonyms.")

    @model_validator(mode="after")
    def _production_is_safe(self) -> Self:
        if self.environment == "production" and (problems := problems_of(self, "all")):
            raise ValueError("; ".join(problems))
        return self
