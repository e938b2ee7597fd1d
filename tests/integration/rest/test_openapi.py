"""The served OpenAPI document is true: it names every route, and the API behaves as it says."""

import re
from typing import Any

import anyio
import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.applications import Starlette
from starlette.routing import Mount

from aibridge_adapters.http.rest import RestApi
from aibridge_core.testing.memory import MemoryStorage
from integration.rest.conftest import As, app_on
from integration.rest.people import ADMIN, token
from integration.rest.trail import RICH, STORIES, Story, tell_all

OPERATIONS = (
    "listInterceptions",
    "getInterception",
    "listModels",
    "listClients",
    "listProviders",
    "getCurrentUser",
    "listNetworkCalls",
    "getOpenApi",
)
WRITING = ("importNetworkCalls", "reloadProviders")


WITH_PARAMETERS = ("listInterceptions", "getInterception", "listModels", "listClients")
"""The operations to which something wrong can be sent."""


async def description(acting: As) -> dict[str, Any]:
    """The document as it is served."""
    answer = await acting(ADMIN).get("/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.anyio
async def test_every_route_is_described_and_every_description_is_a_route(app: RestApi, acting: As) -> None:
    """Paths, methods and operation ids of the document are those of the router."""
    document = await description(acting)
    described = {
        (path, method, operation["operationId"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert described == {
        (route.path, method.lower(), route.name)
        for route in app.routes
        for method in (route.methods or ())
        if method != "HEAD"
    }
    assert {name for _, _, name in described} == {*OPERATIONS, *WRITING}


@pytest.mark.anyio
async def test_every_reference_resolves_and_every_field_is_described(acting: As) -> None:
    """No `$ref` leads nowhere, and a real answer has exactly the fields of its schema."""
    document = await description(acting)
    schemas = document["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', (await acting(ADMIN).get("/openapi.json")).text))
    assert references == set(schemas)
    row = (await acting(ADMIN).get(f"/interceptions/{RICH.start.id}")).json()
    assert set(row) == set(schemas["InterceptionInFull"]["properties"])
    assert set(row) == set(schemas["InterceptionInFull"]["required"])


@pytest.mark.anyio
async def test_the_document_knows_where_it_is_mounted(app: RestApi) -> None:
    """Mounted below a prefix, the described server is that prefix and the routes work there."""
    host = Starlette(routes=[Mount("/api/v2/aibridge", app), Mount("/api/v2/ai-gateway", app)])
    headers = {"Coder-Session-Token": token(ADMIN)}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(host), base_url="http://h.test", headers=headers
    ) as client:
        for prefix in ("/api/v2/aibridge", "/api/v2/ai-gateway"):
            document = (await client.get(f"{prefix}/openapi.json")).json()
            assert document["servers"] == [{"url": prefix}]
            assert (await client.get(f"{prefix}/interceptions")).json()["count"] == 5
            wrong = await client.get(f"{prefix}/interceptions?limit=x")
            assert (wrong.status_code, wrong.headers["content-type"]) == (400, "application/json")
            assert (await client.get(f"{prefix}/nowhere")).json()["message"] == "Not found."
            assert (await client.post(f"{prefix}/models")).json()["message"] == "Method not allowed."


EXCLUDED: list[Any] = [positive_data_acceptance]
"""Not every text is a `q`, and not every UUID a cursor or an interception: for those, 400 and 404 are right."""
EMPTY_VALUE = re.compile(r"=(&|$)")
"""What the tool makes of null and of an empty list: to the API, a parameter that is absent, which isn't wrong."""


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *((name, GenerationMode.POSITIVE) for name in OPERATIONS),
        *((name, GenerationMode.NEGATIVE) for name in WITH_PARAMETERS),
    ],
)
def test_the_api_behaves_as_described(name: str, mode: GenerationMode) -> None:
    """Whatever is sent, status, headers and body are as described, and what breaks the description is refused."""
    storage = MemoryStorage()
    anyio.run(tell_all, storage.recorder)
    headers = {"Coder-Session-Token": token(ADMIN)}
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", app_on(storage.store, storage.network_log), headers=headers
    )
    operation = schema.find_operation_by_id(name)

    @given(case=operation.as_strategy(generation_mode=mode), known=st.sampled_from(STORIES), hit=st.booleans())
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case[Any], known: Story, hit: bool) -> None:
        if name == "getInterception" and mode is GenerationMode.POSITIVE and hit:
            case.path_parameters = {"id": known.start.id}
        answer = case.call(headers=headers)
        assume(not EMPTY_VALUE.search(str(answer.request.url)))
        case.validate_response(answer, headers=headers, excluded_checks=EXCLUDED)

    check()
