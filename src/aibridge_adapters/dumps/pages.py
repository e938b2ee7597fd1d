"""The files of one call, and who has any.

Belongs here: which providers are dumped right now, under which name, and what is written when. Never: what stands in a
file (`text`), or the calls themselves.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from aibridge_adapters.dumps.folder import ANSWER, FAILURE, REQUEST, Folder, part
from aibridge_adapters.dumps.masking import secrets_of
from aibridge_adapters.dumps.text import AnswerBody, answer_text, request_text, target_of
from aibridge_adapters.dumps.writer import Limits, Sheet, Writer
from aibridge_core.dialects.responses.frames import message_of
from aibridge_core.errors import BridgeError
from aibridge_core.wire import AnswerHead, UpstreamRequest


@frozen(kw_only=True)
class Look:
    """How a call is shown."""

    request: Callable[[UpstreamRequest], UpstreamRequest] = lambda request: request
    head: Callable[[AnswerHead], AnswerHead] = lambda head: head
    piece: Callable[[bytes], bytes] = lambda piece: piece


_UPGRADE: Final = ((b"upgrade", b"websocket"),)
AS_SENT: Final = Look()
AS_MESSAGES: Final = Look(
    request=lambda request: evolve(request, method="GET", headers=(*request.headers, *_UPGRADE)),
    head=lambda head: AnswerHead(status=101, headers=_UPGRADE),
    piece=lambda event: message_of(event) + b"\n",
)
"""A request on a WebSocket: beneath the upgrade that it rests on, the client's message, then the provider's."""


class Dumping:
    """Which calls are written down; may change while the gateway runs. Belongs to one event loop."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` tells seconds since the epoch. At first nothing is dumped."""
        self._now = now
        self._folders: Mapping[str, Folder] = {}
        self._keys: frozenset[bytes] = frozenset()
        self._writer: Writer | None = None
        self._calls = itertools.count(1)

    def change(self, folders: Mapping[str, Path], limits: Limits, keys: Iterable[str]) -> bool:
        """From now on dump the providers that have a folder, by name; calls that run go on as they began.

        Returns whether others are dumped now, or elsewhere.

        `keys` are masked wherever they stand, beside those that were named before: running calls may quote them.
        """
        before, self._folders = self._folders, {name: Folder(path) for name, path in folders.items()}
        self._keys |= {key.encode("latin-1", "replace") for key in keys}
        if self._writer is not None:
            self._writer.limits = limits
        elif folders:
            self._writer = Writer(limits, self._now)
        return self._folders != before

    def pages(self, request: UpstreamRequest, look: Look = AS_SENT) -> "Pages | None":
        """For one call; None if it isn't dumped."""
        folder = self._folders.get(request.subject.provider)
        if folder is None or self._writer is None:
            return None
        name = _name(request, int(self._now() * 1000), next(self._calls))
        return Pages(self._writer, folder, name, request, self._keys, look)

    def close(self) -> None:
        """Write what waits, for a moment."""
        if self._writer is not None:
            self._writer.close()


def _name(request: UpstreamRequest, milliseconds: int, call: int) -> Path:
    subject = request.subject
    if subject.interception_id:
        place, what = part(subject.model), part(subject.interception_id)
    else:
        place, what = "passthrough", part(target_of(request.url).partition("?")[0])
    return Path(part(subject.provider), place, f"{milliseconds}-{what}-{call:04x}")


class Pages:
    """The files of one call."""

    def __init__(  # noqa: PLR0917
        self, writer: Writer, folder: Folder, name: Path, request: UpstreamRequest, keys: Iterable[bytes], look: Look
    ) -> None:
        self._writer = writer
        self._folder = folder
        self._name = name
        self._look = look
        secrets = self._secrets = secrets_of(request.headers, target_of(request.url), keys)
        self._answer = self._sheet(ANSWER)
        self._body: AnswerBody | None = None
        asked, shown = self._sheet(REQUEST), look.request(request)
        writer.write(asked, lambda: request_text(shown, secrets), len(request.body))
        writer.write(asked, None, 0)

    def failed(self, error: BaseException) -> None:
        """No answer came."""
        text = f"{type(error).__name__}: {error}" if isinstance(error, BridgeError) else type(error).__name__
        sheet = self._sheet(FAILURE)
        self._writer.write(sheet, f"{text}\n".encode, len(text))
        self._writer.write(sheet, None, 0)

    def answered(self, head: AnswerHead) -> None:
        """The head came."""
        head = self._look.head(head)
        self._body = AnswerBody(head.headers, self._secrets)
        self._writer.write(self._answer, lambda: answer_text(head, self._secrets), 0)

    def piece(self, data: bytes) -> None:
        """A piece of the body came."""
        if (body := self._body) is not None:
            shown = self._look.piece
            self._writer.write(self._answer, lambda: body.feed(shown(data)), len(data))

    def end(self) -> None:
        """Nothing more comes."""
        if (body := self._body) is not None:
            self._body = None
            self._writer.write(self._answer, body.end, 0)
            self._writer.write(self._answer, None, 0)

    def _sheet(self, suffix: str) -> Sheet:
        return Sheet(self._folder, self._name.with_name(self._name.name + suffix))
