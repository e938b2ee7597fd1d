"""Where a value was given. Belongs here: values that carry a place. Never: reading one."""

from enum import StrEnum

from attrs import field, frozen


class Source(StrEnum):
    """Strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@frozen(kw_only=True)
class Origin:
    """The place of one value."""

    source: Source
    name: str = ""
    """The flag, the variable, or the file and its key; empty for a default."""

    def __str__(self) -> str:
        """As messages and `aibridge config show` name it."""
        return self.name or self.source.value


DEFAULT = Origin(source=Source.DEFAULT)


@frozen(kw_only=True)
class Given:
    """A value as it was written, and where. It may be a secret, so it has no place in a repr."""

    raw: object = field(repr=False)
    origin: Origin
