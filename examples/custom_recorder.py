"""A recorder of your own: every record also goes into a file of JSON lines.

A recorder is three methods (`aibridge_core.ports.Recorder`). This one decorates the recorder of the database: what the
database took goes into the file as well. Instead of a file it could be a queue, a bucket, a SIEM. Run it:

    python examples/custom_recorder.py
"""

import sys
from collections.abc import Sequence
from typing import BinaryIO

import anyio
import httpx
import msgspec
from attrs import frozen

from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.compose import gateway
from aibridge_adapters.config import ProviderSettings, Settings
from aibridge_adapters.scripted_provider import scripted_provider
from aibridge_adapters.storage import open_storage
from aibridge_core.actors import Actor
from aibridge_core.ports import Recorder
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record


@frozen
class JsonLinesRecorder:
    """Implements `aibridge_core.ports.Recorder`.

    Values are frozen attrs classes; msgspec writes them as JSON. No secret is in them: a credential is a masked hint.
    """

    inner: Recorder
    file: BinaryIO

    async def begin(self, start: InterceptionStart) -> None:
        """Before the provider is called. If this raises RecordingFailed, the provider isn't."""
        await self.inner.begin(start)
        self._write("begin", start)

    async def record(self, records: Sequence[Record]) -> None:
        """Prompt, tokens, tools and thoughts. Called rarely, never for each piece of a stream."""
        await self.inner.record(records)
        for record in records:
            self._write(type(record.fact).__name__, record)

    async def end(self, ended: InterceptionEnded) -> None:
        """Exactly one outcome. The client has the last piece of its answer only after this has returned."""
        await self.inner.end(ended)
        self._write("end", ended)

    def _write(self, event: str, value: object) -> None:
        self.file.write(msgspec.json.encode({"event": event, "value": value}) + b"\n")
        self.file.flush()


class Anybody:
    """Lets everybody in as one person; see mount_in_starlette.py for a real one."""

    async def authenticate(self, token: str) -> Actor:
        """No questions asked."""
        return Actor(id="1", username="ann")


async def main() -> None:
    """One question through a gateway that records with the recorder above, to standard output."""
    async with (
        scripted_provider() as provider,
        open_storage("sqlite:///:memory:", clock=SystemClock(), owner=new_id()) as storage,
        gateway(
            Settings(
                providers=(
                    ProviderSettings(
                        type="openai", name="openai", base_url=provider.openai_base_url, keys=("sk-central-0123456789",)
                    ),
                )
            ),
            storage=storage,
            recorder=JsonLinesRecorder(storage.recorder, sys.stdout.buffer),
            authenticator=Anybody(),
        ) as running,
        httpx.AsyncClient(transport=httpx.ASGITransport(running.asgi), base_url="http://gateway") as client,
    ):
        question = {"model": "gpt-x", "input": "Good morning, think about it", "stream": True}
        await client.post("/openai/v1/responses", json=question, headers={"authorization": "Bearer any"})


if __name__ == "__main__":
    anyio.run(main)
