"""Mistakes of the read side: order, pages, counts, filters, names."""

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

import attrs
from attrs import define

from aibridge_core.errors import UnknownCursor
from aibridge_core.records import Interception, InterceptionFilter, Page
from aibridge_core.testing.memory import MemoryDatabase, MemoryInterceptionStore
from unit.testing.mutants.mutant import Mutant

ALL = Page(limit=10**6)


class _Paging(MemoryInterceptionStore):
    """Pages of what `everything` gives."""

    async def everything(self, where: InterceptionFilter) -> Sequence[Interception]:
        return await super().list(where, ALL)

    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        found = await self.everything(where)
        if page.after_id is not None:
            found = found[[each.start.id for each in found].index(page.after_id) + 1 :]
        return found[page.offset :][: page.limit]


def ordered(rank: Callable[[Interception], Any]) -> type[MemoryInterceptionStore]:
    """A store whose lists are in that order, the largest first."""

    class Ordered(_Paging):
        async def everything(self, where: InterceptionFilter) -> Sequence[Interception]:
            return sorted(await super().everything(where), key=rank, reverse=True)

    return Ordered


class OnlyWithRecords(_Paging):
    async def everything(self, where: InterceptionFilter) -> Sequence[Interception]:
        return [each for each in await super().everything(where) if each.records]


class CountsAPage(MemoryInterceptionStore):
    async def count(self, where: InterceptionFilter) -> int:
        return len(await self.list(where, Page(limit=50)))


class CountsRecords(MemoryInterceptionStore):
    async def count(self, where: InterceptionFilter) -> int:
        return sum(len(each.records) or 1 for each in await self.list(where, ALL))


class CountIgnoresTime(MemoryInterceptionStore):
    async def count(self, where: InterceptionFilter) -> int:
        return await super().count(attrs.evolve(where, started_after=None, started_before=None))


class LimitIsOfRecords(MemoryInterceptionStore):
    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        left, found = page.limit, []
        for each in await super().list(where, page):
            if left > 0:
                found.append(each)
            left -= max(1, len(each.records))
        return found


class ListWithoutRecords(MemoryInterceptionStore):
    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        return [attrs.evolve(each, records=()) for each in await super().list(where, page)]


class RecordsAsWritten(MemoryInterceptionStore):
    async def get(self, interception_id: str) -> Interception | None:
        found = await super().get(interception_id)
        written = list(self.database.records.get(interception_id, {}).values())
        return attrs.evolve(found, records=written) if found else None


class CursorIsIncluded(MemoryInterceptionStore):
    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        found = await super().list(where, page)
        if page.after_id is None:
            return found
        return [self.database.whole(self.database.interceptions[page.after_id]), *found][: page.limit]


class CursorByTimeAlone(MemoryInterceptionStore):
    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        found = await super().list(where, attrs.evolve(page, limit=10**6))
        if page.after_id is not None:
            at = self.database.interceptions[page.after_id].start.started_at
            found = [each for each in found if each.start.started_at < at]
        return found[: page.limit]


class CursorInsideTheFilter(MemoryInterceptionStore):
    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        inside = {each.start.id for each in self.database.matching(where)} | {None}
        if page.after_id not in inside:
            raise UnknownCursor(str(page.after_id))
        return await super().list(where, page)


class UnknownCursorIsTheEnd(MemoryInterceptionStore):
    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        try:
            return await super().list(where, page)
        except UnknownCursor:
            return []


class CursorIsANumber(MemoryInterceptionStore):
    """Pages by cursor are counted from the newest, as offsets are."""

    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        if page.after_id is None:
            self.offsets = {where: page.limit}
            return await super().list(where, page)
        offset = self.offsets.get(where, page.limit)
        self.offsets[where] = offset + page.limit
        return await super().list(where, Page(limit=page.limit, offset=offset))


class OffsetBeforeFilter(MemoryInterceptionStore):
    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        everything = await super().list(InterceptionFilter(), attrs.evolve(page, limit=10**6))
        wanted = {each.start.id for each in self.database.matching(where)}
        return [each for each in everything if each.start.id in wanted][: page.limit]


class _Matching(MemoryDatabase):
    """A database whose filters are wrong."""

    def without(self, where: InterceptionFilter, *names: str) -> list[Interception]:
        return super().matching(attrs.evolve(where, **dict.fromkeys(names)))


@define
class AnyCase(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        wanted = (where.model or "").lower()
        return [each for each in self.without(where, "model") if each.start.model.lower() == wanted or not wanted]


@define
class Wildcards(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        return self.without(where, *(["client"] if where.client == "%" else []))


@define
class Beginnings(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        return [each for each in self.without(where, "model") if each.start.model.startswith(where.model or "")]


@define
class NameOrType(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        found = self.without(where, "provider_name")
        return [each for each in found if where.provider_name in (None, each.start.provider_name, each.start.provider)]


@define
class ClientSessionsOnly(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        found = self.without(where, "session_id")
        return [each for each in found if where.session_id in (None, each.start.client_session_id)]


@define
class EndIsOpen(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        return [each for each in self.without(where) if each.start.started_at != where.started_before]


@define
class WholeSeconds(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        after = where.started_after.replace(microsecond=0) if where.started_after else None
        return self.without(attrs.evolve(where, started_after=after))


@define
class ZoneIsDropped(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        before = where.started_before.replace(tzinfo=UTC) if where.started_before else None
        return self.without(attrs.evolve(where, started_before=before))


@define
class EndedOnly(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        return [each for each in self.without(where) if each.ended_at]


@define
class EmptyIsAny(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        return self.without(where, *(["model"] if where.model == "" else []))


@define
class OddTextsAreNotFound(_Matching):
    def matching(self, where: InterceptionFilter) -> list[Interception]:
        return [each for each in self.without(where) if where.model is None or where.model.isprintable()]


class NamesIgnoreCase(MemoryInterceptionStore):
    async def models(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        names = await super().models(initiator_id=initiator_id, prefix="", page=ALL)
        return [name for name in names if name.lower().startswith(prefix.lower())][page.offset :][: page.limit]


class NamesAsPeopleSort(MemoryInterceptionStore):
    async def models(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        return sorted(await super().models(initiator_id=initiator_id, prefix=prefix, page=page), key=str.lower)


class NamesOfEverybody(MemoryInterceptionStore):
    async def clients(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        return await super().clients(initiator_id=None, prefix=prefix, page=page)


class NamesAgainAndAgain(MemoryInterceptionStore):
    async def clients(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        return sorted(each.start.client for each in self.database.interceptions.values())


class NamesOnOnePage(MemoryInterceptionStore):
    async def models(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        return await super().models(initiator_id=initiator_id, prefix=prefix, page=ALL)


class AnyNameEverUsed(MemoryInterceptionStore):
    async def find_initiator(self, text: str) -> str | None:
        initiators = [each.start.initiator for each in self.database.matching(InterceptionFilter())]
        return next((each.id for each in initiators if text in (each.id, each.username)), None)


class NameOfToday(MemoryInterceptionStore):
    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        newest = {each.start.initiator.id: each.start.initiator for each in reversed(self.database.matching(where))}
        found = await super().list(where, page)
        starts = [attrs.evolve(each.start, initiator=newest[each.start.initiator.id]) for each in found]
        return [attrs.evolve(each, start=start) for each, start in zip(found, starts, strict=True)]


MUTANTS = (
    Mutant(
        mistake="lists are ordered by id alone",
        store=ordered(lambda each: each.start.id),
        caught_by="test_started_in_the_past",
    ),
    Mutant(
        mistake="ties are the other way round",
        store=ordered(lambda each: (each.start.started_at, [-ord(letter) for letter in each.start.id])),
        caught_by="test_the_newest_comes_first",
    ),
    Mutant(
        mistake="lists are ordered by end",
        store=ordered(lambda each: (each.ended_at or each.start.started_at, each.start.id)),
        caught_by="test_the_newest_comes_first",
    ),
    Mutant(
        mistake="without records is not listed",
        store=OnlyWithRecords,
        caught_by="test_a_begun_interception_is_in_flight",
    ),
    Mutant(mistake="count has a limit", store=CountsAPage, caught_by="test_pages_by_offset"),
    Mutant(mistake="count is of records", store=CountsRecords, caught_by="test_a_page_is_of_interceptions"),
    Mutant(mistake="count ignores times", store=CountIgnoresTime, caught_by="test_filters_together"),
    Mutant(mistake="limit is of records", store=LimitIsOfRecords, caught_by="test_a_page_is_of_interceptions"),
    Mutant(mistake="lists have no records", store=ListWithoutRecords, caught_by="test_a_page_is_of_interceptions"),
    Mutant(mistake="records are as written", store=RecordsAsWritten, caught_by="test_records_are_in_order"),
    Mutant(mistake="the cursor is included", store=CursorIsIncluded, caught_by="test_pages_by_cursor"),
    Mutant(mistake="the cursor is a time", store=CursorByTimeAlone, caught_by="test_pages_by_cursor"),
    Mutant(mistake="the cursor must match", store=CursorInsideTheFilter, caught_by="test_a_cursor_outside_the_filter"),
    Mutant(mistake="an unknown cursor is the end", store=UnknownCursorIsTheEnd, caught_by="test_an_unknown_cursor"),
    Mutant(mistake="the cursor is a number", store=CursorIsANumber, caught_by="test_a_walk_while_more_comes"),
    Mutant(mistake="offset before filter", store=OffsetBeforeFilter, caught_by="test_pages_by_offset"),
    Mutant(mistake="filters ignore case", database=AnyCase, caught_by="test_a_value_that_nothing_has"),
    Mutant(mistake="filters have wildcards", database=Wildcards, caught_by="test_a_value_that_nothing_has"),
    Mutant(mistake="filters are prefixes", database=Beginnings, caught_by="test_a_value_that_nothing_has"),
    Mutant(mistake="a name may be a type", database=NameOrType, caught_by="test_a_value_that_nothing_has"),
    Mutant(
        mistake="only clients have sessions", database=ClientSessionsOnly, caught_by="test_a_threads_session_is_found"
    ),
    Mutant(mistake="started_before is exclusive", database=EndIsOpen, caught_by="test_times_are_inclusive"),
    Mutant(mistake="started_after is whole", database=WholeSeconds, caught_by="test_times_are_inclusive"),
    Mutant(mistake="a filter's zone is dropped", database=ZoneIsDropped, caught_by="test_times_of_any_zone"),
    Mutant(mistake="in flight is hidden", database=EndedOnly, caught_by="test_a_begun_interception_is_in_flight"),
    Mutant(mistake="an empty value is any", database=EmptyIsAny, caught_by="test_a_value_that_nothing_has"),
    Mutant(mistake="odd texts are not found", database=OddTextsAreNotFound, caught_by="test_odd_texts_are_found"),
    Mutant(mistake="prefixes ignore case", store=NamesIgnoreCase, caught_by="test_names_by_prefix"),
    Mutant(mistake="names as people sort", store=NamesAsPeopleSort, caught_by="test_names"),
    Mutant(mistake="names of everybody", store=NamesOfEverybody, caught_by="test_names_of_one_initiator"),
    Mutant(mistake="names again and again", store=NamesAgainAndAgain, caught_by="test_names"),
    Mutant(mistake="names have no pages", store=NamesOnOnePage, caught_by="test_names_by_prefix"),
    Mutant(mistake="any name ever used", store=AnyNameEverUsed, caught_by="test_finding_an_initiator"),
    Mutant(mistake="today's name", store=NameOfToday, caught_by="test_the_trail_remembers_who_it_was"),
)
