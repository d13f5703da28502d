"""Every setting of every service, declared once: name, type, default, meaning. One file a table.

Read from `bannerstream.toml`, then from `BANNERSTREAM_…` environment variables (which win). Imports only contracts.
docs/settings.md is generated from here, and a test fails when it is behind.
"""

from bannerstream.settings.cdn import CdnSettings
from bannerstream.settings.edge import EdgeSettings
from bannerstream.settings.generator import GeneratorSettings
from bannerstream.settings.generator_diffusion import DiffusionSettings
from bannerstream.settings.input import InputSettings
from bannerstream.settings.input_forms import input_forms, read_mappings
from bannerstream.settings.kafka import KafkaSettings
from bannerstream.settings.model import Settings
from bannerstream.settings.privacy import PrivacySettings
from bannerstream.settings.sources import load_settings
from bannerstream.settings.storage import StorageSettings
from bannerstream.settings.streams import StreamsSettings

__all__ = [
    "CdnSettings",
    "DiffusionSettings",
    "EdgeSettings",
    "GeneratorSettings",
    "InputSettings",
    "KafkaSettings",
    "PrivacySettings",
    "Settings",
    "StorageSettings",
    "StreamsSettings",
    "input_forms",
    "load_settings",
    "read_mappings",
]
