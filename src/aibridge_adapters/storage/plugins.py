"""Storage adapters that other distributions bring: found by URL scheme among the installed entry points.

Belongs here: how a plugin is found, and what is said of one that can't be used. Never: a storage.

A distribution names its function under the entry point group `aibridge.storage`, the URL scheme being the name:

    [project.entry-points."aibridge.storage"]
    jsonl = "aibridge_jsonl:open_storage"

The function has the signature of `aibridge_adapters.storage.open_storage`. Plugins are looked for only when a URL has
a scheme that isn't bundled, so they cost nothing otherwise, and none can take the place of a bundled storage.
"""

import inspect
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import EntryPoint, entry_points

import attrs

from aibridge_adapters.storage.errors import StorageConfigError
from aibridge_adapters.storage.opened import Storage
from aibridge_core.ports import Clock

GROUP = "aibridge.storage"
BUNDLED = frozenset({"sqlite", "postgresql", "postgres"})
"""Schemes that no plugin can have."""

Opener = Callable[..., object]
"""As `aibridge_adapters.storage.open_storage`, as far as that can be told before it is called."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")  # RFC 3986, section 3.1; compared in lower case
_PORTS = tuple(port.name for port in attrs.fields(Storage) if port.default is attrs.NOTHING)


def plugin_schemes() -> Sequence[str]:
    """URL schemes that installed plugins serve, in order. No plugin is imported for it."""
    return sorted({scheme for point in entry_points(group=GROUP) if (scheme := _scheme(point))})


def open_with_plugin(scheme: str, url: str, *, clock: Clock, owner: str) -> AbstractAsyncContextManager[Storage] | None:
    """The storage that the plugin for `scheme` opens; None if there is no such plugin.

    Raises StorageConfigError if there are two, or one that can't be used, and whatever the plugin itself raises.
    """
    point = _find(scheme.lower())
    if point is None:
        return None
    opener = _load(point)
    opened = opener(url, clock=clock, owner=owner)
    if not isinstance(opened, AbstractAsyncContextManager):
        if inspect.iscoroutine(opened):
            opened.close()
        raise _unusable(
            point,
            f"it returned {_kind(opened)} instead of an asynchronous context; is @asynccontextmanager missing?",
        )
    return _checked(opened, point)


def _scheme(point: EntryPoint) -> str:
    """The scheme that an entry point is for; empty if it can't be for any."""
    scheme = point.name.lower()
    return scheme if _SCHEME.fullmatch(scheme) and scheme not in BUNDLED else ""


def _find(scheme: str) -> EntryPoint | None:
    found = [point for point in entry_points(group=GROUP) if scheme and _scheme(point) == scheme]
    if len(found) > 1:
        names = " and ".join(sorted(_name(point) for point in found))
        raise StorageConfigError(f"several storage plugins are for {scheme}://: {names}; uninstall all but one")
    return found[0] if found else None


def _load(point: EntryPoint) -> Opener:
    try:
        opener = point.load()
    except Exception as error:  # a plugin's module may raise anything
        raise _unusable(point, f"it can't be imported: {type(error).__name__}: {error}") from error
    if not callable(opener):
        raise _unusable(point, f"it names {_kind(opener)} instead of a function")
    try:
        inspect.signature(opener).bind("url", clock=None, owner="")
    except TypeError as error:
        raise _unusable(point, f"it can't be called as open_storage(url, clock=..., owner=...): {error}") from error
    return opener  # type: ignore[no-any-return]


@asynccontextmanager
async def _checked(opened: AbstractAsyncContextManager[Storage], point: EntryPoint) -> AsyncIterator[Storage]:
    async with opened as storage:
        missing = [port for port in _PORTS if not hasattr(storage, port)]
        if missing:
            raise _unusable(point, f"what it opened, {_kind(storage)}, has no {', '.join(missing)}")
        yield storage


def _unusable(point: EntryPoint, why: str) -> StorageConfigError:
    return StorageConfigError(f"the storage plugin {_name(point)} can't be used: {why}")


def _name(point: EntryPoint) -> str:
    """For an operator: what to look for in `pip list`, and for its author, what to look for in the code."""
    distribution = f" from the distribution {point.dist.name} {point.dist.version}" if point.dist else ""
    return f"{point.name} = {point.value}{distribution}"


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__qualname__}"
