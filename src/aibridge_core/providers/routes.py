"""Which paths a kind of provider serves, and what happens on them.

Belongs here: rows of route tables. Never: the tables; each kind has its own file.
"""

from enum import Enum

from attrs import frozen


class Mode(Enum):
    """What happens on a route."""

    BRIDGED = "bridged"
    """Read, recorded and relayed."""
    PASSTHROUGH = "passthrough"
    """Relayed only."""


@frozen
class Route:
    """One row of a kind's route table.

    A path that ends with a slash stands for everything below it; `/*/` in the middle stands for any one segment.
    """

    path: str
    mode: Mode
    dialect: str = ""
    """Of a bridged route, and of a passthrough one whose errors aren't those of its kind."""
    translated: bool = False
    """Whether a passthrough route is one that the provider itself doesn't have, or has elsewhere."""
    method: str = ""
    """The only one that a passthrough route serves; empty: any. Bridged ones serve POST."""

    def fits(self, path: str) -> bool:
        """Whether a path (below the provider's prefix) is this route's."""
        if self.path.endswith("/"):
            return path.startswith(self.path)
        before, star, after = self.path.partition("*")
        if not star:
            return path == self.path
        segment = path[len(before) : len(path) - len(after)]
        return path.startswith(before) and path.endswith(after) and bool(segment) and "/" not in segment
