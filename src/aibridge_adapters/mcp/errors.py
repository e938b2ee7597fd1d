"""What can go wrong between the gateway and MCP servers. Belongs here: errors with texts for people. Never: secrets."""


class McpUnusable(Exception):
    """MCP servers are configured that can't be used here. The text says what to do."""


class McpNotInstalled(McpUnusable):
    """The package that speaks their protocol is missing."""

    def __init__(self) -> None:
        super().__init__(
            "MCP servers are configured, but the packages `mcp` and `cryptography` are not installed; "
            "install it with: pip install 'aibridge[mcp]'"
        )


class TokensNotKept(McpUnusable):
    """A server wants a token of each user, and there is no place for tokens, or no key."""


class Unavailable(Exception):
    """A server can't be used now. The text says why, to follow "the MCP server"."""


class Refused(Unavailable):
    """The user's token is of no use any more, and will not be until it is set anew."""


class LoginFailed(Exception):
    """Nobody was logged in to a server. The text says why; nothing has changed."""
