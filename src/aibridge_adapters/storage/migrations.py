"""The steps of a schema, as files beside the adapter that applies them.

Belongs here: finding and naming them, and which ones a database lacks. Never: applying them.
"""

import logging
import re
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from attrs import frozen

from aibridge_adapters.storage.errors import DatabaseTooNew, MigrationFailed

_log = logging.getLogger(__name__)

LEDGER = "schema_migrations"
"""The table in which a database notes its steps."""
_WORKS_FROM = re.compile(r"^-- works from: (\d+)$", re.MULTILINE)
NOT_OURS = (
    f"its table {LEDGER} is another program's: give aibridge a database of its own, "
    "or on PostgreSQL a schema of its own (?options=-csearch_path%3DNAME)"
)


@frozen(kw_only=True)
class Migration:
    """One step of the schema. A database has applied a prefix of all steps."""

    version: int
    """1, 2, 3 ..."""
    name: str
    script: str
    """SQL statements."""

    @property
    def step(self) -> str:
        """Its name in messages: that of its file."""
        return f"{self.version:04}_{self.name}"

    @property
    def works_from(self) -> int | None:
        """Programs that know the steps up to this one can work on it, too; None: they can't.

        A line `-- works from: 7` of the script says so.
        """
        said = _WORKS_FROM.search(self.script)
        return int(said[1]) if said else None


@frozen(kw_only=True)
class Applied:
    """A step that a database has."""

    version: int
    name: str
    at: datetime
    works_from: int | None = None
    """As `Migration.works_from`: how a program knows that it can work on a step that it doesn't know."""

    @property
    def step(self) -> str:
        """As `Migration.step`."""
        return f"{self.version:04}_{self.name}"


def shipped(package: str) -> Sequence[Migration]:
    """All steps in the folder `migrations` of a package, in order."""
    folder = files(package) / "migrations"
    found = [re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name) for file in folder.iterdir()]
    names = sorted(match.group(0, 1, 2) for match in found if match)
    return [
        Migration(version=int(version), name=name, script=(folder / file).read_text("utf-8"))
        for file, version, name in names
    ]


def mismatch(applied: Sequence[Applied], known: Sequence[Migration]) -> str:
    """Where the steps of a database aren't the first ones of this program, in words; empty if they are.

    Half a backup, a step that was undone by hand, a program of another branch: the number of the newest step alone
    would call such a schema up to date.
    """
    for has, wanted in zip(applied, known, strict=False):
        if has.step != wanted.step:
            return (
                f"the database's schema is not made of this program's steps: in {LEDGER} stands {has.step} where "
                f"{wanted.step} should; restore a backup, or use another database"
            )
    return ""


def can_work(applied: Sequence[Applied], known: Sequence[Migration]) -> bool:
    """Whether no step that this program doesn't know is in its way.

    While gateways are replaced one by one, one of the version before may have to start again.
    """
    return all(step.works_from is not None and step.works_from <= len(known) for step in applied[len(known) :])


def warn_of_newer(applied: Sequence[Applied], known: Sequence[Migration]) -> None:
    """Whoever runs the version before should not for long."""
    if len(applied) > len(known):
        _log.warning(
            "the database's schema is newer than this program, which can still work on it",
            extra={"version": applied[-1].version, "known": len(known)},
        )


def missing(applied: Sequence[Applied], known: Sequence[Migration]) -> Sequence[Migration]:
    """The steps that a database lacks. Raises DatabaseTooNew, MigrationFailed for one that can't be made to fit."""
    if difference := mismatch(applied, known):
        raise MigrationFailed(difference)
    if not can_work(applied, known):
        raise DatabaseTooNew(
            f"the database's schema has version {applied[-1].version}, this aibridge knows up to {len(known)}; "
            "run the aibridge that wrote it, or a newer one"
        )
    return known[len(applied) :]
