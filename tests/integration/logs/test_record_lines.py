"""A line for each record: its fields and their order are a contract, and no policy lets more out than is recorded."""

import configparser
import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from aibridge_adapters.content_policy import redaction, with_policy
from aibridge_adapters.telemetry.logs import TRACE_IDS, JsonLines, RecordLog, RequestContext
from aibridge_adapters.telemetry.logs.context import no_trace
from aibridge_adapters.telemetry.logs.record_schema import RECORD_TYPES, schema
from aibridge_adapters.telemetry.logs.reference import FOLDER, PAGE, schemas, with_tables
from aibridge_core.errors import RecordingFailed
from aibridge_core.ports import Recorder
from aibridge_core.records import InterceptionStart, PromptUsage, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.fakes import BreakableRecorder
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.samples import FACTS, Samples

pytestmark = pytest.mark.anyio

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
KEY = "0123456789abcdef" * 2
CONTRACT = {
    "interception_start": "interception_id initiator_id api_key_id provider model client client_session_id started_at "
    "metadata correlating_tool_call_id",
    "interception_end": "interception_id ended_at",
    "token_usage": "interception_id msg_id input_tokens output_tokens cache_read_input_tokens cache_write_input_tokens "
    "created_at metadata",
    "prompt_usage": "interception_id msg_id prompt created_at metadata",
    "tool_usage": "interception_id msg_id tool_call_id tool input server_url injected invocation_error created_at "
    "metadata item_id",
    "model_thought": "interception_id content created_at metadata",
}
"""What programs that read such lines rely on, from before there was this gateway."""

Lines = list[dict[str, Any]]


class Keep(logging.Handler):
    """Keeps lines as they would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: Lines = []
        self.records: list[logging.LogRecord] = []
        self.addFilter(RequestContext())

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.lines.append(json.loads(JsonLines().format(record)))


@pytest.fixture
def kept() -> Iterator[Keep]:
    """What is logged of records."""
    logger, handler = logging.getLogger("aibridge.records"), Keep()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def logged(inner: Recorder, policy: str = "full", key: str = KEY) -> RecordLog:
    return RecordLog(inner, redact=redaction(policy, key=key), clock=FakeClock())


async def run(recorder: Recorder, samples: Samples, start: InterceptionStart) -> None:
    """An interception with one fact of each kind."""
    await recorder.begin(start)
    await recorder.record([samples.record(start, fact) for fact in FACTS])
    await recorder.end(samples.ended(start))


async def test_each_record_is_a_line_as_its_schema_says(kept: Keep) -> None:
    """Every type once; the keys stand in the order of the schema's properties, on both levels."""
    samples = Samples()
    await run(logged(MemoryStorage().recorder), samples, samples.start())
    types = [line["fields"]["record_type"] for line in kept.lines]
    assert types == [
        *("interception_start", "prompt_usage", "token_usage", "tool_usage", "model_thought", "interception_end")
    ]
    for line in kept.lines:
        contract = json.loads((REFERENCE / FOLDER / f"{line['fields']['record_type']}.schema.json").read_text())
        jsonschema_rs.validator_for(contract, validate_formats=True).validate(line)
        assert list(line) == contract["required"]
        assert list(line["fields"]) == list(contract["properties"]["fields"]["properties"])
        assert line["msg"] == "interception log"


def test_the_old_contract_stands() -> None:
    """The fields that others know come first, in their order."""
    for name, fields in CONTRACT.items():
        known = fields.split()
        assert [row.name for row in RECORD_TYPES[name]][: len(known)] == known


def test_the_documentation_is_current() -> None:
    """Page and schemas are those that the program would write."""
    page = (REFERENCE / PAGE).read_text()
    assert with_tables(page) == page
    assert {path.name: path.read_text() for path in (REFERENCE / FOLDER).iterdir()} == schemas()


async def test_what_the_lines_say(kept: Keep) -> None:
    """The same values that are stored; missing texts are empty, further token counts are in the metadata."""
    samples = Samples()
    start = samples.start(client_session_id="s-1")
    await run(logged(MemoryStorage().recorder), samples, start)
    begun, prompt, tokens, tool, thought, ended = [line["fields"] for line in kept.lines]
    assert (begun["provider"], begun["provider_name"], begun["username"]) == ("anthropic", "anthropic-eu", "ann")
    assert (begun["correlating_tool_call_id"], begun["started_at"]) == ("", "2026-01-02T03:04:06.000000Z")
    assert prompt["prompt"] == "What does this do?"
    assert tokens["metadata"]["web_search_requests"] == 2
    assert (tokens["input_tokens"], tokens["response_model"]) == (1200, "claude-sonnet-4-5-20250929")
    assert (tool["tool"], tool["input"], tool["injected"]) == ("Read", '{"path": "a.py"}', True)
    assert thought["content"] == "The user wants to know ..."
    assert (ended["status"], ended["error_type"], ended["duration_ms"]) == ("completed", "", 5000)
    assert {fields["session_id"] for fields in (begun, tokens, ended)} == {"s-1"}


async def test_a_session_that_only_the_database_knows_is_empty(kept: Keep) -> None:
    """A request that answers a tool call is in the session of the one that made it; any other begins its own."""
    samples = Samples()
    recorder = logged(MemoryStorage().recorder)
    alone, answering = samples.start(), samples.start(correlating_tool_call_id="toolu_1")
    await recorder.begin(alone)
    await recorder.begin(answering)
    assert [line["fields"]["session_id"] for line in kept.lines] == [alone.id, ""]


async def test_a_record_that_is_not_stored_is_logged(kept: Keep) -> None:
    """The line comes first."""
    samples = Samples()
    broken = BreakableRecorder(MemoryStorage().recorder)
    recorder, start = logged(broken), samples.start()
    await recorder.begin(start)
    broken.failure = RecordingFailed("the disk is full")
    with pytest.raises(RecordingFailed):
        await recorder.record([samples.prompt(start, "lost in the database")])
    with pytest.raises(RecordingFailed):
        await recorder.end(samples.ended(start, Status.FAILED))
    assert kept.lines[1]["fields"]["prompt"] == "lost in the database"
    assert kept.lines[2]["fields"]["status"] == "failed"


async def test_a_refused_request_has_an_end(kept: Keep) -> None:
    """Nothing stays open in the log, nor in memory."""
    recorder = logged(BreakableRecorder(MemoryStorage().recorder, failure=RecordingFailed("no database")))
    with pytest.raises(RecordingFailed):
        await recorder.begin(Samples().start())
    begun, ended = [line["fields"] for line in kept.lines]
    assert (ended["interception_id"], ended["status"]) == (begun["interception_id"], "failed")
    assert recorder._running == {}


LEFT = {  # record_content, log_content: what is left of the text in the log
    ("full", "full"): "text",
    ("full", "hashed"): "hash",
    ("full", "none"): "",
    ("hashed", "full"): "hash",
    ("hashed", "hashed"): "hash",
    ("hashed", "none"): "",
    ("none", "full"): "",
    ("none", "hashed"): "",
    ("none", "none"): "",
}


@pytest.mark.parametrize(("recorded", "in_log"), LEFT)
async def test_the_stricter_policy_holds(kept: Keep, recorded: str, in_log: str) -> None:
    """The log never shows what is not recorded, and a hash is that of the text; the database follows its own policy."""
    samples, storage = Samples(), MemoryStorage()
    recorder = with_policy(logged(storage.recorder, in_log), recorded, key=KEY)
    start = samples.start()
    await run(recorder, samples, start)
    hashed = redaction("hashed", key=KEY)(samples.record(start, FACTS[0])).fact
    assert isinstance(hashed, PromptUsage)
    shown = {"text": "What does this do?", "hash": hashed.prompt, "": ""}[LEFT[recorded, in_log]]
    (prompt,) = [line["fields"] for line in kept.lines if line["fields"]["record_type"] == "prompt_usage"]
    assert prompt["prompt"] == shown
    assert ("content" in prompt["metadata"]) == (shown != "What does this do?")
    stored = await storage.store.get(start.id)
    assert stored is not None
    assert (stored.records[0].fact == FACTS[0]) == (recorded == "full")


async def test_the_current_span_is_named(kept: Keep) -> None:
    """Beside the message, where tools look for it; the schema knows it."""
    TRACE_IDS.read = lambda: ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    try:
        await logged(MemoryStorage().recorder).begin(Samples().start())
    finally:
        TRACE_IDS.read = no_trace
    (line,) = kept.lines
    assert list(line)[4:6] == ["trace_id", "span_id"]
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    jsonschema_rs.validator_for(schema("interception_start")).validate(line)


async def test_handlers_of_others_see_the_fields_as_attributes(kept: Keep) -> None:
    """As with any `extra`; a formatter of the standard library works."""
    await logged(MemoryStorage().recorder).begin(Samples().start())
    (record,) = kept.records
    assert logging.Formatter("%(levelname)s %(message)s %(record_type)s").format(record) == (
        "INFO interception log interception_start"
    )


@pytest.mark.parametrize("prompt", ["a\nb\x1b[2J\u2028", "half \ud800 a pair", "é" * 10], ids=ascii)
async def test_a_prompt_stays_on_its_line(kept: Keep, prompt: str) -> None:
    """Whatever it holds, the line is JSON and one line."""
    samples = Samples()
    recorder, start = logged(MemoryStorage().recorder), samples.start()
    await recorder.begin(start)
    await recorder.record([samples.prompt(start, prompt)])
    assert b"\n" not in JsonLines().line(kept.records[-1])
    assert kept.lines[-1]["fields"]["prompt"] == prompt


GUIDE = (REFERENCE.parent / "how-to" / "ship-logs.md").read_text()


def test_the_guide_names_fields_that_there_are() -> None:
    """In the queries and configurations of all collectors."""
    named = set(re.findall(r"\bfields[._](\w+)", GUIDE))
    known = {row.name for rows in RECORD_TYPES.values() for row in rows} | {"record_type"}
    assert {"record_type", "output_tokens", "username"} <= named <= known


def test_the_guide_shows_a_line_as_it_is() -> None:
    """The example fits its schema, and the configurations in YAML are YAML."""
    (example,) = re.findall(r"```json\n(.*?)\n```", GUIDE, re.DOTALL)
    line = json.loads(example)
    jsonschema_rs.validator_for(schema(line["fields"]["record_type"]), validate_formats=True).validate(line)
    assert list(line["fields"])[1:] == [row.name for row in RECORD_TYPES["token_usage"]]
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert [list(yaml.safe_load(block)) for block in blocks] == [["filebeat.inputs", "processors"], ["logs"]]


def test_the_guide_parses_as_ini_and_reads_the_time() -> None:
    """Splunk's files; its time format and Filebeat's layout fit the time of the example."""
    (ini,) = re.findall(r"```ini\n(.*?)```", GUIDE, re.DOTALL)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(ini)
    layout = parser["aibridge"]["TIME_FORMAT"].replace("%6N", "%f").replace("%Z", "Z")
    assert datetime.strptime("2026-05-01T10:00:07.123456Z", layout).microsecond == 123456  # noqa: DTZ007
