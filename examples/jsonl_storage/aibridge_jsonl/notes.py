"""Small files beside the trail, one text each: what has to be known now, and nobody will ask for later.

Belongs here: how such a file is written and read. Never: what it says.
"""

from pathlib import Path

from attrs import frozen


@frozen
class Note:
    """One of them. Every method raises OSError."""

    path: Path

    def read(self) -> str:
        """The text; empty if there is no such file."""
        try:
            return self.path.read_text()
        except FileNotFoundError:
            return ""

    def write(self, text: str) -> None:
        """Whoever reads meanwhile gets the old text or the new one, never half of it."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        new = self.path.with_name(self.path.name + ".new")
        new.write_text(text)
        new.replace(self.path)

    def remove(self) -> None:
        """No error if it isn't there."""
        self.path.unlink(missing_ok=True)
