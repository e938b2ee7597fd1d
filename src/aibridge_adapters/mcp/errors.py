"""What can go wrong between the gateway and MCP servers. Belongs here: errors with texts for people. Never: secrets."""


class McpNotInstalled(Exception):
    """MCP servers are configured, and the package that speaks their protocol is missing. The text says what to do."""

    def __init__(self) -> None:
        super().__init__(
            "MCP servers are configured, but the package `mcp` is not installed; "
            "install it with: pip install 'aibridge[mcp]'"
        )


class Unavailable(Exception):
    """A server can't be used now. The text says why, to follow "the MCP server"."""
