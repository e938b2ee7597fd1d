"""An Upstream around another one that writes down every call: its request, and its answer or its failure.

Belongs here: what happens when. Never: what stands in a file (`text`) or where (`folder`).
"""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from aibridge_adapters.dumps.folder import ANSWER, FAILURE, REQUEST, Folder, part
from aibridge_adapters.dumps.masking import secrets_of
from aibridge_adapters.dumps.text import AnswerBody, answer_text, request_text, target_of
from aibridge_adapters.dumps.writer import Sheet, Writer
from aibridge_core.errors import BridgeError
from aibridge_core.ports import Upstream, UpstreamAnswer, UpstreamExchange
from aibridge_core.wire import AnswerHead, UpstreamRequest


class DumpedUpstream:
    """Dumps calls to the providers that have a folder; others pass through."""

    def __init__(
        self,
        inner: Upstream,
        writer: Writer,
        folders: Mapping[str, Path],
        now: Callable[[], float],
        keys: Sequence[str] = (),
    ) -> None:
        """`folders` by name of provider; `now` tells seconds since the epoch. `keys` are masked wherever they stand."""
        self._keys = [key.encode("latin-1", "replace") for key in keys]
        self._inner = inner
        self._writer = writer
        self._folders = {name: Folder(path) for name, path in folders.items()}
        self._now = now
        self._calls = itertools.count(1)

    def open(self, request: UpstreamRequest) -> UpstreamExchange:
        """An exchange, not begun yet."""
        exchange = self._inner.open(request)
        folder = self._folders.get(request.subject.provider)
        if folder is None:
            return exchange
        name = _name(request, int(self._now() * 1000), next(self._calls))
        return _DumpedExchange(exchange, _Pages(self._writer, folder, name, request, self._keys))


def _name(request: UpstreamRequest, milliseconds: int, call: int) -> Path:
    subject = request.subject
    if subject.interception_id:
        place, what = part(subject.model), part(subject.interception_id)
    else:
        place, what = "passthrough", part(target_of(request.url).partition("?")[0])
    return Path(part(subject.provider), place, f"{milliseconds}-{what}-{call:04x}")


class _Pages:
    """The files of one call."""

    def __init__(
        self, writer: Writer, folder: Folder, name: Path, request: UpstreamRequest, keys: Sequence[bytes]
    ) -> None:
        self._writer = writer
        self._folder = folder
        self._name = name
        secrets = self._secrets = secrets_of(request.headers, target_of(request.url), keys)
        self._answer = self._sheet(ANSWER)
        self._body: AnswerBody | None = None
        asked = self._sheet(REQUEST)
        writer.write(asked, lambda: request_text(request, secrets), len(request.body))
        writer.write(asked, None, 0)

    def failed(self, error: BaseException) -> None:
        """No answer came."""
        text = f"{type(error).__name__}: {error}" if isinstance(error, BridgeError) else type(error).__name__
        sheet = self._sheet(FAILURE)
        self._writer.write(sheet, f"{text}\n".encode, len(text))
        self._writer.write(sheet, None, 0)

    def answered(self, head: AnswerHead) -> None:
        """The head came."""
        self._body = AnswerBody(head.headers, self._secrets)
        self._writer.write(self._answer, lambda: answer_text(head, self._secrets), 0)

    def piece(self, data: bytes) -> None:
        """A piece of the body came."""
        if (body := self._body) is not None:
            self._writer.write(self._answer, lambda: body.feed(data), len(data))

    def end(self) -> None:
        """Nothing more comes."""
        if (body := self._body) is not None:
            self._body = None
            self._writer.write(self._answer, body.end, 0)
            self._writer.write(self._answer, None, 0)

    def _sheet(self, suffix: str) -> Sheet:
        return Sheet(self._folder, self._name.with_name(self._name.name + suffix))


class _DumpedExchange:
    def __init__(self, inner: UpstreamExchange, pages: _Pages) -> None:
        self._inner = inner
        self._pages = pages

    async def __aenter__(self) -> UpstreamAnswer:
        try:
            answer = await self._inner.__aenter__()
        except BaseException as error:
            self._pages.failed(error)
            raise
        self._pages.answered(answer.head)
        return _DumpedAnswer(answer, self._pages)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._pages.end()
        await self._inner.__aexit__(kind, error, trace)


class _DumpedAnswer(AsyncIterator[bytes]):
    def __init__(self, inner: UpstreamAnswer, pages: _Pages) -> None:
        self.head = inner.head
        self._inner = inner
        self._pages = pages
        self._pieces: AsyncIterator[bytes]

    def chunks(self) -> AsyncIterator[bytes]:
        self._pieces = aiter(self._inner.chunks())
        return self

    async def __anext__(self) -> bytes:
        data = await anext(self._pieces)
        self._pages.piece(data)
        return data
