"""Every route that exists, asked by everybody: only what should opens.

The routes are read out of the running application's own tables, so a new one is tested the moment it exists. What is
new and not for every member gets a row in `ONLY`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from aibridge_adapters.config import PrometheusSettings, ProviderSettings
from aibridge_adapters.http.app import HEALTH, MOUNTS
from aibridge_adapters.http.rest import RestApi
from aibridge_core.actors import Role
from aibridge_core.providers.registry import KINDS
from aibridge_core.providers.routes import Mode
from integration.security.people import UNKNOWN, tokens
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import UPSTREAM_KEY, Running, running_gateway

pytestmark = pytest.mark.anyio

EVERYBODY = frozenset(role.value for role in Role)
ADMIN = frozenset({Role.ADMIN.value})
AUDITORS = frozenset({Role.AUDITOR.value, Role.ADMIN.value})

ONLY = {
    "listNetworkCalls": AUDITORS,
    "importNetworkCalls": ADMIN,
}
"""REST operations, by name, that not every member may call; those below `/admin/` are for admins alone anyway."""

BODY = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hi"}],"input":"hi"}'


async def ok(request: Received, answer: Answering) -> None:
    await answer.whole(b"" if request.method == "HEAD" else b"{}", 200, ("content-type", "application/json"))


def ai_routes(up: Running) -> Iterator[tuple[str, str]]:
    """Method and path of every AI route of every provider of the running gateway, below no mount."""
    router = up.gateway.asgi.router
    for name in router.names:
        kind = KINDS[name]
        for route in kind.routes:
            path = f"/{name}{kind.prefix}{route.path}" + ("x" if route.path.endswith("/") else "")
            found = router.find(path)
            assert found is not None, path
            for method in ("POST",) if found.route.mode is Mode.BRIDGED else ("GET", "POST", "DELETE"):
                yield method, path


def rest_routes(up: Running) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Method and path of every REST route, and the roles for which it opens."""
    rest = up.gateway.asgi.rest
    assert isinstance(rest, RestApi)
    for route in rest.routes:
        path = route.path.replace("{id}", "00000000-0000-7000-8000-000000000000")
        assert "{" not in path, f"say what {route.path} is asked with"
        allowed = ADMIN if path.startswith("/admin/") else ONLY.get(route.name, EVERYBODY)
        for method in sorted(route.methods or ()):
            yield method, path, allowed


def providers_of_every_type(url: str) -> tuple[ProviderSettings, ...]:
    """One of each type that can be configured, named as its type."""
    return tuple(ProviderSettings(type=kind, name=kind, base_url=url, keys=(UPSTREAM_KEY,)) for kind in KINDS)


def own_credential(token: str) -> Mapping[str, str]:
    """Headers that open any provider to whoever has a gateway token: some know no central key."""
    own = {"authorization": "Bearer somebodys-own-key", "x-api-key": "somebodys-own-key"}
    return {**own, "x-aibridge-token": token} if token else {}


async def test_ai_routes_open_to_users_of_every_role_and_to_nobody_else(tmp_path: Path) -> None:
    """Every route of every type below every mount; without a token nothing reaches a provider."""
    async with (
        raw_upstream(ok) as upstream,
        running_gateway(tmp_path, upstream.url, providers=providers_of_every_type(upstream.url)) as up,
        up.client() as client,
    ):
        people = await tokens(up)
        routes = list(ai_routes(up))
        assert len(routes) > 3 * len(KINDS)
        for method, path in routes:
            for mount in ("", *MOUNTS):
                for person in UNKNOWN:
                    for headers in _places(people[person]):
                        answer = await client.request(method, mount + path, content=BODY, headers=headers)
                        assert (answer.status_code, upstream.requests) == (401, []), (person, method, path, headers)
                        assert answer.headers["x-should-retry"] == "false"
        for person in EVERYBODY:
            for method, path in routes:
                answer = await client.request(method, path, content=BODY, headers=own_credential(people[person]))
                assert answer.status_code not in (401, 403, 404, 405), (person, method, path, answer.text)


def _places(token: str) -> list[dict[str, str]]:
    """Every place of a gateway token on AI routes; the cookie and the query are none."""
    if not token:
        return [{}, {"cookie": "token=x"}, {"authorization": "Basic x"}, {"authorization": "Bearer"}]
    return [{"authorization": f"Bearer {token}"}, {"x-api-key": token}, {"x-aibridge-token": token}]


@pytest.mark.parametrize("mount", MOUNTS)
async def test_rest_routes_open_to_the_roles_they_are_for(tmp_path: Path, mount: str) -> None:
    """401 without a token that is right, 403 with the wrong role, and something else for those who may."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        people = await tokens(up)
        routes = list(rest_routes(up))
        assert {name for *_, name in routes} >= {EVERYBODY, AUDITORS, ADMIN}
        for method, path, allowed in routes:
            for person, token in people.items():
                answer = await client.request(method, mount + path, headers={"coder-session-token": token})
                got = "opened" if answer.status_code not in (401, 403) else answer.status_code
                expected = 401 if person in UNKNOWN else "opened" if person in allowed else 403
                assert got == expected, (person, method, path, answer.text)
                assert answer.status_code < 500, (person, method, path, answer.text)


@pytest.mark.parametrize(
    "path",
    [
        "/", "//", "/nowhere", "/admin", "/metrics", "/docs", "/debug", "/healthz/", "/healthz/x", "/readyz%2f",
        "/%68ealthz", "/api", "/api/v2", "/api/v2/aibridge", "/api/v2/aibridge/", "/api/v2/aibridge/nowhere",
        "/api/v2/aibridge/healthz", "/api/v2/aibridge/%6dodels", "/api/v2/aibridge//models",
        "/api/v2/aibridge/admin/x",
        "/anthropic", "/anthropic/", "/anthropic/nowhere", "/anthropic/healthz", "/anthropic/../healthz",
    ],
)  # fmt: skip
async def test_what_does_not_exist_needs_a_token_too(tmp_path: Path, path: str) -> None:
    """Nobody without a token can find out what there is, nor reach a route by another spelling of an open one."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up:
        transport = httpx.AsyncHTTPTransport()
        async with httpx.AsyncClient(transport=transport, base_url=up.url) as client:
            for method in ("GET", "POST", "OPTIONS"):
                request = client.build_request(method, up.url, extensions={"target": path.encode()})
                answer = await client.send(request)
                assert answer.status_code == 401, (method, answer.text)
        assert upstream.requests == []


async def test_health_is_open_and_says_nothing(tmp_path: Path) -> None:
    """The list of open paths is short; each answers with one word."""
    assert HEALTH == ("/healthz", "/readyz")
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        for path in HEALTH:
            answer = await client.get(path)
            assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_metrics_have_no_place_on_the_gateways_listener(tmp_path: Path) -> None:
    """Their own listener has no token, so it shows one page and no route of the gateway."""
    async with (
        raw_upstream(ok) as upstream,
        running_gateway(tmp_path, upstream.url, prometheus=PrometheusSettings(enable=True)) as up,
        up.client() as client,
    ):
        assert (await client.get("/metrics")).status_code == 401
        page = up.gateway.metrics
        assert page is not None
        transport = httpx.ASGITransport(page)
        async with httpx.AsyncClient(transport=transport, base_url="http://metrics.test") as reader:
            assert (await reader.get("/metrics")).status_code == 200
            for method, path in [*ai_routes(up), *((method, path) for method, path, _ in rest_routes(up))]:
                for mount in ("", *MOUNTS):
                    assert (await reader.request(method, mount + path)).status_code == 404
            assert (await reader.post("/metrics")).status_code == 405
