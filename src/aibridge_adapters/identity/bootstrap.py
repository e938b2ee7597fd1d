"""The administrator whom the bootstrap token stands for.

Belongs here: making that user when it is missing. Never: changing it when it is there: an administrator who was
demoted or suspended by hand stays so.
"""

from aibridge_adapters.identity.authenticator import BOOTSTRAP_USERNAME
from aibridge_core.actors import Role
from aibridge_core.identity import AlreadyExists, IdentityStore, User
from aibridge_core.ports import Clock, NewId


async def ensure_bootstrap_admin(identity: IdentityStore, clock: Clock, new_id: NewId) -> User:
    """The user `admin`, made with the role `admin` if there is none. Raises StoreUnavailable.

    Call it at start, when a bootstrap token is configured; several processes may do so at once.
    """
    if (user := await identity.find_user(BOOTSTRAP_USERNAME)) is not None:
        return user
    user = User(id=new_id(), username=BOOTSTRAP_USERNAME, name="Administrator", role=Role.ADMIN, created_at=clock.now())
    try:
        await identity.add_user(user)
    except AlreadyExists:
        return await identity.find_user(BOOTSTRAP_USERNAME) or user
    return user
