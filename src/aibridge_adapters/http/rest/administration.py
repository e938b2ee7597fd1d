"""What admins may tell a running gateway.

Belongs here: who may, and the answers. Never: how it is done (`aibridge_adapters.reloading`).
"""

from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen
from starlette.responses import Response

from aibridge_adapters.http.rest import shapes
from aibridge_adapters.http.rest.operations import Call, Operation, json_response
from aibridge_adapters.http.rest.problems import Problem
from aibridge_core.actors import Role

UNUSABLE = "The configuration can't be used; the providers are those from before."


@frozen(kw_only=True)
class Reloaded:
    """Names of providers, after a reload."""

    providers: Sequence[str]
    """All, in order of configuration."""
    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]
    needs_restart: Sequence[str]
    """Other settings that differ from those in force; a reload leaves them as they are."""


class NotReloaded(Exception):
    """Everything is as before. `problems` says why, fit to be shown."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


Reload = Callable[[], Awaitable[Reloaded]]
"""Raises NotReloaded."""


async def nothing_to_reload() -> Reloaded:
    """For an API whose host exchanges its providers by itself."""
    raise NotReloaded(["the program that runs this gateway gives it no way to read its configuration again"])


@frozen
class Administration:
    """The operations on a gateway."""

    _reload: Reload

    def operations(self) -> Sequence[Operation]:
        """What the router serves of this."""
        return (
            Operation(
                name="reloadProviders",
                path="/admin/reload",
                method="POST",
                summary="Read the configuration again and go on with its providers",
                description="For admins. All of them are exchanged, or none; running requests go on with the old ones."
                " Reaches this gateway only, not others on the same database.",
                handler=self.reload,
                result=shapes.Reloaded,
                errors={409: UNUSABLE + " `validations` say why."},
            ),
        )

    async def reload(self, call: Call) -> Response:
        """All or nothing."""
        if call.actor.role is not Role.ADMIN:
            raise Problem(403, "Forbidden.", detail="Providers are reloaded by admins.")
        try:
            done = await self._reload()
        except NotReloaded as error:
            notes = [shapes.Validation(field="configuration", detail=problem) for problem in error.problems]
            raise Problem(409, UNUSABLE, validations=notes) from error
        return json_response(
            shapes.Reloaded(
                providers=list(done.providers),
                added=list(done.added),
                changed=list(done.changed),
                removed=list(done.removed),
                needs_restart=list(done.needs_restart),
            )
        )
