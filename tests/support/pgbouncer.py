"""A real pgbouncer in transaction mode, where one is installed (Debian's package `pgbouncer`).

Belongs here: starting and stopping it. Never: what is asked of it. Where it is missing, `support.pooler` stands in.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import psycopg
from psycopg.conninfo import conninfo_to_dict

from support.postgres import as_url

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

_SETTINGS = """
[databases]
* = {server}

[pgbouncer]
unix_socket_dir = {folder}
unix_socket_mode = 0777
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 3
logfile = {folder}/log
"""
"""Three sessions of the server for everybody: whoever kept something in one would find somebody else's."""


@contextmanager
def running_pgbouncer(url: str) -> Iterator[str]:
    """One in front of the server of that database; the URL to use instead."""
    given = {"user": "postgres", **conninfo_to_dict(url)}
    assert PROGRAM
    folder = Path(tempfile.mkdtemp(prefix="aibridge-bouncer-"))
    user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
    try:
        if user:
            shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
        file = folder / "pgbouncer.ini"
        server = " ".join(f"{name}={given[name]}" for name in ("host", "port", "user", "password") if name in given)
        file.write_text(_SETTINGS.format(server=server, folder=folder))
        process = subprocess.Popen([PROGRAM, "-q", str(file)], user=user, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            through = as_url({"host": str(folder), "port": "6432", "user": given["user"], "dbname": given["dbname"]})
            _wait_for(through)
            yield through
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder)


def _wait_for(url: str) -> None:
    """Return when it passes a query on; fails the test after ten seconds."""
    end = monotonic() + 10
    while monotonic() < end:
        with suppress(psycopg.OperationalError), psycopg.connect(url, prepare_threshold=None) as connection:
            connection.execute("SELECT 1")
            return
        sleep(0.02)
    raise AssertionError("pgbouncer does not answer")
