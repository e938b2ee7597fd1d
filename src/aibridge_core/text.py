"""Text as every storage and every wire can carry it.

Belongs here: what becomes of text that a storage can't hold. Never: what a text means.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

T = TypeVar("T")

_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(value: T) -> T:
    """`value` with U+FFFD in place of every surrogate code point; the same object if it has none.

    JSON may escape half of a surrogate pair (RFC 8259, section 8.2), which no UTF-8 text can hold. A record of such
    a text is worth more than none. Goes through mappings, lists, tuples and attrs values.
    """
    return _mapped(value, _without_surrogates)  # type: ignore[no-any-return]


def replaced(value: T, old: str, new: str) -> T:
    """`value` with `new` in place of every `old`, as deep as `storable` goes: for what one storage can't hold."""
    return _mapped(value, lambda text: text.replace(old, new) if old in text else text)  # type: ignore[no-any-return]


def _without_surrogates(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text) if not text.isascii() and _SURROGATE.search(text) else text


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_mapped(key, change): _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(item, change) for item in value)
    if attrs.has(type(value)):
        names = attrs.fields_dict(type(value))
        return attrs.evolve(value, **{name: _mapped(getattr(value, name), change) for name in names})
    return value
