r"""Recorded text made safe to show.

Prompts, tool arguments and model names are written by strangers. A terminal obeys control characters, so an auditor
who looks at a prompt must not see what its author tells the terminal to show. Here every such character becomes its
escape (`\x1b`), in text and in JSON alike. Never: shortening that hides where something was cut.
"""

import json
import unicodedata
from typing import Any

_JOINER = "\u200d"
"""Joins emoji; it hides and moves nothing."""
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: controls, formats (also those that turn the direction of text), surrogates, separators."""


def safe(text: str, *, keep: str = "") -> str:
    """The text with unsafe characters escaped as Python writes them; those in `keep` stay."""
    if text.isprintable():
        return text
    return "".join(_escaped(char) if _unsafe(char) and char not in keep else char for char in text)


def safe_lines(text: str) -> list[str]:
    """A longer text as safe lines; tabs become spaces."""
    return safe(text.replace("\r\n", "\n").expandtabs(4), keep="\n").split("\n")


def one_line(text: str, longest: int) -> str:
    """The beginning of a text on one line of at most `longest` characters; `…` says that there is more."""
    head = safe(" ".join(text[: longest * 4].split()))
    cut = len(head) > longest or len(text) > longest * 4
    return head[: longest - 1] + "…" if cut else head


def safe_json(value: Any, *, indent: int | None = 2) -> str:
    """JSON text of the same value, with unsafe characters as JSON escapes; they only occur inside its strings."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return "".join(_json_escaped(char) if char != "\n" and _unsafe(char) else char for char in text)


def _unsafe(char: str) -> bool:
    return unicodedata.category(char) in _UNSAFE and char != _JOINER


def _escaped(char: str) -> str:
    return ascii(char)[1:-1]


def _json_escaped(char: str) -> str:
    return json.dumps(char)[1:-1]
