"""What happens in the demo: a few turns of three clients, one that fails, one that is abandoned.

Belongs here: the story. Never: how a client speaks (demo_agents) or how it looks (demo_view).
"""

from collections.abc import Callable, Sequence

import anyio
import httpx

from aibridge_adapters.cli.demo_agents import ClaudeCode, Codex, Heard, OpenCode
from aibridge_adapters.cli.output import Row

Tell = Callable[[str, str, Heard], None]
"""Shows one step: the client's name, what it sent, what it heard."""

_REQUESTS = 7
"""How many requests the story has."""
_SETTLED = 5.0
"""Seconds that the last interception may take to end."""
_TIMEOUT = 30.0
"""Seconds of silence after which the story is off."""


async def play(url: str, token: str, tell: Tell) -> None:
    """Play all turns against the gateway at `url`."""
    async with _client(url) as http:
        await _use_a_tool(
            ClaudeCode(http, token), "Which files are here?", "README.md  pyproject.toml  src  tests", tell
        )
        await _use_a_tool(Codex(http, token), "Run the tests.", "128 passed in 3.21s", tell)
        await _say(OpenCode(http, token), "Suggest a name for this branch.", tell)
        await _say(Codex(http, token), "Provoke an error 429.", tell)
        await _say(ClaudeCode(http, token), "Tell me a slow story.", tell, hang_up_after=5)


async def recorded(url: str, token: str) -> Sequence[Row]:
    """The interceptions of the story as the REST API tells them, oldest first, when all have ended."""
    query = {"limit": str(_REQUESTS)}
    headers = {"authorization": f"Bearer {token}"}
    rows: list[Row] = []
    async with _client(url) as http:
        with anyio.move_on_after(_SETTLED):
            while len(rows) < _REQUESTS or any(row["status"] == "in_flight" for row in rows):
                answer = await http.get("/api/v2/aibridge/interceptions", params=query, headers=headers)
                rows = answer.raise_for_status().json()["results"]
                await anyio.sleep(0.02)
    return rows[::-1]


async def _use_a_tool(agent: ClaudeCode | Codex, prompt: str, result: str, tell: Tell) -> None:
    await _say(agent, prompt, tell)
    tell(agent.name, "the tool's result", await agent.give_results(result))


async def _say(agent: ClaudeCode | Codex | OpenCode, prompt: str, tell: Tell, *, hang_up_after: int = 0) -> None:
    tell(agent.name, f"“{prompt}”", await agent.ask(prompt, hang_up_after=hang_up_after))


def _client(url: str) -> httpx.AsyncClient:
    # A proxy of the environment has no part in this: everything happens on this machine.
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=_TIMEOUT)
