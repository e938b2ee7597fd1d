"""A folder of dumps: names, permissions, and what is removed when.

Belongs here: the file system. Never: what stands in a file.

`<provider>/<model>/<milliseconds>-<interception>-<call>.req.txt`, and `.resp.txt` or `.req_error.txt` beside it;
exchanges that aren't interceptions have the folder `passthrough` and their path in place of model and interception.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

REQUEST, ANSWER, FAILURE = ".req.txt", ".resp.txt", ".req_error.txt"
_OURS = re.compile(r"(\d{13,})-.+-[0-9a-f]{4,}\.(req|resp|req_error)\.txt", re.ASCII)
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
MAX_PART: Final = 100
"""Longest part of a name that somebody else chose, in characters."""


@frozen(kw_only=True)
class Dump:
    """A file that is there."""

    path: Path
    size: int
    """In bytes."""
    written: float
    """Seconds since the epoch."""


@frozen
class Folder:
    """All dumps below one path."""

    path: Path

    def create(self, name: Path) -> int:
        """A new file for this user only, open for writing. Raises OSError, also if it exists."""
        file = self.path / name
        if not self.path.exists():
            self.path.mkdir(mode=0o700, parents=True)
        for made in (file.parent.parent, file.parent):  # with `parents` its mode would be the umask's
            made.mkdir(mode=0o700, exist_ok=True)
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)

    def dumps(self) -> list[Dump]:
        """All of them, oldest first. What isn't named like a dump is somebody else's."""
        return sorted(self._found(), key=lambda dump: (dump.path.name, dump.path))

    def prune(self, *, now: float, age: float, size: int) -> int:
        """Remove those older than `age` seconds (0: none is), then the oldest ones until `size` bytes are left.

        Returns how many went.
        """
        dumps = self.dumps()
        left = sum(dump.size for dump in dumps)
        gone = 0
        for dump in dumps:
            if left <= size and not (age and dump.written < now - age):
                continue
            with suppress(OSError):
                dump.path.unlink()
                gone += 1
            left -= dump.size
            with suppress(OSError):
                dump.path.parent.rmdir()  # if it is empty
        return gone

    def _found(self) -> Iterator[Dump]:
        for path in self.path.glob("*/*/*.txt"):
            if _OURS.fullmatch(path.name):
                with suppress(OSError):
                    state = path.lstat()
                    yield Dump(path=path, size=state.st_size, written=state.st_mtime)


def part(text: str) -> str:
    """A text of somebody else as a part of a name: it can't lead elsewhere, nor hide."""
    return _UNFIT.sub("-", text).lstrip(".-")[:MAX_PART] or "unknown"
