"""What can be said about one MCP server.

Belongs here: one row per field. Never: reading a source, or what a field does.
"""

from attrs import frozen

from aibridge_adapters.config_sources import kinds, mcp_kinds
from aibridge_adapters.config_sources.kinds import Kind


@frozen(kw_only=True)
class McpField:
    """One row."""

    name: str
    """In `[[mcp]]`; in capitals, in the environment."""
    kind: Kind | None
    """None: not one plain value, so it is read by itself."""
    meaning: str

    @property
    def variable(self) -> str:
        """The last part of its environment name."""
        return self.name.upper()


_NAMED = "Tools are injected only if this is found in their name"

MCP_FIELDS = {
    row.name: row
    for row in (
        McpField(
            name="name",
            kind=None,
            meaning="Lower-case letters, digits, hyphens; unique. Models see `bmcp_<name>_<tool>`. Required.",
        ),
        McpField(name="url", kind=mcp_kinds.MCP_URL, meaning="Its streamable HTTP endpoint. Required."),
        McpField(
            name="tool_allow_regex",
            kind=mcp_kinds.PATTERN,
            meaning=f"{_NAMED}, anywhere in it. Default: all are.",
        ),
        McpField(
            name="tool_deny_regex",
            kind=mcp_kinds.PATTERN,
            meaning="Tools are not injected if this is found in their name, even if they are allowed.",
        ),
        McpField(
            name="headers",
            kind=mcp_kinds.HEADERS,
            meaning=f"Sent with every request: {mcp_kinds.HEADERS.allowed}; in the file a table.",
        ),
        McpField(
            name="token", kind=kinds.secret(least=1), meaning="Sent as `Authorization: Bearer ...` with every request."
        ),
        McpField(name="token_file", kind=None, meaning="A file that holds the token."),
        McpField(
            name="auth",
            kind=mcp_kinds.AUTH,
            meaning="How the gateway is known to it: not at all, by `token` or `headers` for all users, or by a token "
            "of each user (`aibridge mcp token set`, `aibridge mcp login`). Default: `shared` if there is a token or "
            "a header, else `none`.",
        ),
        McpField(
            name="timeout", kind=mcp_kinds.LIMIT, meaning="Longest time of one tool call. Default: `tools.timeout`."
        ),
        McpField(
            name="users",
            kind=mcp_kinds.USERS,
            meaning="Usernames with commas between, or `*`: who gets its tools. Default: `tools.users`.",
        ),
    )
}
