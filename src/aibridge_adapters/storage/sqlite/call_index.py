"""The index of tool calls by the provider's id, which gets them in bulk.

Belongs here: how far it goes, what is behind that, and getting more into it. Never: what is in memory meanwhile
(recent_calls.py). Everything raises sqlite3.Error.

Calls have numbers that rise in the order of commits and never come again. So what is up to a number that has been read
is complete, and all of this may be done by several processes at once, and broken off anywhere.
"""

import sqlite3
from collections.abc import Sequence
from typing import Self

import msgspec
from attrs import define

AT_ONCE = 10_000
"""Calls that `fill` sorts in memory at a time."""

_REACHES = "SELECT number, newest_at FROM tool_calls_indexed"
_LAST = "SELECT coalesce(max(number), 0) FROM tool_usages"
_BEHIND = """
SELECT CAST(json_group_array(
    json_array(provider_tool_call_id, CAST(created_at AS INTEGER), id, interception_id)
) AS BLOB)
FROM tool_usages WHERE number > ? AND number <= ? AND provider_tool_call_id <> ''
"""
_FILL = """
INSERT OR IGNORE INTO tool_calls
SELECT provider_tool_call_id, created_at, number FROM tool_usages
WHERE number > ?1 AND number <= ?2 AND provider_tool_call_id <> ''
ORDER BY provider_tool_call_id, created_at, number
"""
_NEWEST = "SELECT coalesce(max(created_at), 0) FROM tool_usages WHERE number > ? AND number <= ?"
_NOTE = "UPDATE tool_calls_indexed SET number = max(number, ?), newest_at = max(newest_at, ?)"
_LEAVE = """
CREATE TEMP TABLE leaving_calls AS
SELECT provider_tool_call_id, created_at, number FROM tool_usages
WHERE number > ? AND number <= ? AND provider_tool_call_id <> ''
ORDER BY provider_tool_call_id, created_at, number
"""
_LEFT = "SELECT count(*), coalesce(max(created_at), 0) FROM temp.leaving_calls"
_MOVE = """
INSERT OR IGNORE INTO tool_calls
SELECT leaving.provider_tool_call_id, leaving.created_at, leaving.number
FROM temp.leaving_calls AS leaving JOIN tool_usages ON tool_usages.number = leaving.number
WHERE leaving.rowid > ? AND leaving.rowid <= ?
"""

Behind = tuple[str, int, str, str]
"""The provider's id of a call, when it was made in microseconds, the record's id, and its interception's."""

_decode = msgspec.json.Decoder(list[Behind]).decode


class Unreadable(Exception):
    """Calls are too large to be read together, or have been written by a program with other ideas of text."""


def reaches(connection: sqlite3.Connection) -> tuple[int, int]:
    """Number of the last call up to which all are in the index, and the time of the newest in it, in microseconds."""
    number, newest_at = connection.execute(_REACHES).fetchone()
    return number, newest_at


def last(connection: sqlite3.Connection) -> int:
    """Number of the last call that is there; 0 if there is none."""
    (number,) = connection.execute(_LAST).fetchone()
    return int(number)


def behind(connection: sqlite3.Connection, number: int, upto: int) -> Sequence[Behind]:
    """Calls with numbers behind `number`, up to `upto`. Raises Unreadable.

    In one row: Python's sqlite3 gives up the interpreter lock for each, and under load takes long to get it back.
    """
    try:
        return _decode(connection.execute(_BEHIND, (number, upto)).fetchone()[0])
    except (sqlite3.DataError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from error


def fill(connection: sqlite3.Connection, upto: int, *, at_once: int = AT_ONCE) -> None:
    """Get everything up to that number into the index now."""
    number, _ = reaches(connection)
    for first in range(number, upto, at_once):
        piece = first, min(first + at_once, upto)
        connection.execute(_FILL, piece)
        (newest_at,) = connection.execute(_NEWEST, piece).fetchone()
        connection.execute(_NOTE, (piece[1], newest_at))


@define
class Move:
    """Of everything up to a number: in the order of the ids, in pieces. Belongs to one connection."""

    _upto: int
    _count: int
    _newest_at: int
    _done: int = 0

    @classmethod
    def begun(cls, connection: sqlite3.Connection, upto: int) -> Self:
        """Put into order what there is to move."""
        connection.execute("DROP TABLE IF EXISTS temp.leaving_calls")
        connection.execute(_LEAVE, (reaches(connection)[0], upto))
        return cls(upto, *connection.execute(_LEFT).fetchone())

    def go_on(self, connection: sqlite3.Connection, size: int) -> bool:
        """Move so many; whether these were the last. What has been removed meanwhile is passed over."""
        connection.execute(_MOVE, (self._done, self._done + size))
        self._done += size
        if self._done < self._count:
            return False
        connection.execute(_NOTE, (self._upto, self._newest_at))
        return True
