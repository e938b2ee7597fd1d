"""Mistakes of what columns can hold: texts, numbers, times."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from aibridge_core.records import InterceptionEnded, InterceptionStart, Record
from aibridge_core.testing.memory import MemoryRecorder
from unit.testing.mutants.mutant import Mutant


def through(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with every text and number in it changed."""
    if type(value) in (str, int, float):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): through(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [through(item, change) for item in value]
    if attrs.has(type(value)):
        return attrs.evolve(value, **{name: through(getattr(value, name), change) for name in _names(value)})
    return value


def _names(value: Any) -> Sequence[str]:
    ids = ("id", "interception_id")
    return [name for name in attrs.fields_dict(type(value)) if name not in ids]


def texts(change: Callable[[str], str]) -> type[MemoryRecorder]:
    """A recorder whose texts all go through `change`."""
    return _changed(lambda value: change(value) if isinstance(value, str) else value)


def numbers(change: Callable[[int], int]) -> type[MemoryRecorder]:
    """A recorder whose whole numbers all go through `change`."""
    return _changed(lambda value: change(value) if isinstance(value, int) else value)


def _changed(change: Callable[[Any], Any]) -> type[MemoryRecorder]:
    class Changing(MemoryRecorder):
        async def begin(self, start: InterceptionStart) -> None:
            await super().begin(through(start, change))

        async def record(self, records: Sequence[Record]) -> None:
            await super().record([through(record, change) for record in records])

        async def end(self, ended: InterceptionEnded) -> None:
            await super().end(through(ended, change))

    return Changing


class Milliseconds(MemoryRecorder):
    async def begin(self, start: InterceptionStart) -> None:
        at = start.started_at
        await super().begin(attrs.evolve(start, started_at=at.replace(microsecond=at.microsecond // 1000 * 1000)))


class LocalEnds(MemoryRecorder):
    async def end(self, ended: InterceptionEnded) -> None:
        await super().end(ended)
        kept = self.database.interceptions[ended.id]
        self.database.interceptions[ended.id] = attrs.evolve(kept, ended_at=ended.ended_at)


class LocalRecords(MemoryRecorder):
    async def record(self, records: Sequence[Record]) -> None:
        for record in records:
            self._begun(record.interception_id)
            self.database.records.setdefault(record.interception_id, {}).setdefault(record.id, record)


class EndsAfterItsStart(MemoryRecorder):
    async def end(self, ended: InterceptionEnded) -> None:
        started_at = self._begun(ended.id).start.started_at
        await super().end(attrs.evolve(ended, ended_at=max(started_at, ended.ended_at)))


class ShortSurrogates(MemoryRecorder):
    async def record(self, records: Sequence[Record]) -> None:
        for record in records:
            self._encodable(record)
        await super().record(records)

    def _encodable(self, record: Record) -> None:
        through(record, lambda value: value.encode() and value if isinstance(value, str) else value)


def _three_bytes(text: str) -> str:
    return "".join(letter if ord(letter) < 0x10000 else "?" for letter in text)


MUTANTS = (
    Mutant(mistake="U+0000 is dropped", recorder=texts(lambda text: text.replace("\0", "")), caught_by="test_nul"),
    Mutant(mistake="U+0000 ends a text", recorder=texts(lambda text: text.partition("\0")[0]), caught_by="test_nul"),
    Mutant(mistake="no text beyond U+FFFF", recorder=texts(_three_bytes), caught_by="test_texts"),
    Mutant(mistake="blanks are trimmed", recorder=texts(str.strip), caught_by="test_texts"),
    Mutant(mistake="CR LF is LF", recorder=texts(lambda text: text.replace("\r\n", "\n")), caught_by="test_texts"),
    Mutant(
        mistake="texts are normalised",
        recorder=texts(lambda text: unicodedata.normalize("NFC", text)),
        caught_by="test_texts",
    ),
    Mutant(mistake="empty is a blank", recorder=texts(lambda text: text or " "), caught_by="test_texts"),
    Mutant(mistake="surrogates fail", recorder=ShortSurrogates, caught_by="test_lone_surrogates"),
    Mutant(
        mistake="texts end after 64 KiB", recorder=texts(lambda text: text[:65535]), caught_by="test_large_arguments"
    ),
    Mutant(
        mistake="whole numbers are floating", recorder=numbers(lambda n: int(float(n))), caught_by="test_large_numbers"
    ),
    Mutant(
        mistake="numbers of 32 bits",
        recorder=numbers(lambda n: max(-(2**31), min(n, 2**31 - 1))),
        caught_by="test_large_numbers",
    ),
    Mutant(mistake="times are in milliseconds", recorder=Milliseconds, caught_by="test_times_are_utc"),
    Mutant(mistake="ends keep their zone", recorder=LocalEnds, caught_by="test_times_are_utc"),
    Mutant(mistake="records keep their zone", recorder=LocalRecords, caught_by="test_times_are_utc"),
    Mutant(mistake="an end is put right", recorder=EndsAfterItsStart, caught_by="test_clocks_that_disagree"),
)
