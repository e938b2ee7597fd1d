"""The kinds of value that settings have: how each is read, shown and described.

Belongs here: one row per kind. Never: a setting.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import frozen

from aibridge_adapters.config_sources.addresses import (
    read_address,
    read_base_url,
    read_collector,
    read_database_url,
    show_database_url,
)
from aibridge_adapters.config_sources.values import (
    choice_reader,
    number_reader,
    read_authorities,
    read_deadline,
    read_duration,
    read_file_path,
    read_folder,
    read_header_name,
    read_header_names,
    read_lease,
    read_line,
    read_new_file,
    read_period,
    read_secret_file,
    read_switch,
    read_words,
    secret_reader,
    show_duration,
    show_period,
    show_size,
    size_reader,
)
from aibridge_core.actors import mask


@frozen(kw_only=True)
class Kind:
    """How a value is read and shown."""

    metavar: str
    """Stands for the value in help texts."""
    allowed: str
    """Completes "allowed: ..." in messages and in the documentation."""
    read: Callable[[object], Any]
    """From text, or from a TOML value. Raises `aibridge_adapters.config_sources.values.BadValue`."""
    show: Callable[[Any], str] = str
    """Back to a text that can be read again; secrets are masked."""
    plain: Callable[[Any], object] = str
    """To what JSON knows; secrets are masked."""
    secret: bool = False
    """Never shown. Comes from a file too, by `..._FILE`."""
    path: bool = False
    """In `aibridge.toml`, relative to the folder of that file."""
    switch: bool = False
    """On or off; a pair of flags."""
    empty: bool = False
    """Whether an empty text is a value. Elsewhere it counts as not given."""


def choice(*words: str) -> Kind:
    """One of these words."""
    return Kind(metavar="|".join(words), allowed=", ".join(words), read=choice_reader(words))


def secret(*, least: int) -> Kind:
    """At least so many characters."""
    allowed = f"at least {least} visible ASCII characters" if least > 1 else "visible ASCII characters"
    return Kind(metavar="SECRET", allowed=allowed, read=secret_reader(least=least), show=mask, plain=mask, secret=True)


def _word(value: bool) -> str:
    return "true" if value else "false"


def same(value: object) -> object:
    """For values that JSON knows anyway."""
    return value


TEXT = Kind(metavar="TEXT", allowed="a text on one line", read=read_line)
HEADER_NAME = Kind(
    metavar="NAME",
    allowed="the name of a header that means nothing else on the way; empty: none is sent",
    read=read_header_name,
    empty=True,
)
HEADER_NAMES = Kind(
    metavar="NAMES",
    allowed="names of headers with commas between them, none that carries a credential or frames the request",
    read=read_header_names,
    show=", ".join,
    plain=list,
)
WORDS = Kind(metavar="WORDS", allowed="words with commas between them", read=read_words, show=", ".join, plain=list)
ADDRESS = Kind(
    metavar="HOST:PORT",
    allowed="HOST:PORT such as 127.0.0.1:4001, [::1]:4001 or 0.0.0.0:4001, with a port from 0 (any free one) to 65535",
    read=read_address,
)
DATABASE_URL = Kind(
    metavar="URL",
    allowed="postgresql://USER@HOST/DATABASE, sqlite:///PATH, sqlite:///:memory:, or the URL of an installed storage "
    "plugin",
    read=read_database_url,
    show=show_database_url,
    plain=show_database_url,
)
BASE_URL = Kind(
    metavar="URL", allowed="http://HOST... or https://HOST... without credentials or query", read=read_base_url
)
COLLECTOR = Kind(
    metavar="HOST:PORT|URL",
    allowed="HOST:PORT, http://HOST... or https://HOST... without credentials or query",
    read=read_collector,
)
CONNECTIONS = Kind(metavar="N", allowed="2 to 100", read=number_reader(least=2, most=100), plain=same)
LABEL_VALUES = Kind(metavar="N", allowed="1 to 10000", read=number_reader(least=1, most=10_000), plain=same)
LIMIT = Kind(metavar="N", allowed="0 to 1000000", read=number_reader(least=0, most=1_000_000), plain=same)
COUNT = Kind(metavar="N", allowed="1 to 1000", read=number_reader(least=1, most=1000), plain=same)
RETRIES = Kind(metavar="N", allowed="0 to 10", read=number_reader(least=0, most=10), plain=same)
SWITCH = Kind(
    metavar="BOOL",
    allowed="true, false, 1, 0, yes, no, on, off",
    read=read_switch,
    show=_word,
    plain=same,
    switch=True,
)
DURATION = Kind(
    metavar="DURATION",
    allowed="seconds as a number, or with units ms, s, m, h, d, w: 10s, 5m, 1h30m, 60d",
    read=read_duration,
    show=show_duration,
    plain=same,
)
PERIOD = Kind(
    metavar="PERIOD",
    # Whoever writes 60 may mean days, and whoever writes 6m months. Both would delete nearly everything.
    allowed="0, or whole hours, days and weeks, always with their unit: 24h, 90d, 12w; at most 3650d",
    read=read_period,
    show=show_period,
    plain=same,
)
DEADLINE = Kind(
    metavar="DURATION",
    allowed="10ms to 1m, as seconds or with units ms, s, m: 1s, 500ms",
    read=read_deadline,
    show=show_duration,
    plain=same,
)
LEASE = Kind(
    metavar="DURATION",
    allowed="2s to 10m, as seconds or with units s, m: 20s, 1m",
    read=read_lease,
    show=show_duration,
    plain=same,
)
STORE_SIZE = Kind(
    metavar="SIZE",
    allowed="1MiB to 1024GiB, as a number of bytes or with a unit: B, kB, MB, GB, KiB, MiB, GiB",
    read=size_reader(least=2**20, most=2**40),
    show=show_size,
    plain=same,
)
FOLDER = Kind(
    metavar="FOLDER",
    allowed="a folder, or a path where one can be made",
    read=read_folder,
    plain=Path.__str__,
    path=True,
)
BODY_SIZE = Kind(
    metavar="SIZE",
    # A body is held in memory while it is relayed, so there is an upper bound that no machine should pass.
    allowed="1 to 1GiB, as a number of bytes or with a unit: B, kB, MB, GB, KiB, MiB, GiB",
    read=size_reader(least=1, most=2**30),
    show=show_size,
    plain=same,
)
FILE = Kind(
    metavar="FILE", allowed="a file that exists and can be read", read=read_file_path, plain=Path.__str__, path=True
)
AUTHORITIES = Kind(
    metavar="FILE",
    allowed="a file with one or more certificates in PEM form",
    read=read_authorities,
    plain=Path.__str__,
    path=True,
)
NEW_FILE = Kind(
    metavar="FILE",
    allowed="a file, or a path in an existing folder where one can be made",
    read=read_new_file,
    plain=Path.__str__,
    path=True,
)
SECRET_FILE = Kind(
    metavar="FILE", allowed="a file that holds the secret and nothing else", read=read_secret_file, path=True
)
