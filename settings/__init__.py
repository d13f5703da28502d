"""Every setting of every service, declared once: name, type, default, meaning.

Read from `bannerstream.toml`, then from `BANNERSTREAM_…` environment variables (which win). Imports only contracts.
docs/settings.md is generated from here, and a test fails when it is behind.
"""

from settings.forms import input_forms, read_mappings
from settings.generating import DiffusionSettings, GeneratorSettings
from settings.model import InputSettings, KafkaSettings, PrivacySettings, Settings, StorageSettings, StreamsSettings
from settings.showing import CdnSettings, EdgeSettings
from settings.sources import load_settings

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
