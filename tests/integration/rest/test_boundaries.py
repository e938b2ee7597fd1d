"""Network calls of agents: posted by admins, listed, and shown with the interception that they followed."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from attrs import evolve

from aibridge_core.actors import Actor
from aibridge_core.boundaries import FirewallPlace
from aibridge_core.testing.memory import MemoryStorage
from integration.rest.conftest import As, app_on
from integration.rest.people import ADMIN, ANN, AUDITOR, BOB, token
from integration.rest.trail import NOON, identifier, start

pytestmark = pytest.mark.anyio

SESSION = "f17e0000-0000-4000-8000-00000000000a"


def line(number: int, **changes: Any) -> bytes:
    """A call that was allowed, a second after the one before."""
    plain = {
        "session_id": SESSION,
        "sequence_number": number,
        "event_time": (NOON + timedelta(seconds=number)).isoformat(),
        "decision": "allow",
        "http_method": "GET",
        "http_url": f"https://example.com/{number}",
        "matched_rule": "domain=example.com",
        "owner": "ann",
    }
    return json.dumps({**plain, **changes}).encode()


def shown(number: int, **changes: Any) -> dict[str, Any]:
    """The same in an answer."""
    plain = {
        "agent_firewall_session_id": SESSION,
        "sequence_number": number,
        "made_at": f"2026-01-02T12:00:{number:02}.000000Z",
        "allowed": True,
        "method": "GET",
        "url": f"https://example.com/{number}",
        "matched_rule": "domain=example.com",
        "process": "",
        "metadata": {"owner": "ann"},
    }
    return {**plain, **changes}


DENIED = line(7, decision="deny", matched_rule=None, http_method="POST", http_url="https://paste.example.net/api")
SHOWN_DENIED = shown(7, allowed=False, method="POST", url="https://paste.example.net/api", matched_rule="")


async def post(acting: As, *lines: bytes, actor: Actor = ADMIN) -> httpx.Response:
    return await acting(actor).post("/boundaries/logs", content=b"\n".join(lines))


async def requests(storage: MemoryStorage, *places: tuple[int, int, Actor]) -> None:
    """Interceptions at places of the firewall session: number, place, whose."""
    for number, place, who in places:
        firewall = FirewallPlace(session_id=SESSION, sequence_number=place)
        await storage.recorder.begin(evolve(start(number, who, minutes=60 + number), firewall=firewall))


async def test_an_interception_shows_what_its_agent_did_next(acting: As, storage: MemoryStorage) -> None:
    """The calls up to the same person's next request in that session, allowed and denied, in order."""
    await requests(storage, (100, 5, ANN), (101, 9, ANN), (102, 6, BOB))
    answer = await post(acting, line(8), line(4), DENIED, line(6), line(5), line(9), line(10), b"")
    assert (answer.status_code, answer.json()) == (200, {"new": 7, "known": 0, "skipped": 0})
    first = (await acting(AUDITOR).get(f"/interceptions/{identifier(100)}")).json()
    assert (first["agent_firewall_session_id"], first["agent_firewall_sequence_number"]) == (SESSION, 5)
    assert first["network_calls"] == [shown(6), SHOWN_DENIED, shown(8)]
    last = (await acting(ADMIN).get(f"/interceptions/{identifier(101)}")).json()
    assert last["network_calls"] == [shown(10)]


async def test_the_list_knows_places_but_no_calls(acting: As, storage: MemoryStorage) -> None:
    """A page stays one query for each kind of record."""
    await requests(storage, (100, 5, ANN))
    row = (await acting(ADMIN).get("/interceptions?limit=1")).json()["results"][0]
    assert (row["agent_firewall_sequence_number"], "network_calls" in row) == (5, False)


async def test_members_see_no_calls(acting: As, storage: MemoryStorage) -> None:
    """They could name a session that isn't theirs."""
    await requests(storage, (100, 5, ANN))
    await post(acting, line(6))
    row = (await acting(ANN).get(f"/interceptions/{identifier(100)}")).json()
    assert row["network_calls"] is None
    answer = await acting(ANN).get("/boundaries/calls", params={"session_id": SESSION})
    assert (answer.status_code, answer.json()["message"]) == (403, "Forbidden.")


@pytest.mark.parametrize("actor", [ANN, AUDITOR])
async def test_only_admins_import(acting: As, storage: MemoryStorage, actor: Actor) -> None:
    """Whoever audits doesn't write what is audited."""
    answer = await post(acting, line(1), actor=actor)
    assert answer.status_code == 403
    assert storage.database.network_calls == {}


async def test_posting_again_changes_nothing(acting: As) -> None:
    """A log that grows may be sent whole each time; lines about other things are counted."""
    await post(acting, line(1), line(2))
    answer = await post(acting, line(1, http_url="https://changed.example.com"), line(2), line(3), b'{"msg": "hello"}')
    assert answer.json() == {"new": 1, "known": 2, "skipped": 1}
    listed = (await acting(AUDITOR).get("/boundaries/calls", params={"session_id": SESSION.upper()})).json()
    assert listed == {"results": [shown(1), shown(2), shown(3)]}


@pytest.mark.parametrize(
    ("query", "numbers"),
    [("", [1, 2, 3, 4]), ("&seq_after=1&seq_before=4", [2, 3]), ("&limit=2", [1, 2]), ("&seq_after=2&limit=1", [3])],
)
async def test_calls_are_listed_by_number(acting: As, query: str, numbers: list[int]) -> None:
    """Both ends are excluded; the last number of a page leads to the next."""
    await post(acting, *(line(number) for number in (3, 1, 4, 2)))
    answer = await acting(AUDITOR).get(f"/boundaries/calls?session_id={SESSION}{query}")
    assert [each["sequence_number"] for each in answer.json()["results"]] == numbers


@pytest.mark.parametrize("query", ["", "?session_id=x", f"?session_id={SESSION}&seq_after=-1", "?session=x"])
async def test_wrong_queries_are_explained(acting: As, query: str) -> None:
    """No session, no list."""
    answer = await acting(AUDITOR).get(f"/boundaries/calls{query}")
    assert (answer.status_code, answer.json()["message"]) == (400, "Query parameters have invalid values.")


async def test_wrong_lines_are_named_and_nothing_is_kept(acting: As, storage: MemoryStorage) -> None:
    """All lines or none, so that a sender knows where it stands."""
    answer = await post(acting, line(1), b"{", line(2, session_id="x"), *[b"no"] * 30)
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["detail"] == "Nothing was imported: 32 of the lines are wrong."
    assert problem["validations"][:2] == [
        {"field": "line 2", "detail": "not a JSON object"},
        {"field": "line 3", "detail": "the session id is not a UUID"},
    ]
    assert len(problem["validations"]) == 20
    assert storage.database.network_calls == {}


async def test_a_log_that_is_too_long_is_refused(acting: As) -> None:
    """Before it is read to its end."""
    answer = await acting(ADMIN).post("/boundaries/logs", content=b"\n" * (8 * 1024 * 1024 + 1))
    assert answer.status_code == 413


async def test_a_log_can_only_be_posted(acting: As) -> None:
    """The answer says so."""
    answer = await acting(ADMIN).get("/boundaries/logs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["detail"] == "/boundaries/logs is for POST, not GET."


async def test_a_storage_without_network_calls(storage: MemoryStorage) -> None:
    """501 for the lists, null with an interception: nobody knows."""
    await requests(storage, (100, 5, ANN))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app_on(storage.store)),
        base_url="http://gateway.test",
        headers={"Coder-Session-Token": token(ADMIN)},
    ) as client:
        assert (await client.get(f"/boundaries/calls?session_id={SESSION}")).status_code == 501
        assert (await client.post("/boundaries/logs", content=line(1))).status_code == 501
        assert (await client.get(f"/interceptions/{identifier(100)}")).json()["network_calls"] is None
