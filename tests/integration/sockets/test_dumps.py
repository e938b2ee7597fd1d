"""Dumps of tunnels: the upgrade, then each request with the messages that answer it."""

import json
from pathlib import Path

import pytest

from aibridge_adapters.config import DumpSettings
from aibridge_adapters.dumps import Folder
from integration.sockets.tunnels import KEY, create, events, hear_response, tunnel, world
from support.sockets import Peer, Refused

pytestmark = pytest.mark.anyio


def texts(folder: Path) -> dict[str, str]:
    """Every dump, in the order of the calls."""
    found = {dump.path.relative_to(folder).as_posix(): dump.path.read_text() for dump in Folder(folder).dumps()}
    return dict(sorted(found.items(), key=lambda item: item[0].rpartition("-")[2]))


async def test_each_request_on_a_tunnel_has_files_of_its_own(tmp_path: Path) -> None:
    """Named by its interception; the message as it was asked, laid out, and the provider's, one on each line."""
    folder = tmp_path / "dumps"
    answer = ((b"x-request-id", b"req_1"), (b"set-cookie", b"session=canary-session-cookie"))

    async def quoting(peer: Peer) -> None:
        number = 0
        while True:
            await peer.hear()
            number += 1
            for event in events(number)[:-1]:
                await peer.say(event)
            await peer.say(json.dumps({"type": "error", "status": 500, "error": {"message": f"{KEY} is bad"}}))

    async with world(tmp_path, quoting, dumps=DumpSettings(dir=folder), answer_headers=answer) as (up, _):
        async with tunnel(up) as client:
            for prompt in ("one", "two"):
                await client.say(create(prompt))
                await hear_response(client)
        second, first = await up.ended(2)
        token = up.token
    found = texts(folder)
    places = [name.rpartition("/")[0] for name in found]
    assert places == ["openai/passthrough"] * 2 + ["openai/m-1"] * 4
    upgrade, switched, asked, said, *_ = found.values()
    assert upgrade.startswith("GET /v1/responses HTTP/1.1\n") and "session-id: 01a200e6" in upgrade
    assert switched.startswith("HTTP/1.1 101 Switching Protocols\n") and "x-request-id: req_1" in switched
    assert [name for name in found if first["id"] in name] == [name for name in found if "-0002." in name]
    assert [name for name in found if second["id"] in name] == [name for name in found if "-0003." in name]
    assert asked.startswith("GET /v1/responses HTTP/1.1\n") and "upgrade: websocket" in asked
    assert '"text": "one"' in asked and "two" not in asked
    lines = said.partition("\n\n")[2].splitlines()
    assert [json.loads(line)["type"] for line in lines][-1] == "error" and len(lines) == 4
    assert "is bad" in said
    for secret in (KEY, token, "canary-"):
        assert secret not in "".join(found.values())


async def test_a_refused_upgrade_is_dumped(tmp_path: Path) -> None:
    """Who wonders why a client uses HTTP finds the provider's answer."""
    folder = tmp_path / "dumps"
    refuse = (403, ((b"x-why", b"not today"),))
    async with world(tmp_path, dumps=DumpSettings(dir=folder), refuse=refuse) as (up, _):
        with pytest.raises(Refused):
            async with tunnel(up):
                pass
    _, answer = texts(folder).values()
    assert answer.startswith("HTTP/1.1 403 Forbidden\n") and "x-why: not today" in answer


async def test_a_response_that_breaks_off_leaves_what_came(tmp_path: Path) -> None:
    """The file ends where the answer did."""
    folder = tmp_path / "dumps"

    async def breaking(peer: Peer) -> None:
        await peer.hear()
        await peer.say(events(1)[0])
        peer.reset()

    async with world(tmp_path, breaking, dumps=DumpSettings(dir=folder)) as (up, _):
        async with tunnel(up) as client:
            await client.say(create("one"))
            await client.hear()
            await client.hear()
        await up.ended(1)
    (said,) = [text for name, text in texts(folder).items() if name.endswith("-0002.resp.txt")]
    assert said.partition("\n\n")[2] == events(1)[0] + "\n"
