"""Reads one plain value: switches, durations, sizes, choices, files, secrets.

Belongs here: text to value and back, for one value on its own. Never: names of settings or where a text came from.
"""

import os
import re
import ssl
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from aibridge_core.actor_headers import problem_with

LONGEST_DURATION = 3650 * 86400.0
"""Seconds; ten years, far below what an event loop's timer can hold."""
LARGEST_SECRET_FILE = 64 * 1024
"""Bytes; a file beyond it is not a key."""

_SWITCH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)"
_DURATION = re.compile(rf"(?:{_PART})+", re.ASCII)
_PERIOD = re.compile(r"(?:\d+[hdw])+", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmg]?i?b)?", re.ASCII | re.IGNORECASE)
_SECRET = re.compile(r"[!-~]+")


class BadValue(ValueError):
    """A text that is no value of its kind. The message, if any, says what is wrong with it."""


def text_of(raw: object) -> str:
    """The text of a value that has to be one. Raises BadValue for numbers, lists and tables."""
    if not isinstance(raw, str | Path):
        raise BadValue("a text in quotes is needed")
    return str(raw).strip()


def read_line(raw: object) -> str:
    """One line of text."""
    text = text_of(raw)
    if not text.isprintable():
        raise BadValue
    return text


def read_header_name(raw: object) -> str:
    """Empty, or a name that `aibridge_core.actor_headers` can use."""
    name = text_of(raw)
    if name and (problem := problem_with(name)):
        raise BadValue(problem)
    return name


def read_words(raw: object) -> tuple[str, ...]:
    """From a text with commas, or a list. Raises BadValue."""
    texts = text_of(raw).split(",") if isinstance(raw, str) else raw
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadValue("words with commas between them are needed")
    words = tuple(text.strip() for text in texts if text.strip())
    if not all(word.isascii() and word.isprintable() and " " not in word for word in words):
        raise BadValue
    return words


def read_header_names(raw: object) -> tuple[str, ...]:
    """Likewise, of headers that may be left out."""
    names = read_words(raw)
    for name in names:
        if problem := problem_with(name):
            raise BadValue(f"{name} {problem}")
    return names


def read_switch(raw: object) -> bool:
    """A truth value."""
    if isinstance(raw, bool):
        return raw
    word = text_of(raw).lower()
    if word not in _SWITCH:
        raise BadValue
    return _SWITCH[word]


def read_duration(raw: object) -> float:
    """Seconds, from a number of seconds or from parts with units (`90`, `10s`, `1h30m`, `60d`)."""
    text = _numeric_text(raw)
    if _NUMBER.fullmatch(text):
        seconds = float(text)
    elif _DURATION.fullmatch(text):
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_PART, text, re.ASCII))
    else:
        raise BadValue
    if seconds > LONGEST_DURATION:
        raise BadValue("that is longer than ten years")
    return seconds


def read_deadline(raw: object) -> float:
    """Seconds that somebody waits, so more than none and not for ever."""
    return _between(0.01, read_duration(raw), 60.0)


def read_lease(raw: object) -> float:
    """Seconds after which a silent process counts as dead: more than a pause of a busy machine."""
    return _between(2.0, read_duration(raw), 600.0)


def _between(least: float, seconds: float, most: float) -> float:
    if not least <= seconds <= most:
        raise BadValue("that is too short" if seconds < least else "that is too long")
    return seconds


def read_period(raw: object) -> float:
    """Seconds, from whole hours, days and weeks (`24h`, `90d`, `1w2d`); 0 with or without a unit."""
    text = _numeric_text(raw)
    if text == "0":
        return 0.0
    if not _PERIOD.fullmatch(text):
        raise BadValue("the unit is missing" if _NUMBER.fullmatch(text) else "")
    return read_duration(text)


def show_period(seconds: float) -> str:
    """As `read_period` takes it."""
    return show_duration(seconds) if seconds else "0"


def show_duration(seconds: float) -> str:
    """The shortest way to write it in one unit."""
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds:.15g}s" if seconds >= 0.001 or not seconds else f"{seconds:.20f}s"


def size_reader(*, least: int, most: int) -> Callable[[object], int]:
    """Reads a number of bytes between two bounds, both included."""

    def read_size(raw: object) -> int:
        match = _SIZE.fullmatch(_numeric_text(raw))
        if not match:
            raise BadValue
        size = Decimal(match[1]) * _BYTES[(match[2] or "b").lower()]
        if not least <= size <= most:
            raise BadValue("that is too small" if size < least else "that is too large")
        if size != int(size):
            raise BadValue("that is no whole number of bytes")
        return int(size)

    return read_size


def number_reader(*, least: int, most: int) -> Callable[[object], int]:
    """Reads a whole number between two bounds, both included."""

    def read_number(raw: object) -> int:
        text = _numeric_text(raw)
        if not text.isascii() or not text.isdigit():
            raise BadValue
        if not least <= int(text) <= most:
            raise BadValue("that is too small" if int(text) < least else "that is too large")
        return int(text)

    return read_number


def show_size(size: int) -> str:
    """In the largest binary unit that needs no fraction."""
    for unit in ("GiB", "MiB", "KiB"):
        whole, rest = divmod(size, _BYTES[unit.lower()])
        if whole and not rest:
            return f"{whole}{unit}"
    return str(size)


def choice_reader(choices: Sequence[str]) -> Callable[[object], str]:
    """Reads one of some words, in any letter case."""

    def read_choice(raw: object) -> str:
        word = text_of(raw).lower()
        if word not in choices:
            raise BadValue
        return word

    return read_choice


def read_file_path(raw: object) -> Path:
    """A file that is there and can be read now. `~` is the home folder."""
    path = Path(text_of(raw)).expanduser()
    if not path.is_file():
        raise BadValue("there is no such file" if not path.exists() else "that is not a file")
    if not os.access(path, os.R_OK):
        raise BadValue("the file can't be read with this user's rights")
    return path


def read_authorities(raw: object) -> Path:
    """A file of certificates that can be trusted. `~` is the home folder."""
    path = read_file_path(raw)
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError):
        raise BadValue("the file holds no certificates that can be read") from None
    return path


def read_folder(raw: object) -> Path:
    """A folder; it may be missing, but nothing else may be in its place. `~` is the home folder."""
    path = Path(text_of(raw)).expanduser()
    if path.exists() and not path.is_dir():
        raise BadValue("that is not a folder")
    return path


def read_new_file(raw: object) -> Path:
    """A file that will be written to; it may be missing, its folder may not. `~` is the home folder."""
    path = Path(text_of(raw)).expanduser()
    if path.is_dir():
        raise BadValue("that is a folder")
    if not path.parent.is_dir():
        raise BadValue("its folder does not exist")
    return path


def secret_reader(*, least: int) -> Callable[[object], str]:
    """Reads a secret of at least so many characters. It travels in HTTP headers, so visible ASCII only."""

    def read_secret(raw: object) -> str:
        secret = text_of(raw)
        if not _SECRET.fullmatch(secret):
            raise BadValue("it holds blanks or characters that can't stand in an HTTP header")
        if len(secret) < least:
            raise BadValue(f"it has {len(secret)} characters")
        return secret

    return read_secret


def read_secret_file(raw: object) -> str:
    """The text of a file that holds a secret, without the blanks and line ends around it."""
    path = read_file_path(raw)
    try:
        with path.open("rb") as file:
            secret = file.read(LARGEST_SECRET_FILE + 1)
    except OSError as error:
        raise BadValue(f"the file can't be read: {error.strerror}") from error
    if len(secret) > LARGEST_SECRET_FILE:
        raise BadValue("the file is too large to be a secret")
    text = secret.decode("utf-8", "replace").strip()
    if not text:
        raise BadValue("the file is empty")
    return text


def _numeric_text(raw: object) -> str:
    """TOML has numbers of its own; the other sources have text only."""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return str(raw)
    return text_of(raw)
