"""Variables that come in numbered groups: `PROVIDER_0_KEY`, `MCP_1_URL`.

Belongs here: collecting them into groups, and the rules of their numbers. Never: what a field means.
"""

from attrs import Factory, define

from aibridge_adapters.config_sources.drafts import Group
from aibridge_adapters.config_sources.names import OWN_PREFIX
from aibridge_adapters.config_sources.origins import Given
from aibridge_adapters.config_sources.report import Report


@define(kw_only=True)
class Numbered:
    """The groups of one kind."""

    kind: str
    """Before the number, e.g. `PROVIDER`."""
    what: str
    """The groups in words, e.g. `providers`."""
    first_field: str
    """Named when a group is missing, e.g. `TYPE`."""
    fields: dict[int, dict[str, Given]] = Factory(dict)
    prefixes: dict[str, str] = Factory(dict)
    """Prefix to the first variable that has it."""

    def group(self, prefix: str, number: int, given: Given) -> dict[str, Given]:
        """The fields of the group that a variable belongs to, to add it or not."""
        self.prefixes.setdefault(prefix, given.origin.name)
        return self.fields.setdefault(number, {})

    def groups(self, report: Report) -> list[Group]:
        """In order of their numbers; a gap or a mixture of prefixes is refused."""
        if len(self.prefixes) > 1:
            names = " and ".join(sorted(self.prefixes.values()))
            report.refuse(f"{names}: {self.what} are numbered under one prefix only, not under several")
            return []
        prefix = next(iter(self.prefixes), OWN_PREFIX)
        return [self._made(f"{prefix}{self.kind}_{number}", number) for number in self._numbers(prefix, report)]

    def _numbers(self, prefix: str, report: Report) -> range:
        end = 0
        while end in self.fields:
            end += 1
        if later := [number for number in self.fields if number > end]:
            report.refuse(
                f"{prefix}{self.kind}_{end}_{self.first_field} is missing: {self.what} are numbered from 0 without a "
                f"gap, and there is {prefix}{self.kind}_{min(later)}"
            )
        return range(end)

    def _made(self, place: str, number: int) -> Group:
        return Group(place=place, type_place=f"{place}_{self.first_field}", fields=self.fields[number])
