"""The JSON that the REST API answers with, one struct per object; the OpenAPI document is derived from these.

Belongs here: field names, types and what they mean to a reader of the API. Never: where the values come from
(`presenting.py`). Fields are added, never renamed or removed: other programs read them.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Time = Annotated[str, Meta(description="RFC 3339, UTC, with microseconds.", extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]
ResponseId = Annotated[str, Meta(description="The provider's id of the answer; empty if none was seen.")]
Metadata = Annotated[dict[str, Any], Meta(description="Further facts by name.")]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all: immutable, built by name."""


class Initiator(Shape, frozen=True, kw_only=True):
    """The person or service that sent the request."""

    id: str
    username: str
    name: str
    avatar_url: Annotated[str, Meta(description="Always empty; kept for clients that expect it.")] = ""


class TokenUsage(Shape, frozen=True, kw_only=True):
    """What the provider says one answer cost, in tokens."""

    id: Id
    interception_id: Id
    provider_response_id: ResponseId
    model: Annotated[str, Meta(description="As the provider names it in the answer; empty if it didn't.")]
    input_tokens: Annotated[int, Meta(ge=0, description="Without cached ones.")]
    output_tokens: Count
    cache_read_input_tokens: Count
    cache_write_input_tokens: Count
    metadata: Annotated[
        dict[str, Any],
        Meta(description="Further kinds of tokens by name; `partial` if the answer broke off before its final count."),
    ]
    created_at: Time


class UserPrompt(Shape, frozen=True, kw_only=True):
    """The last user prompt of the request."""

    id: Id
    interception_id: Id
    provider_response_id: ResponseId
    prompt: str
    metadata: Metadata
    created_at: Time


class ToolUsage(Shape, frozen=True, kw_only=True):
    """A tool call that the model made."""

    id: Id
    interception_id: Id
    provider_response_id: ResponseId
    tool: str
    tool_call_id: str
    item_id: Annotated[str, Meta(description="Item id of the Responses API, else empty.")]
    input: Annotated[str, Meta(description="Source text of the arguments; cut off if the answer broke off.")]
    injected: Annotated[bool, Meta(description="Whether the gateway injected the tool and ran it.")]
    server_url: Annotated[str, Meta(description="MCP server of an injected tool, else empty.")]
    invocation_error: Annotated[str, Meta(description="Why an injected tool's call failed, else empty.")]
    metadata: Metadata
    created_at: Time


class ModelThought(Shape, frozen=True, kw_only=True):
    """Reasoning that the model showed; `metadata.source` says of which kind."""

    id: Id
    interception_id: Id
    provider_response_id: ResponseId
    content: str
    metadata: Metadata
    created_at: Time


class Interception(Shape, frozen=True, kw_only=True):
    """One request of a client, and what was read off its answer."""

    id: Id
    initiator: Initiator
    api_key_id: Annotated[str | None, Meta(description="Public id of the gateway token that was used.")]
    provider: Annotated[str, Meta(description="Provider type.")]
    provider_name: Annotated[str, Meta(description="Name of the configured provider.")]
    model: Annotated[str, Meta(description="As requested.")]
    client: Annotated[str | None, Meta(description="The program that sent the request.")]
    client_session_id: Annotated[str | None, Meta(description="As the client named its session.")]
    session_id: Annotated[str, Meta(description="`client_session_id`, else `thread_root_id`, else `id`.")]
    thread_parent_id: Annotated[Id | None, Meta(description="The interception whose tool call this one answers.")]
    thread_root_id: Annotated[Id | None, Meta(description="First interception of the thread; null for that one.")]
    status: Annotated[
        str,
        Meta(
            description="`cancelled`: the client went away. `interrupted`: the gateway's process ended first.",
            extra_json_schema={"enum": ["in_flight", "completed", "failed", "cancelled", "interrupted"]},
        ),
    ]
    error_type: Annotated[str, Meta(description="Why it did not complete; empty if it did.")]
    error_message: Annotated[str, Meta(max_length=1024, description="As `error_type`, in words.")]
    credential_kind: Annotated[
        str,
        Meta(
            description="`byok`: the user's own upstream credential.",
            extra_json_schema={"enum": ["centralized", "byok"]},
        ),
    ]
    credential_hint: Annotated[
        str, Meta(max_length=15, description="The masked upstream credential; empty if there was none.")
    ]
    streaming: bool
    started_at: Time
    ended_at: Annotated[Time | None, Meta(description="Null while it is in flight.")]
    duration_ms: Annotated[Count | None, Meta(description="From start to end, in milliseconds.")]
    metadata: Annotated[
        dict[str, Any], Meta(description="Further facts by name, e.g. `request_user_agent` as the client sent it.")
    ]
    agent_firewall_session_id: Annotated[
        Id | None, Meta(description="Session of the firewall around the client; null without one.")
    ]
    agent_firewall_sequence_number: Annotated[Count | None, Meta(description="The request's place in that session.")]
    token_usages: list[TokenUsage]
    user_prompts: list[UserPrompt]
    tool_usages: list[ToolUsage]
    model_thoughts: list[ModelThought]


class NetworkCall(Shape, frozen=True, kw_only=True):
    """A call that an agent made, or tried to make, through its firewall."""

    agent_firewall_session_id: Id
    sequence_number: Count
    made_at: Time
    allowed: Annotated[bool, Meta(description="False: the firewall stopped it.")]
    method: str
    url: Annotated[str, Meta(description="Without credentials.")]
    matched_rule: Annotated[str, Meta(description="The rule that allowed it; empty if none did, or none was named.")]
    process: Annotated[str, Meta(description="The program behind the firewall; empty if unknown.")]
    metadata: Metadata


class InterceptionInFull(Interception, frozen=True, kw_only=True):
    """One interception, and what its agent did next."""

    network_calls: Annotated[
        list[NetworkCall] | None,
        Meta(
            description="Calls between this request and the user's next one in its firewall session, the first 1000."
            " Null without a firewall, and for members."
        ),
    ]


class NetworkCalls(Shape, frozen=True, kw_only=True):
    """A part of the calls of a firewall session, by sequence number."""

    results: list[NetworkCall]


class ImportedCalls(Shape, frozen=True, kw_only=True):
    """What became of the lines of an audit log."""

    new: Annotated[int, Meta(ge=0, description="Calls that were kept.")]
    known: Annotated[int, Meta(ge=0, description="Calls that were there already.")]
    skipped: Annotated[int, Meta(ge=0, description="Lines about something else.")]


class InterceptionPage(Shape, frozen=True, kw_only=True):
    """A part of the list of interceptions, newest first."""

    count: Annotated[int, Meta(ge=0, description="All matches, whatever `limit`, `offset` and `after_id` say.")]
    results: list[Interception]


class CurrentUser(Shape, frozen=True, kw_only=True):
    """Whose token was sent."""

    id: str
    username: str
    name: str
    avatar_url: Annotated[str, Meta(description="Always empty; kept for clients that expect it.")] = ""
    role: Annotated[
        str,
        Meta(
            description="Members read their own interceptions, auditors and admins everybody's.",
            extra_json_schema={"enum": ["member", "auditor", "admin"]},
        ),
    ]
    api_key_id: Annotated[str | None, Meta(description="Public id of the gateway token that was used.")]


class Reloaded(Shape, frozen=True, kw_only=True):
    """Providers by name, after their configuration was read again."""

    providers: Annotated[list[str], Meta(description="All that are in force now.")]
    added: list[str]
    changed: Annotated[list[str], Meta(description="Those whose address, type or keys are others now.")]
    removed: list[str]
    needs_restart: Annotated[
        list[str], Meta(description="Other settings that changed; they take effect at the next start.")
    ]


class Validation(Shape, frozen=True, kw_only=True):
    """What is wrong with one parameter."""

    field: str
    detail: str


class Error(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """Every answer that isn't a success."""

    message: str
    detail: str = ""
    validations: list[Validation] = []
