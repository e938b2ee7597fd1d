"""How an error of the file looks to whoever reads. Never: to a recorder, whose errors are others."""

from collections.abc import Iterator
from contextlib import contextmanager

from aibridge_core.errors import StoreUnavailable


@contextmanager
def unavailable() -> Iterator[None]:
    """No error of a library, here the operating system's, gets out of an adapter. Raises StoreUnavailable."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"the audit trail can't be used: {error}") from error
