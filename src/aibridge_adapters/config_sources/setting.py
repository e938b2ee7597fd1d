"""What a setting that is one value is: its names, kind and meaning.

Belongs here: the shape of a row. Never: rows; they are in `table`, `traffic_table` and `telemetry_table`.
"""

from functools import reduce

from attrs import frozen

from aibridge_adapters.config import Settings
from aibridge_adapters.config_sources.kinds import Kind


@frozen(kw_only=True)
class Setting:
    """One row."""

    key: str
    """In `aibridge.toml`, and the path of its field in `Settings`; a dot is a table."""
    kind: Kind
    meaning: str
    unit: str = ""
    name: str = ""
    """For flags and environment, where it isn't the key."""
    aliases: tuple[str, ...] = ()
    """Further environment names without prefix, under which others know it."""
    short_flag: str = ""
    """The command line flag, where it isn't the name."""
    shown_default: str = ""
    """In words, where the default is not a plain value."""

    @property
    def parameter(self) -> str:
        """As a Python name; with `_file` for a secret, since a command line is no place for one (`ps` shows it)."""
        return (self.name or self.key) + ("_file" if self.kind.secret else "")

    @property
    def flag(self) -> str:
        """The command line flag."""
        return self.short_flag or "--" + self.parameter.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment name without its prefix."""
        return (self.name or self.key).upper()

    @property
    def default(self) -> object:
        """As `Settings` has it."""
        return reduce(getattr, self.key.split("."), Settings())

    @property
    def default_text(self) -> str:
        """For people; empty if there is none."""
        if self.shown_default or self.default in (None, ""):
            return self.shown_default
        return self.kind.show(self.default)
