"""Values to rows and back.

Belongs here: which column holds what, and how times and metadata are written. Never: statements.

Truth is written as 1 or 0: of each value that is no text and no number, Python's sqlite3 looks for an adapter.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from attrs import frozen

from aibridge_core.actors import Actor, CredentialKind, Role
from aibridge_core.boundaries import FirewallPlace
from aibridge_core.records import (
    Fact,
    Interception,
    InterceptionEnded,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    Record,
    Status,
    TokenUsage,
    ToolUsage,
)
from aibridge_core.tool_credentials import ToolCredential

Row = tuple[Any, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Microseconds since the Unix epoch. Raises TypeError for a time without a zone."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment_of(microseconds: int) -> datetime:
    """The other way; in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def maybe_moment_of(microseconds: int | None) -> datetime | None:
    """The same for a column that may be NULL."""
    return None if microseconds is None else moment_of(microseconds)


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode() if value else "{}"


def _mapping(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any]) if text != "{}" else {}


START_COLUMNS = (
    "id", "initiator_id", "initiator_username", "initiator_name", "initiator_role", "api_key_id", "provider",
    "provider_name", "model", "client", "client_session_id", "correlating_tool_call_id", "user_agent",
    "credential_kind", "credential_hint", "streaming", "started_at", "metadata", "agent_firewall_session_id",
    "agent_firewall_sequence_number",
)  # fmt: skip
"""What a start says, in the order of `start_row`."""

READ_COLUMNS = (
    *START_COLUMNS,
    "session_id", "thread_parent_id", "thread_root_id", "status", "ended_at", "error_type", "error_message",
)  # fmt: skip
"""What is read of an interception, in the order that `interception_of` takes."""

_STARTS = len(START_COLUMNS)

END_COLUMNS = ("id", "status", "ended_at", "error_type", "error_message", "credential_hint")
"""What an end says, in the order of `end_row`."""


def start_row(start: InterceptionStart) -> Row:
    """In the order of START_COLUMNS."""
    who, firewall = start.initiator, start.firewall
    return (
        start.id, who.id, who.username, who.name, who.role._value_, who.api_key_id, start.provider,
        start.provider_name, start.model, start.client, start.client_session_id, start.correlating_tool_call_id,
        start.user_agent, start.credential_kind._value_, start.credential_hint, int(start.streaming),
        micros(start.started_at), _json(start.metadata), firewall.session_id if firewall else None,
        firewall.sequence_number if firewall else None,
    )  # fmt: skip


def end_row(ended: InterceptionEnded) -> Row:
    """In the order of END_COLUMNS."""
    return (
        ended.id, ended.status._value_, micros(ended.ended_at), str(ended.error_type), ended.error_message,
        ended.credential_hint,
    )  # fmt: skip


def interception_of(row: Row) -> Interception:
    """From READ_COLUMNS, without records."""
    session_id, thread_parent_id, thread_root_id, status, ended_at, error_type, error_message = row[_STARTS:]
    return Interception(
        start=_start_of(row[:_STARTS]),
        session_id=session_id,
        thread_parent_id=thread_parent_id,
        thread_root_id=thread_root_id,
        status=Status(status),
        ended_at=maybe_moment_of(ended_at),
        error_type=error_type,
        error_message=error_message,
    )


def _start_of(row: Row) -> InterceptionStart:
    return InterceptionStart(
        id=row[0],
        initiator=Actor(id=row[1], username=row[2], name=row[3], role=Role(row[4]), api_key_id=row[5]),
        provider=row[6],
        provider_name=row[7],
        model=row[8],
        client=row[9],
        client_session_id=row[10],
        correlating_tool_call_id=row[11],
        user_agent=row[12],
        credential_kind=CredentialKind(row[13]),
        credential_hint=row[14],
        streaming=bool(row[15]),
        started_at=moment_of(row[16]),
        metadata=_mapping(row[17]),
        firewall=None if row[18] is None else FirewallPlace(session_id=row[18], sequence_number=row[19]),
    )


CREDENTIAL_COLUMNS = (
    "user_id", "server", "id", "sealed", "created_at", "expires_at", "renewable", "claimed_until", "revision",
)  # fmt: skip
"""What is kept of a sealed credential, in the order of `credential_row`."""


def credential_row(credential: ToolCredential) -> Row:
    """In the order of CREDENTIAL_COLUMNS."""
    return (
        credential.user_id, credential.server, credential.id, credential.sealed, micros(credential.created_at),
        _maybe_micros(credential.expires_at), credential.renewable, _maybe_micros(credential.claimed_until),
        credential.revision,
    )  # fmt: skip


def credential_of(row: Row) -> ToolCredential:
    """From CREDENTIAL_COLUMNS."""
    return ToolCredential(
        user_id=row[0],
        server=row[1],
        id=row[2],
        sealed=bytes(row[3]),
        created_at=moment_of(row[4]),
        expires_at=maybe_moment_of(row[5]),
        renewable=bool(row[6]),
        claimed_until=maybe_moment_of(row[7]),
        revision=row[8],
    )


def _maybe_micros(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


@frozen(kw_only=True)
class RecordTable:
    """Where one kind of fact is kept. Every table also has `interception_id`, `id` and `created_at`, in front."""

    name: str
    columns: tuple[str, ...]
    """Of the fact alone."""
    row: Callable[[Record, Any], Row]
    """Of a record and its fact, in the order of `all_columns`: in one piece, as putting two together is dearer."""
    fact: Callable[[Row], Fact]
    """From the columns of the fact alone."""

    @property
    def all_columns(self) -> tuple[str, ...]:
        """In the order of `record_row`."""
        return ("interception_id", "id", "created_at", *self.columns)


def record_row(record: Record) -> Row:
    """In the order of its table's `all_columns`."""
    fact = record.fact
    return RECORD_TABLES[type(fact)].row(record, fact)


def record_of(table: RecordTable, row: Row) -> Record:
    """The other way."""
    return Record(interception_id=row[0], id=row[1], created_at=moment_of(row[2]), fact=table.fact(row[3:]))


RECORD_TABLES: Mapping[type[Fact], RecordTable] = {
    PromptUsage: RecordTable(
        name="user_prompts",
        columns=("provider_response_id", "prompt", "metadata"),
        row=lambda record, fact: (
            record.interception_id, record.id, micros(record.created_at), fact.response_id, fact.prompt,
            _json(fact.metadata),
        ),
        fact=lambda row: PromptUsage(response_id=row[0], prompt=row[1], metadata=_mapping(row[2])),
    ),
    TokenUsage: RecordTable(
        name="token_usages",
        columns=(
            "provider_response_id", "provider_model", "input_tokens", "output_tokens", "cache_read_input_tokens",
            "cache_write_input_tokens", "extra", "metadata",
        ),
        row=lambda record, fact: (
            record.interception_id, record.id, micros(record.created_at), fact.response_id, fact.model,
            fact.input_tokens, fact.output_tokens, fact.cache_read_input_tokens, fact.cache_write_input_tokens,
            _json(fact.extra), _json(fact.metadata),
        ),
        fact=lambda row: TokenUsage(
            response_id=row[0], model=row[1], input_tokens=row[2], output_tokens=row[3], cache_read_input_tokens=row[4],
            cache_write_input_tokens=row[5], extra=_mapping(row[6]), metadata=_mapping(row[7]),
        ),
    ),
    ToolUsage: RecordTable(
        name="tool_usages",
        columns=(
            "provider_response_id", "tool", "provider_tool_call_id", "provider_item_id", "input", "injected",
            "server_url", "invocation_error", "metadata",
        ),
        row=lambda record, fact: (
            record.interception_id, record.id, micros(record.created_at), fact.response_id, fact.tool,
            fact.tool_call_id, fact.item_id, fact.arguments, int(fact.injected), fact.server_url,
            fact.invocation_error, _json(fact.metadata),
        ),
        fact=lambda row: ToolUsage(
            response_id=row[0], tool=row[1], tool_call_id=row[2], item_id=row[3], arguments=row[4],
            injected=bool(row[5]), server_url=row[6], invocation_error=row[7], metadata=_mapping(row[8]),
        ),
    ),
    ModelThought: RecordTable(
        name="model_thoughts",
        columns=("provider_response_id", "content", "metadata"),
        row=lambda record, fact: (
            record.interception_id, record.id, micros(record.created_at), fact.response_id, fact.content,
            _json(fact.metadata),
        ),
        fact=lambda row: ModelThought(response_id=row[0], content=row[1], metadata=_mapping(row[2])),
    ),
}  # fmt: skip
