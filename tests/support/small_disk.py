"""A real disk that is soon full: a tmpfs of a few MiB. Never: what is kept on it.

Mounting needs rights that not everybody has; where they are missing, tests that need such a disk are skipped.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define, field

_CHUNK = bytes(4096)


@define
class SmallDisk:
    """Mounted at `folder`."""

    folder: Path
    _ballast: Path = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ballast = self.folder / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(_CHUNK)
            except OSError as error:
                assert error.strerror == "No space left on device", error

    def make_room(self) -> None:
        """Take the ballast away."""
        self._ballast.unlink()


@contextmanager
def small_disk(*, mebibytes: int) -> Iterator[SmallDisk]:
    """A disk of that size, gone with all that is on it afterwards. Other users may look into it."""
    if shutil.which("mount") is None:
        pytest.skip("this system has no `mount`")
    folder = Path(tempfile.mkdtemp(prefix="aibridge-disk-"))
    options = f"size={mebibytes}m,mode=0755"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
        if done.returncode:
            pytest.skip(f"a small disk can't be mounted: {done.stderr.strip()}")
        try:
            yield SmallDisk(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)
    finally:
        folder.rmdir()
