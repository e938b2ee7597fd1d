"""Where data is kept if nothing else is said.

Belongs here: the user's data folder, and what lies beside a database file. Never: opening anything.
"""

from pathlib import Path

import platformdirs


def sqlite_file(database_url: str) -> Path | None:
    """The file that an SQLite URL names; None for `:memory:` and for other databases."""
    path = database_url.removeprefix("sqlite:///")
    return None if path in (database_url, ":memory:") else Path(path).absolute()


def default_spool_dir(database_url: str) -> Path:
    """Beside the SQLite file; for other databases in the user's data folder."""
    file = sqlite_file(database_url)
    if file is not None:
        return file.parent / "spool"
    return platformdirs.user_data_path("aibridge", appauthor=False) / "spool"


def default_database_url(folder: Path | None = None) -> str:
    """A file in the given folder, or else in the user's data folder."""
    folder = folder or platformdirs.user_data_path("aibridge", appauthor=False)
    return f"sqlite:///{(folder / 'aibridge.db').as_posix()}"
