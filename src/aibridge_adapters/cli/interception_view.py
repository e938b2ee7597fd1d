"""How interceptions look: the columns of the list, and one of them in full.

Belongs here: layout of the API's JSON. Never: asking for it. Everything recorded passes `safe_text` before it is shown.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from aibridge_adapters.cli.output import Column, Row
from aibridge_adapters.cli.safe_text import one_line, safe, safe_json, safe_lines

Line = tuple[str, str]
"""A line of text and its rich style."""

_STATUS_STYLES = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "interrupted": "magenta",
    "in_flight": "cyan",
}
_TOKEN_KINDS = (
    ("input", "input_tokens"),
    ("output", "output_tokens"),
    ("cache read", "cache_read_input_tokens"),
    ("cache write", "cache_write_input_tokens"),
)
_LONG_ARGUMENTS = 80
"""From this length on, in characters, a tool's arguments are spread over lines."""


def _started(row: Row) -> str:
    return _clock_time(row.get("started_at"))


def _who(row: Row) -> str:
    return one_line(_text(_part(row, "initiator"), "username"), 20)


def _status(row: Row) -> str:
    return _text(row, "status")


def _status_style(row: Row) -> str:
    return _STATUS_STYLES.get(_status(row), "")


def _prompt(row: Row) -> str:
    prompts = _parts(row, "user_prompts")
    return one_line(_text(prompts[-1], "prompt"), 48) if prompts else ""


COLUMNS = (
    Column(title="STARTED (UTC)", cell=_started),
    Column(title="USER", cell=_who),
    Column(title="CLIENT", cell=lambda row: one_line(_text(row, "client") or "Unknown", 20), rank=3),
    Column(title="MODEL", cell=lambda row: one_line(_text(row, "model"), 28), rank=2),
    Column(title="STATUS", cell=_status, style=_status_style),
    Column(title="IN", cell=lambda row: _sum(row, "input_tokens"), number=True, rank=4),
    Column(title="OUT", cell=lambda row: _sum(row, "output_tokens"), number=True, rank=4),
    Column(title="CACHED", cell=lambda row: _sum(row, "cache_read_input_tokens"), number=True, rank=6),
    Column(title="TOOLS", cell=lambda row: str(len(_parts(row, "tool_usages"))), number=True, rank=5),
    Column(title="PROMPT", cell=_prompt, rank=1),
    Column(title="ID", cell=lambda row: _text(row, "id")),
)


def show_interception(row: Row) -> None:
    """Write one interception in full on standard output."""
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    for text, style in _page(row):
        console.print(Text(text, style=style))
    sys.stdout.flush()


def _page(row: Row) -> Iterator[Line]:
    yield f"Interception {safe(_text(row, 'id'))}", "bold"
    for label, value, style in _facts(row):
        if value:
            yield f"  {label:<12}{safe(value)}", style
    for prompt in _parts(row, "user_prompts"):
        yield from _section("Prompt", safe_lines(_text(prompt, "prompt")))
    yield from _section("Tokens", [_tokens(usage) for usage in _parts(row, "token_usages")])
    for tool in _parts(row, "tool_usages"):
        yield from _tool(tool)
    for thought in _parts(row, "model_thoughts"):
        source = _text(_part(thought, "metadata"), "source") or "thought"
        yield from _section(f"Reasoning ({safe(source)})", safe_lines(_text(thought, "content")))
    yield from _network_calls(row)


def _network_calls(row: Row) -> Iterator[Line]:
    """What the agent did until its next request; denied calls stand out."""
    calls = _parts(row, "network_calls")
    if calls:
        yield "", ""
        yield "Network calls until the next request", "bold"
    for call in calls:
        allowed = call.get("allowed") is True
        rule = _text(call, "matched_rule")
        words = f"{_clock_time(call.get('made_at'))}  {'allowed' if allowed else 'denied '}  {_text(call, 'method')} "
        yield safe(f"  {words}{_text(call, 'url')}" + (f"  ({rule})" if rule else "")), "" if allowed else "red"


def _facts(row: Row) -> Iterator[tuple[str, str, str]]:
    """Label, value and style of each line at the top; empty values are left out."""
    who = _part(row, "initiator")
    name, token = _text(who, "name"), _text(row, "api_key_id")
    yield "User", _text(who, "username") + (f" ({name})" if name else "") + (f", token {token}" if token else ""), ""
    yield "Client", _text(row, "client") or "Unknown", ""
    yield "User agent", _text(_part(row, "metadata"), "request_user_agent"), ""
    yield "Provider", _text(row, "provider_name") or _text(row, "provider"), ""
    yield "Model", _text(row, "model"), ""
    yield "Status", _status(row), _status_style(row)
    yield "Error", ": ".join(filter(None, [_text(row, "error_type"), _text(row, "error_message")])), "red"
    yield "Started", _started(row) + " UTC", ""
    yield "Took", _duration(row), ""
    yield "Session", _text(row, "session_id"), ""
    yield "Thread", _text(row, "thread_root_id"), ""
    yield "Firewall", _firewall(row), ""
    yield "Credential", f"{_text(row, 'credential_kind')} {_text(row, 'credential_hint')}".strip(), ""


def _firewall(row: Row) -> str:
    session = _text(row, "agent_firewall_session_id")
    return f"session {session}, number {_text(row, 'agent_firewall_sequence_number')}" if session else ""


def _section(title: str, lines: Sequence[str]) -> Iterator[Line]:
    if lines:
        yield "", ""
        yield title, "bold"
    for line in lines:
        yield f"  {line}", ""


def _tokens(usage: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{label} {usage.get(key) or 0}" for label, key in _TOKEN_KINDS)
    extra = _part(usage, "metadata")
    return counts + (f"  {safe_json(extra, indent=None)}" if extra else "")


def _tool(tool: Mapping[str, Any]) -> Iterator[Line]:
    server = _text(tool, "server_url")
    yield from _section(safe(f"Tool {_text(tool, 'tool')}" + (f" on {server}" if server else "")), _arguments(tool))
    if error := _text(tool, "invocation_error"):
        yield f"  failed: {safe(error)}", "red"


def _arguments(tool: Mapping[str, Any]) -> list[str]:
    source = _text(tool, "input")
    if len(source) < _LONG_ARGUMENTS:
        return safe_lines(source)
    try:
        return safe_json(json.loads(source)).split("\n")
    except (ValueError, RecursionError):
        return safe_lines(source)


def _duration(row: Row) -> str:
    started, ended = _moment(row.get("started_at")), _moment(row.get("ended_at"))
    return f"{(ended - started).total_seconds():.2f} s" if started and ended else ""


def _clock_time(value: Any) -> str:
    moment = _moment(value)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else safe(str(value or ""))


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _sum(row: Row, key: str) -> str:
    usages = _parts(row, "token_usages")
    # That nothing was reported is not the same as zero.
    return str(sum(usage.get(key) or 0 for usage in usages)) if usages else "-"


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)


def _part(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _parts(row: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = row.get(key)
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
