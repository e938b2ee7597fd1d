"""How a log line looks: JSON for machines, a short line for a terminal.

Belongs here: the form of a line. Never: what is logged, or where it goes.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

TOP_LEVEL = ("ts", "level", "logger", "msg", "trace_id", "span_id", "fields", "exception")
"""Keys of a JSON line, in this order. `trace_id` and `span_id` only within a span, the last two only if needed."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "trace_id", "span_id"}

_encode = msgspec.json.Encoder(enc_hook=str).encode


class RecordLine(logging.LogRecord):
    """A line on `INFO` whose fields are at hand, made in a tenth of the time: for lines of every request.

    Handlers see what they would see of any other: the fields are attributes. Where in the program it was logged, by
    which thread and process, is not said.
    """

    __slots__ = ("fields",)

    def __init__(self, name: str, msg: str, fields: dict[str, Any], *, at: float) -> None:
        """`at`: seconds since 1970."""
        self.fields = fields
        place = {"name": name, "msg": msg, "created": at, "msecs": at % 1 * 1000 // 1}
        self.__dict__ = {**_TEMPLATE, **place, **fields}


_TEMPLATE = vars(logging.LogRecord("", logging.INFO, "", 0, "", (), None))


class JsonLines(logging.Formatter):
    """One JSON object a line: `ts` (RFC 3339, UTC), `level`, `logger`, `msg`, the current span, then `fields`.

    What a line says beside its message stands in `fields`, so that no field can take the place of a key above.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        return self.line(record).decode()

    def line(self, record: logging.LogRecord) -> bytes:
        """The same in UTF-8."""
        values = vars(record)
        line: dict[str, Any] = {
            "ts": timestamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if "trace_id" in values:
            line["trace_id"], line["span_id"] = values["trace_id"], values.get("span_id", "")
        if fields := record.fields if type(record) is RecordLine else _fields(values):
            line["fields"] = fields
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encoded(line)


class HumanLines(logging.Formatter):
    r"""`12:30:45 WARNING message key=value`.

    Fields hold what strangers sent, and a terminal obeys control characters: they are escaped (`\x1b`).
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end; only a traceback takes further ones."""
        fields = " ".join(f"{key}={_word(value)}" for key, value in _fields(vars(record)).items())
        time = self.formatTime(record, "%H:%M:%S")
        line = f"{time} {record.levelname:<7} {_printable(record.getMessage())} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line

    def line(self, record: logging.LogRecord) -> bytes:
        """The same in UTF-8."""
        return self.format(record).encode("utf-8", "backslashreplace")


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds, so that texts sort as times do; as in the REST API."""
    if time.tzinfo is not UTC or not time.microsecond:
        return time.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    return _encode(time)[1:-1].decode()  # a tenth of the time


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in _STANDARD}


def _encoded(line: dict[str, Any]) -> bytes:
    """Half a surrogate pair or an odd value must not cost the line."""
    try:
        return _encode(line)
    except Exception:
        return json.dumps(line, default=str, skipkeys=True).encode()


def _word(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else repr(text)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
