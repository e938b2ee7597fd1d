"""Dumped exchanges: what stands in the files, what never does, and that no request suffers."""

import gzip
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve

from aibridge_adapters.compose_dumps import dumps
from aibridge_adapters.config import DumpSettings, ProviderSettings, Settings
from aibridge_adapters.config_sources import ConfigError
from aibridge_adapters.dumps import Folder, Limits, Writer
from aibridge_adapters.dumps import writer as writing
from aibridge_adapters.dumps.text import AnswerBody
from aibridge_adapters.dumps.writer import Sheet
from aibridge_adapters.http.rest import NotReloaded
from aibridge_core.ports import UpstreamExchange
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.fakes import ScriptedAnswer, ScriptedUpstream
from aibridge_core.wire import Subject, UpstreamRequest
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import UPSTREAM_KEY, Running, running_gateway

pytestmark = pytest.mark.anyio

ASK = {"model": "m-1", "max_tokens": 16, "messages": [{"role": "user", "content": "what is in a dump?"}]}
OWN_KEY = "sk-own-key-of-a-member-0123456789"


async def ok(request: Received, answer: Answering) -> None:
    await answer.whole(b'{"model":"m-1","usage":{}}', 200, ("set-cookie", "session=canary-session-cookie"))


async def ask(up: Running, *, path: str = "/anthropic/v1/messages", **more: object) -> int:
    async with up.client() as client:
        answer = await client.post(path, json={**ASK, **more}, headers=up.anthropic)
        await answer.aread()
        return answer.status_code


def texts(folder: Path) -> dict[str, str]:
    """Every dump below a folder, by its kind and the part of its name that a test can know."""
    return {dump.path.relative_to(folder).as_posix(): dump.path.read_text() for dump in Folder(folder).dumps()}


async def test_an_exchange_is_a_request_and_an_answer(tmp_path: Path) -> None:
    """Named by provider, model and interception; sorted headers, JSON laid out; readable by this user alone."""
    folder = tmp_path / "dumps"
    async with (
        raw_upstream(ok) as upstream,
        running_gateway(tmp_path, upstream.url, dumps=DumpSettings(dir=folder)) as up,
    ):
        assert await ask(up, model="org/m-1", big=12345678901234567890123) == 200
        (interception,) = await up.ended()
    (asked, request), (answered, answer) = texts(folder).items()
    assert asked.startswith("anthropic/org-m-1/") and asked.endswith(f"-{interception['id']}-0001.req.txt")
    assert answered == asked.replace(".req.", ".resp.")
    head, _, body = request.partition("\n\n")
    assert head.splitlines()[0] == "POST /v1/messages HTTP/1.1"
    assert head.splitlines()[1:] == sorted(head.splitlines()[1:])
    assert f"x-api-key: {UPSTREAM_KEY[:4]}...{UPSTREAM_KEY[-4:]}" in head
    assert '\n  "big": 12345678901234567890123\n' in body
    assert answer.startswith("HTTP/1.1 200 OK\n")
    assert answer.endswith('{"model":"m-1","usage":{}}')
    paths = [folder, *folder.rglob("*")]
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_file()} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_dir()} == {"0o700"}


async def test_no_secret_is_in_any_dump(tmp_path: Path) -> None:
    """Neither in headers nor in the query, nor where a provider quotes it: whole, cut in two, or compressed."""
    folder = tmp_path / "dumps"
    quoted = json.dumps({"error": {"message": f"bad key {UPSTREAM_KEY} or {OWN_KEY}"}}).encode()

    async def quotes(request: Received, answer: Answering) -> None:
        if "gzip" in (request.header("accept-encoding") or ""):
            await answer.whole(gzip.compress(quoted), 401, ("content-encoding", "gzip"))
            return
        await answer.head(401, ("transfer-encoding", "chunked"), ("x-echo", request.header("x-api-key") or ""))
        for byte in quoted:
            await answer.chunk(bytes([byte]))
        await answer.raw(b"0\r\n\r\n")

    async with (
        raw_upstream(quotes) as upstream,
        running_gateway(tmp_path, upstream.url, dumps=DumpSettings(dir=folder)) as up,
        up.client() as client,
    ):
        more = {"cookie": "canary-cookie-value", "x-csrf-token": "canary-csrf-value"}
        path = "/anthropic/v1/messages?api_key=canary-query-value&beta=true&X-Amz-Signature=canary-signature"
        own = {"x-aibridge-token": up.token, "x-api-key": OWN_KEY}
        for headers in (up.anthropic, own, {**up.anthropic, "accept-encoding": "gzip"}):
            answer = await client.post(path, json=ASK, headers={**headers, **more})
            assert answer.status_code == 401
        token = up.token
    written = "".join(texts(folder).values())
    assert written.count("what is in a dump?") == 3
    assert written.count("bad key") == 3
    assert "beta=true" in written
    for secret in (UPSTREAM_KEY, token, "canary-"):
        assert secret not in written
    # Whose key was quoted to somebody else is not known here; who sent it finds it masked.
    assert written.count(OWN_KEY) == 2


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Each upstream call has its own files: here one interception that needed a second key."""
    folder = tmp_path / "dumps"

    async def busy(request: Received, answer: Answering) -> None:
        if request.header("x-api-key") == "first-key-of-the-pool":
            await answer.whole(b"{}", 429, ("retry-after", "60"))
        else:
            await ok(request, answer)

    async with raw_upstream(busy) as upstream:
        keys = ("first-key-of-the-pool", "second-key-of-the-pool")
        pooled = ProviderSettings(type="anthropic", name="pooled", base_url=upstream.url, keys=keys, dump_dir=folder)
        async with running_gateway(tmp_path, upstream.url, providers=(pooled,)) as up:
            for _ in range(4):
                assert await ask(up, path="/pooled/v1/messages") == 200
            calls = len(upstream.requests)
            assert calls in (4, 5)  # a session that begins with the second key needs no other
            async with up.client() as client:
                assert (await client.get("/pooled/v1/models", headers=up.anthropic)).status_code == 200
    found = texts(folder)
    assert len([name for name in found if "/m-1/" in name]) == 2 * calls
    assert len([name for name in found if "/passthrough/" in name and "-v1-models-" in name]) == 2 * (
        len(upstream.requests) - calls
    )


async def test_a_provider_that_cannot_be_reached_leaves_its_error(tmp_path: Path) -> None:
    """In place of an answer."""
    folder = tmp_path / "dumps"
    async with running_gateway(tmp_path, "http://127.0.0.1:9", dumps=DumpSettings(dir=folder)) as up:
        assert await ask(up) == 502
    failures = [text for name, text in texts(folder).items() if name.endswith(".req_error.txt")]
    assert failures and all(text.startswith("UpstreamUnreachable: 127.0.0.1:9 ") for text in failures)


async def test_names_of_others_lead_nowhere_else(tmp_path: Path) -> None:
    """A model is a client's word."""
    folder = tmp_path / "dumps"
    async with (
        raw_upstream(ok) as upstream,
        running_gateway(tmp_path, upstream.url, dumps=DumpSettings(dir=folder)) as up,
    ):
        models = ["../../../etc/passwd", "..", "/", "\x00", "a\nb", "." * 300, "x" * 5000, "ü🦀"]
        for model in models:
            assert await ask(up, model=model) == 200
    found = texts(folder)
    assert len(found) == 2 * len(models)
    assert all(name.startswith("anthropic/") and ".." not in name.split("/")[1] for name in found), list(found)
    assert {path.name for path in tmp_path.iterdir()} <= {"dumps", "aibridge.db", "aibridge.db-wal", "aibridge.db-shm"}


async def test_a_folder_that_cannot_be_written_costs_dumps_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why, once; every request is served."""
    folder = tmp_path / "dumps"
    folder.write_text("a file is in the way")
    with caplog.at_level(logging.WARNING, "aibridge.dumps"):
        async with (
            raw_upstream(ok) as upstream,
            running_gateway(tmp_path, upstream.url, dumps=DumpSettings(dir=folder)) as up,
        ):
            assert [await ask(up) for _ in range(5)] == [200] * 5
    (said,) = [record for record in caplog.records if "could not be dumped" in record.message]
    assert said.__dict__["reason"] in ("Not a directory", "File exists")


class Same:
    """An upstream with one exchange."""

    exchange = ScriptedUpstream(ScriptedAnswer()).open(UpstreamRequest(method="GET", url="http://x.test/", headers=()))

    def open(self, request: UpstreamRequest) -> UpstreamExchange:
        return self.exchange


async def test_without_a_folder_nothing_stands_between() -> None:
    """The exchange is the inner one itself, and no thread was started."""
    threads = threading.active_count()
    inner = Same()
    asked = UpstreamRequest(method="GET", url="http://x.test/", headers=(), subject=Subject(provider="other"))
    other = ProviderSettings(type="anthropic", name="other", base_url="http://x.test", dump_dir=None)
    for settings in (Settings(), evolve(Settings(), providers=(other,))):
        with dumps(settings, FakeClock()) as dumping:
            assert dumping.around(inner).open(asked) is inner.exchange
            assert threading.active_count() == threads


async def test_a_reload_turns_dumps_on_and_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also to another folder; the provider stays the same, with what is known of its keys."""
    one, two = tmp_path / "one", tmp_path / "two"
    folders: list[Path | None] = []

    async with raw_upstream(ok) as upstream:
        provider = ProviderSettings(type="anthropic", name="anthropic", base_url=upstream.url, keys=(UPSTREAM_KEY,))

        def reread() -> Settings:
            return evolve(Settings(), providers=(provider,), dumps=DumpSettings(dir=folders[-1]))

        more: dict[str, Any] = {"providers": (provider,), "reread": reread}
        with caplog.at_level(logging.INFO, "aibridge.dumps"):
            async with running_gateway(tmp_path, upstream.url, **more) as up:
                known = up.gateway.providers.all[0]
                for folder in (None, one, two, None):
                    folders.append(folder)
                    done = await up.gateway.providers.reload()
                    assert "dumps" not in done.needs_restart
                    assert up.gateway.providers.all[0] is known
                    assert await ask(up) == 200
    assert [len(texts(folder)) for folder in (one, two)] == [2, 2]
    said = [record.message for record in caplog.records if record.name == "aibridge.dumps"]
    assert said == ["exchanges are dumped, with prompts and answers"] * 2 + ["exchanges are not dumped any more"]


async def test_a_provider_of_its_own_is_dumped_after_a_reload(tmp_path: Path) -> None:
    """`dump_dir` of one provider counts as a change of it, and costs it nothing; a bad file changes nothing."""
    async with raw_upstream(ok) as upstream:
        provider = ProviderSettings(type="anthropic", name="anthropic", base_url=upstream.url, keys=(UPSTREAM_KEY,))
        now: list[Settings | ConfigError] = []

        def reread() -> Settings:
            if isinstance(found := now[-1], ConfigError):
                raise found
            return found

        more: dict[str, Any] = {"providers": (provider,), "reread": reread}
        async with running_gateway(tmp_path, upstream.url, **more) as up:
            before = up.gateway.providers.all[0]
            now.append(evolve(Settings(), providers=(evolve(provider, dump_dir=tmp_path / "d"),)))
            assert (await up.gateway.providers.reload()).changed == ["anthropic"]
            assert up.gateway.providers.all[0] is before
            now.append(ConfigError(["no"]))
            with pytest.raises(NotReloaded):
                await up.gateway.providers.reload()
            assert await ask(up) == 200
    assert len(texts(tmp_path / "d")) == 2


async def test_a_slow_disk_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is bounded; the rest is dropped and counted, and a file that lost a piece ends there."""
    monkeypatch.setattr(writing, "MAX_WAITING", 1000)
    go_on = threading.Event()
    writer = Writer(Limits(size=2**20, age=0), lambda: 0.0)
    sheet = Sheet(Folder(tmp_path), Path("p/m/1-i-0001.resp.txt"))

    def slowly() -> bytes:
        assert go_on.wait(10)
        return b"x"

    with anyio.fail_after(5):
        for _ in range(50):
            writer.write(sheet, slowly, 100)
    assert 40 <= writer.dropped <= 41
    go_on.set()
    writer.close()
    assert (tmp_path / "p/m/1-i-0001.resp.txt").exists() is False or len(
        (tmp_path / "p/m/1-i-0001.resp.txt").read_bytes()
    ) <= 10


def test_dumps_are_bounded_by_age_and_size(tmp_path: Path) -> None:
    """The oldest go first; what isn't a dump stays."""
    folder = Folder(tmp_path)
    (tmp_path / "p" / "m").mkdir(parents=True)
    (tmp_path / "p" / "m" / "notes.txt").write_text("mine")
    for number in range(10):
        path = tmp_path / "p" / "m" / f"{1_700_000_000_000 + number}-id-{number:04x}.req.txt"
        path.write_bytes(bytes(100))
        os.utime(path, (1000 + number, 1000 + number))
    assert folder.prune(now=1012, age=9.5, size=10_000) == 3
    assert folder.prune(now=1012, age=0, size=450) == 3
    assert [dump.written for dump in folder.dumps()] == [1006, 1007, 1008, 1009]
    assert folder.prune(now=1012, age=0, size=0) == 4
    assert [path.name for path in (tmp_path / "p" / "m").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_secret_is_found_wherever_a_piece_ends(cut: int) -> None:
    """And nothing but the secret is lost."""
    text = b"before a-secret-of-20-bytes after"
    body = AnswerBody((), [b"a-secret-of-20-bytes"])
    pieces = [body.feed(text[start : start + cut]) for start in range(0, len(text), cut)]
    assert b"".join([*pieces, body.end()]) == b"before a-se...ytes after"
