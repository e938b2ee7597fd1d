"""Setting logging up: levels, forms, and what a host application keeps of its own."""

import io
import logging
from collections.abc import Iterator

import pytest

from aibridge_adapters.compose import gateway
from aibridge_adapters.config import Settings
from aibridge_adapters.telemetry.logs import HumanLines, JsonLines, Places, log_to, sink_counters
from aibridge_adapters.telemetry.logs.setup import LineHandler

NAMES = ("", "aibridge", "aibridge.records", "mcp")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Logging belongs to the whole process, and so to other tests."""
    root, levels = logging.getLogger(), {name: logging.getLogger(name).level for name in NAMES}
    handlers = root.handlers[:]
    yield
    for handler in root.handlers:
        if isinstance(handler, LineHandler):
            handler.close()
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO) -> str:
    """What has come, after everything was let go."""
    for handler in logging.getLogger().handlers:
        handler.close()
    return stream.getvalue()


def test_a_terminal_gets_short_lines_and_obeys_nobody() -> None:
    """What strangers sent is shown with its control characters escaped."""
    stream = Terminal()
    log_to(Places(), level="info", stream=stream)
    logging.getLogger("aibridge.x").warning("oh\x1b[2J", extra={"user_agent": "a\nb\u202e", "count": 3})
    assert written(stream).partition(" ")[2] == "WARNING oh\\x1b[2J user_agent='a\\nb\\u202e' count=3\n"


def test_everything_else_gets_json() -> None:
    """Fields stand apart, so that none can take the place of the line's own keys."""
    stream = io.StringIO()
    log_to(Places(), level="info", stream=stream)
    logging.getLogger("aibridge.x").info("hi", extra={"level": "none", "ts": 1, "odd": {1}})
    line = written(stream)
    said = '"level":"INFO","logger":"aibridge.x","msg":"hi","fields":{"level":"none","ts":1,"odd":[1]}}'
    assert line.endswith(f"{said}\n")
    (counters,) = sink_counters()
    assert (counters.sink, counters.written, counters.dropped) == ("stderr", 1, 0)


def test_levels() -> None:
    """The gateway's own is as asked, records are not silenced by it, libraries are heard from warnings on."""
    stream = io.StringIO()
    log_to(Places(), level="error", stream=stream)
    for name in ("aibridge.x", "aibridge.records", "httpx"):
        logging.getLogger(name).info("info of %s", name)
        logging.getLogger(name).warning("warning of %s", name)
    said = written(stream)
    assert [text in said for text in ("info of aibridge.x", "warning of aibridge.x", "info of httpx")] == [False] * 3
    assert [text in said for text in ("info of aibridge.records", "warning of httpx")] == [True] * 2


def test_a_mistake_in_a_log_call_costs_no_request() -> None:
    """The line names its place; what it should have said is not shown."""
    stream = io.StringIO()
    log_to(Places(), level="info", stream=stream)
    logging.getLogger("aibridge.x").info("%d secrets", "many")
    assert "a log line could not be formatted: aibridge.x, line " in written(stream)


@pytest.mark.parametrize("lines", [JsonLines(), HumanLines()])
def test_tracebacks_are_kept(lines: JsonLines | HumanLines) -> None:
    """Of defects."""
    try:
        raise ZeroDivisionError("why")
    except ZeroDivisionError as error:
        record = logging.makeLogRecord({"msg": "oops", "exc_info": (type(error), error, error.__traceback__)})
    assert "ZeroDivisionError: why" in lines.format(record)


@pytest.mark.anyio
async def test_a_library_user_keeps_the_logging_of_the_host() -> None:
    """A gateway sets no handler and no level; it speaks through the logger `aibridge` and leaves the rest."""
    before = [(name, logging.getLogger(name).level, logging.getLogger(name).handlers[:]) for name in NAMES]
    async with gateway(Settings(database_url="sqlite:///:memory:", structured_logging=True)):
        assert [(name, logging.getLogger(name).level, logging.getLogger(name).handlers) for name in NAMES] == before
