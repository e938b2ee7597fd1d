"""Which program sent a request: an ordered table of rules, the first that fits wins.

Belongs here: how clients show themselves. Never: what follows from it. A user agent alone decides only where it
doesn't mislead; a rule may ask for a second signal.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from attrs import frozen

from aibridge_core.sessions import claude_session
from aibridge_core.wire import Headers, header

UNKNOWN = "Unknown"


@frozen(kw_only=True)
class Signals:
    """What a request shows of its sender."""

    headers: Headers
    session_hint: str | None = None
    """See `aibridge_core.dialects.api.RequestView`."""

    @property
    def user_agent(self) -> str:
        """Lower-case; empty if there is none."""
        return (header(self.headers, b"user-agent") or "").lower()

    def has(self, name: bytes) -> bool:
        """Whether this header is there and not blank."""
        return bool(header(self.headers, name))


@frozen(kw_only=True)
class ClientRule:
    """One row: what the user agent begins with, and what else must hold."""

    label: str
    agents: tuple[str, ...] = ("",)
    """Lower-case beginnings of the user agent, any of them."""
    when: Callable[[Signals], bool] = lambda _: True
    why: str


def _claude_signal(signals: Signals) -> bool:
    return signals.has(b"x-claude-code-session-id") or claude_session(signals.session_hint) is not None


def _originator(name: str) -> Callable[[Signals], bool]:
    return lambda signals: (header(signals.headers, b"originator") or "").lower() == name


def _titled(name: str) -> Callable[[Signals], bool]:
    """`X-Title`: how a client wants to be called in the lists of providers that sell many models."""
    return lambda signals: (header(signals.headers, b"x-title") or "").strip().lower() == name


def _copilot_turn(signals: Signals) -> bool:
    return (header(signals.headers, b"x-initiator") or "").lower() in ("user", "agent")


_CLIENT_CLASS = re.compile(r"[a-z:]+/(?:python|js|go|java|ruby) ")
"""How the vendors' SDKs call themselves in each language: by the class of the client."""


def _client_class(signals: Signals) -> bool:
    return _CLIENT_CLASS.match(signals.user_agent) is not None


def _header_present(*names: bytes) -> Callable[[Signals], bool]:
    return lambda signals: all(signals.has(name) for name in names)


RULES: tuple[ClientRule, ...] = (
    ClientRule(label="Mux", agents=("mux/", "xum/"), why="own user agent; Xum is its later name"),
    ClientRule(
        label="Claude Code",
        agents=("claude",),
        when=_claude_signal,
        why="others call themselves claude-cli too; only Claude Code sends its session, by header or in the body",
    ),
    ClientRule(
        label="Qwen Code",
        agents=("claude-cli/0.",),
        when=_header_present(b"x-app"),
        why="its Anthropic mode borrows Claude Code's user agent with its own 0.x version and no session",
    ),
    ClientRule(label="Codex", agents=("codex",), why="codex_cli_rs, codex_exec, codex-mcp-client"),
    ClientRule(label="Zed", agents=("zed/",), why="own user agent"),
    ClientRule(label="GitHub Copilot (VS Code)", agents=("githubcopilotchat/",), why="own user agent"),
    ClientRule(label="GitHub Copilot (CLI)", agents=("copilot/",), why="own user agent"),
    ClientRule(
        label="GitHub Copilot (CLI)",
        agents=("openai/js", "anthropic/js"),
        when=_copilot_turn,
        why="with a provider of one's own it shows only the SDK's user agent, but says whether user or agent asks",
    ),
    ClientRule(label="Kilo Code", agents=("kilo-code/", "kilo/"), why="editor and terminal"),
    ClientRule(label="Kilo Code", when=_originator("kilo-code"), why="some builds show only the SDK's user agent"),
    ClientRule(label="Kilo Code", when=_titled("kilo code"), why="its Responses mode keeps OpenCode's user agent"),
    ClientRule(label="Roo Code", agents=("roo-code/", "roocode/"), why="both spellings are about"),
    ClientRule(label="Roo Code", when=_originator("roo-code"), why="some builds show only the SDK's user agent"),
    ClientRule(label="Roo Code", when=_titled("roo code"), why="the same"),
    ClientRule(label="Cline", agents=("cline/",), why="with Cline's own provider"),
    ClientRule(label="Cline", when=_titled("cline"), why="some providers of its editor show only the SDK's user agent"),
    ClientRule(label="Coder Agents", agents=("coder-agents/",), why="own user agent"),
    ClientRule(label="Charm Crush", agents=("charm crush/", "charm-crush/"), why="both spellings are about"),
    ClientRule(label="Cursor", when=_header_present(b"x-cursor-client-version"), why="its user agent varies"),
    ClientRule(label="OpenCode", agents=("opencode/",), why="own user agent"),
    ClientRule(label="Junie", agents=("junie:",), why="own user agent"),
    ClientRule(label="Qwen Code", agents=("qwencode/",), why="OpenAI modes"),
    ClientRule(label="Kimi Code", agents=("kimi-code-cli/",), why="own user agent"),
    ClientRule(label="Gemini CLI", agents=("geminicli",), why="GeminiCLI-tui and its like"),
    ClientRule(label="Factory Droid", agents=("factory-cli/",), why="own user agent"),
    ClientRule(
        label="Mistral Vibe",
        agents=("mistral-vibe/", "mistral-client-python/mistral-vibe/"),
        why="with Mistral's own backend",
    ),
    ClientRule(
        label="Mistral Vibe",
        agents=("python-httpx/",),
        when=_header_present(b"x-affinity"),
        why="with other backends it shows only its HTTP library, but keeps the header that holds a session together",
    ),
    ClientRule(label="LiteLLM", agents=("litellm/",), why="Aider's Anthropic mode among others"),
    ClientRule(label="LangChain", agents=("langchain",), why="langchain-anthropic and its like"),
    ClientRule(label="OpenAI Agents", agents=("agents/python", "agents/js"), why="the agents SDK"),
    ClientRule(label="Pydantic AI", agents=("pydantic-ai/",), why="own user agent"),
    ClientRule(label="Anthropic SDK", agents=("anthropic/",), why="a script, or an agent that shows only the SDK"),
    ClientRule(
        label="Anthropic SDK",
        agents=("anthropic", "asyncanthropic"),
        when=_client_class,
        why="its other clients: AsyncAnthropic, AnthropicBedrock, AnthropicVertex and more to come",
    ),
    ClientRule(label="OpenAI SDK", agents=("openai/",), why="a script, or an agent that shows only the SDK"),
    ClientRule(
        label="OpenAI SDK",
        agents=("openai", "asyncopenai", "azureopenai", "asyncazureopenai", "bedrockopenai", "asyncbedrockopenai"),
        when=_client_class,
        why="its other clients",
    ),
)


_LONGEST_BEGINNING = max(len(agent) for rule in RULES for agent in rule.agents)


def classify(signals: Signals) -> str:
    """The label of the first rule that fits, else `Unknown`."""
    for rule in _rules_for(signals.user_agent[:_LONGEST_BEGINNING]):
        if rule.when(signals):
            return rule.label
    return UNKNOWN


@lru_cache(maxsize=1024)
def _rules_for(beginning: str) -> Sequence[ClientRule]:
    """The rules that a user agent allows, in order; remembered, for there are few agents and many requests."""
    return [rule for rule in RULES if beginning.startswith(rule.agents)]
