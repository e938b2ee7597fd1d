"""The contract with whoever reads the lines of records by machine: fields, order, kinds and meaning, in one table.

Belongs here: the table, and the JSON Schemas made from it. Never: values. Fields are added at the end of a type's list,
and never renamed, moved or removed.
"""

from collections.abc import Mapping

from attrs import frozen

from aibridge_adapters.telemetry.logs.record_log import LOGGER, MESSAGE


@frozen
class Field:
    """One row."""

    name: str
    kind: str
    """A key of `KINDS`."""
    meaning: str


KINDS: Mapping[str, Mapping[str, object]] = {
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "count": {"type": "integer", "minimum": 0},
    "count or null": {"type": ["integer", "null"], "minimum": 0},
    "switch": {"type": "boolean"},
    "object": {"type": "object"},
}
"""JSON Schema of each kind of value. A text that isn't known is empty."""

_ID = Field("interception_id", "text", "The interception it belongs to.")
_MESSAGE = Field("msg_id", "text", "The provider's id of the answer.")
_CREATED = Field("created_at", "time", "When it was recorded.")
_METADATA = Field("metadata", "object", "Whatever else is known, by name; `content` if content was taken out, and how.")
_PERSON = (
    Field("username", "text", "Who sent the request."),
    Field("session_id", "text", "The session; empty if only the database knows it."),
    Field("provider_name", "text", "Name of the provider's configured instance."),
)
_EXCHANGE = (
    *_PERSON,
    Field("model", "text", "The model, as requested."),
    Field("client", "text", "The client, e.g. `Claude Code`."),
)

RECORD_TYPES: Mapping[str, tuple[Field, ...]] = {
    "interception_start": (
        _ID,
        Field("initiator_id", "text", "Id of the user who sent the request."),
        Field("api_key_id", "text", "Public id of the gateway token."),
        Field("provider", "text", "Type of the provider, e.g. `anthropic`."),
        *_EXCHANGE[len(_PERSON) :],
        Field("client_session_id", "text", "The client's own session."),
        Field("started_at", "time", "When the request had come."),
        Field("metadata", "object", "`request_user_agent`, and `request_headers` that say how a client is set up."),
        Field("correlating_tool_call_id", "text", "The tool call whose result the request carries."),
        *_PERSON,
        Field("streaming", "switch", "Whether a stream was asked for."),
        Field("credential_kind", "text", "`centralized` or `byok`."),
        Field("credential_hint", "text", "The upstream credential, masked."),
        Field("agent_firewall_session_id", "text", "Session of the firewall around the client."),
        Field("agent_firewall_sequence_number", "count or null", "The request's place in that session."),
    ),
    "prompt_usage": (_ID, _MESSAGE, Field("prompt", "text", "The last user prompt."), _CREATED, _METADATA, *_EXCHANGE),
    "token_usage": (
        _ID,
        _MESSAGE,
        Field("input_tokens", "count", "Without cached ones."),
        Field("output_tokens", "count", "With those of reasoning."),
        Field("cache_read_input_tokens", "count", "Read from the provider's cache."),
        Field("cache_write_input_tokens", "count", "Written to the provider's cache."),
        _CREATED,
        Field("metadata", "object", "Further counts by name; `partial` if the answer broke off before its last count."),
        *_EXCHANGE,
        Field("response_model", "text", "The model, as the answer names it."),
    ),
    "tool_usage": (
        _ID,
        _MESSAGE,
        Field("tool_call_id", "text", "The model's id of the call."),
        Field("tool", "text", "Name of the tool."),
        Field("input", "text", "The arguments as the model wrote them, JSON."),
        Field("server_url", "text", "The MCP server of an injected tool."),
        Field("injected", "switch", "Whether the gateway ran it."),
        Field("invocation_error", "text", "Why it failed, if it did."),
        _CREATED,
        _METADATA,
        Field("item_id", "text", "Item id of the Responses API."),
        *_EXCHANGE,
    ),
    "model_thought": (
        _ID,
        Field("content", "text", "Reasoning that the model showed."),
        _CREATED,
        _METADATA,
        *_EXCHANGE,
        _MESSAGE,
    ),
    "network_call": (
        Field("interception_id", "text", "The interception that it followed in its firewall session; empty if none."),
        Field("agent_firewall_session_id", "text", "Session of the firewall that saw it."),
        Field("agent_firewall_sequence_number", "count", "Its place in that session."),
        Field("made_at", "time", "When the agent made it, or tried to."),
        Field("decision", "text", "`allow` or `deny`."),
        Field("http_method", "text", "The HTTP method."),
        Field("http_url", "text", "The URL, without credentials."),
        Field("matched_rule", "text", "The firewall's rule that allowed it."),
        Field("process", "text", "The program behind the firewall."),
        Field("metadata", "object", "What else the firewall said, by name, such as `workspace_id`."),
    ),
    "interception_end": (
        _ID,
        Field("ended_at", "time", "When it was over."),
        *_EXCHANGE,
        Field("status", "text", "`completed`, `failed`, `cancelled` or `interrupted`."),
        Field("error_type", "text", "Why it failed."),
        Field("error_message", "text", "The same in words, as the provider or the gateway said it."),
        Field("duration_ms", "count", "From start to end, in milliseconds."),
    ),
}
"""Fields of each record type, in their order; `record_type` stands before them."""


def schema(record_type: str) -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a whole line. Its properties stand in the order of the line's keys."""
    fields: dict[str, object] = {"record_type": {"const": record_type}}
    fields |= {row.name: {**KINDS[row.kind], "description": row.meaning} for row in RECORD_TYPES[record_type]}
    line: dict[str, object] = {
        "ts": {"type": "string", "format": "date-time", "description": "When the line was written."},
        "level": {"const": "INFO"},
        "logger": {"const": LOGGER},
        "msg": {"const": MESSAGE},
        "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "Only within a span."},
        "span_id": {"type": "string", "pattern": "^[0-9a-f]{16}$", "description": "Only within a span."},
        "fields": {"type": "object", "properties": fields, "required": list(fields)},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Log line of the record type {record_type}",
        "type": "object",
        "properties": line,
        "required": [key for key in line if key not in ("trace_id", "span_id")],
    }
