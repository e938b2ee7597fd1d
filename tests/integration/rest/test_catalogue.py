"""Models, clients, providers and the caller."""

import pytest

from aibridge_core.actors import Actor
from integration.rest.conftest import As
from integration.rest.people import ADMIN, ANN, AUDITOR, BOB, NOBODY

pytestmark = pytest.mark.anyio

MODELS = ["claude-x", "gpt-x", "gpt-y", "Ünïcode model"]
CLIENTS = ["Claude Code", "Codex", "Kilo Code", "Unknown"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("/models", MODELS),
        ("/models?q=gpt-", ["gpt-x", "gpt-y"]),
        ("/models?q=model:gpt-y", ["gpt-y"]),
        ("/models?q=%C3%9Cn%C3%AFcode+model", ["Ünïcode model"]),
        ("/models?q=GPT", []),
        ("/models?limit=2", MODELS[:2]),
        ("/models?limit=2&offset=3", MODELS[3:]),
        ("/models?limit=0&offset=99", []),
        ("/clients", CLIENTS),
        ("/clients?q=Claude+Co", ["Claude Code"]),
        ("/clients?q=client:C", ["Claude Code", "Codex"]),
        ("/clients?q=client:%22Kilo+Code%22", ["Kilo Code"]),
        ("/clients?limit=1&offset=1", ["Codex"]),
        ("/providers", ["anthropic", "openai-eu"]),
    ],
)
async def test_names_are_listed(acting: As, query: str, names: list[str]) -> None:
    """A JSON array of names, ascending, by prefix and window."""
    answer = await acting(AUDITOR).get(query)
    assert (answer.status_code, answer.json()) == (200, names)


@pytest.mark.parametrize(
    ("reader", "models", "clients"),
    [
        (ANN, ["claude-x"], ["Claude Code"]),
        (BOB, ["gpt-x", "gpt-y"], ["Codex", "Unknown"]),
        (NOBODY, [], []),
    ],
)
async def test_members_see_the_names_of_their_own(
    acting: As, reader: Actor, models: list[str], clients: list[str]
) -> None:
    """What others used isn't told."""
    assert (await acting(reader).get("/models")).json() == models
    assert (await acting(reader).get("/clients")).json() == clients


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("/models?q=client:x", 400, "Invalid model search query."),
        ("/models?q=:x", 400, "Invalid model search query."),
        ("/clients?q=model:x", 400, "Invalid client search query."),
        ("/models?limit=1001", 400, "Invalid pagination limit value."),
        ("/models?limit=x", 400, "Query parameters have invalid values."),
        ("/clients?offset=-1", 400, "Query parameters have invalid values."),
        ("/models?after_id=00000001-0000-7000-8000-000000000000", 400, "Query parameters have invalid values."),
        ("/providers?limit=1", 400, "Query parameters have invalid values."),
        ("/users/me?q=x", 400, "Query parameters have invalid values."),
        ("/users/ann", 404, "Not found."),
        ("/users", 404, "Not found."),
        ("/models/", 404, "Not found."),
    ],
)
async def test_mistakes_are_explained(acting: As, query: str, status: int, message: str) -> None:
    """The same rules and texts as for interceptions, and one message for each list's own `q`."""
    answer = await acting(AUDITOR).get(query)
    assert (answer.status_code, answer.json()["message"]) == (status, message)


async def test_the_caller_is_told_who_they_are(acting: As) -> None:
    """Identity and role, and never the token."""
    answer = await acting(ANN).get("/users/me")
    assert answer.json() == {
        "id": ANN.id,
        "username": "ann",
        "name": "Ann Ångström",
        "avatar_url": "",
        "role": "member",
        "api_key_id": "key-ann",
    }
    admin = (await acting(ADMIN).get("/users/me")).json()
    assert (admin["role"], admin["api_key_id"]) == ("admin", None)
