"""Nobody reads anything without a valid token, and every refusal has the API's one error shape."""

import logging
import re

import httpx
import pytest

from aibridge_adapters.http.rest import REST_ROOTS, RestApi
from aibridge_core.actors import Actor
from aibridge_core.errors import StoreUnavailable
from integration.rest.conftest import As, app_on
from integration.rest.people import ADMIN, ANN, AUDITOR, BARRED, BOB, NOBODY, token
from integration.rest.trail import CANCELLED, FAILED, FOLLOW_UP, RICH, RUNNING

pytestmark = pytest.mark.anyio

PATHS = [
    "/interceptions",
    f"/interceptions/{RICH.start.id}",
    "/models",
    "/clients",
    "/providers",
    "/users/me",
    "/openapi.json",
    "/no-such-path",
    "/",
]


async def send(app: RestApi, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    """One request with exactly these headers; underscores stand for hyphens."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        return await client.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_every_path_needs_a_token(app: RestApi, path: str, method: str) -> None:
    """Without a token the answer is 401, whether or not the path or the method exists."""
    answer = await send(app, path, method)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="aibridge"'
    if method != "HEAD":
        assert answer.json() == {
            "message": "Authentication required.",
            "detail": "Send a gateway token in Coder-Session-Token or as Authorization: Bearer.",
        }


@pytest.mark.parametrize(
    "headers",
    [
        {"Coder_Session_Token": "wrong"},
        {"Authorization": "Bearer wrong"},
        {"Coder_Session_Token": "wrong", "Authorization": f"Bearer {token(ANN)}"},
    ],
)
async def test_a_wrong_token_is_refused(app: RestApi, headers: dict[str, str]) -> None:
    """A token that isn't valid gets 401, and doesn't fall back to another one."""
    answer = await send(app, "/users/me", **headers)
    assert (answer.status_code, answer.json()["detail"]) == (401, "This token is not valid.")


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer"}, {"Authorization": "Bearer  "}, {"Authorization": f"Basic {token(ANN)}"}, {"X": "y"}],
)
async def test_other_authorization_schemes_are_no_token(app: RestApi, headers: dict[str, str]) -> None:
    """Only `Bearer` with something behind it is a token."""
    answer = await send(app, "/users/me", **headers)
    assert (answer.status_code, answer.json()["message"]) == (401, "Authentication required.")


@pytest.mark.parametrize(
    "headers",
    [
        {"Coder_Session_Token": token(ANN)},
        {"Authorization": f"Bearer {token(ANN)}"},
        {"Authorization": f"bearer   {token(ANN)}"},
        {"Coder_Session_Token": token(ANN), "Authorization": f"Bearer {token(ANN)}"},
    ],
)
async def test_the_token_may_come_in_either_header(app: RestApi, headers: dict[str, str]) -> None:
    """`Coder-Session-Token` and `Authorization: Bearer` are equals."""
    answer = await send(app, "/users/me", **headers)
    assert (answer.status_code, answer.json()["username"]) == (200, "ann")


async def test_a_user_who_is_barred_gets_403(app: RestApi) -> None:
    """An authenticator may know somebody and still refuse them."""
    answer = await send(app, "/interceptions", Coder_Session_Token=BARRED)
    assert answer.status_code == 403
    assert answer.json() == {"message": "Forbidden.", "detail": "This user may not read the audit trail."}


@pytest.mark.parametrize(
    ("reader", "visible"),
    [
        (ANN, [FOLLOW_UP, RICH]),
        (BOB, [RUNNING, FAILED]),
        (NOBODY, []),
        (AUDITOR, [CANCELLED, RUNNING, FAILED, FOLLOW_UP, RICH]),
        (ADMIN, [CANCELLED, RUNNING, FAILED, FOLLOW_UP, RICH]),
    ],
)
async def test_members_see_their_own_and_auditors_all(acting: As, reader: Actor, visible: list) -> None:  # type: ignore[type-arg]
    """A member's list, count and single reads are confined to their own interceptions."""
    page = (await acting(reader).get("/interceptions")).json()
    assert [row["id"] for row in page["results"]] == [story.start.id for story in visible]
    assert page["count"] == len(visible)
    for story in (RICH, FOLLOW_UP, FAILED, RUNNING, CANCELLED):
        answer = await acting(reader).get(f"/interceptions/{story.start.id}")
        assert answer.status_code == (200 if story in visible else 404)


async def test_an_unknown_path_is_told_in_json(acting: As) -> None:
    """404 names the path and where to look."""
    answer = await acting(ANN).get("/no/such?x=1")
    assert answer.status_code == 404
    assert answer.json() == {
        "message": "Not found.",
        "detail": "There is no /no/such in this API. See openapi.json.",
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_nothing_can_be_written(acting: As, method: str) -> None:
    """Other methods get 405 with the ones that are allowed."""
    answer = await acting(ADMIN).request(method, "/interceptions")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.json()["message"] == "Method not allowed."


@pytest.mark.parametrize("path", ["/interceptions", "/users/me", "/nowhere"])
async def test_head_is_get_without_a_body(acting: As, path: str) -> None:
    """Status and headers of a HEAD are those of the GET."""
    got = await acting(ANN).get(path)
    head = await acting(ANN).head(path)
    assert head.content == b""
    assert (head.status_code, head.headers) == (got.status_code, got.headers)
    assert int(head.headers["content-length"]) == len(got.content) > 0


@pytest.mark.parametrize("path", PATHS)
async def test_no_answer_is_kept_or_sniffed(acting: As, path: str) -> None:
    """Prompts don't belong into caches, and browsers shall not take JSON for a page."""
    answer = await acting(ADMIN).get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/json"


async def test_the_roots_are_the_first_segments_of_all_routes(app: RestApi) -> None:
    """The dispatcher in front can rely on `REST_ROOTS`."""
    assert {route.path.split("/")[1] for route in app.routes} == REST_ROOTS


class DeadStore:
    """A store whose database does not answer."""

    def __getattr__(self, name: str) -> object:
        async def fail(*args: object, **kwargs: object) -> None:
            raise StoreUnavailable("secret host name")

        return fail


class BrokenStore:
    """A store with a defect."""

    def __getattr__(self, name: str) -> object:
        async def fail(*args: object, **kwargs: object) -> None:
            raise ZeroDivisionError("secret internals")

        return fail


READING = ["/interceptions", f"/interceptions/{RICH.start.id}", "/models", "/clients"]


@pytest.mark.parametrize("path", READING)
async def test_a_dead_database_is_503(path: str) -> None:
    """The answer says what is wrong and nothing of the database."""
    answer = await send(app_on(DeadStore()), path, Coder_Session_Token=token(ADMIN))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {
        "message": "The audit trail is not available.",
        "detail": "The database does not answer. Try again later.",
    }


@pytest.mark.parametrize("path", READING)
async def test_a_defect_is_500_with_an_id_that_the_log_has(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """The reason stands in the log under the id that the answer names; the answer doesn't tell it."""
    with caplog.at_level(logging.ERROR, logger="aibridge.rest"):
        answer = await send(app_on(BrokenStore()), path, Coder_Session_Token=token(ADMIN))
    assert (answer.status_code, answer.json()["message"]) == (500, "Internal server error.")
    assert "secret" not in answer.text
    found = re.search(r"Error id: ([0-9a-f]{16})\.", answer.json()["detail"])
    assert found
    assert found[1] in caplog.text
    assert "ZeroDivisionError: secret internals" in caplog.text
    assert token(ADMIN) not in caplog.text
