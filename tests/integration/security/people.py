"""Who asks in these tests: nobody, somebody with a wrong token, and one person of each role, with real tokens."""

from collections.abc import Mapping

from aibridge_core.actors import Role
from support.running import Running

NOBODY, STRANGER = "nobody", "stranger"
UNKNOWN = (NOBODY, STRANGER)
WRONG = "aib_" + "A" * 43
"""Well-formed, and nobody's."""


async def tokens(up: Running) -> Mapping[str, str]:
    """A token by role; empty for nobody, wrong for the stranger."""
    found = {NOBODY: "", STRANGER: WRONG, Role.MEMBER.value: up.token}
    for role in (Role.AUDITOR, Role.ADMIN):
        user = await up.gateway.users.create(f"the-{role.value}", role=role)
        found[role.value] = (await up.gateway.users.create_token(user.id, name="test")).text
    return found
