"""Where each client says which session a request belongs to: a table by client label, sources in order.

Belongs here: the places that clients use. Never: guesses; a client without a row has no session of its own.
"""

from collections.abc import Callable, Mapping

import msgspec

from aibridge_core.wire import Headers, header

MAX_SESSION_ID = 256
"""Longest session id that is kept, in characters; a longer one can't be told from an attack and is dropped."""

Source = Callable[[Headers, str | None], str | None]
"""Headers and the body's session hint in, an id (perhaps blank) or None out."""


def _from_header(name: bytes) -> Source:
    return lambda headers, _hint: header(headers, name)


def _from_hint(_headers: Headers, hint: str | None) -> str | None:
    return hint


def _kilo_session(headers: Headers, _hint: str | None) -> str | None:
    """`x-session-id`; the request for a session's title marks it with a word in front."""
    return (header(headers, b"x-session-id") or "").strip().removeprefix("title-")


def claude_session(user_id: str | None) -> str | None:
    """Claude Code's session inside `metadata.user_id`; None if the text isn't of one of its two forms.

    Newer releases put a JSON text with `session_id` there, older ones `user_..._account_..._session_<id>`.
    """
    if not user_id:
        return None
    if user_id.startswith("{"):
        try:
            session = msgspec.json.decode(user_id).get("session_id")
        except (msgspec.DecodeError, RecursionError):
            return None
        return session if isinstance(session, str) else None
    _, mark, session = user_id.rpartition("_session_")
    return session if mark else None


SOURCES: Mapping[str, tuple[Source, ...]] = {
    "Claude Code": (_from_header(b"x-claude-code-session-id"), lambda _headers, hint: claude_session(hint)),
    "Codex": (_from_header(b"session-id"), _from_header(b"session_id"), _from_hint),
    "Mux": (_from_header(b"x-mux-workspace-id"),),
    "GitHub Copilot (VS Code)": (_from_header(b"x-interaction-id"),),
    # With a provider of one's own there is no header; the cache key is one for each session, also when it is resumed.
    "GitHub Copilot (CLI)": (_from_header(b"x-client-session-id"), _from_hint),
    "Kilo Code": (_from_header(b"x-kilocode-taskid"), _kilo_session),
    "Coder Agents": (_from_header(b"x-coder-chat-id"),),
    "OpenCode": (
        _from_header(b"x-opencode-session"),
        _from_header(b"x-session-affinity"),
        _from_header(b"x-session-id"),
    ),
    "Kimi Code": (_from_hint,),
    "Qwen Code": (_from_hint,),
    "Factory Droid": (_from_hint,),
    "Mistral Vibe": (_from_header(b"x-affinity"),),
    "Cline": (_from_header(b"x-task-id"),),
    # An agent on top of it that shows only the SDK, such as Pi. Nobody sends this header for anything else.
    "OpenAI SDK": (_from_header(b"session_id"),),
}


def session_id(client: str, headers: Headers, hint: str | None) -> str | None:
    """The client's own session id, trimmed; None if it has none."""
    for source in SOURCES.get(client, ()):
        found = (source(headers, hint) or "").strip()
        if found:
            return found if len(found) <= MAX_SESSION_ID else None
    return None
