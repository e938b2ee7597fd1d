"""`q`: every key filters, members stay confined, and each mistake has its text."""

import pytest

from aibridge_core.actors import Actor
from aibridge_core.testing.memory import MemoryStorage
from integration.rest.conftest import As
from integration.rest.people import ADMIN, ANN, AUDITOR, BOB, NOBODY
from integration.rest.trail import CANCELLED, FAILED, FOLLOW_UP, RICH, RUNNING, STORIES, Story, start

pytestmark = pytest.mark.anyio

ALL = [*reversed(STORIES)]


async def found(acting: As, reader: Actor, q: str) -> list[str]:
    """Ids of what a search finds, and a check that `count` agrees."""
    answer = await acting(reader).get("/interceptions", params={"q": q})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["count"] == len(page["results"])
    return [row["id"] for row in page["results"]]


def ids(stories: list[Story]) -> list[str]:
    """What a search should find."""
    return [story.start.id for story in stories]


@pytest.mark.parametrize(
    ("q", "stories"),
    [
        ("", ALL),
        ("   ", ALL),
        ("initiator:ann", [FOLLOW_UP, RICH]),
        ("ann", [FOLLOW_UP, RICH]),
        (f"initiator:{BOB.id}", [RUNNING, FAILED]),
        (f"INITIATOR:{BOB.id.upper()}", [RUNNING, FAILED]),
        ("initiator:me", [CANCELLED]),
        ("initiator:carol", [CANCELLED]),
        ("initiator:eve", []),
        ("provider:openai", [FAILED]),
        ("provider_name:openai-eu", [FAILED]),
        ("model:gpt-x", [FAILED]),
        ("model:GPT-X", []),
        ('model:"Ünïcode model"', [CANCELLED]),
        ('client:"Claude Code"', [FOLLOW_UP, RICH]),
        ("client:Unknown", [RUNNING]),
        ("status:in_flight", [RUNNING]),
        ("status:completed", [FOLLOW_UP, RICH]),
        ("status:failed", [FAILED]),
        ("status:cancelled", [CANCELLED]),
        ("status:interrupted", []),
        ("session_id:session-1", [FOLLOW_UP, RICH]),
        (f"session_id:{FAILED.start.id}", [FAILED]),
        ('started_after:"2026-01-02T12:02:00Z"', [CANCELLED, RUNNING, FAILED]),
        ('started_before:"2026-01-02T12:02:00Z"', [FAILED, FOLLOW_UP, RICH]),
        (
            'started_after:"2026-01-02T13:01:00.000+01:00" started_before:"2026-01-02T12:02:59.999999Z"',
            [FAILED, FOLLOW_UP],
        ),
        ("initiator:bob status:failed model:gpt-x", [FAILED]),
        ("initiator:bob status:completed", []),
    ],
)
async def test_an_auditor_finds(acting: As, q: str, stories: list[Story]) -> None:
    """Each key narrows the list, and several narrow it together."""
    assert await found(acting, AUDITOR, q) == ids(stories)


@pytest.mark.parametrize(
    "q", ["initiator:me", "me", "initiator:ann", f"initiator:{ANN.id}", "", 'client:"Claude Code"']
)
async def test_a_member_finds_their_own(acting: As, q: str) -> None:
    """Naming oneself in any way, or nobody, comes to the same."""
    assert await found(acting, ANN, q) == ids([FOLLOW_UP, RICH])


async def test_a_members_filters_reach_no_further(acting: As) -> None:
    """What would match somebody else's interception finds nothing."""
    assert await found(acting, ANN, "status:failed") == []
    assert await found(acting, BOB, "session_id:session-1") == []


@pytest.mark.parametrize("someone", ["bob", BOB.id, "ghost", "me too"])
async def test_a_member_cannot_tell_others_from_nobody(acting: As, someone: str) -> None:
    """Existing and invented users get the same answer."""
    answer = await acting(ANN).get("/interceptions", params={"q": f'initiator:"{someone}"'})
    detail = f'user "{someone}" either does not exist, or you are unauthorized to view them'
    assert answer.status_code == 400
    assert answer.json() == {
        "message": "Invalid workspace search query.",
        "validations": [{"field": "initiator", "detail": detail}],
    }


async def test_an_auditor_is_told_of_unknown_users(acting: As) -> None:
    """Nobody of that name is an error, not an empty list."""
    answer = await acting(AUDITOR).get("/interceptions", params={"q": "ghost"})
    assert answer.status_code == 400
    assert answer.json()["validations"][0]["detail"].startswith('user "ghost" either does not exist')


async def test_people_who_left_are_still_found(acting: As, storage: MemoryStorage) -> None:
    """Somebody whom the directory no longer knows is found by what they did."""
    gone = Actor(id="99999999-9999-7999-8999-999999999999", username="gone")
    await Story(start=start(50, gone)).tell(storage.recorder)
    assert len(await found(acting, ADMIN, "initiator:gone")) == 1
    assert len(await found(acting, ADMIN, f"initiator:{gone.id}")) == 1


TWICE = "provided more than once, found 2 times. Only provide 1 instance of this query param."


@pytest.mark.parametrize(
    ("q", "field", "detail"),
    [
        (":ann", "q", "Query element \":ann\" cannot start or end with ':'"),
        ("ann:", "q", "Query element \"ann:\" cannot start or end with ':'"),
        ("a:b:c", "q", "Query element \"a:b:c\" can only contain 1 ':'"),
        ("model:a model:b", "model", f'Query param "model" {TWICE}'),
        ("colour:red", "colour", '"colour" is not a valid query param'),
        ("status:done", "status", "in_flight, completed, failed, cancelled, interrupted"),
        ("provider_name:Not_A_Name", "provider_name", "Not_A_Name"),
        ("started_after:yesterday", "started_after", "RFC 3339"),
        ('started_after:"2026-02-30T00:00:00Z"', "started_after", "RFC 3339"),
        (
            'started_after:"2026-01-02T00:00:00Z" started_before:"2026-01-01T00:00:00Z"',
            "started_before",
            "must be later than started_after",
        ),
    ],
)
async def test_mistakes_are_explained(acting: As, q: str, field: str, detail: str) -> None:
    """400 names the key and what is wrong with it."""
    answer = await acting(ADMIN).get("/interceptions", params={"q": q})
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid workspace search query.")
    (fault,) = answer.json()["validations"]
    assert fault["field"] == field
    assert detail in fault["detail"]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
async def test_times_at_the_edge_of_the_calendar_are_no_defect(acting: As, time: str) -> None:
    """A time that isn't representable in UTC is an answerable question or a mistake, never a 500."""
    for key in ("started_after", "started_before"):
        answer = await acting(ADMIN).get("/interceptions", params={"q": f'{key}:"{time}"'})
        assert answer.status_code in (200, 400)


async def test_paging_keeps_the_filter(acting: As) -> None:
    """`after_id`, `limit` and `q` go together; `count` is that of the filter."""
    query: dict[str, str | int] = {"q": "initiator:bob", "limit": 1, "after_id": RUNNING.start.id}
    page = (await acting(ADMIN).get("/interceptions", params=query)).json()
    assert (page["count"], [row["id"] for row in page["results"]]) == (2, [FAILED.start.id])


async def test_nobody_has_nothing(acting: As) -> None:
    """A member who never sent a request reads an empty list."""
    assert await found(acting, NOBODY, "") == []
