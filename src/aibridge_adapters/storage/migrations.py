"""The steps of a schema, as files beside the adapter that applies them.

Belongs here: finding and naming them, and which ones a database lacks. Never: applying them.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from attrs import frozen

from aibridge_adapters.storage.errors import DatabaseTooNew, MigrationFailed

LEDGER = "schema_migrations"
"""The table in which a database notes its steps."""
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


@frozen(kw_only=True)
class Applied:
    """A step that a database has."""

    version: int
    name: str
    at: datetime

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


def missing(applied: Sequence[Applied], known: Sequence[Migration]) -> Sequence[Migration]:
    """The steps that a database lacks. Raises DatabaseTooNew, MigrationFailed for one that can't be made to fit."""
    if difference := mismatch(applied, known):
        raise MigrationFailed(difference)
    if len(applied) > len(known):
        raise DatabaseTooNew(
            f"the database's schema has version {applied[-1].version}, this aibridge knows up to {len(known)}; "
            "run the aibridge that wrote it, or a newer one"
        )
    return known[len(applied) :]
