"""Text as every storage and every wire can carry it.

Belongs here: the one rule for text that UTF-8 can't express. Never: what a text means.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

T = TypeVar("T")

_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(value: T) -> T:
    """`value` with U+FFFD in place of every surrogate code point; the same object if it has none.

    JSON may escape half of a surrogate pair (RFC 8259, section 8.2), which no UTF-8 text can hold. A record of such
    a text is worth more than none. Goes through mappings, lists, tuples and attrs values.
    """
    return _storable(value)  # type: ignore[no-any-return]


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value) if not value.isascii() and _SURROGATE.search(value) else value
    if isinstance(value, Mapping):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_storable(item) for item in value)
    if attrs.has(type(value)):
        names = attrs.fields_dict(type(value))
        return attrs.evolve(value, **{name: _storable(getattr(value, name)) for name in names})
    return value
