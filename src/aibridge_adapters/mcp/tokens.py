"""The token of one user for one server, in clear: in memory only, and only where it is used or set.

Belongs here: values. Never: keeping, sealing or sending them.
"""

from datetime import datetime

from attrs import field, frozen

from aibridge_core.tool_credentials import ToolCredential

NONE, SECRET_POST, SECRET_BASIC = "none", "client_secret_post", "client_secret_basic"
"""How a client is known to an authorization server (RFC 7591, section 2, token_endpoint_auth_method)."""


@frozen(kw_only=True)
class Renewal:
    """How a fresh token is got when one expires (RFC 6749, section 6)."""

    refresh_token: str = field(repr=False)
    endpoint: str
    """Token endpoint of the authorization server that gave the token."""
    client_id: str
    client_secret: str = field(default="", repr=False)
    client_auth: str = NONE
    resource: str = ""
    """For which server (RFC 8707); empty if the authorization server wasn't told."""


@frozen(kw_only=True)
class UserToken:
    """What is sealed."""

    text: str = field(repr=False)
    url: str
    """Of the server that it was given for; it is sent nowhere else."""
    renewal: Renewal | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that must show nowhere."""
        more = (self.renewal.refresh_token, self.renewal.client_secret) if self.renewal else ()
        return (self.text, *more)


@frozen(kw_only=True)
class Fresh:
    """A token as an authorization server gives it."""

    token: UserToken
    expires_at: datetime | None
    """None if it didn't say."""


@frozen(kw_only=True)
class Held:
    """A token that is kept, and how."""

    credential: ToolCredential
    token: UserToken
