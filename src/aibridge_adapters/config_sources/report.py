"""Collects everything that is wrong or doubtful, so that an operator sees all of it at once.

Belongs here: the wording that all readers share, and what of a value may be shown. Never: deciding what is wrong.
"""

import json
from collections.abc import Sequence

from attrs import Factory, define

from aibridge_adapters.config_sources.addresses import without_credentials
from aibridge_adapters.config_sources.kinds import SECRET_FILE, Kind
from aibridge_adapters.config_sources.origins import Given
from aibridge_adapters.config_sources.values import BadValue
from aibridge_core.actors import mask

_LONGEST_SHOWN = 120


class ConfigError(Exception):
    """The configuration is refused. `problems` holds every reason, each naming its variable, file key or flag."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"the configuration has {count}:", *(f"  - {text}" for text in self.problems)]))


@define(kw_only=True)
class Report:
    """What the readers have to say."""

    strict: bool = False
    problems: list[str] = Factory(list)
    warnings: list[str] = Factory(list)
    notes: list[str] = Factory(list)
    """Decisions worth knowing that nobody has to change."""

    def refuse(self, problem: str) -> None:
        """The start is refused, once all is read."""
        self.problems.append(problem)

    def warn(self, text: str) -> None:
        """Doubtful, and no reason to refuse the start."""
        self.warnings.append(text)

    def unknown(self, text: str) -> None:
        """A name nobody knows: doubtful, or refused when strictness was asked for."""
        (self.refuse if self.strict else self.warn)(text)

    def read(self, kind: Kind, given: Given) -> object | None:
        """The value; None if it is refused."""
        try:
            value: object = kind.read(given.raw)
        except BadValue as error:
            self.refuse(bad_value(kind, given, str(error)))
            return None
        return value

    def secret_of(self, given: Given) -> Given | None:
        """The secret that stands in the given file; None if it is refused."""
        secret = self.read(SECRET_FILE, given)
        return None if secret is None else Given(raw=secret, origin=given.origin)

    def raise_problems(self) -> None:
        """Raises ConfigError if there is any problem."""
        if self.problems:
            raise ConfigError(self.problems)


def bad_value(kind: Kind, given: Given, detail: str) -> str:
    """Name, value and what is allowed."""
    return f"{given.origin} = {shown(kind, given.raw)}: {detail + '; ' if detail else ''}allowed: {kind.allowed}"


def shown(kind: Kind, raw: object) -> str:
    """As much of a raw value as may be shown, in quotes."""
    text = mask(str(raw).strip()) if kind.secret else without_credentials(str(raw))
    if len(text) > _LONGEST_SHOWN:
        text = text[:_LONGEST_SHOWN] + "..."
    return quoted(text)


def quoted(text: str) -> str:
    """In quotes and on one line, whatever stands in it."""
    return json.dumps(text, ensure_ascii=False)
