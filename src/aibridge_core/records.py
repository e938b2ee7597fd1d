"""What is kept of a request: one interception, and the facts that were read off its answer.

Belongs here: frozen values, shared by storage, logs, traces and metrics so that they can't disagree. Never: how
they are stored or serialised. Times are aware datetimes in UTC.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import Factory, frozen

from aibridge_core.actors import Actor, CredentialKind
from aibridge_core.boundaries import FirewallPlace

MAX_ERROR_MESSAGE = 1024
"""Longest error message that is recorded, in characters."""

INTERRUPTED_MESSAGE = "the gateway process ended before the answer did"
"""Error message of an interception that a later process found open; its error type is `unknown`."""

Metadata = Mapping[str, Any]
"""JSON-compatible values under text keys."""


class Status(StrEnum):
    """Where an interception stands. Every interception leaves `IN_FLIGHT` exactly once."""

    IN_FLIGHT = "in_flight"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """The client went away."""
    INTERRUPTED = "interrupted"
    """The gateway's process ended before the answer did."""


class ErrorType(StrEnum):
    """Why an interception failed. All but `CONNECTION_ERROR` and `INCOMPLETE` are the field's usual names."""

    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION_ERROR = "connection_error"
    """The provider was not reached, or the connection broke off."""
    INCOMPLETE = "incomplete"
    """The answer ended in good order, but without the event that ends an answer of this API."""
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class InterceptionStart:
    """Everything known before the upstream is called."""

    id: str
    initiator: Actor
    provider: str
    """Provider type, e.g. `anthropic`."""
    provider_name: str
    """Name of the configured instance."""
    model: str
    """As requested."""
    client: str
    """Label of `aibridge_core.clients`."""
    client_session_id: str | None = None
    user_agent: str = ""
    correlating_tool_call_id: str | None = None
    """Id of the tool call whose result this request carries; it links the request to the one that made the call."""
    credential_kind: CredentialKind
    credential_hint: str
    """Masked."""
    streaming: bool
    started_at: datetime
    metadata: Metadata = Factory(dict)
    firewall: FirewallPlace | None = None
    """Where the firewall around the client saw this request; None if the client says nothing of one."""


@frozen(kw_only=True)
class InterceptionEnded:
    """How it ended. The first end of an interception counts."""

    id: str
    ended_at: datetime
    status: Status
    error_type: str = ""
    error_message: str = ""
    """At most `MAX_ERROR_MESSAGE` characters."""
    credential_hint: str = ""
    """Of the key that was used last; empty leaves the one of the start."""


@frozen(kw_only=True)
class PromptUsage:
    """The last user prompt of the request."""

    response_id: str
    """The provider's id of the answer; empty if none was seen."""
    prompt: str
    metadata: Metadata = Factory(dict)


@frozen(kw_only=True)
class TokenUsage:
    """What the provider says one answer cost, in tokens. One for each upstream answer that reported usage."""

    response_id: str
    input_tokens: int
    """Without cached ones."""
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    extra: Mapping[str, int] = Factory(dict)
    """Further kinds of tokens, or counts of billed server tools, by name; not part of the four above."""
    model: str = ""
    """As the provider names it in the answer."""
    metadata: Metadata = Factory(dict)
    """E.g. `service_tier`; `partial: true` when the answer broke off before its final count."""


@frozen(kw_only=True)
class ToolUsage:
    """A tool call that the model made."""

    response_id: str
    tool: str
    tool_call_id: str = ""
    item_id: str = ""
    """Item id of the Responses API."""
    arguments: str = ""
    """The source text of the arguments, complete JSON or, if the answer broke off, as much of it as came."""
    injected: bool = False
    server_url: str = ""
    invocation_error: str = ""
    metadata: Metadata = Factory(dict)


@frozen(kw_only=True)
class ModelThought:
    """Reasoning that the model showed.

    `metadata["source"]`: `thinking`, `reasoning_summary`, `commentary`, or `reasoning` where a provider of an
    OpenAI-compatible API shows it as it is.
    """

    response_id: str
    content: str
    metadata: Metadata = Factory(dict)


Fact = PromptUsage | TokenUsage | ToolUsage | ModelThought
"""What a dialect reads off an exchange; it knows neither ids nor the time."""


@frozen(kw_only=True)
class Record:
    """A fact, stamped. Writing one twice keeps it once: `id` decides."""

    id: str
    interception_id: str
    created_at: datetime
    fact: Fact


@frozen(kw_only=True)
class Interception:
    """An interception as it is read back."""

    start: InterceptionStart
    session_id: str
    """The client's session id, else the thread's root, else the interception's own id."""
    thread_parent_id: str | None = None
    thread_root_id: str | None = None
    """None for the root itself."""
    status: Status
    ended_at: datetime | None = None
    error_type: str = ""
    error_message: str = ""
    records: Sequence[Record] = ()
    """Ordered by `created_at`, then `id`."""


@frozen(kw_only=True)
class InterceptionFilter:
    """Which interceptions to read. None means any; times are inclusive at both ends."""

    initiator_id: str | None = None
    provider: str | None = None
    provider_name: str | None = None
    model: str | None = None
    client: str | None = None
    status: Status | None = None
    session_id: str | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None


@frozen(kw_only=True)
class Page:
    """A part of a list. `after_id` and `offset` exclude each other."""

    limit: int = 100
    offset: int = 0
    after_id: str | None = None
