"""The read side: pages, counts, names.

Belongs here: the InterceptionStore port in terms of the index. Never: files, threads.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

from attrs import frozen

from aibridge_core.errors import UnknownCursor
from aibridge_core.records import Interception, InterceptionFilter, InterceptionStart, Page
from aibridge_jsonl.database import Database
from aibridge_jsonl.index import Index, Rank
from aibridge_jsonl.unavailable import unavailable

T = TypeVar("T")


@frozen
class JsonlStore:
    """Implements `aibridge_core.ports.InterceptionStore`. A filter looks at every interception; see the README."""

    _database: Database

    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        """One page, with records. Raises UnknownCursor."""

        def query(index: Index) -> Sequence[Interception]:
            found = index.newest_first(where, after=_cursor(index, page.after_id))
            return [self._database.whole(entry) for entry in islice(found, page.offset, page.offset + page.limit)]

        return await self._read(query)

    async def count(self, where: InterceptionFilter) -> int:
        """How many match."""
        return await self._read(lambda index: sum(1 for _ in index.newest_first(where)))

    async def get(self, interception_id: str) -> Interception | None:
        """One, with records."""

        def query(index: Index) -> Interception | None:
            entry = index.entries.get(interception_id)
            return self._database.whole(entry) if entry else None

        return await self._read(query)

    async def models(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        """Distinct requested models."""
        return await self._names(lambda start: start.model, initiator_id, prefix, page)

    async def clients(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        """Distinct client labels."""
        return await self._names(lambda start: start.client, initiator_id, prefix, page)

    async def find_initiator(self, text: str) -> str | None:
        """By id, else by the username in their newest interception."""

        def query(index: Index) -> str | None:
            newest: dict[str, str] = {}
            for entry in index.newest_first(InterceptionFilter()):
                initiator = entry.interception.start.initiator
                newest.setdefault(initiator.id, initiator.username)
            by_name = (initiator_id for initiator_id, username in newest.items() if username == text)
            return text if text in newest else next(by_name, None)

        return await self._read(query)

    async def _names(
        self, name: Callable[[InterceptionStart], str], initiator_id: str | None, prefix: str, page: Page
    ) -> Sequence[str]:
        def query(index: Index) -> Sequence[str]:
            found = index.newest_first(InterceptionFilter(initiator_id=initiator_id))
            names = sorted({each for entry in found if (each := name(entry.interception.start)).startswith(prefix)})
            return names[page.offset : page.offset + page.limit]

        return await self._read(query)

    async def _read(self, query: Callable[[Index], T]) -> T:
        with unavailable():
            return await self._database.read(query)


def _cursor(index: Index, interception_id: str | None) -> Rank | None:
    """The place of the interception with this id. Raises UnknownCursor if there is none."""
    if interception_id is None:
        return None
    try:
        return index.entries[interception_id].rank
    except KeyError:
        raise UnknownCursor(interception_id) from None
