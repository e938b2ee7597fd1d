"""A client is known by how it shows itself; where the user agent misleads, by two signals."""

import pytest

from aibridge_core.clients import RULES, Signals, classify

COPILOT = "GitHub Copilot (CLI)"
SESSION = {"x-claude-code-session-id": "7c9e"}


def label(agent: str | None = None, hint: str | None = None, **headers: str) -> str:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if agent is not None:
        sent["user-agent"] = agent
    raw = tuple((name.encode(), value.encode()) for name, value in sent.items())
    return classify(Signals(headers=raw, session_hint=hint))


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("mux/0.19.0-next.2 ai-sdk/openai/3.0.36", "Mux"),
        ("xum/1.0", "Mux"),
        ("codex_cli_rs/0.87.0 (Mac OS 26.2.0; arm64)", "Codex"),
        ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb", "Codex"),
        ("Zed/0.219.4+stable.119.abc123 (macos; aarch64)", "Zed"),
        ("GitHubCopilotChat/0.37.2026011603", "GitHub Copilot (VS Code)"),
        ("copilot/0.0.403 (client/cli linux v24.11.1)", "GitHub Copilot (CLI)"),
        ("kilo-code/5.1.0 (darwin 25.2.0; arm64)", "Kilo Code"),
        ("Kilo-Code/7.7.9 ai-sdk/provider-utils/4.0.27", "Kilo Code"),
        ("kilo/latest/7.7.9/cli ai-sdk/provider-utils/4.0.27", "Kilo Code"),
        ("roo-code/3.45.0", "Roo Code"),
        ("RooCode/3.53.0", "Roo Code"),
        ("Cline/3.0.47", "Cline"),
        ("coder-agents/v2.24.0 (linux/amd64)", "Coder Agents"),
        ("Charm Crush/0.1.11", "Charm Crush"),
        ("charm-crush/0.2.0", "Charm Crush"),
        ("opencode/1.18.33 ai-sdk/provider-utils/4.0.46", "OpenCode"),
        ("Junie:1.2", "Junie"),
        ("QwenCode/0.24.4 (linux; x64)", "Qwen Code"),
        ("kimi-code-cli/2.1.0", "Kimi Code"),
        ("GeminiCLI-tui/0.61.0/gemini-2.5-pro (linux; x64; terminal)", "Gemini CLI"),
        ("factory-cli/0.215.0", "Factory Droid"),
        ("litellm/1.81.10", "LiteLLM"),
        ("langchain-anthropic/1.7.7", "LangChain"),
        ("Agents/Python 0.24.0", "OpenAI Agents"),
        ("pydantic-ai/2.68.0", "Pydantic AI"),
        ("Anthropic/Python 2.12.0", "Anthropic SDK"),
        ("AsyncAnthropic/Python 0.125.0", "Anthropic SDK"),
        ("AnthropicBedrock/JS 0.30.0", "Anthropic SDK"),
        ("AnthropicClientImpl/Java 2.11.1", "Anthropic SDK"),
        ("anthropic-proxy/Python 1.0", "Unknown"),
        ("AnthropicProxy/1.0", "Unknown"),
        ("OpenAI/JS 6.26.0", "OpenAI SDK"),
        ("AsyncOpenAI/Python 2.54.0", "OpenAI SDK"),
        ("AsyncAzureOpenAI/Python 3.54.0", "OpenAI SDK"),
        ("OpenAI::Client/Ruby 0.40.0", "OpenAI SDK"),
        ("openai-proxy/1.0", "Unknown"),
        ("node-fetch", "Unknown"),
        ("ccclaude-cli/not-a-prefix", "Unknown"),
        ("", "Unknown"),
        (None, "Unknown"),
    ],
)
def test_user_agents(agent: str | None, expected: str) -> None:
    """The beginning of the user agent decides, in any case of letters."""
    assert label(agent) == expected


def test_claude_code_shows_a_session() -> None:
    """By header, or inside metadata.user_id in either of its forms."""
    agent = "claude-cli/2.1.330 (external, cli)"
    assert label(agent, x_claude_code_session_id="7c9e") == "Claude Code"
    assert label(agent, hint="user_1_account__session_7c9e") == "Claude Code"
    assert label(agent, hint='{"device_id":"d","session_id":"7c9e"}') == "Claude Code"
    assert label(agent.upper(), x_claude_code_session_id="7c9e") == "Claude Code"


def test_borrowed_claude_user_agents_are_not_claude_code() -> None:
    """Qwen Code's Anthropic mode calls itself claude-cli 0.x; others that do so stay unknown."""
    assert label("claude-cli/0.24.4 (external, cli)", x_app="cli") == "Qwen Code"
    assert label("claude-cli/2.1.330 (external, cli)", x_app="cli") == "Unknown"
    assert label("claude-cli/2.1.330 (external, cli)", x_claude_code_session_id=" ") == "Unknown"


def test_headers_where_the_user_agent_says_nothing() -> None:
    """Originator and Cursor's version header."""
    assert label(originator="kilo-code") == "Kilo Code"
    assert label(originator="Roo-Code") == "Roo Code"
    assert label(x_cursor_client_version="abc123") == "Cursor"


def test_copilot_is_copilot_in_every_turn() -> None:
    """Only what a user typed comes with an interaction type; what the agent goes on with says so in one header."""
    assert label("Anthropic/JS 0.94.0", x_initiator="user", x_interaction_type="conversation-user") == COPILOT
    assert label("Anthropic/JS 0.94.0", x_initiator="agent") == COPILOT
    assert label("OpenAI/JS 5.20.1", x_initiator="agent") == COPILOT
    assert label("OpenAI/JS 5.20.1", x_initiator="cron") == "OpenAI SDK"


def test_titles_where_the_user_agent_is_another_clients() -> None:
    """Kilo Code's Responses mode shows OpenCode's user agent and originator, and its own title."""
    agent = "opencode/7.7.9 (linux 6.18.44; x64) ai-sdk/provider-utils/4.0.40 runtime/bun/1.3.14"
    assert label(agent, originator="opencode", http_referer="https://kilocode.ai", x_title="Kilo Code") == "Kilo Code"
    assert label(agent, originator="opencode") == "OpenCode"
    assert label("OpenAI/JS 5.12.2", http_referer="https://cline.bot", x_title="Cline") == "Cline"
    assert label("OpenAI/JS 5.12.2", x_title="Roo Code") == "Roo Code"
    assert label("OpenAI/JS 5.12.2", x_title="My notes") == "OpenAI SDK"


def test_vibe_shows_its_http_library() -> None:
    """Mistral Vibe with a backend that isn't Mistral's; a script with the same library is nobody that is known."""
    assert label("python-httpx/0.28.1", x_affinity="bf39ee82-ef99-6d9b-3897-f44f0f87d045") == "Mistral Vibe"
    assert label("python-httpx/0.28.1") == "Unknown"


@pytest.mark.parametrize(
    "agent", ["ls/JS 5.23.2", "node-fetch", "ai-sdk/openai/4.0.47 runtime/bun/1.3.13", "ai/6.0.326"]
)
def test_what_many_agents_send_names_none(agent: str) -> None:
    """Toolkits, HTTP libraries, and names that a bundler has shortened, whatever headers go with them."""
    assert label(agent, x_stainless_package_version="5.23.2", anthropic_version="2023-06-01") == "Unknown"


def test_every_rule_gives_its_reason() -> None:
    """The table explains itself."""
    assert all(rule.why and rule.label for rule in RULES)
