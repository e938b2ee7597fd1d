"""Provider instances as the sources give them: named groups of raw values, before they are checked as a whole.

Belongs here: what a group is, which provider it means, and how groups of two sources become one. Never: reading a
source, or the values in a group other than type and name.
"""

from collections.abc import Mapping, Sequence

from attrs import evolve, field, frozen

from aibridge_adapters.config_sources.fields import BEDROCK_FIELDS
from aibridge_adapters.config_sources.origins import Given
from aibridge_adapters.config_sources.provider_types import (
    CREDENTIAL_FIELDS,
    NAME,
    PROVIDER_TYPES,
    RESERVED_NAMES,
    ProviderType,
)
from aibridge_adapters.config_sources.report import Report, quoted


@frozen(kw_only=True)
class Group:
    """Everything that one source says about one provider, or about one MCP server."""

    place: str
    """Names the group in messages, e.g. `AIBRIDGE_PROVIDER_0`."""
    type_place: str
    """Where its type stands, or should stand; of an MCP server, its name."""
    short: bool = False
    """Made of variables such as `ANTHROPIC_KEY` instead of a group of their own."""
    fields: Mapping[str, Given] = field(repr=False)
    """By the names of `provider_types.FIELDS` and those without effect, or by those of `mcp_fields.MCP_FIELDS`."""


@frozen(kw_only=True)
class SourceValues:
    """All that one source gives."""

    settings: Mapping[str, Sequence[Given]] = field(factory=dict)
    """By setting key; several if the source has several names for it."""
    groups: Sequence[Group] = ()
    """Of providers."""
    mcp: Sequence[Group] = ()
    """Of MCP servers."""


@frozen(kw_only=True)
class Draft:
    """A group whose provider is known."""

    group: Group
    name: str
    type: ProviderType

    @property
    def place(self) -> str:
        """For messages."""
        return self.group.place

    @property
    def fields(self) -> Mapping[str, Given]:
        """The raw values."""
        return self.group.fields

    @property
    def only_bedrock(self) -> bool:
        """Nothing but Bedrock's short forms; they alone don't claim the name against another group."""
        return self.group.short and all(name in BEDROCK_FIELDS for name in self.fields if name != "type")


def shorthand_groups(shorthands: Mapping[str, Mapping[str, Given]]) -> list[Group]:
    """`ANTHROPIC_KEY`, `openai_base_url` and their like: providers named for their type. Fields by type."""
    groups = []
    for name, fields in sorted(shorthands.items()):
        first = next(iter(fields.values())).origin
        place = ", ".join(given.origin.name for given in fields.values())
        groups.append(
            Group(
                place=place, type_place=first.name, short=True, fields={"type": Given(raw=name, origin=first), **fields}
            )
        )
    return groups


def identify(groups: Sequence[Group], report: Report) -> dict[str, Draft]:
    """The drafts of one source by name; groups without a valid type or name are refused, and so are duplicates."""
    drafts: dict[str, Draft] = {}
    for group in groups:
        draft = _identified(group, report)
        if draft is None:
            continue
        other = drafts.setdefault(draft.name, draft)
        if other is not draft and draft.only_bedrock:
            report.warn(f'{draft.place} has no effect: {other.place} says what provider "{draft.name}" is')
        elif other is not draft:
            report.refuse(f'{draft.place}: duplicate provider name: "{draft.name}" (also defined by {other.place})')
    return drafts


def merge(stronger: Mapping[str, Draft], weaker: Mapping[str, Draft], report: Report) -> list[Draft]:
    """Providers of both sources. One that both describe takes each field from the stronger, credentials as one."""
    merged = [_merged(draft, weaker.get(name), report) for name, draft in stronger.items()]
    return merged + [draft for name, draft in weaker.items() if name not in stronger]


def _identified(group: Group, report: Report) -> Draft | None:
    allowed = f"allowed: {', '.join(PROVIDER_TYPES)}"
    if "type" not in group.fields:
        report.refuse(f"{group.type_place} is missing; {allowed}")
        return None
    type_name = _text(group.fields["type"]).lower()
    if type_name not in PROVIDER_TYPES:
        report.refuse(f"{group.fields['type'].origin} = {quoted(type_name)}: unknown provider type; {allowed}")
        return None
    name = _text(group.fields.get("name", group.fields["type"]))
    if "name" not in group.fields:
        name = type_name
    if problem := _name_problem(name):
        report.refuse(f"{group.fields.get('name', group.fields['type']).origin}: {problem}")
        return None
    return Draft(group=group, name=name, type=PROVIDER_TYPES[type_name])


def _name_problem(name: str) -> str:
    if name in RESERVED_NAMES:
        return f"reserved provider name {quoted(name)}: {RESERVED_NAMES[name]} has it; choose another"
    if not NAME.fullmatch(name):
        return f"invalid provider name {quoted(name)}: must contain only lowercase alphanumeric characters and hyphens"
    return ""


def _merged(draft: Draft, weaker: Draft | None, report: Report) -> Draft:
    if weaker is None:
        return draft
    if weaker.type is not draft.type:
        types = " and ".join(f"{each.type.name} ({each.place})" for each in (draft, weaker))
        report.refuse(f'provider "{draft.name}" has two types: {types}')
        return draft
    fields = dict(weaker.fields)
    if any(name in draft.fields for name in CREDENTIAL_FIELDS):
        fields = {name: given for name, given in fields.items() if name not in CREDENTIAL_FIELDS}
    return evolve(draft, group=evolve(draft.group, fields=fields | dict(draft.fields)))


def _text(given: Given) -> str:
    return str(given.raw).strip()
