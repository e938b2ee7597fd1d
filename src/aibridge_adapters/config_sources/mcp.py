"""MCP servers: from groups of raw values to settings.

Belongs here: what makes a server complete, and how two sources that describe one become one. Never: reading a source.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from aibridge_adapters.config import NONE, SHARED, USER, McpServerSettings, ToolSettings
from aibridge_adapters.config_sources.drafts import Group, SourceValues
from aibridge_adapters.config_sources.entries import Entry, entry
from aibridge_adapters.config_sources.mcp_fields import MCP_FIELDS
from aibridge_adapters.config_sources.origins import DEFAULT, Given, Origin
from aibridge_adapters.config_sources.provider_types import NAME
from aibridge_adapters.config_sources.report import Report, quoted

LONGEST_NAME = 32
"""Characters, so that at least half of the 64 that providers allow are left for the name of a tool."""

_SETTING_OF = {"tool_allow_regex": "tool_allow", "tool_deny_regex": "tool_deny"}
"""Fields whose setting has another name."""


@frozen(kw_only=True)
class ResolvedMcp:
    """A server and where its values come from."""

    settings: McpServerSettings
    origins: Mapping[str, Origin]
    """By field; what is missing is a default."""

    def entries(self) -> list[Entry]:
        """For `aibridge config show`."""
        return [
            entry(f"mcp.{self.settings.name}.{row.name}", row.kind, self._value(row.name), self._origin(row.name))
            for row in MCP_FIELDS.values()
            if row.kind is not None
        ]

    def _value(self, name: str) -> Any:
        return getattr(self.settings, _SETTING_OF.get(name, name)) or None

    def _origin(self, name: str) -> Origin:
        return self.origins.get(name, DEFAULT)


def resolve_mcp(stronger: SourceValues, weaker: SourceValues, tools: ToolSettings, report: Report) -> list[ResolvedMcp]:
    """All servers. Everything that is wrong goes to the report."""
    groups = _merged(_by_name(stronger.mcp, report), _by_name(weaker.mcp, report))
    resolved = [_resolved(name, group, tools, report) for name, group in groups.items()]
    return [server for server in resolved if server is not None]


def _by_name(groups: Sequence[Group], report: Report) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for group in groups:
        name = str(group.fields["name"].raw).strip() if "name" in group.fields else ""
        if not name:
            report.refuse(f"{group.type_place} is missing: every MCP server needs a name")
        elif not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            report.refuse(
                f"{group.fields['name'].origin}: invalid MCP server name {quoted(name)}: allowed: lower-case letters, "
                f"digits and single hyphens between them, at most {LONGEST_NAME} characters"
            )
        elif (other := found.setdefault(name, group)) is not group:
            report.refuse(f"{group.place}: duplicate MCP server name {quoted(name)} (also defined by {other.place})")
    return found


def _merged(stronger: Mapping[str, Group], weaker: Mapping[str, Group]) -> dict[str, Group]:
    """A server that both describe takes each field from the stronger; token and token_file are one field."""
    merged = {}
    for name, group in stronger.items():
        fields = dict(weaker[name].fields) if name in weaker else {}
        if "token" in group.fields or "token_file" in group.fields:
            fields = {key: given for key, given in fields.items() if key not in ("token", "token_file")}
        merged[name] = evolve(group, fields=fields | dict(group.fields))
    return merged | {name: group for name, group in weaker.items() if name not in stronger}


def _resolved(name: str, group: Group, tools: ToolSettings, report: Report) -> ResolvedMcp | None:
    problems = len(report.problems)
    fields = _with_secret(group.fields, report)
    values = {
        _SETTING_OF.get(row.name, row.name): report.read(row.kind, fields[row.name])
        for row in MCP_FIELDS.values()
        if row.kind is not None and row.name in fields
    }
    if "url" not in fields:
        report.refuse(f'MCP server "{name}" ({group.place}) needs a url')
    _check_authorization(name, values, report)
    _check_auth(name, values, report)
    if len(report.problems) > problems:
        return None
    known = {"users": tools.users, "timeout": tools.timeout, **values}
    origins = {key: given.origin for key, given in fields.items()}
    return ResolvedMcp(settings=McpServerSettings(name=name, **known), origins=origins)  # type: ignore[arg-type]


def _with_secret(fields: Mapping[str, Given], report: Report) -> Mapping[str, Given]:
    """The fields with the text of the token's file in place of the file's name."""
    if "token_file" not in fields:
        return fields
    if "token" in fields:
        report.refuse(
            f"{fields['token'].origin} and {fields['token_file'].origin}: TOKEN and TOKEN_FILE are mutually exclusive"
        )
        return fields
    secret = report.secret_of(fields["token_file"])
    return fields if secret is None else {**fields, "token": secret}


def _check_auth(name: str, values: Mapping[str, Any], report: Report) -> None:
    """What `auth` says has to fit what else is said."""
    auth, has_token, headers = values.get("auth"), bool(values.get("token")), values.get("headers") or ()
    authorization = any(header.lower() == "authorization" for header, _ in headers)
    if auth == USER and (has_token or authorization):
        report.refuse(
            f'MCP server "{name}" has auth = user, so it can\'t have a token or a header Authorization as well'
        )
    if auth == NONE and (has_token or authorization):
        report.refuse(f'MCP server "{name}" has auth = none, and a token or a header Authorization')
    if auth == SHARED and not has_token and not headers:
        report.refuse(f'MCP server "{name}" has auth = shared, and neither a token nor headers')


def _check_authorization(name: str, values: Mapping[str, Any], report: Report) -> None:
    names = {header.lower() for header, _ in values.get("headers") or ()}
    if values.get("token") and "authorization" in names:
        report.refuse(f'MCP server "{name}" has a token and a header Authorization; allowed: one of them')
