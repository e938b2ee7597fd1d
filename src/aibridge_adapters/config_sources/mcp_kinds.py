"""The kinds of value that MCP servers and their tools need, beside those of `kinds`.

Belongs here: reading and showing one value. Never: names of settings.
"""

import hashlib
import json
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence

from aibridge_adapters.config import EVERYBODY, NONE, SHARED, USER
from aibridge_adapters.config_sources.addresses import read_base_url
from aibridge_adapters.config_sources.kinds import Kind, choice, same
from aibridge_adapters.config_sources.values import (
    BadValue,
    number_reader,
    read_duration,
    show_duration,
    show_size,
    size_reader,
    text_of,
)
from aibridge_core.actors import mask

MOST_TURNS = 100

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_CONNECTION = ("connection", "content-length", "host", "te", "transfer-encoding", "upgrade")
_OURS = frozenset((*_CONNECTION, "accept", "accept-encoding", "content-type", "last-event-id"))
_OURS_BEGIN = "mcp-"

_URLSAFE = str.maketrans("-_", "+/")
KEY_SIZE = 32

Headers = tuple[tuple[str, str], ...]


def read_pattern(raw: object) -> re.Pattern[str]:
    """A regular expression. Nothing but its syntax is checked."""
    text = text_of(raw)
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadValue(f"that is no regular expression: {error}") from error


def read_users(raw: object) -> tuple[str, ...]:
    """Usernames, or `*` for everybody."""
    texts = raw if isinstance(raw, list | tuple) else text_of(raw).split(",")
    names = tuple(dict.fromkeys(text_of(text) for text in texts if text_of(text)))
    if not names:
        raise BadValue("it names nobody")
    if any(blank in name for name in names for blank in " \t\n"):
        raise BadValue("a username holds no blanks")
    if EVERYBODY in names and len(names) > 1:
        raise BadValue("* is everybody, so no other name can stand beside it")
    return names


def read_headers(raw: object) -> Headers:
    """HTTP headers, from a JSON object, a TOML table, or `Name=value` separated by commas."""
    pairs = [(name.strip(), value.strip()) for name, value in _header_pairs(raw)]
    if not pairs:
        raise BadValue("it holds no header")
    for name, value in pairs:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise BadValue("a header is a name, and a value of visible ASCII characters")
        if name.lower() in _OURS or name.lower().startswith(_OURS_BEGIN):
            raise BadValue(f"{name} is set by the gateway itself")
    if len({name.lower() for name, _ in pairs}) < len(pairs):
        raise BadValue("a header stands in it twice")
    return tuple(pairs)


def _header_pairs(raw: object) -> Iterable[tuple[str, str]]:
    if isinstance(raw, str) and raw.lstrip().startswith("{"):
        try:
            raw = json.loads(raw)
        except ValueError as error:
            raise BadValue("that is no JSON object") from error
    if isinstance(raw, Mapping):
        if not all(isinstance(value, str) for value in raw.values()):
            raise BadValue("the values of headers are texts")
        return list(raw.items())
    parts = [part.partition("=") for part in text_of(raw).split(",") if part.strip()]
    if not all(equals for _, equals, _ in parts):
        raise BadValue
    return [(name, value) for name, _, value in parts]


def show_headers(headers: Headers) -> str:
    """Names, and as much of the values as may be shown."""
    return ", ".join(f"{name}={mask(value)}" for name, value in headers)


def _plain_headers(headers: Headers) -> object:
    return {name: mask(value) for name, value in headers}


def read_keys(raw: object) -> tuple[bytes, ...]:
    """Keys of 32 bytes in base64 (RFC 4648, section 4 or 5), with commas or blanks between."""
    texts = re.split(r"[,\s]+", text_of(raw))
    try:
        keys = tuple(b64decode(text.translate(_URLSAFE) + "=" * (-len(text) % 4), validate=True) for text in texts)
    except ValueError as error:
        raise BadValue("that is no base64") from error
    if any(len(key) != KEY_SIZE for key in keys):
        raise BadValue(f"a key has {KEY_SIZE} bytes")
    if len(set(keys)) < len(keys):
        raise BadValue("a key stands in it twice")
    return keys


def _show_keys(keys: Sequence[bytes]) -> str:
    """Enough to tell keys apart, and nothing of them."""
    return ", ".join(f"sha256:{hashlib.sha256(key).hexdigest()[:8]}" for key in keys)


def _read_positive_duration(raw: object) -> float:
    seconds = read_duration(raw)
    if not seconds:
        raise BadValue("without a limit a tool could hold a request for ever")
    return seconds


def _show_pattern(pattern: re.Pattern[str]) -> str:
    return pattern.pattern


def _show_users(users: Sequence[str]) -> str:
    return ",".join(users)


PATTERN = Kind(
    metavar="REGEX",
    allowed="a regular expression of Python",
    read=read_pattern,
    show=_show_pattern,
    plain=_show_pattern,
)
USERS = Kind(
    metavar="NAMES",
    allowed="* for everybody, or usernames with commas between",
    read=read_users,
    show=_show_users,
    plain=list,
)
HEADERS = Kind(
    metavar="HEADERS",
    allowed='a JSON object such as {"X-Team": "blue"}, or Name=value with commas between',
    read=read_headers,
    show=show_headers,
    plain=_plain_headers,
    secret=True,
)
MCP_URL = Kind(
    metavar="URL", allowed="http://HOST... or https://HOST... without credentials or query", read=read_base_url
)
AUTH = choice(NONE, SHARED, USER)
KEYS = Kind(
    metavar="KEY",
    allowed="32 bytes in base64, as `openssl rand -base64 32` prints them; several with commas between",
    read=read_keys,
    show=_show_keys,
    plain=_show_keys,
    secret=True,
)
LIMIT = Kind(
    metavar="DURATION",
    allowed="more than 0: seconds as a number, or with units ms, s, m, h, d, w: 10s, 5m, 1h30m",
    read=_read_positive_duration,
    show=show_duration,
    plain=same,
)
TURNS = Kind(metavar="N", allowed=f"1 to {MOST_TURNS}", read=number_reader(least=1, most=MOST_TURNS), plain=same)
RESULT_SIZE = Kind(
    metavar="SIZE",
    allowed="1KiB to 64MiB, as a number of bytes or with a unit: B, kB, MB, KiB, MiB",
    read=size_reader(least=2**10, most=2**26),
    show=show_size,
    plain=same,
)
