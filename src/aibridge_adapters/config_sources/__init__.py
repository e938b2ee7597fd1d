"""Reads `aibridge_adapters.config.Settings` from flags, environment and `aibridge.toml`, in this order of strength.

    table, names, provider_types      what can be said, as data
    kinds, values, addresses          how one value is read
    flags, environment, file          one reader per source, each giving raw values and where they stand
    drafts, providers                 provider instances, which are named groups of values
    load                              puts it together; everything wrong is reported at once
    reference                         writes the tables into the documentation

Belongs here: turning text into settings. Never: what a setting does.
"""

from aibridge_adapters.config_sources.entries import Entry
from aibridge_adapters.config_sources.load import Loaded, load_settings
from aibridge_adapters.config_sources.locations import find_file
from aibridge_adapters.config_sources.origins import Origin, Source
from aibridge_adapters.config_sources.report import ConfigError

__all__ = ["ConfigError", "Entry", "Loaded", "Origin", "Source", "find_file", "load_settings"]
