"""What stands in the log line of each kind of record.

Belongs here: from a record to its fields, in order. Never: what they mean (`record_schema`, against which this is
tested), or when a line is written. Plain dictionaries, since this runs for each record of each request.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from attrs import frozen

from aibridge_adapters.telemetry.logs.lines import timestamp
from aibridge_core.records import (
    Fact,
    InterceptionEnded,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    Record,
    TokenUsage,
    ToolUsage,
)

Fields = dict[str, Any]
_MILLISECOND = timedelta(milliseconds=1)


@frozen
class Whose:
    """What is repeated in each line of an interception, so that lines can be summed up without joining them."""

    start: InterceptionStart
    person: Fields
    exchange: Fields


def whose(start: InterceptionStart) -> Whose:
    """Made once for each interception."""
    person = {
        "username": start.initiator.username,
        "session_id": session_of(start),
        "provider_name": start.provider_name,
    }
    return Whose(start, person, {**person, "model": start.model, "client": start.client})


def session_of(start: InterceptionStart) -> str:
    """The session as it will be recorded; empty where only the database knows it: by the call that is answered."""
    return start.client_session_id or ("" if start.correlating_tool_call_id else start.id)


def start_fields(start: InterceptionStart, person: Fields) -> Fields:
    """Of a start."""
    return {
        "record_type": "interception_start",
        "interception_id": start.id,
        "initiator_id": start.initiator.id,
        "api_key_id": start.initiator.api_key_id,
        "provider": start.provider,
        "model": start.model,
        "client": start.client,
        "client_session_id": start.client_session_id or "",
        "started_at": timestamp(start.started_at),
        "metadata": dict(start.metadata),
        "correlating_tool_call_id": start.correlating_tool_call_id or "",
        **person,
        "streaming": start.streaming,
        "credential_kind": start.credential_kind.value,
        "credential_hint": start.credential_hint,
        "agent_firewall_session_id": start.firewall.session_id if start.firewall else "",
        "agent_firewall_sequence_number": start.firewall.sequence_number if start.firewall else None,
    }


def end_fields(ended: InterceptionEnded, of: Whose) -> Fields:
    """Of an end. The duration is never negative, since a wall clock may be set back in between."""
    return {
        "record_type": "interception_end",
        "interception_id": ended.id,
        "ended_at": timestamp(ended.ended_at),
        **of.exchange,
        "status": ended.status.value,
        "error_type": str(ended.error_type),
        "error_message": ended.error_message,
        "duration_ms": max(0, (ended.ended_at - of.start.started_at) // _MILLISECOND),
    }


def fact_fields(record: Record, of: Whose) -> Fields:
    """Of a fact."""
    return _OF_FACT[type(record.fact)](record, record.fact, of)


def _prompt(record: Record, fact: PromptUsage, of: Whose) -> Fields:
    return {
        "record_type": "prompt_usage",
        "interception_id": record.interception_id,
        "msg_id": fact.response_id,
        "prompt": fact.prompt,
        "created_at": timestamp(record.created_at),
        "metadata": dict(fact.metadata),
        **of.exchange,
    }


def _tokens(record: Record, fact: TokenUsage, of: Whose) -> Fields:
    return {
        "record_type": "token_usage",
        "interception_id": record.interception_id,
        "msg_id": fact.response_id,
        "input_tokens": fact.input_tokens,
        "output_tokens": fact.output_tokens,
        "cache_read_input_tokens": fact.cache_read_input_tokens,
        "cache_write_input_tokens": fact.cache_write_input_tokens,
        "created_at": timestamp(record.created_at),
        "metadata": {**fact.metadata, **fact.extra},
        **of.exchange,
        "response_model": fact.model,
    }


def _tool(record: Record, fact: ToolUsage, of: Whose) -> Fields:
    return {
        "record_type": "tool_usage",
        "interception_id": record.interception_id,
        "msg_id": fact.response_id,
        "tool_call_id": fact.tool_call_id,
        "tool": fact.tool,
        "input": fact.arguments,
        "server_url": fact.server_url,
        "injected": fact.injected,
        "invocation_error": fact.invocation_error,
        "created_at": timestamp(record.created_at),
        "metadata": dict(fact.metadata),
        "item_id": fact.item_id,
        **of.exchange,
    }


def _thought(record: Record, fact: ModelThought, of: Whose) -> Fields:
    return {
        "record_type": "model_thought",
        "interception_id": record.interception_id,
        "content": fact.content,
        "created_at": timestamp(record.created_at),
        "metadata": dict(fact.metadata),
        **of.exchange,
        "msg_id": fact.response_id,
    }


_OF_FACT: Mapping[type[Fact], Callable[[Record, Any, Whose], Fields]] = {
    PromptUsage: _prompt,
    TokenUsage: _tokens,
    ToolUsage: _tool,
    ModelThought: _thought,
}
