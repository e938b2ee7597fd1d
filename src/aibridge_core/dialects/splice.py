"""Edits JSON source text in place: one member changes, every other byte stays as it was written.

Belongs here: finding a member's bytes with a real scanner (a search for `"tools":` would also find it inside a
string), and putting others there. Never: which member an API wants changed. The text must be JSON that a decoder has
accepted already; what it can't follow it refuses with ValueError rather than guess.

Repeated names: decoders take the last one, so that one is edited and the others survive (RFC 8259, section 4).
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec
from attrs import frozen

_VALUES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_LARGE = 4096
"""From this many bytes on, a second look at the source pays."""
_SPACE = re.compile(rb"[ \t\n\r]*+")
_BETWEEN = re.compile(rb"[ \t\n\r,]*+")
"""Of two items of a list."""
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb"|[\[\]{}]", re.DOTALL)
_SIMPLE = re.compile(_STRING + rb'|[^ \t\n\r,:"\[\]{}]++', re.DOTALL)


@frozen
class Member:
    """A member of an object: its name, and where in the source its value stands."""

    name: str
    start: int
    end: int
    at: int
    """Where the name begins."""


def insert_member(source: bytes, name: str, value: bytes) -> bytes:
    """Put a member first into the object that `source` is. Raises ValueError if it isn't one."""
    return _insert(source, _after_space(source, 0), name, value)


def set_member(source: bytes, path: Sequence[str], value: bytes) -> bytes:
    """Give the member at `path` the JSON text `value`; objects on the way to it are made where there is none or null.

    Raises ValueError if `source`, or what stands on the way, is something else than an object.
    """
    at = _after_space(source, 0)
    for depth, name in enumerate(path):
        inside = path[depth + 1 :]
        member = find_member(source, name, at)
        if member is None:
            return _insert(source, at, name, _nested(inside, value))
        at = member.start
        if not inside or source[at : member.end] == b"null":
            return source[:at] + _nested(inside, value) + source[member.end :]
    raise ValueError("an empty path names no member")


def remove_member(source: bytes, name: str) -> bytes:
    """Take every member of this name out of the object that `source` is. Raises ValueError if it isn't one."""
    return remove_members(source, (name,))


def remove_members(source: bytes, names: Collection[str]) -> bytes:
    """As `remove_member`, for several names in one pass."""
    found = list(members(source))
    kept = [member for member in found if member.name not in names]
    if len(kept) == len(found):
        return source
    if not kept:
        return source[: found[0].at] + source[found[-1].end :]
    pieces = [source[: found[0].at]]
    for member, following in pairwise(found):
        if member is kept[-1]:
            break
        if member.name not in names:
            pieces.append(source[member.at : following.at])
    return b"".join([*pieces, source[kept[-1].at : kept[-1].end], source[found[-1].end :]])


def change_members(source: bytes, changes: Mapping[str, Callable[[bytes | None], bytes]]) -> bytes:
    """Give members of the object that `source` is what their functions make of their values (None: there is none).

    As `set_member` for each, in one pass over the source. Raises ValueError if it isn't an object, and what they raise.
    """
    found = {member.name: member for member in members(source) if member.name in changes}
    added = [json.dumps(name).encode() + b":" + change(None) for name, change in changes.items() if name not in found]
    pieces, done = [], 0
    for member in sorted(found.values(), key=lambda member: member.start):
        pieces += [source[done : member.start], changes[member.name](source[member.start : member.end])]
        done = member.end
    pieces.append(source[done:])
    if added:
        inner = _expect(source, _after_space(source, 0), b"{")
        empty = source[_after_space(source, inner) :][:1] == b"}"
        pieces[0] = pieces[0][:inner] + b",".join(added) + (b"" if empty else b",") + pieces[0][inner:]
    return b"".join(pieces)


def prepend_items(source: bytes, name: str, items: Sequence[bytes]) -> bytes:
    """Put items (JSON texts) first into the list that the member `name` is; it is made where there is none or null.

    Raises ValueError if the member is something else.
    """
    return _with_items(source, name, items, first=True)


def append_items(source: bytes, name: str, items: Sequence[bytes]) -> bytes:
    """As `prepend_items`, last."""
    return _with_items(source, name, items, first=False)


def _with_items(source: bytes, name: str, items: Sequence[bytes], *, first: bool) -> bytes:
    member = find_member(source, name)
    if member is None:
        return insert_member(source, name, extended(None, items, first=first))
    value = extended(source[member.start : member.end], items, first=first)
    return source[: member.start] + value + source[member.end :]


def extended(value: bytes | None, items: Sequence[bytes], *, first: bool = False) -> bytes:
    """A list (JSON text; None and null stand for an empty one) with more items. Raises ValueError if it is none."""
    text = b",".join(items)
    if value is None or value == b"null":
        return b"[" + text + b"]"
    inner = _expect(value, 0, b"[")
    empty = value[_after_space(value, inner) :] == b"]"
    comma = b"" if empty or not items else b","
    return value[:inner] + text + comma + value[inner:] if first else value[:-1] + comma + text + b"]"


def map_items(source: bytes, name: str, change: Callable[[int, bytes], bytes]) -> bytes:
    """Put `change(position, item)` in the place of each item of the list that the member `name` is, if there is one.

    Raises ValueError if the member is something else than a list.
    """
    member = find_member(source, name)
    if member is None or source[member.start : member.end] == b"null":
        return source
    pieces, done = [], 0
    for position, (start, end) in enumerate(items(source, member.start)):
        pieces += [source[done:start], change(position, source[start:end])]
        done = end
    return b"".join([*pieces, source[done:]])


def replace_items(source: bytes, name: str, choose: Callable[[Sequence[bytes]], Mapping[int, bytes]]) -> bytes:
    """Put JSON texts (of one item, or of several with commas between) in the place of some items of a list.

    `choose` is given all items as they are written, and gives the texts by position. As `map_items`, and fast for
    long lists. The same object if nothing is replaced.
    """
    member = find_member(source, name)
    texts = _texts(source, member)
    changes = choose(texts)
    if member is None or not changes:
        return source
    pieces, done, at = [], 0, member.start + 1
    for position, item in enumerate(texts):
        start = _after(_BETWEEN, source, at)
        at = start + len(item)
        if position in changes:
            pieces += [source[done:start], changes[position]]
            done = at
    return b"".join([*pieces, source[done:]])


def item_texts(source: bytes, name: str) -> Sequence[bytes]:
    """The items of the list that the member `name` is, as they are written; none if it is something else."""
    return _texts(source, find_member(source, name))


def _texts(source: bytes, member: Member | None) -> Sequence[bytes]:
    if member is None or source[member.start : member.start + 1] != b"[":
        return ()
    try:
        return list(map(bytes, _ITEMS.decode(source[member.start : member.end])))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [source[start:end] for start, end in items(source, member.start)]


def items(source: bytes, at: int = 0) -> Iterator[tuple[int, int]]:
    """Where the items of the list that begins at `at` stand (white space skipped). Raises ValueError if none does."""
    position = _after_space(source, _expect(source, _after_space(source, at), b"["))
    while source[position : position + 1] != b"]":
        end = _value_end(source, position)
        yield position, end
        position = _after_space(source, end)
        if source[position : position + 1] != b"]":
            position = _after_space(source, _expect(source, position, b","))


def find_member(source: bytes, name: str, at: int = 0) -> Member | None:
    """The last member of this name in the object that begins at `at`. Raises ValueError if none begins there."""
    found = None
    for member in members(source, at):
        if member.name == name:
            found = member
    return found


def members(source: bytes, at: int = 0) -> Iterator[Member]:
    """The members of the object that begins at `at` (white space skipped). Raises ValueError if none does."""
    position = _after_space(source, _expect(source, _after_space(source, at), b"{"))
    values = _values(source) if at == 0 and len(source) >= _LARGE else {}
    while source[position : position + 1] != b"}":
        begin, name_end = position, _value_end(source, position)
        start = _after_space(source, _expect(source, _after_space(source, name_end), b":"))
        name = _name(source[begin:name_end])
        end = _known_end(source, start, values.get(name)) or _value_end(source, start)
        yield Member(name, start, end, begin)
        position = _after_space(source, end)
        if source[position : position + 1] != b"}":
            position = _after_space(source, _expect(source, position, b","))


def _insert(source: bytes, at: int, name: str, value: bytes) -> bytes:
    inner = _expect(source, at, b"{")
    first = _after_space(source, inner)
    comma = b"" if source[first : first + 1] == b"}" else b","
    return source[:inner] + json.dumps(name).encode() + b":" + value + comma + source[inner:]


def _nested(path: Sequence[str], value: bytes) -> bytes:
    for name in reversed(path):
        value = b"{" + json.dumps(name).encode() + b":" + value + b"}"
    return value


def _values(source: bytes) -> Mapping[str, msgspec.Raw]:
    """The members' texts by name, from a decoder that skips a conversation ten times faster than we can."""
    try:
        return _VALUES.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _known_end(source: bytes, start: int, value: msgspec.Raw | None) -> int | None:
    """Where a value ends that begins with this whole value; brackets and quotes end where they end, whatever follows.

    Of repeated names the text may be another one's: then None.
    """
    text = bytes(value) if value is not None else b""
    return start + len(text) if text[:1] in (b"{", b"[", b'"') and source.startswith(text, start) else None


def _value_end(source: bytes, start: int) -> int:
    """Where the value that begins at `start` ends; brackets inside strings don't count."""
    if source[start : start + 1] not in (b"{", b"["):
        if simple := _SIMPLE.match(source, start):
            return simple.end()
        raise ValueError(f"no JSON value at byte {start}")
    depth = 0
    for token in _TOKEN.finditer(source, start):
        mark = source[token.start()]
        if mark in b"{[":
            depth += 1
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                return token.end()
    raise ValueError(f"the value at byte {start} has no end")


def _name(literal: bytes) -> str:
    """A member's name, escapes undone; what is no UTF-8 becomes U+FFFD, so that it equals no name we look for."""
    if not literal.startswith(b'"'):
        raise ValueError("a member without a name")
    return str(json.loads(literal.decode("utf-8", "replace"), strict=False))


def _after_space(source: bytes, position: int) -> int:
    return _after(_SPACE, source, position)


def _after(pattern: re.Pattern[bytes], source: bytes, position: int) -> int:
    found = pattern.match(source, position)
    return found.end() if found else position


def _expect(source: bytes, position: int, mark: bytes) -> int:
    if source[position : position + 1] != mark:
        raise ValueError(f"expected {mark.decode()} at byte {position}")
    return position + 1
