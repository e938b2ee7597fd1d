"""The list and a single interception: their fields, pagination and every error text."""

from datetime import timedelta

import pytest
from attrs import evolve

from aibridge_core.records import Status
from aibridge_core.testing.memory import MemoryStorage
from integration.rest.conftest import As
from integration.rest.people import ADMIN, ANN, AUDITOR, BOB
from integration.rest.trail import FAILED, FOLLOW_UP, NOON, RICH, RUNNING, Story, end, identifier, record_id, start

pytestmark = pytest.mark.anyio

RICH_JSON = {
    "id": identifier(1),
    "initiator": {"id": ANN.id, "username": "ann", "name": "Ann Ångström", "avatar_url": ""},
    "api_key_id": "key-ann",
    "provider": "anthropic",
    "provider_name": "anthropic",
    "model": "claude-x",
    "client": "Claude Code",
    "client_session_id": "session-1",
    "session_id": "session-1",
    "thread_parent_id": None,
    "thread_root_id": None,
    "status": "completed",
    "error_type": "",
    "error_message": "",
    "credential_kind": "centralized",
    "credential_hint": "sk-a...wxyz",
    "streaming": True,
    "started_at": "2026-01-02T12:00:00.000000Z",
    "ended_at": "2026-01-02T12:00:01.250000Z",
    "duration_ms": 1250,
    "metadata": {"anthropic_beta": "x", "request_user_agent": "claude-cli/1.0 (zażółć)"},
    "agent_firewall_session_id": None,
    "agent_firewall_sequence_number": None,
    "user_prompts": [
        {
            "id": record_id(1, 1),
            "interception_id": identifier(1),
            "provider_response_id": "msg_1",
            "prompt": 'Grüße, "мир" 🌍\u0000',
            "metadata": {"k": 1},
            "created_at": "2026-01-02T12:00:01.000000Z",
        }
    ],
    "model_thoughts": [
        {
            "id": record_id(1, 2),
            "interception_id": identifier(1),
            "provider_response_id": "msg_1",
            "content": "hm",
            "metadata": {"source": "thinking"},
            "created_at": "2026-01-02T12:00:02.000000Z",
        }
    ],
    "tool_usages": [
        {
            "id": record_id(1, 3),
            "interception_id": identifier(1),
            "provider_response_id": "msg_1",
            "tool": "Read",
            "tool_call_id": "toolu_1",
            "item_id": "item_1",
            "input": '{"p": 1}',
            "injected": True,
            "server_url": "http://mcp.test/mcp",
            "invocation_error": "timed out",
            "metadata": {"caller": "agent"},
            "created_at": "2026-01-02T12:00:03.000000Z",
        }
    ],
    "token_usages": [
        {
            "id": record_id(1, 4),
            "interception_id": identifier(1),
            "provider_response_id": "msg_1",
            "model": "claude-x-20260101",
            "input_tokens": 10,
            "output_tokens": 4,
            "cache_read_input_tokens": 300,
            "cache_write_input_tokens": 20,
            "metadata": {"service_tier": "standard", "web_search_requests": 2},
            "created_at": "2026-01-02T12:00:04.000000Z",
        }
    ],
}


async def test_an_interception_is_told_completely(acting: As) -> None:
    """Every recorded fact stands in its field, in the list and alone alike."""
    alone = (await acting(ADMIN).get(f"/interceptions/{identifier(1)}")).json()
    assert alone == {**RICH_JSON, "network_calls": None}
    listed = (await acting(ADMIN).get("/interceptions")).json()["results"]
    assert listed[-1] == RICH_JSON


async def test_what_is_not_there_is_null_or_empty(acting: As) -> None:
    """A request in flight has no end and no duration, empty lists, and null for an unknown key or session."""
    row = (await acting(ADMIN).get(f"/interceptions/{RUNNING.start.id}")).json()
    assert row["status"] == "in_flight"
    nothing = ("ended_at", "duration_ms", "api_key_id", "client_session_id", "thread_root_id", "thread_parent_id")
    assert {row[name] for name in nothing} == {None}
    assert (row["metadata"], row["credential_hint"], row["session_id"]) == ({}, "", RUNNING.start.id)
    assert [row[name] for name in ("token_usages", "user_prompts", "tool_usages", "model_thoughts")] == [[]] * 4


async def test_failures_threads_and_unmasked_hints(acting: As) -> None:
    """A failure has its reason, a follow-up its thread, and a hint that isn't masked is not shown."""
    failed = (await acting(ADMIN).get(f"/interceptions/{FAILED.start.id}")).json()
    assert (failed["status"], failed["error_type"], failed["error_message"]) == ("failed", "rate_limited", "slow down")
    assert (failed["credential_kind"], failed["credential_hint"], failed["streaming"]) == ("byok", "...", False)
    follow_up = (await acting(ADMIN).get(f"/interceptions/{FOLLOW_UP.start.id}")).json()
    assert (follow_up["thread_parent_id"], follow_up["thread_root_id"]) == (RICH.start.id, RICH.start.id)


@pytest.mark.parametrize("wrong", [identifier(99), "not-a-uuid", "0", "%00", "ä", identifier(1)[:-1]])
async def test_an_unknown_or_malformed_id_is_not_found(acting: As, wrong: str) -> None:
    """There is no interception of that id, whatever the id looks like."""
    answer = await acting(ADMIN).get(f"/interceptions/{wrong}")
    assert (answer.status_code, answer.json()) == (404, {"message": "Interception not found."})


async def test_ids_are_read_in_either_case(acting: As, storage: MemoryStorage) -> None:
    """UUIDs are case-insensitive on input (RFC 9562, section 4)."""
    await Story(start=start(0xABC, ANN, minutes=-1)).tell(storage.recorder)
    upper = identifier(0xABC).upper()
    assert (await acting(ADMIN).get(f"/interceptions/{upper}")).json()["id"] == identifier(0xABC)
    assert (await acting(ADMIN).get(f"/interceptions?after_id={upper}")).json()["results"] == []


async def test_newest_first_then_by_id(acting: As, storage: MemoryStorage) -> None:
    """Rows of one moment are ordered by id, descending."""
    for number in (12, 10, 11):
        await Story(start=start(number, ANN, minutes=1)).tell(storage.recorder)
    rows = (await acting(ADMIN).get("/interceptions")).json()["results"]
    numbers = [int(row["id"][4:8], 16) for row in rows]
    assert numbers == [5, 4, 3, 12, 11, 10, 2, 1]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_walking_by_cursor_meets_everything_once(acting: As, storage: MemoryStorage, limit: int) -> None:
    """Page by page with `after_id`, each row comes once, and `count` stays what it is."""
    for number in range(100, 130):
        await Story(start=start(number, ANN, minutes=number % 4)).tell(storage.recorder)
    met: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await acting(ADMIN).get("/interceptions", params={"limit": limit, **cursor})).json()
        assert page["count"] == 35
        met += [row["id"] for row in page["results"]]
        if len(page["results"]) < limit:
            break
        cursor = {"after_id": page["results"][-1]["id"]}
    whole = (await acting(ADMIN).get("/interceptions", params={"limit": 1000})).json()["results"]
    assert met == [row["id"] for row in whole]
    assert len(set(met)) == 35


async def test_offset_leaves_out_the_beginning(acting: As) -> None:
    """`limit` and `offset` cut a window; `count` counts all."""
    page = (await acting(ADMIN).get("/interceptions", params={"limit": 2, "offset": 1})).json()
    assert [row["id"] for row in page["results"]] == [RUNNING.start.id, FAILED.start.id]
    assert page["count"] == 5
    beyond = (await acting(ADMIN).get("/interceptions", params={"offset": 2**31 - 1})).json()
    assert beyond == {"count": 5, "results": []}


@pytest.mark.parametrize(
    "query", ["", "limit=", "limit=0", "limit=100", "offset=0", f"offset=0&after_id={identifier(200)}"]
)
async def test_the_default_is_a_hundred(acting: As, storage: MemoryStorage, query: str) -> None:
    """0 and nothing mean the default limit; `offset=0` goes with a cursor."""
    for number in range(100, 201):
        await Story(start=start(number, ANN, minutes=number)).tell(storage.recorder)
    page = (await acting(ADMIN).get(f"/interceptions?{query}")).json()
    assert len(page["results"]) == 100


def wrong(field: str, detail: str) -> dict[str, object]:
    """The answer to one bad parameter."""
    return {"message": "Query parameters have invalid values.", "validations": [{"field": field, "detail": detail}]}


RANGE = {"message": "Invalid pagination limit value.", "detail": "Pagination limit must be in range (0, 1000]"}
OFFSET_RANGE = wrong("offset", 'Query param "offset" must be in range [0, 2147483647]')


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("limit=1001", RANGE),
        ("limit=-1", RANGE),
        ("limit=999999999999999999", RANGE),
        ("limit=x", wrong("limit", 'Query param "limit" must be a valid integer')),
        ("limit=1.5", wrong("limit", 'Query param "limit" must be a valid integer')),
        ("limit=%D9%A3", wrong("limit", 'Query param "limit" must be a valid integer')),
        ("limit=1_0", wrong("limit", 'Query param "limit" must be a valid integer')),
        (f"limit={'9' * 5000}", wrong("limit", 'Query param "limit" must be a valid integer')),
        ("offset=many", wrong("offset", 'Query param "offset" must be a valid integer')),
        ("offset=-1", OFFSET_RANGE),
        ("offset=2147483648", OFFSET_RANGE),
        ("after_id=1", wrong("after_id", 'Query param "after_id" must be a valid uuid')),
        (
            f"after_id={identifier(1)}&offset=1",
            {
                "message": "Query parameters have invalid values.",
                "detail": "Cannot use both after_id and offset pagination in the same request.",
            },
        ),
        (
            f"after_id={identifier(99)}",
            {"message": "Invalid pagination cursor.", "detail": f"There is no interception {identifier(99)}."},
        ),
        (
            "limit=1&limit=2&limit=3",
            wrong(
                "limit",
                'Query param "limit" provided more than once, found 3 times.'
                " Only provide 1 instance of this query param.",
            ),
        ),
        (
            "statuz=failed",
            wrong("statuz", 'Query param "statuz" is not known here; known are: q, limit, offset, after_id'),
        ),
    ],
)
async def test_wrong_parameters_are_explained(acting: As, query: str, answer: dict[str, object]) -> None:
    """Each mistake gets 400 and a text that says what is allowed."""
    got = await acting(ADMIN).get(f"/interceptions?{query}")
    assert (got.status_code, got.json()) == (400, answer)


async def test_all_wrong_parameters_are_named_at_once(acting: As) -> None:
    """One answer lists every parameter that can't be read."""
    got = await acting(ADMIN).get("/interceptions?limit=x&offset=y&after_id=z")
    assert [each["field"] for each in got.json()["validations"]] == ["limit", "offset", "after_id"]


async def test_another_members_cursor_is_unknown(acting: As) -> None:
    """A member can't learn where somebody else's interception stands in time."""
    theirs = await acting(ANN).get("/interceptions", params={"after_id": FAILED.start.id})
    nobodys = await acting(ANN).get("/interceptions", params={"after_id": identifier(99)})
    assert theirs.status_code == nobodys.status_code == 400
    assert theirs.json()["message"] == nobodys.json()["message"] == "Invalid pagination cursor."
    own = await acting(BOB).get("/interceptions", params={"after_id": RUNNING.start.id})
    assert [row["id"] for row in own.json()["results"]] == [FAILED.start.id]


async def test_a_clock_set_back_makes_no_negative_duration(acting: As, storage: MemoryStorage) -> None:
    """An end before its start took 0 ms."""
    early = evolve(end(20, minutes=0, status=Status.COMPLETED), ended_at=NOON - timedelta(seconds=1))
    await Story(start=start(20, AUDITOR), end=early).tell(storage.recorder)
    assert (await acting(ADMIN).get(f"/interceptions/{identifier(20)}")).json()["duration_ms"] == 0
