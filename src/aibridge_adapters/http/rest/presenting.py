"""Turns the core's values into the API's shapes.

Belongs here: which value stands in which field, and what is masked on its way out. Never: HTTP, queries, or the
decision who may see what.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from aibridge_adapters.http.rest import shapes
from aibridge_core.actors import Actor
from aibridge_core.boundaries import NetworkCall
from aibridge_core.records import (
    Interception,
    ModelThought,
    PromptUsage,
    Record,
    TokenUsage,
    ToolUsage,
)

MAX_HINT = 15
"""Longest masked credential, in characters: a longer one isn't masked."""


def present_interception(interception: Interception) -> shapes.Interception:
    """An interception with all its records."""
    start, firewall = interception.start, interception.start.firewall
    facts = _Facts(interception)
    return shapes.Interception(
        id=start.id,
        initiator=shapes.Initiator(id=start.initiator.id, username=start.initiator.username, name=start.initiator.name),
        api_key_id=start.initiator.api_key_id or None,
        provider=start.provider,
        provider_name=start.provider_name,
        model=start.model,
        client=start.client or None,
        client_session_id=start.client_session_id or None,
        session_id=interception.session_id,
        thread_parent_id=interception.thread_parent_id,
        thread_root_id=interception.thread_root_id,
        status=interception.status.value,
        error_type=interception.error_type,
        error_message=interception.error_message,
        credential_kind=start.credential_kind.value,
        credential_hint=guard_hint(start.credential_hint),
        streaming=start.streaming,
        started_at=timestamp(start.started_at),
        ended_at=timestamp(interception.ended_at) if interception.ended_at else None,
        duration_ms=_duration(interception),
        metadata=_with_user_agent(start.metadata, start.user_agent),
        agent_firewall_session_id=firewall.session_id if firewall else None,
        agent_firewall_sequence_number=firewall.sequence_number if firewall else None,
        token_usages=facts.tokens,
        user_prompts=facts.prompts,
        tool_usages=facts.tools,
        model_thoughts=facts.thoughts,
    )


def present_in_full(interception: Interception, calls: Sequence[NetworkCall] | None) -> shapes.InterceptionInFull:
    """The same, with the network calls that followed it."""
    plain = msgspec.structs.asdict(present_interception(interception))
    shown = None if calls is None else [present_network_call(call) for call in calls]
    return shapes.InterceptionInFull(**plain, network_calls=shown)


def present_network_call(call: NetworkCall) -> shapes.NetworkCall:
    """A call that went through a firewall, or did not."""
    return shapes.NetworkCall(
        agent_firewall_session_id=call.place.session_id,
        sequence_number=call.place.sequence_number,
        made_at=timestamp(call.made_at),
        allowed=call.allowed,
        method=call.method,
        url=call.url,
        matched_rule=call.matched_rule,
        process=call.process,
        metadata=dict(call.metadata),
    )


def present_user(actor: Actor) -> shapes.CurrentUser:
    """The actor behind a token, without the token."""
    return shapes.CurrentUser(
        id=actor.id,
        username=actor.username,
        name=actor.name,
        role=actor.role.value,
        api_key_id=actor.api_key_id or None,
    )


def guard_hint(hint: str) -> str:
    """A stored hint if it is surely masked, else `...`: the last barrier before a secret would be read out."""
    if not hint or (len(hint) <= MAX_HINT and "..." in hint):
        return hint
    return "..."


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds, so that texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _duration(interception: Interception) -> int | None:
    """Milliseconds, rounded down; never negative, since a wall clock may be set back in between."""
    if interception.ended_at is None:
        return None
    return max(0, (interception.ended_at - interception.start.started_at) // timedelta(milliseconds=1))


def _with_user_agent(metadata: Mapping[str, Any], user_agent: str) -> dict[str, Any]:
    return {**metadata, "request_user_agent": user_agent} if user_agent else dict(metadata)


class _Facts:
    """The records of an interception, sorted by kind; each list keeps the records' order."""

    def __init__(self, interception: Interception) -> None:
        self.tokens: list[shapes.TokenUsage] = []
        self.prompts: list[shapes.UserPrompt] = []
        self.tools: list[shapes.ToolUsage] = []
        self.thoughts: list[shapes.ModelThought] = []
        for record in interception.records:
            self._add(record)

    def _add(self, record: Record) -> None:
        match record.fact:
            case TokenUsage() as fact:
                self.tokens.append(_token_usage(record, fact))
            case PromptUsage() as fact:
                self.prompts.append(_user_prompt(record, fact))
            case ToolUsage() as fact:
                self.tools.append(_tool_usage(record, fact))
            case ModelThought() as fact:
                self.thoughts.append(_model_thought(record, fact))


def _token_usage(record: Record, fact: TokenUsage) -> shapes.TokenUsage:
    return shapes.TokenUsage(
        id=record.id,
        interception_id=record.interception_id,
        provider_response_id=fact.response_id,
        model=fact.model,
        input_tokens=fact.input_tokens,
        output_tokens=fact.output_tokens,
        cache_read_input_tokens=fact.cache_read_input_tokens,
        cache_write_input_tokens=fact.cache_write_input_tokens,
        metadata={**fact.metadata, **fact.extra},
        created_at=timestamp(record.created_at),
    )


def _user_prompt(record: Record, fact: PromptUsage) -> shapes.UserPrompt:
    return shapes.UserPrompt(
        id=record.id,
        interception_id=record.interception_id,
        provider_response_id=fact.response_id,
        prompt=fact.prompt,
        metadata=dict(fact.metadata),
        created_at=timestamp(record.created_at),
    )


def _tool_usage(record: Record, fact: ToolUsage) -> shapes.ToolUsage:
    return shapes.ToolUsage(
        id=record.id,
        interception_id=record.interception_id,
        provider_response_id=fact.response_id,
        tool=fact.tool,
        tool_call_id=fact.tool_call_id,
        item_id=fact.item_id,
        input=fact.arguments,
        injected=fact.injected,
        server_url=fact.server_url,
        invocation_error=fact.invocation_error,
        metadata=dict(fact.metadata),
        created_at=timestamp(record.created_at),
    )


def _model_thought(record: Record, fact: ModelThought) -> shapes.ModelThought:
    return shapes.ModelThought(
        id=record.id,
        interception_id=record.interception_id,
        provider_response_id=fact.response_id,
        content=fact.content,
        metadata=dict(fact.metadata),
        created_at=timestamp(record.created_at),
    )
