"""`aibridge serve` as a process of its own, for tests of its beginning and its end."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from attrs import frozen

from support.running import ADMIN_TOKEN, UPSTREAM_KEY

AIBRIDGE = Path(sys.executable).parent / "aibridge"


@frozen
class Served:
    """A process that listens."""

    process: Process
    url: str
    metrics: str = ""
    """Where metrics are read, if they are."""


def environment(folder: Path, upstream_url: str, **more: str) -> Mapping[str, str]:
    """Variables for a gateway with its database in `folder`; nothing of the machine's own configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIBRIDGE_", "CODER_"))}
    return {
        **kept,
        "AIBRIDGE_HTTP_ADDRESS": "127.0.0.1:0",
        "AIBRIDGE_DATABASE_URL": f"sqlite:///{folder / 'aibridge.db'}",
        "AIBRIDGE_BOOTSTRAP_ADMIN_TOKEN": ADMIN_TOKEN,
        "AIBRIDGE_PROVIDER_0_TYPE": "anthropic",
        "AIBRIDGE_PROVIDER_0_BASE_URL": upstream_url,
        "AIBRIDGE_PROVIDER_0_KEY": UPSTREAM_KEY,
        "AIBRIDGE_LOG_FORMAT": "json",
        **more,
    }


@asynccontextmanager
async def served(folder: Path, upstream_url: str, **more: str) -> AsyncIterator[Served]:
    """Start `aibridge serve` and wait until it listens. It is killed at the end if it still runs."""
    process = await anyio.open_process(
        [str(AIBRIDGE), "serve"],
        env=environment(folder, upstream_url, **more),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    assert process.stderr is not None
    try:
        with anyio.fail_after(20):
            places = await _places(TextReceiveStream(process.stderr))
        if "listening" in places:
            yield Served(process, f"http://{places['listening']}", places.get("listening for Prometheus", ""))
            return
        raise AssertionError("the gateway ended before it listened")
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()


async def _places(log: TextReceiveStream) -> Mapping[str, str]:
    """What the gateway listens on, by the message that says so, as soon as it serves clients."""
    seen = ""
    found: dict[str, str] = {}
    async for text in log:
        seen += text
        *lines, seen = seen.split("\n")
        for line in lines:
            said = json.loads(line)
            if said["msg"].startswith("listening"):
                found[said["msg"]] = said["fields"]["addresses"][0]
            if said["msg"] == "listening":
                return found
    return found
