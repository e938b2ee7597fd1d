"""Each client's own session id is taken from where that client puts it."""

import pytest

from aibridge_core.sessions import claude_session, session_id

OLD = "user_abc_account_456_session_f47ac10b-58cc"


@pytest.mark.parametrize(
    ("client", "headers", "hint", "expected"),
    [
        ("Claude Code", {"x-claude-code-session-id": "aabb"}, OLD, "aabb"),
        ("Claude Code", {"x-claude-code-session-id": "  "}, OLD, "f47ac10b-58cc"),
        ("Claude Code", {}, '{"device_id":"d","account_uuid":"","session_id":"s-1"}', "s-1"),
        ("Claude Code", {}, '{"device_id":"d","session_id":""}', None),
        ("Claude Code", {}, "user_abc_account_456", None),
        ("Claude Code", {}, None, None),
        ("Codex", {"session-id": "a", "session_id": "b"}, "c", "a"),
        ("Codex", {"session-id": " ", "session_id": "  b  "}, "c", "b"),
        ("Codex", {}, "c", "c"),
        ("Mux", {"x-mux-workspace-id": "w"}, None, "w"),
        ("GitHub Copilot (VS Code)", {"x-interaction-id": "i"}, None, "i"),
        ("GitHub Copilot (CLI)", {"x-client-session-id": "c"}, "key", "c"),
        ("GitHub Copilot (CLI)", {}, "6171295705684f6f6bda74fd92052db4", "6171295705684f6f6bda74fd92052db4"),
        ("GitHub Copilot (CLI)", {}, None, None),
        ("Kilo Code", {"x-kilocode-taskid": "t", "x-session-id": "s"}, None, "t"),
        ("Kilo Code", {"x-session-id": "s"}, None, "s"),
        ("Kilo Code", {"x-session-id": "title-ses_dfd306ba9ffeH8nN1TB73z0Xjx"}, None, "ses_dfd306ba9ffeH8nN1TB73z0Xjx"),
        ("Coder Agents", {"x-coder-chat-id": "c"}, None, "c"),
        ("OpenCode", {"x-opencode-session": "o", "x-session-affinity": "a"}, None, "o"),
        ("OpenCode", {"x-session-affinity": "a"}, None, "a"),
        ("Kimi Code", {}, "session_1", "session_1"),
        ("Qwen Code", {}, "qwen-code:1", "qwen-code:1"),
        ("Factory Droid", {}, "d", "d"),
        ("Mistral Vibe", {"x-affinity": "bf39ee82-ef99"}, None, "bf39ee82-ef99"),
        ("Cline", {"x-task-id": "t"}, None, "t"),
        ("OpenAI SDK", {"session_id": "01a202be-fce6", "x-client-request-id": "01a202be-fce6"}, "k", "01a202be-fce6"),
        ("OpenAI SDK", {"x-client-request-id": "r"}, "k", None),
        ("Charm Crush", {"session_id": "s"}, "k", None),
        ("Unknown", {"session_id": "s", "x-session-id": "x"}, "k", None),
    ],
)
def test_sources(client: str, headers: dict[str, str], hint: str | None, expected: str | None) -> None:
    """The first source that isn't blank counts, trimmed; clients without a row have none."""
    raw = tuple((name.encode(), value.encode()) for name, value in headers.items())
    assert session_id(client, raw, hint) == expected


def test_overlong_ids_are_dropped() -> None:
    """A cut id could join two sessions, so none is better."""
    assert session_id("Factory Droid", (), "x" * 256) == "x" * 256
    assert session_id("Factory Droid", (), "x" * 257) is None


@pytest.mark.parametrize("text", ["{", "{}", '{"session_id": 5}', "[1]", '{"session_id": null}', "", None, "{" * 5000])
def test_odd_user_ids_have_no_session(text: str | None) -> None:
    """Nothing that a client puts there is refused."""
    assert claude_session(text) is None
