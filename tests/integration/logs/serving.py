"""`aibridge serve` with its log in a file, and a provider that answers at once."""

import json
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import anyio
import httpx
from attrs import frozen

from support import messages
from support.process import AIBRIDGE, environment
from support.raw_upstream import Answering, Received
from support.running import ADMIN_TOKEN

HEADERS = {"x-api-key": ADMIN_TOKEN, "content-type": "application/json"}


async def answering(request: Received, answer: Answering) -> None:
    """A provider that always says the same."""
    content = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a.py"}}
    await answer.whole(messages.message(content), 200, ("content-type", "application/json"))


def body(prompt: str) -> bytes:
    """A request of the Messages API."""
    return json.dumps({"model": "claude-x", "messages": [{"role": "user", "content": prompt}]}).encode()


@frozen(kw_only=True)
class Serving:
    """A process that listens."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def lines(self) -> Sequence[dict[str, Any]]:
        """What is in the log file by now, up to the last whole line."""
        return [json.loads(line) for line in self.log.read_bytes().split(b"\n")[:-1]]

    def records(self, *types: str) -> Sequence[dict[str, Any]]:
        """Fields of the records' lines, of these types if any are named."""
        found = [line["fields"] for line in self.lines() if line["msg"] == "interception log"]
        return [fields for fields in found if not types or fields["record_type"] in types]

    async def ask(self, prompt: str) -> httpx.Response:
        """One request."""
        async with httpx.AsyncClient(timeout=20) as client:
            return await client.post(f"{self.url}/anthropic/v1/messages", content=body(prompt), headers=HEADERS)

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        with anyio.fail_after(20):
            return await anyio.to_thread.run_sync(self.process.wait)


@asynccontextmanager
async def serving(
    folder: Path,
    upstream_url: str,
    *,
    stderr: IO[bytes] | int = subprocess.DEVNULL,
    log: Path | None = None,
    **variables: str,
) -> AsyncIterator[Serving]:
    """Start it with a log file, and wait until it listens. It is killed at the end if it still runs.

    `log`: where its lines are to be looked for, if it is not that file.
    """
    variables = {"AIBRIDGE_LOG_FILE": str(folder / "gateway.log"), **variables}
    log = log or folder / "gateway.log"
    with subprocess.Popen(
        [str(AIBRIDGE), "serve"],
        env=environment(folder, upstream_url, **variables),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    ) as process:
        up = Serving(process=process, url="", log=log)
        try:
            await until(lambda: log.exists() and any(line["msg"] == "listening" for line in up.lines()))
            (heard,) = [line for line in up.lines() if line["msg"] == "listening"]
            yield Serving(process=process, url=f"http://{heard['fields']['addresses'][0]}", log=log)
        finally:
            process.kill()


async def until(happened: Callable[[], bool]) -> None:
    """Return when a condition holds; fails the test after twenty seconds."""
    with anyio.fail_after(20):
        while not happened():
            await anyio.sleep(0.01)
