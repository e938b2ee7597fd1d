"""Who may use the gateway: tokens, the authenticator of the bundled identity store, and the management of users."""

from aibridge_adapters.identity.authenticator import BOOTSTRAP_KEY_ID, BOOTSTRAP_USERNAME, StoredAuthenticator
from aibridge_adapters.identity.bootstrap import ensure_bootstrap_admin
from aibridge_adapters.identity.tokens import NewToken, new_token
from aibridge_adapters.identity.users import Users

__all__ = [
    "BOOTSTRAP_KEY_ID",
    "BOOTSTRAP_USERNAME",
    "NewToken",
    "StoredAuthenticator",
    "Users",
    "ensure_bootstrap_admin",
    "new_token",
]
