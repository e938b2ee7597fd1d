"""The steps of a schema, as files beside the adapter that applies them.

Belongs here: finding and naming them. Never: applying them.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from attrs import frozen


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


def shipped(package: str) -> Sequence[Migration]:
    """All steps in the folder `migrations` of a package, in order."""
    folder = files(package) / "migrations"
    found = [re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name) for file in folder.iterdir()]
    names = sorted(match.group(0, 1, 2) for match in found if match)
    return [
        Migration(version=int(version), name=name, script=(folder / file).read_text("utf-8"))
        for file, version, name in names
    ]
