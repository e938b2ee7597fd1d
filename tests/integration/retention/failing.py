"""A Retention port whose database refuses for a while."""

from collections.abc import Sequence
from datetime import datetime

from attrs import define, field

from aibridge_core.errors import StoreUnavailable
from aibridge_core.ports import Retention
from aibridge_core.retention import ContentsFound, Position


@define
class FailingRetention:
    """Implements `aibridge_core.ports.Retention` over another one; refuses so many calls first."""

    inner: Retention
    failures: int
    on_claim: bool = False
    limits: list[int] = field(factory=list)
    """Batch sizes that were asked for."""

    async def claim(self, now: datetime, *, seconds: float) -> bool:
        """As the inner one, unless claims fail too."""
        if self.on_claim:
            self._refuse()
        return await self.inner.claim(now, seconds=seconds)

    async def release(self) -> None:
        """As the inner one."""
        await self.inner.release()

    async def delete_interceptions(self, *, started_before: datetime, limit: int) -> int:
        """As the inner one, after the failures."""
        self.limits.append(limit)
        self._refuse()
        return await self.inner.delete_interceptions(started_before=started_before, limit=limit)

    async def find_contents(self, *, started_before: datetime, after: Position, limit: int) -> ContentsFound:
        """As the inner one, after the failures."""
        self._refuse()
        return await self.inner.find_contents(started_before=started_before, after=after, limit=limit)

    async def erase_contents(self, ids: Sequence[str]) -> None:
        """As the inner one, after the failures."""
        self._refuse()
        await self.inner.erase_contents(ids)

    def _refuse(self) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("canceling statement due to lock timeout")
