"""The providers of a running gateway, and their exchange for those that the configuration names by now.

Belongs here: what is kept of the old ones, and who is told. Never: reading a configuration (`config_sources`), or a
request; those that run go on with the provider that they began with.
"""

import logging
from collections.abc import Callable, Sequence

import anyio
import anyio.to_thread
from attrs import evolve, fields

from aibridge_adapters.aws import AwsUnusable
from aibridge_adapters.compose_providers import provider_of
from aibridge_adapters.config import ProviderSettings, Settings
from aibridge_adapters.config_sources import ConfigError
from aibridge_adapters.http.rest import NotReloaded, ProviderInfo, Reloaded
from aibridge_core.breaker import Breakers
from aibridge_core.keys import KeyEvent
from aibridge_core.ports import Clock
from aibridge_core.providers.api import Provider
from aibridge_core.routing import Router

Reread = Callable[[], Settings]
"""Reads all sources again; may block. Raises ConfigError."""

_log = logging.getLogger("aibridge.providers")


class Providers:
    """The providers in force. Belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        breakers: Breakers,
        clock: Clock,
        tell: Callable[[KeyEvent], None],
        reread: Reread | None = None,
    ) -> None:
        """`tell` is told what happens to keys. Without `reread` nothing can be reloaded. Raises AwsUnusable."""
        self._settings = settings
        self._breakers = breakers
        self._clock = clock
        self._tell = tell
        self._reread = reread
        self._one_at_a_time = anyio.Lock()
        self.router = Router([self._made(each) for each in settings.providers])
        self.tried_at = self.succeeded_at = clock.now()
        """The last reload, and the last one that succeeded; the start counts as one."""
        self.followers: list[Callable[[Settings], None]] = []
        """Told the settings in force after each reload that succeeded; they don't fail."""

    @property
    def all(self) -> Sequence[Provider]:
        """In order of configuration."""
        return self.router.providers

    @property
    def infos(self) -> Sequence[ProviderInfo]:
        """What the REST API may know of them."""
        return [ProviderInfo(name=each.name, type=each.type) for each in self.all]

    async def reload(self) -> Reloaded:
        """Read the configuration again and go on with its providers. Raises NotReloaded, and then nothing changed."""
        async with self._one_at_a_time:
            self.tried_at = self._clock.now()
            try:
                return self._take_over(await self._read())
            except NotReloaded as error:
                _log.error("providers not reloaded, those in force stay", extra={"problems": list(error.problems)})
                raise

    async def _read(self) -> Settings:
        if self._reread is None:
            raise NotReloaded(["this gateway was given its settings by a program; there is nothing to read again"])
        try:
            return await anyio.to_thread.run_sync(self._reread)
        except ConfigError as error:
            raise NotReloaded(error.problems) from error

    def _take_over(self, settings: Settings) -> Reloaded:
        """No request can come between: nothing here waits. Raises NotReloaded."""
        old = {each.name: each for each in self._settings.providers}
        new = {each.name: each for each in settings.providers}
        kept = {each.name: each for each in self.all if _alike(new.get(each.name), old[each.name])}
        try:
            self.router.replace([kept.get(name) or self._made(each) for name, each in new.items()])
        except AwsUnusable as error:
            raise NotReloaded([str(error)]) from error
        for name in old.keys() - kept.keys():
            self._breakers.forget(name)
        done = Reloaded(
            providers=list(new),
            added=[name for name in new if name not in old],
            changed=[name for name in new if name in old and new[name] != old[name]],
            removed=[name for name in old if name not in new],
            needs_restart=_other_changes(self._settings, settings),
        )
        self._settings = evolve(self._settings, providers=settings.providers, dumps=settings.dumps)
        self.succeeded_at = self._clock.now()
        for follow in self.followers:
            follow(self._settings)
        _tell_log(done)
        return done

    def _made(self, settings: ProviderSettings) -> Provider:
        return provider_of(settings, clock=self._clock, ca_bundle=self._settings.ca_bundle, tell=self._tell)


def _alike(one: ProviderSettings | None, other: ProviderSettings) -> bool:
    """Whether they make the same provider. Looking at its exchanges is no reason to forget how its keys fare."""
    return one is not None and evolve(one, dump_dir=None) == evolve(other, dump_dir=None)


def _other_changes(old: Settings, new: Settings) -> list[str]:
    """Names of settings that differ and are read at the start only."""
    names = [each.name for each in fields(Settings) if each.name not in ("providers", "dumps")]
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def _tell_log(done: Reloaded) -> None:
    _log.info(
        "request bridge pool reloaded",
        extra={
            "provider_count": len(done.providers),
            "added": done.added,
            "changed": done.changed,
            "removed": done.removed,
        },
    )
    if done.needs_restart:
        _log.warning("other settings changed; they take effect at the next start", extra={"names": done.needs_restart})
