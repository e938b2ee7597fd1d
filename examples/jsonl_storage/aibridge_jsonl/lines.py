"""What the file consists of: one line for each thing that happened. No line is ever changed, so none can be lost.

Belongs here: the kinds of line, and how each becomes JSON and back. Never: what several lines mean together.

Values of aibridge are frozen attrs classes, so cattrs turns them into JSON without any help. Where a union must be told
apart, here a line and a fact, the name of its class goes along as `kind`.
"""

import json
from datetime import UTC, datetime

from attrs import frozen
from cattrs.errors import BaseValidationError
from cattrs.preconf.json import make_converter
from cattrs.strategies import configure_tagged_union

from aibridge_core.records import Fact, InterceptionEnded, InterceptionStart, Record
from aibridge_core.text import storable


@frozen(kw_only=True)
class Begun:
    """An interception began. Its thread is kept as it was found then, so that later lines can't change it."""

    start: InterceptionStart
    owner: str
    session_id: str
    thread_parent_id: str | None = None
    thread_root_id: str | None = None


@frozen(kw_only=True)
class Recorded:
    """A fact became known."""

    record: Record


@frozen(kw_only=True)
class Ended:
    """An interception ended, by itself or because its process was found dead."""

    ended: InterceptionEnded


@frozen(kw_only=True)
class Deleted:
    """These interceptions are gone, with everything the file says of them."""

    ids: tuple[str, ...]


@frozen(kw_only=True)
class Erased:
    """The content of what was recorded of these interceptions, up to here, is gone."""

    ids: tuple[str, ...]


Line = Begun | Recorded | Ended | Deleted | Erased


def _kind(of: type) -> str:
    return of.__name__


def _in_utc(moment: datetime) -> str:
    """Times of any zone are kept in one. A time without a zone is none."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).isoformat()


_json = make_converter()
_json.register_unstructure_hook(datetime, _in_utc)
configure_tagged_union(Fact, _json, tag_name="kind", tag_generator=_kind)
configure_tagged_union(Line, _json, tag_name="kind", tag_generator=_kind)


def encoded(line: Line) -> bytes:
    """The line as UTF-8, with its end. Raises ValueError if JSON can't hold it.

    JSON keeps U+0000 (as an escape); `storable` replaces what UTF-8 can't keep, half of a surrogate pair.
    """
    try:
        values = {"kind": _kind(type(line)), **_json.unstructure(storable(line), Line)}  # first, for whoever reads it
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    except TypeError as error:
        raise ValueError("a value that JSON doesn't know") from error
    return text.encode() + b"\n"


def decoded(data: bytes) -> Line:
    """The line back. Raises ValueError if it isn't one."""
    try:
        line: Line = _json.structure(json.loads(data), Line)  # type: ignore[arg-type]
    except (KeyError, TypeError, BaseValidationError) as error:
        raise ValueError(f"not a line of a trail: {type(error).__name__}") from error
    return line
