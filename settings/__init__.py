"""Every setting of every service, declared once: name, type, default, meaning.

Read from `bannerstream.toml`, then from `BANNERSTREAM_…` environment variables (which win). Imports only contracts.
docs/settings.md is generated from here, and a test fails when it is behind.
"""

from bannerstream.settings.edge import CdnSettings, EdgeSettings
from bannerstream.settings.generator import DiffusionSettings, GeneratorSettings
from bannerstream.settings.input_forms import input_forms, read_mappings
from bannerstream.settings.model import (
    InputSettings,
    KafkaSettings,
    PrivacySettings,
    Settings,
    StorageSettings,
    StreamsSettings,
)
from bannerstream.settings.sources import load_settings

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
