"""What the core needs of the world. Protocols only; each says what it raises.

A library user swaps an adapter by implementing one of these; `aibridge_core.testing` has a fake of each and a
contract suite to subclass for storage.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol

from aibridge_core.actors import Actor
from aibridge_core.records import (
    Interception,
    InterceptionEnded,
    InterceptionFilter,
    InterceptionStart,
    Page,
    Record,
)
from aibridge_core.retention import ContentsFound, Position
from aibridge_core.tools import Toolbox, ToolCall, ToolResult
from aibridge_core.wire import AnswerHead, UpstreamRequest


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from any fixed point; never goes back."""
        ...


class NewId(Protocol):
    """Makes ids of interceptions and records."""

    def __call__(self) -> str:
        """A UUID in its canonical text form, best ordered by time (version 7)."""
        ...


class Recorder(Protocol):
    """The write side of the audit trail. Decorators (telemetry, logs) implement the same three methods."""

    async def begin(self, start: InterceptionStart) -> None:
        """Return when the start is durable. Raises RecordingFailed, and then nothing goes upstream.

        If the calling task is cancelled meanwhile, the start may be kept or not; `end` then settles it.
        """
        ...

    async def record(self, records: Sequence[Record]) -> None:
        """Take records of an interception that has begun; may return before they are durable.

        Waits while a bounded queue is full. Raises RecordingFailed if they can't be taken.
        """
        ...

    async def end(self, ended: InterceptionEnded) -> None:
        """Return when the end and every record of this interception are durable. Raises RecordingFailed.

        A second end changes nothing. `record` and `end` finish their work even if the calling task is cancelled.
        """
        ...


class InterceptionStore(Protocol):
    """The read side of the audit trail. Every method raises StoreUnavailable if the database doesn't answer.

    Lists are ordered by `started_at` descending, then `id` descending.
    """

    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        """One page, with records. Raises UnknownCursor if `page.after_id` names no interception."""
        ...

    async def count(self, where: InterceptionFilter) -> int:
        """How many match."""
        ...

    async def get(self, interception_id: str) -> Interception | None:
        """One, with records."""
        ...

    async def models(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        """Distinct requested models that begin with `prefix`, ascending; of one initiator, or of all if None."""
        ...

    async def clients(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        """Distinct client labels, as `models`."""
        ...

    async def find_initiator(self, text: str) -> str | None:
        """Id of an initiator who has interceptions, by id or by the username in their newest one."""
        ...


class Leases(Protocol):
    """Tells living gateway processes from dead ones, so that what a dead one left open can be closed.

    Every interception belongs to the process (`owner`) whose recorder began it. Every method raises StoreUnavailable.
    """

    async def renew(self, now: datetime) -> None:
        """Say that this process lives."""
        ...

    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        """Mark as `interrupted` what is in flight in processes whose lease is missing or older (in seconds).

        Returns how many. Never touches rows of a process whose lease is fresh, nor those of the calling process.
        """
        ...

    async def release(self) -> None:
        """This process ends in good order."""
        ...


class Retention(Protocol):
    """Removes what was kept long enough. A storage may do without it, and then keeps everything for ever.

    Every method raises StoreUnavailable. Each does one small piece of work, so that nobody who writes meanwhile waits
    long. What is in flight is never touched. Who deletes what when is `aibridge_core.retention`'s to say.
    """

    async def claim(self, now: datetime, *, seconds: float) -> bool:
        """Take or prolong the sole right to purge, until `seconds` after `now`. False while another process has it."""
        ...

    async def release(self) -> None:
        """Give it back; no error if this process doesn't have it."""
        ...

    async def delete_interceptions(self, *, started_before: datetime, limit: int) -> int:
        """Delete at most `limit` interceptions with all their records, the oldest first.

        Returns how many; fewer than `limit` if no more are due. Interceptions of the same thread or session that
        remain keep their ids of it. Counts are those of what remains.
        """
        ...

    async def find_contents(self, *, started_before: datetime, after: Position, limit: int) -> ContentsFound:
        """At most `limit` interceptions after a position that still hold content, the oldest first.

        May look at part of what there is and find none in it; the position in the answer says where to go on.
        """
        ...

    async def erase_contents(self, ids: Sequence[str]) -> None:
        """Erase the content of all records of these interceptions, as `aibridge_core.content.with_content` does.

        The records stay, with the mark `purged`. Ids that are unknown by now are no error.
        """
        ...


class UpstreamAnswer(Protocol):
    """An answer whose head has come."""

    @property
    def head(self) -> AnswerHead:
        """Status and headers as the provider sent them."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, still in its content coding. Raises UpstreamBroken, UpstreamTimeout."""
        ...


class UpstreamExchange(Protocol):
    """An asynchronous context: entering sends the request and awaits the head, leaving closes whatever is open."""

    async def __aenter__(self) -> UpstreamAnswer:
        """Raises UpstreamUnreachable as long as nothing has come back, UpstreamBroken afterwards, UpstreamTimeout."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Give the connection back if the body was read to its end, else close it at once."""
        ...


class Upstream(Protocol):
    """The way to the providers."""

    def open(self, request: UpstreamRequest) -> UpstreamExchange:
        """An exchange, not begun yet."""
        ...


class Reply(Protocol):
    """The answer's way to the client. Not calling `finish` makes the client see an answer that broke off."""

    @property
    def started(self) -> bool:
        """Whether the head is out, so that the status can't change any more."""
        ...

    @property
    def client_gone(self) -> bool:
        """Whether the client has closed its connection; the exchange is then cancelled from outside."""
        ...

    @property
    def sent(self) -> int:
        """Bytes of the body so far, without keep-alives."""
        ...

    async def start(self, head: AnswerHead, *, keep_alive: Callable[[], bytes] | None = None) -> None:
        """Send status and headers.

        `keep_alive` is asked, when nothing was sent for a while, for something that may be sent right now.
        """
        ...

    async def send(self, data: bytes) -> None:
        """Send a piece of the body at once; waits while the client reads slowly."""
        ...

    async def finish(self) -> None:
        """End the body in good order."""
        ...


class StreamDecoder(Protocol):
    """Undoes a content coding piece by piece."""

    def feed(self, data: bytes) -> bytes:
        """What these bytes decode to. Raises ValueError if they can't be decoded."""
        ...


class ContentCodings(Protocol):
    """The content codings (gzip, br, zstd ...) that can be undone."""

    @property
    def names(self) -> Collection[str]:
        """Lower-case names of the codings that can be decoded."""
        ...

    def decode(self, data: bytes, coding: str, *, limit: int) -> bytes:
        """A whole body. Raises ValueError if it is broken, OverflowError if it decodes to over `limit` bytes."""
        ...

    def decoder(self, coding: str) -> StreamDecoder:
        """A decoder for one answer."""
        ...


class ToolServers(Protocol):
    """The tools that the gateway runs for models."""

    async def toolbox(self, actor: Actor) -> Toolbox:
        """What requests of this actor are offered. Never raises; waits a bounded time for servers it hasn't met yet."""
        ...

    async def call(self, actor: Actor, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """Run all calls at once; results in the order of the calls, each within the time allowed for it.

        Never raises: a call that can't be made has a result with an `error`. Cancelled, it cancels what still runs.
        """
        ...


class Authenticator(Protocol):
    """Knows people by their gateway tokens."""

    async def authenticate(self, token: str) -> Actor:
        """Raises Unauthenticated, IdentityUnavailable."""
        ...


class UserDirectory(Protocol):
    """Finds users for filters such as `initiator:ann`."""

    async def find_user(self, text: str) -> str | None:
        """Id of the user with this id or username."""
        ...
