"""How many values a label may have. Whatever is beyond that is shown as `other`.

Belongs here: the bounds. Never: names of metrics.

Models, tools and headers come from clients and providers, who may say anything; each new value of a label costs memory
here and in Prometheus for as long as the process lives. A model that costs 100 series must not be one of 10,000.
"""

from collections.abc import Mapping

OTHER = "other"
MAX_LENGTH = 128
"""Longest value that is shown, in characters."""
MAX_SERIES = 10_000
"""Most combinations of label values of one metric; one more is shown as `other` in each label that is bounded."""


class Bound:
    """The values of one label. The first `most` of them are shown, as long as they can be."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()
        self.folded = 0
        """How often a value was not shown."""

    def __call__(self, value: str) -> str:
        """The value, or `other`."""
        if value in self._known:
            return value
        if len(self._known) >= self._most or not _showable(value):
            self.folded += 1
            return OTHER
        self._known.add(value)
        return value


def _showable(value: str) -> bool:
    """Text that fits on a line. Lone surrogates, which JSON may hold, are not printable, and have no UTF-8 form."""
    return len(value) <= MAX_LENGTH and value.isprintable()


class Bounds:
    """The bounds of all labels whose values aren't the operator's own."""

    def __init__(self, most: int) -> None:
        self.known: Mapping[str, Bound] = {
            label: Bound(most)
            for label in ("model", "initiator_id", "client", "type", "server", "name", "method", "code")
        }

    def of(self, label: str) -> Bound | None:
        """None if it needs none."""
        return self.known.get(label)

    @property
    def folded(self) -> Mapping[str, int]:
        """How often a value was not shown, by label."""
        return {label: bound.folded for label, bound in self.known.items()}
