"""Whether people's words are recorded: a recorder that takes content out before anything else sees it.

Belongs here: what stands in the place of content. Never: what content is (`aibridge_core.content`), or for how long it
is kept (`aibridge_core.retention`).
"""

import hmac
from collections.abc import Callable, Sequence
from functools import partial

import attrs
from attrs import frozen

from aibridge_core.content import CONTENT_MARK, ContentState, content_of, with_content
from aibridge_core.ports import Recorder
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record
from aibridge_core.text import storable

SHORTEST_KEY = 32
"""Characters; of a hexadecimal key these are 128 bits."""

HASH = "hmac-sha256:"
"""Stands before the 64 hexadecimal digits, as a text of its own kind."""


def with_policy(recorder: Recorder, policy: str, *, key: str = "") -> Recorder:
    """`recorder`, getting the content that `policy` leaves. Raises what `redaction` raises."""
    redact = redaction(policy, key=key)
    return recorder if redact is unchanged else ContentRecorder(recorder, redact)


def redaction(policy: str, *, key: str = "") -> Callable[[Record], Record]:
    """Takes out of records what `policy` doesn't leave: `full`, `hashed` or `none`. It never brings anything back.

    Hashes are keyed (RFC 2104): a plain hash of a short text is found by hashing guesses. Who has the key can still
    guess, so it is kept outside the database. Raises ValueError for another policy, or a key that is too short.
    """
    match policy:
        case "full":
            return unchanged
        case "none":
            return Redaction(lambda text: "", ContentState.NONE)
        case "hashed" if len(key) >= SHORTEST_KEY:
            return Redaction(partial(keyed_hash, key.encode()), ContentState.HASHED)
        case "hashed":
            raise ValueError(f"hashes of content need a key of {SHORTEST_KEY} characters or more")
        case _:
            raise ValueError(f"content is recorded full, hashed or none, not {policy}")


def unchanged(record: Record) -> Record:
    """The record."""
    return record


def keyed_hash(key: bytes, text: str) -> str:
    """Equal for equal texts under the same key."""
    return HASH + hmac.digest(key, storable(text).encode(), "sha256").hex()


@frozen
class ContentRecorder:
    """Implements `aibridge_core.ports.Recorder` over another one, which gets records without their content."""

    _inner: Recorder
    _redact: Callable[[Record], Record]

    async def begin(self, start: InterceptionStart) -> None:
        """As the inner recorder; a start holds no content."""
        await self._inner.begin(start)

    async def record(self, records: Sequence[Record]) -> None:
        """As the inner recorder, with something else in the place of content."""
        await self._inner.record([self._redact(record) for record in records])

    async def end(self, ended: InterceptionEnded) -> None:
        """As the inner recorder."""
        await self._inner.end(ended)


@frozen
class Redaction:
    """Puts something else in the place of a record's content."""

    _replace: Callable[[str], str]
    _state: ContentState

    def __call__(self, record: Record) -> Record:
        """The record without it. What stands there as a hash already is not hashed again."""
        content = content_of(record.fact)
        if not content or record.fact.metadata.get(CONTENT_MARK) == self._state:
            return record
        return attrs.evolve(record, fact=with_content(record.fact, self._replace(content), self._state))
